"""Counts what becomes of the replies of exchanges, and who follows the changes."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from app.domain.range_units.errors import PayloadRejected
from app.domain.range_units.revisions import Market
from app.services.range_units.change_feed import ChangeFeed
from app.services.range_units.ingested import Ingested
from app.services.range_units.range_units_service import RangeUnitsService

Count = Callable[[str, str, Mapping[str, int]], object]


class CountingRangeUnitsService(RangeUnitsService):
    """Tells of each reply whose exchange, and format, is known."""

    def __init__(self, *, count: Count, **ports: Any) -> None:
        super().__init__(**ports)
        self._count = count

    async def ingest(
        self,
        *,
        market: Market,
        payload: bytes,
        source: str,
        observed_at: datetime | None = None,
        asked: Collection[Market] | None = None,
    ) -> Ingested:
        """Ingest, and tell."""
        try:
            taken = await super().ingest(
                market=market,
                payload=payload,
                source=source,
                observed_at=observed_at,
                asked=asked,
            )
        except PayloadRejected as error:
            self._count(market.exchange, "rejected", {"rejected": error.markets})
            raise
        became = {
            "inserted": taken.inserted,
            "updated": taken.updated,
            "unchanged": taken.unchanged,
            "rejected": taken.rejected,
        }
        self._count(market.exchange, "taken", became)
        return taken


class CountingChangeFeed(ChangeFeed):
    """Tells when somebody begins to follow the changes (1), and ends (-1)."""

    def __init__(self, *, count: Callable[[int], object], **options: Any) -> None:
        super().__init__(**options)
        self._count = count

    @contextmanager
    def follower(self) -> Iterator[None]:
        """Take a place, and tell."""
        with super().follower():
            self._count(1)
            try:
                yield
            finally:
                self._count(-1)
