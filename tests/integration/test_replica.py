"""What is read from a replica, and what becomes of it while that is away.

Two databases that have nothing to do with each other show which of them was read.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.adapters.sql import schema
from app.adapters.sql.database import AsyncDatabase
from app.adapters.sql.replica import sessions_on_replica
from app.bootstrap.application import Application
from app.bootstrap.database import opened
from app.domain.identity.login_log import Client, FailReason, LoginLogFilter
from app.settings import Settings
from tests.builders import a_market, a_table, an_exchange
from tests.integration.proxy import Proxy
from tests.integration.server import (
    free_port,
    new_postgres_database,
    opened_database,
    url_of,
)

on_postgres = pytest.mark.parametrize("migrated_database", ["postgres"], indirect=True)


@pytest.fixture
async def replica(postgres_server_url: str) -> AsyncIterator[AsyncDatabase]:
    async with new_postgres_database(postgres_server_url) as url, opened_database(url) as database:
        await schema.upgrade(database)
        yield database


def settings_of(primary: AsyncDatabase, read_url: str, directory: Path) -> Settings:
    return Settings(
        database_url=SecretStr(url_of(primary)),
        read_database_url=SecretStr(read_url),
        data_dir=directory,
        bcrypt_cost=4,
    )


async def fill(application: Application, *, attempts: int) -> None:
    """Log so many attempts to log in, and state the range units of a market."""
    client = Client(ip="203.0.113.7", user_agent=None, request_id="1")
    for _ in range(attempts):
        await application.login_log.log_login_attempt(
            username="anybody", client=client, reason=FailReason.MALFORMED
        )
    await application.range_units.put_exchange(exchange=an_exchange())
    await application.range_units.put_range_units(
        market=a_market(), table=a_table(), source="an announcement"
    )


async def attempts_in(application: Application) -> int:
    return len(await application.login_log.search(matching=LoginLogFilter()))


@on_postgres
async def test_what_is_past_is_read_from_the_replica_and_what_is_asked_by_its_id_is_not(
    committed_database: AsyncDatabase, replica: AsyncDatabase, tmp_path: Path
) -> None:
    async with opened(settings_of(replica, url_of(replica), tmp_path)) as other:
        await fill(other, attempts=1)
        [elsewhere] = await other.history.history(market=a_market())
    async with opened(settings_of(committed_database, url_of(replica), tmp_path)) as application:
        await fill(application, attempts=2)
        units = await application.range_units.current(market=a_market())
        assert await attempts_in(application) == 1
        assert await application.history.history(market=a_market()) == [elsewhere]
        found, _ = await application.history.revision(revision_id=units.revision.id)
    assert found.revision == units.revision != elsewhere.revision


@on_postgres
async def test_while_the_replica_is_away_the_database_itself_is_read(
    committed_database: AsyncDatabase, tmp_path: Path
) -> None:
    away = committed_database.url.set(host="127.0.0.1", port=free_port())
    url = away.render_as_string(hide_password=False)
    async with opened(settings_of(committed_database, url, tmp_path)) as application:
        await fill(application, attempts=2)
        assert [await attempts_in(application) for _ in range(2)] == [2, 2]
        assert len(await application.history.history(market=a_market())) == 1


@on_postgres
@pytest.mark.parametrize(("away_seconds", "asked_again"), [(0, True), (600, False)])
async def test_a_replica_that_is_back_is_read_again_once_it_is_asked(
    committed_database: AsyncDatabase, away_seconds: int, *, asked_again: bool
) -> None:
    """The two are one database here, and are told apart by the way that leads to it."""
    proxy = Proxy(committed_database.url)
    async with opened_database(proxy.url) as replica:
        sessions = sessions_on_replica(replica, committed_database, away_seconds=away_seconds)

        async def is_read() -> bool:
            async with sessions() as session:
                return (await session.connection()).engine.sync_engine is replica.engine.sync_engine

        found = [await is_read()]
        await proxy.open()
        found.append(await is_read())
        proxy.close()
    assert found == [False, asked_again]
