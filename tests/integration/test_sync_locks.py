"""The lock of an exchange, between processes and against losses."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from anyio import sleep_forever
from sqlalchemy import text

from app.adapters.sql.database import AsyncDatabase
from app.adapters.sql.range_units.locks import SqlSyncLocks
from app.adapters.sql.range_units.unit_of_work import SqlRangeUnitsUnitOfWork
from app.domain.errors import StoreUnavailable
from app.domain.range_units.errors import SyncInProgress
from app.domain.range_units.jobs import JobState
from app.ports.range_units.locks import IsHeld
from app.services.range_units.sync_worker import SyncWorker
from tests.application import FakedApplication
from tests.builders import an_exchange
from tests.feeds import a_reply
from tests.integration.server import application_on, eventually, opened_database

HOLDER = """
import anyio, sys
from app.adapters.sql.database import AsyncDatabase
from app.adapters.sql.range_units.locks import SqlSyncLocks

async def hold():
    async with SqlSyncLocks(AsyncDatabase(sys.argv[1])).hold(exchange="coinone") as is_held:
        print(is_held is not None, flush=True)
        await anyio.sleep_forever()

anyio.run(hold)
"""


async def is_free(locks: SqlSyncLocks) -> bool:
    async with locks.hold(exchange="coinone") as is_held:
        return is_held is not None


async def is_lost(is_held: IsHeld) -> bool:
    return not await is_held()


def worker_of(application: FakedApplication, database: AsyncDatabase) -> SyncWorker:
    """Give what runs syncs as the service does: under the locks of the database."""
    return SyncWorker(
        uow=partial(SqlRangeUnitsUnitOfWork, database.sessions),
        range_units=application.range_units,
        feeds={"coinone": application.coinone},
        locks=SqlSyncLocks(database),
        clock=application.clock,
        pause=sleep_forever,
    )


async def test_the_lock_of_a_process_that_is_killed_is_free_again(
    committed_database: AsyncDatabase,
) -> None:
    url = committed_database.url.render_as_string(hide_password=False)
    locks = SqlSyncLocks(committed_database)
    with subprocess.Popen(  # noqa: ASYNC220, S603 - our own interpreter and our own lines
        [sys.executable, "-c", HOLDER, url], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert not await is_free(locks)
        holder.kill()
    await eventually(lambda: is_free(locks))


async def test_a_lock_whose_connection_the_server_ends_is_lost_and_says_so(
    committed_database: AsyncDatabase,
) -> None:
    """Where the kernel holds it, beside SQLite's file, there is nothing to be lost."""
    locks = SqlSyncLocks(committed_database)
    async with locks.hold(exchange="coinone") as is_held:
        assert is_held is not None
        if committed_database.engine.name == "postgresql":
            async with committed_database.engine.connect() as connection:
                await connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_locks"
                        " WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
                    )
                )
            await eventually(lambda: is_lost(is_held))
            assert await is_free(locks)
        else:
            assert await is_held()
    assert await is_free(locks)


async def test_of_two_replicas_one_syncs_an_exchange(committed_database: AsyncDatabase) -> None:
    url = committed_database.url.render_as_string(hide_password=False)
    async with opened_database(url) as other_database:
        one, other = application_on(committed_database), application_on(other_database)
        await one.range_units.put_exchange(exchange=an_exchange())
        one.coinone.replies = other.coinone.replies = {"KRW/BTC": [a_reply("1")]}
        job = await one.sync.start(exchange="coinone", requested_by="trader")
        async with SqlSyncLocks(other_database).hold(exchange="coinone"):
            with pytest.raises(SyncInProgress):
                await worker_of(one, committed_database).run(job=job)
        again = await other.sync.resume(job_id=job.id)
        last = await worker_of(other, other_database).run(job=again)
        report = await one.sync.job(job_id=job.id)
    assert (last.state, report.progress.counts.inserted) == (JobState.DONE, 1)


async def test_a_lock_that_cannot_be_had_is_a_store_that_is_away(tmp_path: Path) -> None:
    urls = [
        f"sqlite+aiosqlite:///{tmp_path / 'nowhere' / 'tickgate.db'}",
        "postgresql+asyncpg://u@127.0.0.1:1/d",
    ]
    for url in urls:
        async with opened_database(url) as database:
            with pytest.raises(StoreUnavailable):
                await is_free(SqlSyncLocks(database))
