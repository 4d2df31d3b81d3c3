"""Connections to Postgres that are lost while they are idle in the pool: nobody gets an error."""

from collections.abc import AsyncIterator
from functools import partial
from threading import Thread
from typing import Any

import anyio
import pytest
from anyio import lowlevel
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from app.adapters.sql.database import AsyncDatabase
from tests.integration.server import eventually, rows_of, url_of

pytestmark = pytest.mark.parametrize("migrated_database", ["postgres"], indirect=True)

# Waits until they are gone.
TERMINATE_OTHERS = """
    SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND backend_type = 'client backend'
"""


class Pooled:
    """A database with one connection, and what its driver has connected so far."""

    def __init__(self, url: str, idle_seconds: float) -> None:
        self.database = AsyncDatabase(url, pool_size=1, idle_seconds=idle_seconds)
        self.connected: list[Any] = []
        event.listen(self.database.engine.sync_engine, "connect", self._note)

    def _note(self, connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        self.connected.append(connection.driver_connection)

    async def answers(self) -> bool:
        return [tuple(row) for row in await rows_of(self.database, "SELECT 1")] == [(1,)]

    async def is_told(self) -> bool:
        await lowlevel.checkpoint()
        return bool(self.connected[0].is_closed())


@pytest.fixture
async def pooled(
    committed_database: AsyncDatabase, request: pytest.FixtureRequest
) -> AsyncIterator[Pooled]:
    pooled = Pooled(url_of(committed_database), request.param)
    assert await pooled.answers()
    yield pooled
    await pooled.database.dispose()


@pytest.mark.parametrize("pooled", [3600], indirect=True)
async def test_a_connection_that_the_server_has_closed_is_replaced(
    pooled: Pooled, committed_database: AsyncDatabase
) -> None:
    await rows_of(committed_database, TERMINATE_OTHERS)
    await eventually(pooled.is_told)
    assert await pooled.answers()


def end_others(url: str) -> None:
    """Do it while the loop of the test stands still, so that its driver learns nothing of it."""

    async def end() -> None:
        other = AsyncDatabase(url)
        await rows_of(other, TERMINATE_OTHERS)
        await other.dispose()

    thread = Thread(target=partial(anyio.run, end))
    thread.start()
    thread.join()


@pytest.mark.parametrize("pooled", [0], indirect=True)
async def test_a_connection_that_was_idle_is_asked_and_replaced_when_it_does_not_answer(
    pooled: Pooled,
) -> None:
    end_others(url_of(pooled.database))
    assert await pooled.answers()


@pytest.mark.parametrize("pooled", [0, 3600], indirect=True)
async def test_a_connection_that_lives_is_used_again(pooled: Pooled) -> None:
    assert await pooled.answers()
    assert len(pooled.connected) == 1
