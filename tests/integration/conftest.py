"""Real databases: SQLite and Postgres, on the schema that the migrations make."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import delete, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from app.adapters.sql import schema
from app.adapters.sql.database import AsyncDatabase
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
    name = f"tickgate_test_{uuid4().hex}"
    engine = create_async_engine(postgres_server_url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
        yield make_url(postgres_server_url).set(database=name).render_as_string(False)
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await engine.dispose()


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
    database = AsyncDatabase(sqlite_url if request.param == "sqlite" else postgres_url)
    if request.param == "sqlite":
        event.listen(database.engine.sync_engine, "connect", _turn_around)
    await schema.upgrade(database)
    yield database
    await database.dispose()


def _turn_around(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    """Give rows backwards where no order is asked for, so that nothing leans on one."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA reverse_unordered_selects = ON")
    cursor.close()


@pytest.fixture
async def committed_database(migrated_database: AsyncDatabase) -> AsyncIterator[AsyncDatabase]:
    """A database that is empty, and takes real commits on several connections."""
    yield migrated_database
    tables = reversed(AsyncDatabase.get_base().metadata.sorted_tables)
    statements = [str(delete(table)) for table in tables]
    async with migrated_database.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            statements = [f"DO $$ BEGIN {'; '.join(statements)}; END $$"]
        for statement in statements:
            await connection.execute(text(statement))


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
