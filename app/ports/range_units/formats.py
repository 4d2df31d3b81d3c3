from datetime import datetime
from typing import Protocol

from app.domain.range_units.revisions import Market, Observation


class PayloadFormat(Protocol):
    """How one exchange's replies about range units are read."""

    def read(
        self, *, payload: bytes, market: Market, observed_at: datetime, source: str
    ) -> list[Observation]:
        """Read a reply, exactly, from its literal text.

        `market` is the one that was asked about; formats whose replies name their markets use
        only its exchange. `observed_at` is when the reply was got, from when on it is in force.
        Never gives an empty list, nor a market twice. Raises `PayloadRejected` with one fault
        for each thing that is wrong, naming the market it is about.
        """
        ...
