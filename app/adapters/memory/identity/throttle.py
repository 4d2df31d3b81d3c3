from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from app.adapters.memory.identity.state import IdentityState, TakenSlot
from app.adapters.memory.store import MemoryTransaction
from app.domain.identity.storage import check_throttle_keys
from app.domain.identity.throttle import Slot, Taken
from app.ports.identity.throttle import Throttle


class MemoryThrottle(Throttle):
    """The slots of a `MemoryStore`."""

    def __init__(self, transaction: MemoryTransaction[IdentityState]) -> None:
        self._transaction = transaction

    async def hold(self, *, keys: Collection[str]) -> None:
        """Become the writer: there is one at a time."""
        async with self._transaction.statement(writes=True):
            check_throttle_keys(keys)

    async def taken(
        self, *, keys: Collection[str], now: datetime, pending_since: datetime
    ) -> dict[str, Taken]:
        """Count the slots of each key."""
        async with self._transaction.statement() as rows:
            check_throttle_keys(keys)
            counted = [slot for slot in rows.slots.values() if slot.expires_at > now]
            return {
                key: _taken([slot for slot in counted if slot.key == key], pending_since)
                for key in keys
            }

    async def take(self, *, guess_id: UUID, slots: Collection[Slot], at: datetime) -> None:
        """Keep them, pending."""
        async with self._transaction.statement(writes=True) as rows:
            check_throttle_keys([slot.key for slot in slots])
            for slot in slots:
                taken = TakenSlot(slot.key, slot.expires_at, at, pending=True)
                rows.slots[guess_id, slot.key, slot.expires_at] = taken

    async def keep(self, *, guess_id: UUID, slots: Collection[Slot]) -> None:
        """Mark them."""
        async with self._transaction.statement(writes=True) as rows:
            check_throttle_keys([slot.key for slot in slots])
            for slot in slots:
                known = rows.slots.get((guess_id, slot.key, slot.expires_at))
                if known is not None:
                    kept = replace(known, pending=False)
                    rows.slots[guess_id, slot.key, slot.expires_at] = kept

    async def give_back(self, *, guess_id: UUID, slots: Collection[Slot]) -> None:
        """Forget them."""
        async with self._transaction.statement(writes=True) as rows:
            check_throttle_keys([slot.key for slot in slots])
            for slot in slots:
                rows.slots.pop((guess_id, slot.key, slot.expires_at), None)

    async def prune(self, *, now: datetime, limit: int) -> int:
        """Forget some of those that have expired."""
        async with self._transaction.statement(writes=True) as rows:
            expired = [place for place, slot in rows.slots.items() if slot.expires_at <= now]
            self._transaction.chance.shuffle(expired)
            for place in expired[:limit]:
                del rows.slots[place]
            return len(expired[:limit])


def _taken(slots: list[TakenSlot], pending_since: datetime) -> Taken:
    failed = [slot for slot in slots if not slot.pending or slot.taken_at < pending_since]
    frees_at = min((slot.expires_at for slot in failed), default=None)
    return Taken(len(failed), len(slots) - len(failed), frees_at)
