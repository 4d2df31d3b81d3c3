from typing import Protocol

from app.domain.range_units.overview import ExchangeOverview


class Overviews(Protocol):
    """How the exchanges stand, for whoever watches all of them."""

    async def exchanges(self) -> list[ExchangeOverview]:
        """Give every exchange, by code in code-point order, in one statement.

        All of its markets count, the ladders of whole quote currencies among them.
        """
        ...
