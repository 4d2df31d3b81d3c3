from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from anyio import Event, move_on_after

from app.domain.range_units.changes import PlacedChange
from app.domain.range_units.errors import TooManyFollowers
from app.ports.range_units.work import RangeUnitsWork

_AT_ONCE: Final = 500


class ChangeFeed:
    """Wakes all those in this process who follow the changes, by one look at the store for all.

    `look` is to be called again and again. It does not touch the store while nobody follows. What
    it found last is kept, at most `kept` changes: those who keep up are served from there, and
    whoever has fallen behind reads the store, so that a slow follower takes no memory.
    """

    def __init__(
        self, *, reading: RangeUnitsWork, most_followers: int, every: int, kept: int = 1000
    ) -> None:
        self._reading = reading
        self._most_followers = most_followers
        self._every = every
        self._recent: deque[PlacedChange] = deque(maxlen=kept)
        self._complete_from: int | None = None
        """`_recent` has every change beyond this position; None: nothing was looked at yet."""
        self._reached = 0
        self._followers = 0
        self._told = Event()
        self._moved = Event()
        self._is_over = False

    @property
    def is_over(self) -> bool:
        """Whether nobody is to be served any more."""
        return self._is_over

    @property
    def reached(self) -> int:
        """The position up to which the feed has seen all changes."""
        return self._reached

    @contextmanager
    def follower(self) -> Iterator[None]:
        """Take one of the places. Raises `TooManyFollowers`, also when all is over."""
        if self._is_over or self._followers >= self._most_followers:
            raise TooManyFollowers("All places to follow the changes are taken.", retry_after=5)
        self._followers += 1
        self.tell()
        try:
            yield
        finally:
            self._followers -= 1

    def tell(self) -> None:
        """Say that there may be something new: what waits to look does so at once."""
        self._told.set()

    def end(self) -> None:
        """Let all followers go, as the process is about to end."""
        self._is_over = True
        self._moved.set()

    async def wait(self) -> None:
        """Wait until it is time to look: at once when told to, or after a while.

        Changes of this process are told; those of others show when one looks.
        """
        if self._followers:
            with move_on_after(self._every):
                await self._told.wait()
        else:
            await self._told.wait()
        self._told = Event()

    async def look(self) -> None:
        """Read what is new, and wake the followers."""
        if not self._followers:
            # Nobody has missed anything; but what comes until somebody follows is not here.
            self._complete_from = None
            return
        if self._complete_from is None:
            await self._begin()
        while await self._read_on() == _AT_ONCE:
            pass

    async def _begin(self) -> None:
        async with self._reading() as uow:
            latest = await uow.changes.latest()
        self._recent.clear()
        self._complete_from = latest
        self._move_to(latest)

    async def _read_on(self) -> int:
        async with self._reading() as uow:
            found = await uow.changes.after(position=self._reached, limit=_AT_ONCE)
        for change in found:
            if len(self._recent) == self._recent.maxlen:
                self._complete_from = self._recent[0].position
            self._recent.append(change)
        if found:
            self._move_to(found[-1].position)
        return len(found)

    def _move_to(self, position: int) -> None:
        self._reached = position
        moved, self._moved = self._moved, Event()
        moved.set()

    async def wait_beyond(self, position: int) -> None:
        """Wait until there are changes beyond a position, or all is over."""
        while self._reached <= position and not self._is_over:
            await self._moved.wait()

    async def read(self, *, since: int, exchange: str | None, limit: int) -> list[PlacedChange]:
        """Give changes beyond a position, at most `limit`: all that `reached` tells of, or more."""
        if self._complete_from is not None and since >= self._complete_from:
            found = []
            for change in reversed(self._recent):
                if change.position <= since:
                    break
                if exchange in (None, change.change.market.exchange):
                    found.append(change)
            return found[::-1][:limit]
        async with self._reading() as uow:
            return await uow.changes.after(position=since, exchange=exchange, limit=limit)
