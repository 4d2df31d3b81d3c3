import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from io import BytesIO
from operator import attrgetter
from typing import Any, Final, TypeVar

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from app.adapters.cli.api_keys import ApiKeyServices
from app.adapters.cli.identity_services import IdentityServices
from app.adapters.cli.keys import KeyCommands
from app.adapters.cli.main import DatabaseCommands, Runtime, build_cli
from app.adapters.cli.range_units_services import RangeUnitsServices
from app.adapters.cli.shell import run
from app.adapters.exchanges.curated import read_table
from tests.application import MemoryApplication
from tests.builders import at

Answer = TypeVar("Answer")
VERSION: Final = "1.2.3"


class Program(MemoryApplication):
    """`tickgate` on memory adapters, seen as a shell sees it.

    Further controls: `on_serve` is what serving does beside being noted in
    `served`, `on_pause` what happens between two looks at the log;
    `revision` and `differences` are what the migrations say.
    """

    def __init__(self) -> None:
        super().__init__()
        self.served: list[dict[str, object]] = []
        self.on_serve: Callable[[], None] = lambda: None
        self.on_pause: Callable[[], None] = lambda: None
        self.migrated: list[str] = []
        self.revision = "0001"
        self.differences: list[str] = []
        self.keys = ["0001"]

    def run(self, *arguments: str, stdin: str | bytes = "", charset: str = "utf-8") -> "Ended":
        return in_thread(partial(STAGE.run, self.runtime(), arguments, stdin, charset))

    def with_range_units(self, use: Callable[[RangeUnitsServices], Awaitable[Answer]]) -> Answer:
        return in_thread(lambda: run(self._range_units, use))

    def runtime(self) -> Runtime:
        """Give what the commands call."""
        return Runtime(
            identity=self._identity,
            api_keys=self._api_keys,
            range_units=self._range_units,
            read_curated=read_table,
            vectors=lambda: "{}\n",
            serve=self._serve,
            database=DatabaseCommands(
                upgrade=lambda revision: self.migrated.append(f"up to {revision}"),
                downgrade=lambda revision: self.migrated.append(f"down to {revision}"),
                current=lambda: self.revision,
                check=lambda: self.differences,
            ),
            keys=KeyCommands(
                list=lambda: [(key_id, at(), key_id == max(self.keys)) for key_id in self.keys],
                rotate=self._rotate,
                remove=self.keys.remove,
            ),
            openapi=lambda: {"openapi": "3.1.0", "info": {"title": "Tickgate 틱게이트"}},
            version=VERSION,
        )

    @asynccontextmanager
    async def _identity(self) -> AsyncIterator[IdentityServices]:
        yield IdentityServices(
            users=self.users,
            login_log=self.login_log,
            imports=self.imports,
            resets=lambda: self.resets,
            upkeep=self.upkeep,
            pause=self._pause,
        )

    @asynccontextmanager
    async def _api_keys(self) -> AsyncIterator[ApiKeyServices]:
        yield ApiKeyServices(self.users, self.api_keys)

    @asynccontextmanager
    async def _range_units(self) -> AsyncIterator[RangeUnitsServices]:
        yield RangeUnitsServices(
            self.range_units,
            self.prices,
            self.history,
            changes=self.changes,
            sync=self.sync,
            sync_worker=lambda: self.sync_worker,
            pause=self._pause,
        )

    def _rotate(self) -> str:
        self.keys.insert(0, f"{len(self.keys) + 1:04}")
        return self.keys[0]

    async def _pause(self) -> None:
        self.on_pause()

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


class Stage:
    """One command line for all tests, which works with what the test at hand says.

    Its commands take longer to make than most of them take to run.
    """

    def __init__(self) -> None:
        # None yet, so that nothing of it can be needed to make the commands.
        self._runtime: Runtime
        played = Runtime(
            identity=self._played("identity"),
            api_keys=self._played("api_keys"),
            range_units=self._played("range_units"),
            read_curated=self._played("read_curated"),
            vectors=self._played("vectors"),
            serve=self._played("serve"),
            database=DatabaseCommands(
                upgrade=self._played("database.upgrade"),
                downgrade=self._played("database.downgrade"),
                current=self._played("database.current"),
                check=self._played("database.check"),
            ),
            keys=KeyCommands(
                list=self._played("keys.list"),
                rotate=self._played("keys.rotate"),
                remove=self._played("keys.remove"),
            ),
            openapi=self._played("openapi"),
            version=VERSION,
        )
        self._command = get_command(build_cli(played))

    def _played(self, part: str) -> Callable[..., Any]:
        """Give a call of a part of the runtime at hand, not of the one that is there now."""
        find = attrgetter(part)

        def call(*arguments: object, **options: object) -> Any:
            return find(self._runtime)(*arguments, **options)

        return call

    def run(
        self,
        runtime: Runtime,
        arguments: Sequence[str],
        stdin: str | bytes = "",
        charset: str = "utf-8",
    ) -> Ended:
        """Run a command in a shell of that charset, to its exit."""
        self._runtime = runtime
        with CliRunner(charset=charset).isolation(input=stdin) as (stdout, stderr, _):
            with pytest.raises(SystemExit) as ended:
                self._command.main(args=arguments, prog_name="tickgate")
            sys.stdout.flush()
            sys.stderr.flush()
            assert isinstance(ended.value.code, int)
            return Ended(ended.value.code, text(stdout, charset), text(stderr, charset))


def text(written: BytesIO, charset: str) -> str:
    return written.getvalue().decode(charset, "replace")


STAGE: Final = Stage()
