"""Transactions on the database: what both areas' SQL adapters run their statements through."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar, cast

import anyio
import anyio.lowlevel
from sqlalchemy import CursorResult, Executable
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from app.adapters.sql.database import Base, Sessions
from app.adapters.sql.errors import Violations, domain_error
from app.domain.errors import TickgateError, UnitOfWorkFailed

T = TypeVar("T")


async def run_to_end(operation: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run an operation to its end though its caller is cancelled, and deliver that after it.

    An anyio shield alone does not stop a task's own cancellation, and `asyncio.shield` alone
    leaves the operation behind; so it runs in a task of its own, which is waited for.
    """
    task = asyncio.create_task(operation())
    cancelled = await _end_of(task)
    if cancelled is not None:
        raise cancelled
    await anyio.lowlevel.checkpoint_if_cancelled()  # a scope's, which was held off meanwhile
    return task.result()


async def cancelled_once(operation: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run an operation that a cancellation reaches once, and wait until it has cleaned up.

    An anyio scope delivers its cancellation again at every await: also to a driver that is just
    telling the server to stop, so that the statement would go on there, with all its locks.
    """
    task = asyncio.create_task(operation())
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        task.cancel()
        await _end_of(task)
        raise
    return task.result()


async def _end_of(task: "asyncio.Task[T]") -> asyncio.CancelledError | None:
    """Wait for the end of a task, and give the cancellation that came meanwhile, if any did."""
    cancelled = None
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                cancelled = error
    if not task.cancelled():
        task.exception()  # looked at, or asyncio would report it as never retrieved
    return cancelled


class SqlTransaction:
    """One database transaction in one session.

    Errors become errors of the domain, `violations` telling what each constraint means. After an
    error, or a cancelled statement, nothing but leaving is possible, as Postgres has it.
    """

    violations: ClassVar[Violations] = {}

    def __init__(
        self, sessions: Sessions, *, committed: Callable[[], object] = lambda: None
    ) -> None:
        """Take what is to be called once something may have been committed."""
        self._session = sessions()
        self._committed = committed
        self.is_sqlite = self._session.get_bind().dialect.name == "sqlite"
        self._failed = False

    async def __aenter__(self) -> Self:
        """Take a connection, so that a database that is away shows here."""
        try:
            await cancelled_once(self._session.connection)
        except BaseException as error:
            await self._let_go()
            raise self._meaning(error) from error
        return self

    def check(self) -> None:
        """Raise `UnitOfWorkFailed` after an error; for calls that may execute nothing at all."""
        if self._failed:
            raise UnitOfWorkFailed("A statement before this one failed.")

    async def execute(
        self,
        statement: Executable,
        parameters: Mapping[str, Any] | list[dict[str, Any]] | None = None,
    ) -> CursorResult[Any]:
        """Run one statement; once for each of the parameters, where they are a list.

        What every login runs is a constant on a table, with its values as parameters: to put a
        statement together costs as much as to run it, and a mapped class as much again.
        """
        result = await self._run(partial(self._session.execute, statement, parameters))
        return cast("CursorResult[Any]", result)

    async def execute_for_each(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        """Run a statement in the driver's own words for each row of values of the driver's own."""

        async def run() -> None:
            connection = await self._session.connection()
            await connection.exec_driver_sql(statement, rows)

        await self._run(run)

    async def _run(self, statement: Callable[[], Coroutine[Any, Any, T]]) -> T:
        self.check()
        self._failed = True  # until the statement has ended well
        # SQLite cannot be stopped: its thread goes on with the statement, and a connection that is
        # given up meanwhile keeps its locks until the cursor, too, is collected.
        run = run_to_end if self.is_sqlite else cancelled_once
        try:
            result = await run(statement)
        except Exception as error:
            raise self._meaning(error) from error
        self._failed = False
        return result

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Fail this transaction where the block raises, as a refused statement would."""
        self.check()
        try:
            yield
        except TickgateError:
            self._failed = True
            raise

    def insert(self, table: type[Base]) -> "postgresql.Insert | sqlite.Insert":
        """Begin an INSERT in the dialect at hand, for its ON CONFLICT clause."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    async def commit(self) -> None:
        """Commit: to its end, even when cancelled."""
        self.check()
        try:
            await run_to_end(self._session.commit)
        except Exception as error:
            raise self._meaning(error) from error
        finally:
            self._committed()

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Roll back what was not committed, and give the connection back."""
        await self._let_go()

    async def _let_go(self) -> None:
        if not self._session.in_transaction():  # a commit has given the connection back
            return
        # What was committed stays so, and what was not is gone with its connection: a database
        # that breaks off now changes nothing for the caller, and the pool drops the connection.
        with suppress(SQLAlchemyError, OSError):
            await run_to_end(self._session.close)

    def _meaning(self, error: BaseException) -> BaseException:
        return domain_error(error, self.violations) or error
