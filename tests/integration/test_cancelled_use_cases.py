"""Every use case that writes, cancelled at each of its suspensions, on the databases."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Any, ClassVar, Protocol, cast

import asyncpg  # type: ignore[import-untyped]  # it has no stubs
import pytest
from anyio.lowlevel import checkpoint
from sqlalchemy import CursorResult, Table
from sqlalchemy.pool import QueuePool

from app.adapters.sql.database import AsyncDatabase
from app.adapters.sql.identity.unit_of_work import SqlIdentityUnitOfWork
from app.domain.errors import StoreUnavailable
from tests.application import FakedApplication, MemoryApplication, Works
from tests.cancellation import Mode
from tests.cancelled import Staged, wrongs
from tests.integration.server import BUSY, eventually, opened_database, rows_of, works_on
from tests.use_cases import USE_CASES, Call, UseCase

TABLES = AsyncDatabase.get_base().metadata.sorted_tables
DELETING = "; ".join(f"DELETE FROM {table.name}" for table in reversed(TABLES))  # noqa: S608 - our own names
SAVING = "; ".join(
    f"CREATE TEMPORARY TABLE saved_{table.name} AS SELECT * FROM {table.name}"  # noqa: S608 - our own names
    for table in TABLES
)
RESTORING = "; ".join(
    f"INSERT INTO {table.name} SELECT * FROM saved_{table.name}"  # noqa: S608 - our own names
    for table in TABLES
)


def every_row(as_json: str, column: str = "{}") -> str:
    """Write one query for all rows of all tables, in an order that is not the database's."""

    def selecting(table: Table) -> str:
        columns = ", ".join(column.format(each.name) for each in table.columns)
        return f"SELECT '{table.name}', CAST({as_json}({columns}) AS TEXT) FROM {table.name}"  # noqa: S608 - our own names

    selects = map(selecting, TABLES)
    return " UNION ALL ".join(selects) + " ORDER BY 1, 2"


class Outside(Protocol):
    """Somebody who looks on, over a connection of their own."""

    async def run(self, script: str) -> None:
        """Run statements that end with no semicolon, in a transaction."""
        ...

    async def rows(self) -> object:
        """Give every row that is committed."""
        ...

    async def is_quiet(self) -> bool:
        """Whether nobody else is in a statement or in a transaction."""
        ...


@dataclass
class OutsideSqlite:
    connection: sqlite3.Connection

    async def run(self, script: str) -> None:
        self.connection.executescript(f"BEGIN; {script}; COMMIT")

    async def rows(self) -> object:
        # SQLite's JSON holds no bytes.
        return self.connection.execute(every_row("json_array", "quote({})")).fetchall()

    async def is_quiet(self) -> bool:
        await checkpoint()
        try:
            self.connection.executescript("BEGIN IMMEDIATE; ROLLBACK")
        except sqlite3.OperationalError:
            return False
        return True


@dataclass
class OutsidePostgres:
    connection: asyncpg.Connection

    async def run(self, script: str) -> None:
        await self.connection.execute(f"DO $$ BEGIN {script}; END $$")

    async def rows(self) -> object:
        return [tuple(row) for row in await self.connection.fetch(every_row("json_build_array"))]

    async def is_quiet(self) -> bool:
        return not await self.connection.fetch(BUSY)


@asynccontextmanager
async def looking_on(database: AsyncDatabase) -> AsyncIterator[Outside]:
    url = database.url
    if url.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(url.database), timeout=0, isolation_level=None)) as file:
            file.execute("PRAGMA synchronous = OFF")  # nobody is to find what it deletes
            yield OutsideSqlite(file)
    else:
        server = url.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = await asyncpg.connect(server)
        yield OutsidePostgres(connection)
        await connection.close()


class SwitchedApplication(FakedApplication):
    """An application that can be told on which stores its next units of work are."""

    def __init__(self, works: Works) -> None:
        self.works = works

        def opening(kind: str) -> Callable[..., Any]:
            return lambda **options: getattr(self.works, kind)(**options)  # noqa: PLW0108 - the works of then, not of now

        super().__init__(Works(**{each.name: opening(each.name) for each in fields(Works)}))


@dataclass
class OnDatabase:
    application: SwitchedApplication
    database: AsyncDatabase
    pool: QueuePool
    outside: Outside
    prepared: set[str]
    """The use case whose rows are saved."""

    async def prepare(self, use_case: UseCase) -> Call:
        """Prepare on the database the first time, and then on memory beside the rows it left.

        Clock, ids, secrets and hasher end as they did, whichever the stores are: half of the time
        it takes to cancel a login with a code went into logging in again.
        """
        if use_case.name in self.prepared:
            await self.outside.run(f"{DELETING}; {RESTORING}")
            database = self.application.works
            self.application.works = MemoryApplication().works
            call = await use_case.prepare(self.application)
            self.application.works = database
            return call
        await self.outside.run(DELETING)
        call = await use_case.prepare(self.application)
        await self.outside.run(SAVING)
        self.prepared.add(use_case.name)
        return call

    async def rows(self) -> object:
        return await self.outside.rows()

    async def leaks(self) -> list[str]:
        found = ["keeps its connection"] if self.pool.checkedout() else []
        try:
            await eventually(self.outside.is_quiet, seconds=2)
        except TimeoutError:
            return [*found, "keeps its transaction"]
        if not found:  # asyncpg may still be telling the server to stop: it is waited for
            await rows_of(self.database, "SELECT 1")
        return found


Sets = Callable[[type[SqlIdentityUnitOfWork]], Staged]


@pytest.fixture
async def sets(committed_database: AsyncDatabase) -> AsyncIterator[Sets]:
    """Give stages on one database, whose one connection is used again by each."""
    url = committed_database.url.render_as_string(hide_password=False)
    async with (
        opened_database(url, pool_size=1) as database,
        looking_on(committed_database) as outside,
    ):
        pool = database.engine.pool
        assert isinstance(pool, QueuePool)

        def set_up(unit_of_work: type[SqlIdentityUnitOfWork]) -> Staged:
            works = works_on(database, unit_of_work)
            prepared: set[str] = set()

            @asynccontextmanager
            async def stage() -> AsyncIterator[OnDatabase]:
                yield OnDatabase(SwitchedApplication(works), database, pool, outside, prepared)

            return stage

        yield set_up


@pytest.fixture
def staged(sets: Sets) -> Staged:
    return sets(SqlIdentityUnitOfWork)


SOME = [use_case for use_case in USE_CASES if use_case.name in ("registration", "exchange")]


IN_EVERY_WAY = {"login", "refresh", "registration", "reply that replaces"}
BY_SCOPE = {
    *("login with a wrong password", "change of password", "redemption", "rotation", "import"),
    *("login with a recovery code", "upkeep of the login log", "bundled ladders", "amendment"),
}
SWEEPS = [
    pytest.param(
        kind,
        use_case,
        mode,
        id=f"{kind}-{use_case}-{mode.value}",
        marks=[]
        if use_case.name in IN_EVERY_WAY
        or (use_case.name in BY_SCOPE and (kind, mode) == ("postgres", Mode.SCOPE))
        else [pytest.mark.thorough],
    )
    for kind in ("sqlite", "postgres")
    for use_case in USE_CASES
    for mode in (Mode.EARLY, Mode.LATE, Mode.SCOPE)
]
"""Many use cases wait and write alike: the units of work do, whatever is written. One of each kind
is always struck on the databases (SQLite ends each statement in its thread, so that a few are
enough there); all of them are on memory, and in `make thorough` on both."""


@pytest.mark.parametrize(
    ("migrated_database", "use_case", "mode"), SWEEPS, indirect=["migrated_database"]
)
async def test_cancelled_anywhere_it_is_wholly_done_or_not_at_all(
    use_case: UseCase, mode: Mode, staged: Staged
) -> None:
    assert await wrongs(use_case, mode, staged, retries_each=False) == []


@pytest.mark.parametrize("use_case", SOME, ids=str)
async def test_cancelled_twice_it_is_wholly_done_or_not_at_all(
    use_case: UseCase, staged: Staged
) -> None:
    assert await wrongs(use_case, Mode.DOUBLE, staged, retries_each=False) == []


@pytest.mark.thorough
@pytest.mark.parametrize("use_case", USE_CASES, ids=str)
async def test_cancelled_twice_every_use_case_is_done_wholly_or_not(  # pragma: no cover - too long
    use_case: UseCase, staged: Staged
) -> None:
    assert await wrongs(use_case, Mode.DOUBLE, staged, retries_each=False) == []


DISABLING = next(use_case for use_case in USE_CASES if use_case.name == "disabling")


class Leaking(SqlIdentityUnitOfWork):
    """Pauses after its statements, and keeps its transaction when it is cancelled then."""

    kept: ClassVar[list[SqlIdentityUnitOfWork]] = []

    async def execute(self, *arguments: Any, **options: Any) -> CursorResult[Any]:
        result = await super().execute(*arguments, **options)
        await checkpoint()
        return result

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        if error_type is asyncio.CancelledError:
            self.kept.append(self)
        else:
            await super().__aexit__(error_type, error, traceback)


class Unguarded(SqlIdentityUnitOfWork):
    """Lets a scope cancel again whatever SQLAlchemy and the driver do to clean up."""

    async def execute(self, *arguments: Any, **options: Any) -> CursorResult[Any]:
        return cast("CursorResult[Any]", await self._session.execute(*arguments, **options))

    async def _let_go(self) -> None:
        await self._session.close()


class CommittingInBetween(SqlIdentityUnitOfWork):
    """Keeps what was written before its last statement at once."""

    async def execute(self, *arguments: Any, **options: Any) -> CursorResult[Any]:
        await self._session.commit()
        return await super().execute(*arguments, **options)


class Swallowing(SqlIdentityUnitOfWork):
    """Takes a cancellation for an error of the database."""

    async def execute(self, *arguments: Any, **options: Any) -> CursorResult[Any]:
        try:
            return await super().execute(*arguments, **options)
        except asyncio.CancelledError as error:
            raise StoreUnavailable("The database does not answer.") from error


class Forgetful(SqlIdentityUnitOfWork):
    """Begins something that it does not wait for."""

    async def commit(self) -> None:
        asyncio.create_task(asyncio.Event().wait())  # noqa: RUF006 - that it is lost is the fault
        await super().commit()


@pytest.mark.parametrize(
    ("planted", "mode", "told"),
    [
        (Leaking, Mode.EARLY, "keeps its transaction"),
        (Unguarded, Mode.SCOPE, "left tasks behind"),
        (CommittingInBetween, Mode.EARLY, "left ["),
        (Forgetful, Mode.EARLY, "left tasks behind"),
        (Swallowing, Mode.EARLY, "swallowed the cancellation"),
    ],
)
async def test_a_fault_that_is_planted_is_found(
    sets: Sets, planted: type[SqlIdentityUnitOfWork], mode: Mode, told: str
) -> None:
    before = asyncio.all_tasks()
    found = await wrongs(DISABLING, mode, sets(planted))
    while Leaking.kept:
        await SqlIdentityUnitOfWork.__aexit__(Leaking.kept.pop(), None, None, None)
    left_behind = asyncio.all_tasks() - before
    for task in left_behind:
        task.cancel()
    await asyncio.gather(*left_behind, return_exceptions=True)
    assert any(told in wrong for wrong in found), found
