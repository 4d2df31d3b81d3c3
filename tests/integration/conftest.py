"""Real databases: SQLite and Postgres, on the schema that the migrations make."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.adapters.sql import schema
from app.adapters.sql.database import AsyncDatabase
from tests.integration.server import empty, new_postgres_database, opened_database
from tests.postgres import postgres_server


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The drivers are asyncio's."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_server_url() -> Iterator[str]:
    """A server: found, brought along, or named by TEST_DATABASE_URL."""
    with postgres_server(os.environ) as url:
        yield url


@pytest.fixture(scope="session")
async def postgres_url(
    anyio_backend: str,  # noqa: ARG001 - asked for first, so that all share one event loop
    postgres_server_url: str,
) -> AsyncIterator[str]:
    """An empty database of our own, so that nothing on a server that is lent is touched."""
    async with new_postgres_database(postgres_server_url) as url:
        yield url


@pytest.fixture(scope="session")
async def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file: in memory there would be a database per connection."""
    return f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('sqlite') / 'tickgate.db'}"


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
async def migrated_database(
    anyio_backend: str,  # noqa: ARG001 - asked for first, so that all share one event loop
    request: pytest.FixtureRequest,
    sqlite_url: str,
    postgres_url: str,
) -> AsyncIterator[AsyncDatabase]:
    """A database whose schema the migrations made."""
    async with opened_database(
        sqlite_url if request.param == "sqlite" else postgres_url
    ) as database:
        await schema.upgrade(database)
        yield database


@pytest.fixture
async def committed_database(migrated_database: AsyncDatabase) -> AsyncIterator[AsyncDatabase]:
    """A database that is empty, and takes real commits on several connections."""
    yield migrated_database
    await empty(migrated_database)


@pytest.fixture
async def async_db_session(migrated_database: AsyncDatabase) -> AsyncIterator[AsyncSession]:
    """A session whose commits are undone after the test: they release savepoints only."""
    async with migrated_database.engine.connect() as connection:
        outer = await connection.begin()
        session = AsyncSession(connection, join_transaction_mode="create_savepoint")
        yield session
        await session.close()
        await outer.rollback()


@pytest.fixture
def new_sqlite_url(tmp_path: Path) -> str:
    """A file that is not there yet."""
    return f"sqlite+aiosqlite:///{tmp_path / 'new.db'}"
