"""Units of work that are cancelled, at whatever moment, and those whose commit is refused."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest
from anyio import CancelScope, Event, create_task_group, fail_after, lowlevel, sleep_forever
from sqlalchemy import Connection, event, text
from sqlalchemy.pool import QueuePool

from app.adapters.sql.database import AsyncDatabase
from app.adapters.sql.identity.unit_of_work import SqlIdentityUnitOfWork
from app.adapters.sql.unit_of_work import run_to_end
from app.domain.errors import UnitOfWorkFailed
from app.domain.identity.errors import UnknownUser
from app.domain.identity.users import User
from tests.builders import a_session, a_user
from tests.cancellation import Mode, cancelled_at
from tests.integration.server import (
    BUSY,
    PATIENCE,
    TERMINATE_BUSY,
    eventually,
    is_quiet,
    opened_database,
    rows_of,
)

ON_POSTGRES = pytest.mark.parametrize("migrated_database", ["postgres"], indirect=True)
CANCELLATIONS = ["by its scope", "by its task"]
WAITING_FOR_A_LOCK = f"{BUSY} AND wait_event_type = 'Lock'"

Operation = Callable[[], Coroutine[Any, Any, None]]
Doom = Callable[[Operation], "Doomed"]


class Doomed:
    """An operation in a task of its own, never the test's, to be cancelled in either way."""

    def __init__(self, how: str, operation: Operation) -> None:
        self._by_scope = how == "by its scope"
        self._scope = CancelScope()
        self._task = asyncio.create_task(self._run(operation))

    async def _run(self, operation: Operation) -> None:
        with self._scope:
            await operation()
            # A cancellation that came too late for the operation shows where its caller goes on.
            await lowlevel.checkpoint()  # pragma: no cover - none does

    def cancel(self) -> None:
        if self._by_scope:
            self._scope.cancel()
        else:
            self._task.cancel()

    async def is_cancelled(self) -> bool:
        """Wait for its end; False if it ended as if nothing had happened."""
        with fail_after(PATIENCE):
            await asyncio.wait([self._task])
        if self._task.cancelled():
            return True
        self._task.result()
        return self._scope.cancelled_caught


@pytest.fixture
async def database(committed_database: AsyncDatabase) -> AsyncIterator[AsyncDatabase]:
    """The one that is worked on; `committed_database` looks at it from outside."""
    url = committed_database.url.render_as_string(hide_password=False)
    async with opened_database(url, pool_size=1) as database:
        yield database
    if committed_database.url.get_backend_name() == "postgresql":
        await rows_of(committed_database, TERMINATE_BUSY)  # or they were in the way of other tests


@pytest.fixture(params=CANCELLATIONS)
async def doom(
    request: pytest.FixtureRequest,
    database: AsyncDatabase,  # noqa: ARG001 - closed after the last operation has ended
) -> AsyncIterator[Doom]:
    """Begins operations that can be cancelled; none of them outlives the test."""
    doomed: list[Doomed] = []

    def begin(operation: Operation) -> Doomed:
        doomed.append(Doomed(request.param, operation))
        return doomed[-1]

    yield begin
    for one in doomed:
        one.cancel()
        with suppress(Exception):
            await one.is_cancelled()


def a_unit_of_work(database: AsyncDatabase) -> SqlIdentityUnitOfWork:
    return SqlIdentityUnitOfWork(database.sessions)


async def add(database: AsyncDatabase, user: User) -> None:
    async with a_unit_of_work(database) as uow:
        await uow.users.add(user=user)
        await uow.commit()


async def names(database: AsyncDatabase) -> set[str]:
    return {row.username for row in await rows_of(database, "SELECT username FROM users")}


async def nothing_is_left_of_it(database: AsyncDatabase, outside: AsyncDatabase) -> None:
    """Nothing is checked out, in a transaction or in the way of the next unit of work."""
    assert isinstance(database.engine.pool, QueuePool)
    assert database.engine.pool.checkedout() == 0
    await eventually(partial(is_quiet, outside), seconds=5)
    await add(database, a_user())


async def test_cancelled_before_its_statement_it_keeps_nothing(
    database: AsyncDatabase, committed_database: AsyncDatabase, doom: Doom
) -> None:
    begun = Event()

    async def operation() -> None:
        async with a_unit_of_work(database):
            begun.set()
            await sleep_forever()

    doomed = doom(operation)
    await begun.wait()
    doomed.cancel()
    assert await doomed.is_cancelled()
    assert await names(committed_database) == set()
    await nothing_is_left_of_it(database, committed_database)


async def test_cancelled_in_its_statement_it_keeps_nothing(
    database: AsyncDatabase, committed_database: AsyncDatabase, doom: Doom
) -> None:
    async def operation() -> None:
        async with a_unit_of_work(database) as uow:
            await uow.users.add(user=a_user())
            doomed.cancel()
            await uow.users.add(user=a_user())
            await uow.commit()  # pragma: no cover - if a cancellation were lost

    doomed = doom(operation)
    assert await doomed.is_cancelled()
    assert await names(committed_database) == set()
    await nothing_is_left_of_it(database, committed_database)


@ON_POSTGRES
async def test_cancelled_in_a_slow_statement_it_keeps_nothing_and_the_server_stops_working(
    database: AsyncDatabase, committed_database: AsyncDatabase, doom: Doom
) -> None:
    async def operation() -> None:
        async with a_unit_of_work(database) as uow:
            await uow.users.add(user=a_user())
            await uow.execute(text(f"SELECT pg_sleep({2 * PATIENCE})"))

    doomed = doom(operation)
    await eventually(partial(rows_of, committed_database, f"{BUSY} AND query LIKE '%pg_sleep%'"))
    doomed.cancel()
    assert await doomed.is_cancelled()
    assert await names(committed_database) == set()
    await nothing_is_left_of_it(database, committed_database)


async def waits_for_a_lock(database: AsyncDatabase) -> None:
    """SQLite shows nobody who waits: there, those who began have had the time for it."""
    if database.url.get_backend_name() == "sqlite":
        for _ in range(20):
            await names(database)
    else:
        await eventually(partial(rows_of, database, WAITING_FOR_A_LOCK))


async def test_cancelled_while_it_waits_for_another_it_keeps_nothing(
    database: AsyncDatabase, committed_database: AsyncDatabase, doom: Doom
) -> None:
    begun = Event()

    async def operation() -> None:
        begun.set()
        await add(database, a_user(username="wanted"))

    async with a_unit_of_work(committed_database) as holder:
        await holder.users.add(user=a_user(username="wanted"))
        doomed = doom(operation)
        await begun.wait()
        await waits_for_a_lock(committed_database)
        doomed.cancel()
        await lowlevel.checkpoint()
    assert await doomed.is_cancelled()
    assert await names(committed_database) == set()
    await nothing_is_left_of_it(database, committed_database)


@ON_POSTGRES
async def test_cancelled_while_it_waits_for_another_it_does_not_wait_on(
    database: AsyncDatabase, committed_database: AsyncDatabase, doom: Doom
) -> None:
    async with a_unit_of_work(committed_database) as holder:
        await holder.users.add(user=a_user(username="wanted"))
        doomed = doom(partial(add, database, a_user(username="wanted")))
        await eventually(partial(rows_of, committed_database, WAITING_FOR_A_LOCK))
        doomed.cancel()
        assert await doomed.is_cancelled()


async def test_cancelled_while_it_waits_for_a_connection_it_takes_none(
    database: AsyncDatabase, committed_database: AsyncDatabase, doom: Doom
) -> None:
    begun = Event()
    reading = partial(SqlIdentityUnitOfWork, database.read_sessions)

    async def operation() -> None:
        begun.set()
        await add(database, a_user())

    async with reading(), reading():  # all that the pool may open
        doomed = doom(operation)
        await begun.wait()
        doomed.cancel()
        assert await doomed.is_cancelled()
    assert await names(committed_database) == set()
    await nothing_is_left_of_it(database, committed_database)


class Gate:
    """A commit that came as far as the database is `reached`, and goes on once `opened`."""

    def __init__(self) -> None:
        self.reached = Event()
        self.opened = Event()

    def hold(self, connection: Connection) -> None:
        self.reached.set()
        driver: Any = connection.connection.dbapi_connection
        driver.run_async(lambda _: self.opened.wait())


@contextmanager
def gate_before_commits(database: AsyncDatabase) -> Iterator[Gate]:
    gate = Gate()
    event.listen(database.engine.sync_engine, "commit", gate.hold)
    try:
        yield gate
    finally:
        event.remove(database.engine.sync_engine, "commit", gate.hold)


async def test_cancelled_as_it_commits_it_ends_only_when_all_is_kept(
    database: AsyncDatabase, committed_database: AsyncDatabase, doom: Doom
) -> None:
    user = a_user()
    with gate_before_commits(database) as gate:
        doomed = doom(partial(add, database, user))
        await gate.reached.wait()
        for _ in range(3):
            doomed.cancel()
            await lowlevel.checkpoint()
        gate.opened.set()
        assert await doomed.is_cancelled()
    assert await names(committed_database) == {user.username}
    await nothing_is_left_of_it(database, committed_database)


@pytest.fixture
async def server_goes_on(committed_database: AsyncDatabase) -> AsyncIterator[Operation]:
    """The server stands still in every COMMIT after a user was added, until this is called."""
    async with committed_database.engine.connect() as connection:
        for statement in (
            "SELECT pg_advisory_lock(1)",
            """CREATE FUNCTION wait_for_lock() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END'""",
            """CREATE CONSTRAINT TRIGGER wait_at_commit AFTER INSERT ON users
            INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_for_lock()""",
        ):
            await connection.execute(text(statement))
        await connection.commit()

        async def go_on() -> None:
            await connection.execute(text("SELECT pg_advisory_unlock_all()"))
            await connection.commit()

        yield go_on
        await go_on()
        await connection.execute(text("DROP FUNCTION wait_for_lock CASCADE"))
        await connection.commit()


@ON_POSTGRES
async def test_cancelled_while_the_server_commits_it_ends_only_when_all_is_kept(
    database: AsyncDatabase,
    committed_database: AsyncDatabase,
    server_goes_on: Operation,
    doom: Doom,
) -> None:
    user = a_user()
    doomed = doom(partial(add, database, user))
    await eventually(partial(rows_of, committed_database, WAITING_FOR_A_LOCK))
    for _ in range(3):
        doomed.cancel()
        await lowlevel.checkpoint()
    await server_goes_on()
    assert await doomed.is_cancelled()
    assert await names(committed_database) == {user.username}
    await nothing_is_left_of_it(database, committed_database)


DEFERRING = {
    "sqlite": "PRAGMA defer_foreign_keys = ON",
    "postgresql": """ALTER TABLE sessions
        ALTER CONSTRAINT fk_sessions_user_id DEFERRABLE INITIALLY DEFERRED""",
}


async def commit_what_is_refused(database: AsyncDatabase) -> None:
    """Add a user, and a session of somebody unknown, which the database finds at the end."""
    async with a_unit_of_work(database) as uow:
        await uow.execute(text(DEFERRING[database.url.get_backend_name()]))
        await uow.users.add(user=a_user())
        await uow.sessions.add(session=a_session())
        await uow.commit()


async def test_a_commit_that_is_refused_says_why(database: AsyncDatabase) -> None:
    with pytest.raises(UnknownUser):
        await commit_what_is_refused(database)


async def test_a_commit_that_is_refused_keeps_nothing(
    database: AsyncDatabase, committed_database: AsyncDatabase
) -> None:
    with pytest.raises(UnknownUser):
        await commit_what_is_refused(database)
    assert await names(committed_database) == set()
    await nothing_is_left_of_it(database, committed_database)


async def test_cancelled_in_a_commit_that_is_refused_it_keeps_nothing(
    database: AsyncDatabase, committed_database: AsyncDatabase, doom: Doom
) -> None:
    with gate_before_commits(database) as gate:
        doomed = doom(partial(commit_what_is_refused, database))
        await gate.reached.wait()
        doomed.cancel()
        gate.opened.set()
        with suppress(UnknownUser):
            assert await doomed.is_cancelled()
    assert await names(committed_database) == set()
    await nothing_is_left_of_it(database, committed_database)


async def test_after_a_cancelled_statement_nothing_can_be_committed(
    database: AsyncDatabase,
) -> None:
    async with a_unit_of_work(database) as uow:
        await uow.users.add(user=a_user())
        with CancelScope() as scope:
            scope.cancel()
            await uow.users.add(user=a_user())
        with pytest.raises(UnitOfWorkFailed):
            await uow.commit()


async def test_what_runs_to_its_end_gives_its_result() -> None:
    async def operation() -> str:
        await lowlevel.checkpoint()
        return "done"

    assert await run_to_end(operation) == "done"


async def test_what_runs_to_its_end_raises_its_error() -> None:
    async def operation() -> None:
        await lowlevel.checkpoint()
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        await run_to_end(operation)


class Slow:
    """An operation that has `begun`, is let go on, and has then `ended`."""

    def __init__(self) -> None:
        self.begun = Event()
        self.let_go_on = Event()
        self.ended = False

    async def __call__(self) -> str:
        self.begun.set()
        await self.let_go_on.wait()
        await lowlevel.checkpoint()
        self.ended = True
        return "done"


@pytest.mark.parametrize("times", [1, 2, 5])
async def test_cancelled_however_often_it_runs_to_its_end_and_is_cancelled_then(
    times: int,
) -> None:
    slow = Slow()
    task = asyncio.create_task(run_to_end(slow))
    await slow.begun.wait()
    for _ in range(times):
        task.cancel()
        await lowlevel.checkpoint()
    assert not task.done()
    slow.let_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert slow.ended


async def test_cancelled_before_it_began_it_runs_to_its_end_all_the_same() -> None:
    slow = Slow()
    slow.let_go_on.set()
    with CancelScope() as scope:
        scope.cancel()
        await run_to_end(slow)
    assert slow.ended


async def test_cancelled_by_its_scope_it_runs_to_its_end_and_is_cancelled_then() -> None:
    slow = Slow()
    results = []

    async def caller() -> None:
        with CancelScope() as scope:
            scopes.append(scope)
            await run_to_end(slow)
        results.append((slow.ended, scope.cancelled_caught))

    scopes: list[CancelScope] = []
    task = asyncio.create_task(caller())
    await slow.begun.wait()
    scopes[0].cancel()
    await lowlevel.checkpoint()
    slow.let_go_on.set()
    await task
    assert results == [(True, True)]


async def test_cancelled_by_its_scope_it_is_not_woken_until_it_ends() -> None:
    # An anyio scope delivers its cancellation again and again: that would keep a core busy.
    slow = Slow()

    async def take_a_while() -> None:
        await slow.begun.wait()
        for _ in range(100):
            await lowlevel.checkpoint()
        slow.let_go_on.set()

    async with create_task_group() as tasks:
        tasks.start_soon(take_a_while)
        run = await cancelled_at(1, run_to_end(slow), mode=Mode.SCOPE)
    assert slow.ended
    assert run.suspensions < 10


async def test_cancelled_and_refused_it_is_cancelled() -> None:
    slow = Slow()

    async def operation() -> None:
        await slow()
        raise LookupError

    task = asyncio.create_task(run_to_end(operation))
    await slow.begun.wait()
    task.cancel()
    slow.let_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
