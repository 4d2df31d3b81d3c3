"""Postgres behind a real PgBouncer, whose connections change with each transaction."""

from collections.abc import AsyncIterator, Iterator
from functools import partial

import pytest
from anyio import create_task_group
from sqlalchemy import URL, make_url, text

from app.adapters.sql import schema
from app.adapters.sql.database import AsyncDatabase
from app.adapters.sql.range_units.locks import SqlSyncLocks
from app.domain.errors import StoreUnavailable
from app.domain.identity.login_log import Client
from tests.application import PASSWORD
from tests.builders import an_exchange
from tests.integration.server import application_on, new_postgres_database, rows_of
from tests.pgbouncer import pgbouncer

pytestmark = pytest.mark.thorough

SERVERS = 3
CLIENTS = 12


@pytest.fixture(scope="module")
def bouncer(postgres_server_url: str) -> Iterator[URL]:
    with pgbouncer(postgres_server_url, servers=SERVERS) as url:
        yield url


@pytest.fixture
async def pooled_url(postgres_server_url: str, bouncer: URL) -> AsyncIterator[URL]:
    async with new_postgres_database(postgres_server_url) as url:
        yield bouncer.set(database=make_url(url).database)


@pytest.fixture
async def replicas(pooled_url: URL) -> AsyncIterator[list[AsyncDatabase]]:
    """Two, which together have more connections than PgBouncer has to the server."""
    replicas = [AsyncDatabase(pooled_url, pool_size=CLIENTS, pooled=True) for _ in range(2)]
    await schema.upgrade(replicas[0])
    yield replicas
    for each in replicas:
        await each.dispose()


async def test_many_clients_share_few_connections_and_none_gets_anothers_statement(
    replicas: list[AsyncDatabase],
) -> None:
    application = application_on(replicas[0])

    async def log_in(name: str) -> None:
        client = Client(ip="203.0.113.7", user_agent="bot", request_id=name)
        await application.users.create_user(username=name, password=PASSWORD)
        await application.auth.authenticate_user(username=name, password=PASSWORD, client=client)

    async with create_task_group() as tasks:
        for number in range(CLIENTS):
            tasks.start_soon(log_in, f"user-{number}")
    outcomes = await rows_of(replicas[0], "SELECT outcome, count(*) FROM login_attempts GROUP BY 1")
    assert list(map(tuple, outcomes)) == [("success", CLIENTS)]
    assert await rows_of(replicas[0], "SELECT name FROM pg_prepared_statements") == []


async def test_a_lock_is_held_while_other_transactions_come_and_go(
    replicas: list[AsyncDatabase],
) -> None:
    one, other = map(SqlSyncLocks, replicas)
    async with one.hold(exchange="coinone") as is_held:
        assert is_held is not None
        async with create_task_group() as tasks:
            for number in range(CLIENTS):
                tasks.start_soon(partial(rows_of, replicas[number % 2], "SELECT 1"))
        async with other.hold(exchange="coinone") as second:
            assert second is None
        assert await is_held()
    left = "SELECT pid FROM pg_locks WHERE locktype = 'advisory'"
    assert await rows_of(replicas[0], left) == []


async def test_each_transaction_is_bounded_and_leaves_no_bound_behind(
    replicas: list[AsyncDatabase],
) -> None:
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    asked = text("SELECT " + ", ".join(f"current_setting('{name}')" for name in names))
    async with replicas[0].engine.connect() as connection:
        [bounds] = await connection.execute(asked)
        assert tuple(bounds) == ("1min", "10s", "1min")
        await connection.rollback()
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        assert tuple(await raw.fetchrow(str(asked))) == ("0", "0", "0")


async def test_a_service_that_does_not_know_of_it_is_told_what_to_set(pooled_url: URL) -> None:
    database = AsyncDatabase(pooled_url)
    with pytest.raises(StoreUnavailable, match="TICKGATE_DATABASE_POOLER=transaction"):
        await application_on(database).range_units.put_exchange(exchange=an_exchange())
    await database.dispose()
