from collections.abc import Sequence
from typing import Protocol

from app.domain.range_units.changes import Change, PlacedChange


class Changes(Protocol):
    """The changes of all range units, in one order that those who follow it can rely on.

    Whoever has read all changes up to a position never finds a new one at or before it later,
    however units of work race: positions are taken in the order of the commits.
    """

    async def append(self, *, changes: Sequence[Change]) -> None:
        """Add changes after all others, in this order.

        In as many statements whatever their number.

        Until this unit of work ends, another one that appends waits in this call; so it comes
        last in a unit of work, when everything else is held. Positions are above zero, and may
        have gaps. A start at the beginning of time is an unknown one. Empty input does nothing.
        """
        ...

    async def advance(self) -> None:
        """Take a position for no change, as the last thing of a unit of work.

        So everyone who keeps what they read can tell by the position that anything was written.
        """
        ...

    async def after(
        self, *, position: int, exchange: str | None = None, limit: int
    ) -> list[PlacedChange]:
        """Give the changes beyond a position, in order; at most `limit`.

        Those of one exchange, or of all; none for an exchange that is not known.
        """
        ...

    async def latest(self) -> int:
        """Give the last position that was taken, 0 where none was."""
        ...
