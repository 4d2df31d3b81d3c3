import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import typer
from typer.testing import CliRunner

from app.adapters.cli.identity import IdentityServices
from app.adapters.cli.main import DatabaseCommands, Runtime, build_cli
from app.adapters.cli.range_units import RangeUnitsServices
from app.adapters.cli.shell import run
from app.adapters.exchanges.coinone import CoinoneFormat
from app.adapters.exchanges.curated import read_table
from app.adapters.memory.identity import FastHasher, IdentityState, MemoryIdentityUnitOfWork
from app.adapters.memory.range_units import MemoryRangeUnitsUnitOfWork, RangeUnitsState
from app.adapters.memory.store import MemoryStore
from app.adapters.memory.system import SequentialIds, SequentialSecrets, SettableClock
from app.services.identity.user_login_log_service import UserLoginLogService
from app.services.identity.user_service import UserService
from app.services.range_units.price_service import PriceService
from app.services.range_units.range_units_service import RangeUnitsService

Answer = TypeVar("Answer")


class Program:
    """`tickgate` on memory adapters, seen as a shell sees it.

    Controls: the stores and the clock; `on_serve` is what serving does beside being noted in
    `served`; `revision` and `differences` are what the migrations say.
    """

    def __init__(self) -> None:
        self.clock = SettableClock()
        self.hasher = FastHasher()
        self.identity_store = MemoryStore(IdentityState())
        self.range_units_store = MemoryStore(RangeUnitsState())
        self.served: list[dict[str, object]] = []
        self.on_serve: Callable[[], None] = lambda: None
        self.migrated: list[str] = []
        self.revision = "0001"
        self.differences: list[str] = []
        self._ids = SequentialIds()

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
        result = CliRunner(charset=charset).invoke(
            self.cli(), arguments, input=stdin, prog_name="tickgate", catch_exceptions=False
        )
        return Ended(result.exit_code, result.stdout, result.stderr)

    def with_identity(self, use: Callable[[IdentityServices], Awaitable[Answer]]) -> Answer:
        return run(self._identity, use)

    def with_range_units(self, use: Callable[[RangeUnitsServices], Awaitable[Answer]]) -> Answer:
        return run(self._range_units, use)

    @asynccontextmanager
    async def _identity(self) -> AsyncIterator[IdentityServices]:
        def work() -> MemoryIdentityUnitOfWork:
            return MemoryIdentityUnitOfWork(self.identity_store)

        yield IdentityServices(
            users=UserService(
                uow=work,
                reading=work,
                hasher=self.hasher,
                clock=self.clock,
                ids=self._ids,
                secrets=SequentialSecrets(),
            ),
            login_log=UserLoginLogService(uow=work, reading=work, clock=self.clock, ids=self._ids),
        )

    @asynccontextmanager
    async def _range_units(self) -> AsyncIterator[RangeUnitsServices]:
        def work() -> MemoryRangeUnitsUnitOfWork:
            return MemoryRangeUnitsUnitOfWork(self.range_units_store)

        range_units = RangeUnitsService(
            uow=work,
            reading=work,
            formats={"coinone": CoinoneFormat()},
            clock=self.clock,
            ids=self._ids,
        )
        yield RangeUnitsServices(range_units, PriceService(range_units=range_units))

    def _serve(self, **how: object) -> None:
        self.served.append(how)
        self.on_serve()


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
