"""Locks of exchanges that all processes on one database share.

On Postgres a lock is an advisory one of a transaction that is kept open for it: the server frees it
when that transaction ends, as it does with its process; and a transaction, unlike a connection,
stays on one server also behind a pooler. On SQLite, whose processes are all on one
machine, it is the operating system's, on a file beside the database: the kernel frees it when the
process ends. Neither is a row, so neither has to be cleaned up, nor needs a clock.
"""

import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from hashlib import blake2b
from typing import Final

import anyio
from sqlalchemy import func, literal, select
from sqlalchemy.exc import SQLAlchemyError

from app.adapters.sql.database import AsyncDatabase
from app.adapters.sql.errors import domain_error
from app.adapters.sql.unit_of_work import run_to_end
from app.domain.errors import StoreUnavailable
from app.ports.range_units.locks import IsHeld, SyncLocks

_KEY_BYTES: Final = 8  # an advisory lock's name is a number of 64 bits


class SqlSyncLocks(SyncLocks):
    """The locks of a database."""

    def __init__(self, database: AsyncDatabase) -> None:
        self._database = database

    @asynccontextmanager
    async def hold(self, *, exchange: str) -> AsyncIterator[IsHeld | None]:
        """Take the lock in the way of the database at hand."""
        is_sqlite = self._database.url.get_backend_name() == "sqlite"
        hold = self._file_lock if is_sqlite else self._advisory_lock
        async with hold(exchange) as is_held:
            yield is_held

    @asynccontextmanager
    async def _advisory_lock(self, exchange: str) -> AsyncIterator[IsHeld | None]:
        lock = func.pg_try_advisory_xact_lock(_key(exchange))
        # The server ends a transaction that idles, and the lock with it.
        idling = func.set_config("idle_in_transaction_session_timeout", "0", literal(True))  # noqa: FBT003 - SQL's
        connection = self._database.engine.connect()
        try:
            try:
                await connection.start()
                await connection.execute(select(idling))
                taken = await connection.scalar(select(lock))
            except Exception as error:
                raise domain_error(error, {}) or error from error

            async def is_held() -> bool:
                try:
                    await connection.scalar(select(1))
                except (SQLAlchemyError, OSError):
                    return False
                return True

            yield is_held if taken else None
        finally:
            # Rolls back; where that fails, the pool drops the connection, which ends the lock too.
            with anyio.CancelScope(shield=True), suppress(SQLAlchemyError, OSError):
                await run_to_end(connection.close)

    @asynccontextmanager
    async def _file_lock(self, exchange: str) -> AsyncIterator[IsHeld | None]:
        path = f"{self._database.url.database}-sync-{exchange}"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreUnavailable(f"The lock of {exchange} cannot be used: {error}.") from error
        try:
            yield _is_held if _locked(descriptor) else None
        finally:
            os.close(descriptor)


async def _is_held() -> bool:
    """Tell that a lock of the operating system cannot be lost while its process lives."""
    return True


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _key(exchange: str) -> int:
    digest = blake2b(f"tickgate sync {exchange}".encode(), digest_size=_KEY_BYTES).digest()
    return int.from_bytes(digest, signed=True)
