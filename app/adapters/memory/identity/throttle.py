from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from app.adapters.memory.identity.state import IdentityState, TakenSlot
from app.adapters.memory.store import MemoryTransaction
from app.domain.identity.storage import check_throttle_keys
from app.domain.identity.throttle import Taken
from app.ports.identity.throttle import SlotsOfGuesses, Throttle


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

    async def take(self, *, slots: SlotsOfGuesses, at: datetime) -> None:
        """Keep them, pending."""
        async with self._transaction.statement(writes=True) as rows:
            for place in _places(slots):
                rows.slots[place] = TakenSlot(place[1], place[2], at, pending=True)

    async def keep(self, *, slots: SlotsOfGuesses) -> None:
        """Mark them."""
        async with self._transaction.statement(writes=True) as rows:
            for place in _places(slots):
                if place in rows.slots:
                    rows.slots[place] = replace(rows.slots[place], pending=False)

    async def give_back(self, *, slots: SlotsOfGuesses) -> None:
        """Forget them."""
        async with self._transaction.statement(writes=True) as rows:
            for place in _places(slots):
                rows.slots.pop(place, None)

    async def prune(self, *, now: datetime, limit: int) -> int:
        """Forget some of those that have expired."""
        async with self._transaction.statement(writes=True) as rows:
            expired = [place for place, slot in rows.slots.items() if slot.expires_at <= now]
            self._transaction.chance.shuffle(expired)
            for place in expired[:limit]:
                del rows.slots[place]
            return len(expired[:limit])


def _places(slots: SlotsOfGuesses) -> list[tuple[UUID, str, datetime]]:
    places = [(guess, slot.key, slot.expires_at) for guess in slots for slot in slots[guess]]
    check_throttle_keys(key for _, key, _ in places)
    return places


def _taken(slots: list[TakenSlot], pending_since: datetime) -> Taken:
    failed = [slot for slot in slots if not slot.pending or slot.taken_at < pending_since]
    frees_at = min((slot.expires_at for slot in failed), default=None)
    return Taken(len(failed), len(slots) - len(failed), frees_at)
