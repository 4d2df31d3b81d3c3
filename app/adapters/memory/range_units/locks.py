"""Locks of exchanges in memory: verified stand-ins for the database's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio.lowlevel import checkpoint

from app.ports.range_units.locks import IsHeld, SyncLocks


class MemorySyncLocks(SyncLocks):
    """Locks that those share who share this object.

    A control for tests: `lose` takes a lock away, as a broken connection does.
    """

    def __init__(self) -> None:
        self.holders: dict[str, object] = {}

    def lose(self, exchange: str) -> None:
        """Take the lock of an exchange away from whoever holds it."""
        del self.holders[exchange]

    @asynccontextmanager
    async def hold(self, *, exchange: str) -> AsyncIterator[IsHeld | None]:
        """Note who holds it."""
        await checkpoint()
        if exchange in self.holders:
            yield None
            return
        holder = self.holders[exchange] = object()

        async def is_held() -> bool:
            await checkpoint()
            return self.holders.get(exchange) is holder

        try:
            yield is_held
        finally:
            if self.holders.get(exchange) is holder:
                del self.holders[exchange]
