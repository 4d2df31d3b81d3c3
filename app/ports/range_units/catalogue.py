from collections.abc import Collection
from typing import Protocol

from app.domain.range_units.revisions import Exchange, Market


class Catalogue(Protocol):
    """Which exchanges and markets there are."""

    async def put_exchanges(self, *, exchanges: Collection[Exchange]) -> set[str]:
        """Add exchanges, or replace their names and time zones; give the codes that were added.

        The codes are distinct. Empty input does nothing.
        """
        ...

    async def exchange(self, *, code: str) -> Exchange | None:
        """Give the exchange of that code, or None."""
        ...

    async def exchanges(self, *, after: str | None = None, limit: int) -> list[Exchange]:
        """Give exchanges by code, in code-point order, beyond the code `after`; at most `limit`."""
        ...

    async def hold_markets(self, *, markets: Collection[Market]) -> None:
        """Add the markets that are not there yet, and hold all of them.

        Until this unit of work ends, another one that holds any of the same markets waits in
        this call. Raises `UnknownExchange` when an exchange among them is not known. Empty input
        does nothing.
        """
        ...

    async def markets(self, *, exchange: str, after: Market | None, limit: int) -> list[Market]:
        """Give the markets of an exchange beyond `after`, by quote then target in code-point order.

        At most `limit`. The ladders of whole quote currencies (target `*`) are among them. Empty
        for an exchange that is not known.
        """
        ...
