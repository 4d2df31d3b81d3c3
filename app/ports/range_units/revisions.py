from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from app.domain.range_units.revisions import Market, Revision
from app.domain.range_units.table import RangeUnitTable


class Revisions(Protocol):
    """The range units of every market, in two times: of the venue, and of our knowledge."""

    async def add(self, *, revisions: Sequence[tuple[Revision, RangeUnitTable]]) -> None:
        """Store revisions with their tables, in as many statements whatever their number.

        Their markets are held. Raises `RevisionInForce` when a market would have two revisions
        of the same start of which neither is superseded (two unknown starts are the same, and so
        is the first instant of all). Empty input does nothing.
        """
        ...

    async def in_force(
        self, *, markets: Collection[Market], as_of: datetime, known_at: datetime | None = None
    ) -> Mapping[Market, Revision]:
        """Give, per market, its own latest revision that had started at `as_of`.

        Latest by start, an unknown start being before all others; of several with the same start,
        as a clock that stepped back can leave them, by `recorded_at`, then id. Only what was
        recorded, and not yet superseded, at `known_at` counts; None: all that is known now.
        Markets without such a revision are absent, ladders are not consulted. Empty input gives
        nothing.
        """
        ...

    async def table(self, *, revision_id: UUID) -> RangeUnitTable | None:
        """Give a revision's table, equal to the one stored with it, or None for an unknown id."""
        ...

    async def confirm(self, *, revision_ids: Collection[UUID], at: datetime) -> None:
        """Advance `last_seen` to `at`; it never goes back. Unknown ids are passed over."""
        ...

    async def supersede(self, *, revision_ids: Collection[UUID], at: datetime) -> None:
        """Mark revisions superseded at `at`, those already superseded and unknown ids excepted."""
        ...

    async def history(
        self, *, market: Market, after: Revision | None, limit: int
    ) -> list[Revision]:
        """Give a market's own revisions beyond `after`, superseded ones too, newest first.

        By `recorded_at`, then id, both descending; at most `limit`.
        """
        ...
