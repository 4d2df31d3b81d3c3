"""Faults of the world: the documented error, nothing half-written, and the next one works."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from itertools import count
from typing import Any, Final

import pytest
from anyio import Event
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.pool import QueuePool

from app.adapters.sql.database import AsyncDatabase, Sessions
from app.adapters.sql.unit_of_work import SqlTransaction
from app.domain.errors import StoreUnavailable
from tests.contracts.races import all_at_once, race
from tests.integration.changes import (
    Change,
    Kind,
    Registration,
    Statement,
    Step,
    error_of,
    is_kept,
    is_to_be_tried_again,
    it_is_refused_and_then_succeeds,
    make,
)
from tests.integration.proxy import Moment, Proxy, Way, asked, done, number, proxy_to
from tests.integration.server import (
    eventually,
    is_quiet,
    opened_database,
    rows_of,
    url_of,
)

ON_POSTGRES: Final = pytest.mark.parametrize("migrated_database", ["postgres"], indirect=True)
ON_SQLITE: Final = pytest.mark.parametrize("migrated_database", ["sqlite"], indirect=True)
A_MOMENT: Final = 0.01  # seconds
SOON: Final = 10
"""Seconds after which a client would have gone."""


@pytest.fixture(params=[Registration, Statement])
def kind(request: pytest.FixtureRequest) -> Kind:
    """Whose unit of work meets the fault: either area's."""
    kind: Kind = request.param
    return kind


@pytest.fixture
def change(kind: Kind) -> Change:
    return kind()


# -- the way to Postgres -----------------------------------------------------------------------


@pytest.fixture
async def proxy(committed_database: AsyncDatabase) -> AsyncIterator[Proxy]:
    async with proxy_to(url_of(committed_database)) as proxy:
        yield proxy


@pytest.fixture
async def database(proxy: Proxy) -> AsyncIterator[AsyncDatabase]:
    """The database through the proxy, on a connection that is there already."""
    async with opened_database(proxy.url, pool_size=1) as database:
        await rows_of(database, "SELECT 1")
        yield database


@ON_POSTGRES
async def test_refused_a_connection_nothing_is_kept_and_the_next_one_works(
    proxy: Proxy, database: AsyncDatabase, committed_database: AsyncDatabase, change: Change
) -> None:
    proxy.close()
    assert is_to_be_tried_again(await error_of(make(change, database.sessions)))
    assert not await is_kept(change, committed_database)
    await proxy.open()
    await make(change, database.sessions)
    assert await is_kept(change, committed_database)


@ON_POSTGRES
async def test_reset_in_a_statement_nothing_is_kept_and_the_next_one_works(
    proxy: Proxy, database: AsyncDatabase, change: Change
) -> None:
    proxy.cut_when(asked(change.first_write))
    refused = make(change, database.sessions)
    await it_is_refused_and_then_succeeds(change, database, refused=refused)


@ON_POSTGRES
async def test_reset_before_its_commit_arrives_nothing_is_kept_and_the_same_again_is(
    proxy: Proxy, database: AsyncDatabase, change: Change
) -> None:
    proxy.cut_when(asked("COMMIT"))
    refused = make(change, database.sessions)
    await it_is_refused_and_then_succeeds(change, database, refused=refused)


@ON_POSTGRES
async def test_reset_after_its_commit_all_is_kept_and_the_same_again_is_a_duplicate(
    proxy: Proxy, database: AsyncDatabase, committed_database: AsyncDatabase, change: Change
) -> None:
    proxy.cut_when(done("COMMIT"))
    assert is_to_be_tried_again(await error_of(make(change, database.sessions)))
    assert await is_kept(change, committed_database)
    assert isinstance(await error_of(make(change, database.sessions)), change.again)


@ON_POSTGRES
@pytest.mark.parametrize("way", Way)
async def test_reset_at_any_message_it_is_wholly_there_or_wholly_gone_and_stays_so(
    proxy: Proxy, database: AsyncDatabase, committed_database: AsyncDatabase, kind: Kind, way: Way
) -> None:
    unsure = []
    for place in count(1):
        change = kind()
        await rows_of(database, "SELECT 1")  # by a connection that is there already
        proxy.cut_when(number(place, way))
        error = await error_of(make(change, database.sessions))
        kept = await is_kept(change, committed_database)
        assert kept if error is None else is_to_be_tried_again(error), place
        if error is not None and kept:
            unsure.append(place)
        if proxy.waits:
            break
        again = await error_of(make(change, database.sessions))
        assert isinstance(again, change.again) if kept else again is None, place
    assert error is None
    # Only who did not hear of the commit does not know.
    assert len(unsure) == (way is Way.BACK)
    assert place > len(change.whole) + 1


# What silence swallows, what then comes of that, and whether the change is kept in the end. Late is
# what the network still had, and delivers although nobody waits for its answer any more.
SILENCES: Final = {
    "a statement": (asked("INSERT INTO users"), "is lost", False),
    "a commit, which is lost": (asked("COMMIT"), "is lost", False),
    "a commit, which is late": (asked("COMMIT"), "is late", True),
    "the answer to a commit": (done("COMMIT"), "is lost", True),
}


def shorten(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
    """Make the bounds of a connection, which are for real networks, last half a second or so."""
    parameters["command_timeout"] /= 130
    parameters["timeout"] /= 10


@ON_POSTGRES
@pytest.mark.parametrize(("moment", "then", "kept"), SILENCES.values(), ids=SILENCES.keys())
async def test_a_server_that_answers_nothing_is_not_waited_for_and_the_next_one_works(
    proxy: Proxy,
    committed_database: AsyncDatabase,
    moment: Moment,
    then: str,
    *,
    kept: bool,
) -> None:
    change = Registration()
    async with opened_database(proxy.url, pool_size=1) as database:
        event.listen(database.engine.sync_engine, "do_connect", shorten)
        proxy.hold_up_when(moment)
        assert is_to_be_tried_again(await error_of(make(change, database.sessions)))
        if then == "is lost":
            proxy.cut()
        await proxy.open()
        await make(Registration(), database.sessions)
    await eventually(partial(is_quiet, committed_database))
    assert await is_kept(change, committed_database) is kept


# -- too much at once --------------------------------------------------------------------------


async def test_without_a_free_connection_nothing_is_kept_and_the_next_one_works(
    committed_database: AsyncDatabase, change: Change
) -> None:
    url = committed_database.url
    engine = create_async_engine(url, pool_size=1, max_overflow=0, pool_timeout=A_MOMENT)
    sessions = async_sessionmaker(engine)
    async with SqlTransaction(sessions):
        assert is_to_be_tried_again(await error_of(make(change, sessions)))
    assert not await is_kept(change, committed_database)
    await make(change, sessions)
    assert await is_kept(change, committed_database)
    await engine.dispose()


def test_a_free_connection_is_not_waited_for_longer_than_a_client_waits() -> None:
    pool = AsyncDatabase("sqlite+aiosqlite:///nowhere.db").engine.pool
    assert isinstance(pool, QueuePool)
    assert 0 < pool.timeout() < SOON


@pytest.fixture
async def made(committed_database: AsyncDatabase, kind: Kind) -> tuple[Change, Change]:
    """Two changes of before, to be held and altered by others."""
    changes = kind(), kind()
    for change in changes:
        await make(change, committed_database.sessions)
    return changes


@ON_POSTGRES
async def test_of_two_that_wait_for_each_other_one_is_to_try_again_and_the_other_commits(
    committed_database: AsyncDatabase, kind: Kind, made: tuple[Change, Change]
) -> None:
    has_held = [Event(), Event()]
    through: list[Change] = []
    refused: list[Change] = []

    async def hold_both(place: int) -> None:
        async def cross(uow: Any) -> None:
            await made[place].hold(uow)
            has_held[place].set()
            await has_held[1 - place].wait()
            await made[1 - place].hold(uow)

        change = kind()
        error = await error_of(make(change, committed_database.sessions, then=cross))
        assert error is None or is_to_be_tried_again(error)
        (through if error is None else refused).append(change)

    await all_at_once(partial(hold_both, 0), partial(hold_both, 1))
    [kept], [gone] = through, refused
    assert await is_kept(kept, committed_database)
    assert not await is_kept(gone, committed_database)
    await make(gone, committed_database.sessions)
    assert await is_kept(gone, committed_database)


@ON_SQLITE
async def test_on_sqlite_who_would_hold_the_same_in_another_order_just_waits(
    committed_database: AsyncDatabase, made: tuple[Change, Change]
) -> None:
    one, other = made

    async def last(uow: Any) -> None:
        await other.hold(uow)
        await uow.commit()

    async def second(uow: Any) -> None:
        await other.hold(uow)
        await one.hold(uow)
        await uow.commit()

    work = partial(one.work, committed_database.sessions)
    through = await race(work, first=one.hold, meanwhile=one.hold, last=last, second=second)
    assert through == ["first", "second"]


# -- what Postgres refuses ---------------------------------------------------------------------


def isolated(database: AsyncDatabase, level: str) -> Sessions:
    return async_sessionmaker(database.engine.execution_options(isolation_level=level))


@ON_POSTGRES
async def test_a_statement_that_cannot_be_serialized_is_to_be_tried_again(
    committed_database: AsyncDatabase, change: Change, made: tuple[Change, Change]
) -> None:
    async def overtaken(uow: Any) -> None:
        await make(type(change)(), committed_database.sessions, then=made[0].alter)
        await made[0].alter(uow)

    refused = make(change, isolated(committed_database, "REPEATABLE READ"), then=overtaken)
    await it_is_refused_and_then_succeeds(change, committed_database, refused=refused)


@ON_POSTGRES
async def test_a_commit_that_cannot_be_serialized_is_to_be_tried_again(
    committed_database: AsyncDatabase, change: Change, made: tuple[Change, Change]
) -> None:
    sessions = isolated(committed_database, "SERIALIZABLE")
    first = type(change)()

    def looks_and_alters(one: Change, *, then: Callable[[], Awaitable[None]] | None = None) -> Step:
        async def run(uow: Any) -> None:
            await one.look_at_all(uow)
            await one.alter(uow)
            if then is not None:
                await then()

        return run

    meanwhile = partial(make, first, sessions, then=looks_and_alters(made[0]))
    refused = make(change, sessions, then=looks_and_alters(made[1], then=meanwhile))
    await it_is_refused_and_then_succeeds(change, committed_database, refused=refused)
    assert await is_kept(first, committed_database)


SQLSTATES: Final = {
    "connection failure": "08006",
    "read-only transaction": "25006",
    "serialization failure": "40001",
    "deadlock detected": "40P01",
    "disk full": "53100",
    "out of memory": "53200",
    "too many connections": "53300",
    "lock not available": "55P03",
    "statement timeout": "57014",
    "admin shutdown": "57P01",
    "input or output error": "58030",
}


async def fail_now(uow: Any, *, sqlstate: str) -> None:
    await uow.execute(text(f"DO $$ BEGIN RAISE 'on purpose' USING ERRCODE = '{sqlstate}'; END $$"))


async def fail_at_commit(uow: Any, *, sqlstate: str) -> None:
    for statement in (
        "CREATE TEMPORARY TABLE doomed (sqlstate text) ON COMMIT DROP",
        """CREATE FUNCTION pg_temp.fail() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE 'on purpose' USING ERRCODE = NEW.sqlstate; END $$""",
        """CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON doomed
        INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pg_temp.fail()""",
        f"INSERT INTO doomed VALUES ('{sqlstate}')",  # noqa: S608 - our own words
    ):
        await uow.execute(text(statement))


@ON_POSTGRES
@pytest.mark.parametrize("fails", [fail_now, fail_at_commit])
@pytest.mark.parametrize("sqlstate", SQLSTATES.values(), ids=SQLSTATES.keys())
async def test_what_postgres_cannot_do_for_now_is_to_be_tried_again(
    committed_database: AsyncDatabase, fails: Callable[..., Awaitable[None]], sqlstate: str
) -> None:
    change = Registration()
    refused = make(change, committed_database.sessions, then=partial(fails, sqlstate=sqlstate))
    await it_is_refused_and_then_succeeds(change, committed_database, refused=refused)


@ON_POSTGRES
async def test_a_transaction_that_was_idle_for_too_long_is_to_be_tried_again(
    committed_database: AsyncDatabase, change: Change
) -> None:
    async def idle(uow: Any) -> None:
        [[process]] = await uow.execute(text("SELECT pg_backend_pid()"))
        await uow.execute(text("SET LOCAL idle_in_transaction_session_timeout = 1"))
        query = "SELECT pid FROM pg_stat_activity WHERE pid = :process"

        async def is_gone() -> bool:
            return not await rows_of(committed_database, query, process=process)

        await eventually(is_gone)

    refused = make(change, committed_database.sessions, then=idle)
    await it_is_refused_and_then_succeeds(change, committed_database, refused=refused)


@ON_POSTGRES
async def test_files_of_postgres_that_are_broken_are_told(
    committed_database: AsyncDatabase, change: Change
) -> None:
    refused = make(change, committed_database.sessions, then=partial(fail_now, sqlstate="XX001"))
    error = await error_of(refused)
    assert isinstance(error, StoreUnavailable)
    assert (error.detail, error.retry_after) == (
        "The database cannot be used: on purpose.",
        None,  # somebody has to do something about it
    )
