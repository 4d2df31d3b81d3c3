from collections.abc import Collection
from datetime import datetime
from typing import Protocol
from uuid import UUID

from app.domain.identity.throttle import Slot, Taken


class Throttle(Protocol):
    """Which guesses have taken which slots. A slot counts until it expires, or is given back.

    A slot is known by its guess, its key and its expiry. Keys are kept as they are: one with a
    NUL or a lone surrogate, or over-long, raises `UnstorableText`.
    """

    async def hold(self, *, keys: Collection[str]) -> None:
        """Hold quotas, slots or none.

        Until this unit of work ends, another one that holds any of these waits, and then sees
        what this one left. Two that hold several of the same do not wait for one another.
        """
        ...

    async def taken(
        self, *, keys: Collection[str], now: datetime, pending_since: datetime
    ) -> dict[str, Taken]:
        """Give what is taken of each key, none being left out.

        Slots that expire at `now` or before do not count. Those that were taken before
        `pending_since` and not settled since count as failed.
        """
        ...

    async def take(self, *, guess_id: UUID, slots: Collection[Slot], at: datetime) -> None:
        """Take slots for a guess that is still being checked."""
        ...

    async def keep(self, *, guess_id: UUID, slots: Collection[Slot]) -> None:
        """Let slots of a guess count as failed until they expire; those that are not pass."""
        ...

    async def give_back(self, *, guess_id: UUID, slots: Collection[Slot]) -> None:
        """Give slots of a guess back, which then count no more; those that are not pass."""
        ...

    async def prune(self, *, now: datetime, limit: int) -> int:
        """Remove slots that expire at `now` or before, at most `limit`; give how many."""
        ...
