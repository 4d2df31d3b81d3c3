from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol, TypeAlias
from uuid import UUID

from app.domain.identity.throttle import Slot, Taken

SlotsOfGuesses: TypeAlias = Mapping[UUID, Collection[Slot]]
"""Slots by the ids of their guesses; a guess may have none."""


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

    async def take(self, *, slots: SlotsOfGuesses, at: datetime) -> None:
        """Take slots for guesses that are still being checked."""
        ...

    async def keep(self, *, slots: SlotsOfGuesses) -> None:
        """Let slots of guesses count as failed until they expire; those that are not pass."""
        ...

    async def give_back(self, *, slots: SlotsOfGuesses) -> None:
        """Give slots of guesses back, which then count no more; those that are not pass."""
        ...

    async def prune(self, *, now: datetime, limit: int) -> int:
        """Remove slots that expire at `now` or before, at most `limit`; give how many."""
        ...
