from dataclasses import dataclass
from typing import Protocol

from app.domain.range_units.revisions import Market


@dataclass(frozen=True, slots=True)
class Reply:
    """What an exchange answered, as it came.

    `market` is the one that was asked about. A reply that names its markets was asked about none
    in particular: then it is the exchange with empty codes.
    """

    payload: bytes
    market: Market
    source: str
    """The URL that was asked, without anything secret."""


class Feed(Protocol):
    """Where one exchange publishes its range units now.

    Every call may raise `FeedUnavailable` (no answer that can be used after some tries: the
    network, 5xx, 429 for longer than one waits) and `FeedRefused` (an answer that trying again
    would not change: 4xx, a body that is too large). Calls keep to the exchange's rate budget,
    whoever else in this process asks the same exchange, and can be cancelled anywhere.
    """

    async def parts(self) -> list[str]:
        """Give what has to be asked for, one part after another, in a stable order, each once.

        A part is a text of at most 100 characters which means something to this feed alone:
        `KRW/BTC` where one call is about one market, `all` where one call tells everything.
        """
        ...

    async def fetch(self, *, part: str) -> list[Reply]:
        """Ask for a part; a part that comes in pages gives one reply for each, in order."""
        ...
