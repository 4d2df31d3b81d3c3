"""Faults of the files of SQLite: the documented error, nothing half-written, the next one works."""

import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from sqlalchemy import event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from app.adapters.sql import schema
from app.adapters.sql.database import AsyncDatabase
from app.domain.errors import StoreUnavailable
from tests.integration.changes import (
    Change,
    Kind,
    Registration,
    Statement,
    error_of,
    is_kept,
    is_to_be_tried_again,
    it_is_refused_and_then_succeeds,
    make,
)
from tests.integration.server import (
    api_on,
    is_unavailable,
    log_in,
    opened_database,
    rows_of,
    url_of,
)

ON_SQLITE: Final = pytest.mark.parametrize("migrated_database", ["sqlite"], indirect=True)


@pytest.fixture(params=[Registration, Statement])
def kind(request: pytest.FixtureRequest) -> Kind:
    """Whose unit of work meets the fault: either area's."""
    kind: Kind = request.param
    return kind


@pytest.fixture
def change(kind: Kind) -> Change:
    return kind()


@pytest.fixture
async def embedded(new_sqlite_url: str) -> AsyncIterator[AsyncDatabase]:
    """A file without free pages; one connection, so that what is said to it holds."""
    async with opened_database(new_sqlite_url, pool_size=1) as database:
        event.listen(database.engine.sync_engine, "connect", do_not_wait)
        await schema.upgrade(database)
        yield database


def do_not_wait(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 0")
    cursor.close()


@contextmanager
def no_room() -> Iterator[None]:
    """Refuse what this process would write to files; SQLite calls that an I/O error."""
    usual, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (usual, most))


async def test_with_the_disk_full_in_a_statement_nothing_is_kept_and_the_next_one_works(
    embedded: AsyncDatabase, change: Change, kind: Kind
) -> None:
    async def fill_up(uow: Any) -> None:
        await uow.execute(text("PRAGMA max_page_count = 1"))  # no more than there are already
        for _ in range(1000):
            await kind().write(uow)

    assert is_to_be_tried_again(await error_of(make(change, embedded.sessions, then=fill_up)))
    assert not await is_kept(change, embedded)
    await rows_of(embedded, "PRAGMA max_page_count = 1000000")
    await make(change, embedded.sessions)
    assert await is_kept(change, embedded)


async def test_with_no_room_for_a_commit_nothing_is_kept_and_the_next_one_works(
    embedded: AsyncDatabase, change: Change
) -> None:
    async with change.work(embedded.sessions) as uow:
        await change.write(uow)
        with no_room():
            assert is_to_be_tried_again(await error_of(uow.commit()))
    assert not await is_kept(change, embedded)
    await make(change, embedded.sessions)
    assert await is_kept(change, embedded)


@ON_SQLITE
async def test_with_no_room_for_its_row_a_login_is_to_be_tried_again_and_then_succeeds(
    committed_database: AsyncDatabase, tmp_path: Path
) -> None:
    async with api_on(url_of(committed_database), tmp_path) as client:
        with no_room():
            refused = await log_in(client)
        assert is_unavailable(refused)
        assert await rows_of(committed_database, "SELECT * FROM login_attempts") == []
        assert (await log_in(client)).status_code == 200


async def test_a_writer_who_has_waited_long_enough_for_another_is_to_try_again(
    embedded: AsyncDatabase, change: Change
) -> None:
    async with opened_database(url_of(embedded)) as other, change.work(other.sessions):
        assert is_to_be_tried_again(await error_of(make(change, embedded.sessions)))
    assert not await is_kept(change, embedded)
    await make(change, embedded.sessions)
    assert await is_kept(change, embedded)


@ON_SQLITE
async def test_in_a_file_that_is_only_to_be_read_nothing_is_kept(
    committed_database: AsyncDatabase, change: Change
) -> None:
    url = f"sqlite+aiosqlite:///file:{committed_database.url.database}?mode=ro&uri=true"
    async with opened_database(url) as database:
        refused = make(change, database.sessions)
        await it_is_refused_and_then_succeeds(change, committed_database, refused=refused)


async def test_a_file_that_is_no_database_is_told_and_works_once_it_is_replaced(
    new_sqlite_url: str, change: Change
) -> None:
    async with opened_database(new_sqlite_url) as database:
        file = anyio.Path(str(database.url.database))
        await file.write_bytes(b"no database at all " * 1000)
        error = await error_of(make(change, database.sessions))
        assert isinstance(error, StoreUnavailable)
        assert (error.detail, error.retry_after) == (
            "The database cannot be used: file is not a database.",
            None,  # somebody has to do something about it
        )
        await file.unlink()
        await schema.upgrade(database)
        await make(change, database.sessions)
        assert await is_kept(change, database)


async def test_a_file_that_is_broken_is_told(new_sqlite_url: str, change: Change) -> None:
    async with opened_database(new_sqlite_url) as database:
        await schema.upgrade(database)
        await database.dispose()
        file = anyio.Path(str(database.url.database))
        content = await file.read_bytes()
        page = 4096
        await file.write_bytes(content[:page] + b"broken" * (len(content) // 6))
        error = await error_of(make(change, database.sessions))
    assert isinstance(error, StoreUnavailable)
    assert error.detail.startswith("The database cannot be used: database disk image is malformed")
