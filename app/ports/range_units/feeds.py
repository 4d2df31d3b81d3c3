from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from app.domain.range_units.jobs import Failure
from app.domain.range_units.revisions import Market


@dataclass(frozen=True, slots=True)
class Reply:
    """What an exchange answered, as it came.

    `market` is the one that was asked about. A reply that names its markets may have been asked
    for several: then it is the exchange with empty codes.
    """

    payload: bytes
    market: Market
    source: str
    """The URL that was asked, without anything secret."""
    received_at: datetime
    """When the last of it had come: aware, in UTC."""
    asked: tuple[Market, ...] | None
    """The markets that were asked for; None where all were that there are."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What an exchange has to be asked for, and what of its list of that cannot be read."""

    readable: tuple[str, ...]
    unreadable: tuple[Failure, ...] = ()
    """Where in the list each of them is, and why; no place is the name of a part."""


Take: TypeAlias = Callable[[Reply], Awaitable[None]]
"""Takes a reply, and is done with it when it returns."""


class Feed(Protocol):
    """Where one exchange publishes its range units now.

    Every call may raise `FeedUnavailable` (no answer that can be used after some tries: the
    network, 5xx, 429 for longer than one waits) and `FeedRefused` (an answer that trying again
    would not change: 4xx, a body that is too large). Calls keep to the exchange's rate budget,
    whoever else in this process asks the same exchange, and can be cancelled anywhere.
    """

    async def parts(self) -> Parts:
        """Give what has to be asked for, one part after another, in a stable order, each once.

        A part is a text of at most 100 characters which means something to this feed alone:
        `KRW/BTC` where one call is about one market, `all` where one call tells everything. What
        cannot be read of a list does not stop the rest. Raises `FeedRefused` where nothing can.
        """
        ...

    async def fetch(self, *, part: str, take: Take) -> None:
        """Ask for a part, and hand on each reply as soon as it is there, in order.

        A part that comes in pages has one reply for each; the next is asked for when the last was
        taken. What a failure raises leaves what was taken before it. So does what `take` raises,
        which ends the call and passes through it.
        """
        ...
