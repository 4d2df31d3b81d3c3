from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol
from uuid import UUID

from app.domain.range_units.revisions import Market, Revision
from app.domain.range_units.table import RangeUnitTable


class Timeline(Protocol):
    """The revisions in the order of the venue's time, and each by its id."""

    async def revisions(self, *, revision_ids: Collection[UUID]) -> Mapping[UUID, Revision]:
        """Give those revisions, superseded ones too; unknown ids are absent."""
        ...

    async def tables(self, *, revision_ids: Collection[UUID]) -> Mapping[UUID, RangeUnitTable]:
        """Give their tables, equal to those stored with them; unknown ids are absent."""
        ...

    async def started(
        self,
        *,
        markets: Collection[Market],
        as_of: datetime,
        known_at: datetime | None = None,
        limit: int,
    ) -> list[Revision]:
        """Give the markets' own revisions that had started at `as_of`, the latest start first.

        At most `limit` of each market; which are known, and which of the same start comes first,
        is as `Revisions.in_force` says, whose answer is the first of each market. Markets come
        in code-point order, one after the other.
        """
        ...

    async def following(self, *, market: Market, after: datetime) -> Revision | None:
        """Give the market's own revision, not superseded, that starts next after an instant."""
        ...

    async def ends(self, *, revision_ids: Collection[UUID]) -> Mapping[UUID, datetime]:
        """Give where each ends: at the next start of its market that is not superseded.

        The last of a market has no end and is absent, like those superseded, which hold at no
        time, and unknown ids.
        """
        ...
