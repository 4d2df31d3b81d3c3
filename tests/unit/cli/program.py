import json
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import typer
from typer.testing import CliRunner

from app.adapters.cli.identity import IdentityServices
from app.adapters.cli.main import DatabaseCommands, Runtime, build_cli
from app.adapters.cli.range_units import RangeUnitsServices
from app.adapters.cli.shell import run
from app.adapters.exchanges.curated import read_table
from tests.application import MemoryApplication

Answer = TypeVar("Answer")


class Program(MemoryApplication):
    """`tickgate` on memory adapters, seen as a shell sees it.

    Further controls: `on_serve` is what serving does beside being noted in
    `served`; `revision` and `differences` are what the migrations say.
    """

    def __init__(self) -> None:
        super().__init__()
        self.served: list[dict[str, object]] = []
        self.on_serve: Callable[[], None] = lambda: None
        self.migrated: list[str] = []
        self.revision = "0001"
        self.differences: list[str] = []

    def cli(self) -> typer.Typer:
        return build_cli(
            Runtime(
                identity=self._identity,
                range_units=self._range_units,
                read_curated=read_table,
                serve=self._serve,
                database=DatabaseCommands(
                    upgrade=lambda revision: self.migrated.append(f"up to {revision}"),
                    downgrade=lambda revision: self.migrated.append(f"down to {revision}"),
                    current=lambda: self.revision,
                    check=lambda: self.differences,
                ),
                openapi=lambda: {"openapi": "3.1.0", "info": {"title": "Tickgate 틱게이트"}},
                version="1.2.3",
            )
        )

    def run(self, *arguments: str, stdin: str | bytes = "", charset: str = "utf-8") -> "Ended":
        invoke = partial(CliRunner(charset=charset).invoke, self.cli(), arguments)
        result = in_thread(
            partial(invoke, input=stdin, prog_name="tickgate", catch_exceptions=False)
        )
        return Ended(result.exit_code, result.stdout, result.stderr)

    def with_identity(self, use: Callable[[IdentityServices], Awaitable[Answer]]) -> Answer:
        return in_thread(lambda: run(self._identity, use))

    def with_range_units(self, use: Callable[[RangeUnitsServices], Awaitable[Answer]]) -> Answer:
        return in_thread(lambda: run(self._range_units, use))

    @asynccontextmanager
    async def _identity(self) -> AsyncIterator[IdentityServices]:
        yield IdentityServices(self.users, self.login_log)

    @asynccontextmanager
    async def _range_units(self) -> AsyncIterator[RangeUnitsServices]:
        yield RangeUnitsServices(self.range_units, self.prices)

    def _serve(self, **how: object) -> None:
        self.served.append(how)
        self.on_serve()


def in_thread(call: Callable[[], Answer]) -> Answer:
    """Call what runs an event loop; pytest's own, of the integration tests, stays this thread's."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(call).result()


class Ended:
    """How a run of the program ended."""

    def __init__(self, exit_code: int, stdout: str, stderr: str) -> None:
        self.exit_code = exit_code
        self.stdout = stdout
        self.stderr = stderr

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.stdout)

    @property
    def rows(self) -> list[list[str]]:
        """The words of each line on standard output."""
        return [line.split() for line in self.stdout.splitlines()]
