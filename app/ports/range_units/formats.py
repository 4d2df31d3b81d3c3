from datetime import datetime
from typing import Protocol

from app.domain.range_units.revisions import Market, Reading


class PayloadFormat(Protocol):
    """How one exchange's replies about range units are read."""

    def read(
        self, *, payload: bytes, market: Market, observed_at: datetime, source: str
    ) -> Reading:
        """Read a reply, exactly, from its literal text.

        `market` is the one that was asked about; formats whose replies name their markets use only
        its exchange. `observed_at` is when the reply was got, from when on it is in force. One that
        cannot be trusted among several markets is rejected, and does not stop the others. Gives at
        least one observation, or the tick size of a market that is only to be compared; no market
        twice, and none that is rejected as well. Raises `PayloadRejected` where no market is left,
        or the reply as a whole is wrong; with one fault for each thing that is wrong, naming the
        market it is about. A market that is named again with another content is rejected.
        """
        ...
