"""Revisions in the order of their starts, in memory: verified stand-ins for the database's."""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from app.adapters.memory.range_units.revisions import is_known, recorded, start_of
from app.adapters.memory.range_units.state import RangeUnitsState
from app.adapters.memory.store import MemoryTransaction
from app.domain.range_units.revisions import Market, Revision
from app.domain.range_units.table import RangeUnitTable
from app.ports.range_units.timeline import Timeline


class MemoryTimeline(Timeline):
    """The revisions of a `MemoryStore`."""

    def __init__(self, transaction: MemoryTransaction[RangeUnitsState]) -> None:
        self._transaction = transaction

    async def revisions(self, *, revision_ids: Collection[UUID]) -> Mapping[UUID, Revision]:
        """Look the ids up."""
        async with self._transaction.statement() as rows:
            return {key: rows.revisions[key] for key in revision_ids if key in rows.revisions}

    async def tables(self, *, revision_ids: Collection[UUID]) -> Mapping[UUID, RangeUnitTable]:
        """Look the ids up."""
        async with self._transaction.statement() as rows:
            return {key: rows.tables[key] for key in revision_ids if key in rows.tables}

    async def started(
        self,
        *,
        markets: Collection[Market],
        as_of: datetime,
        known_at: datetime | None = None,
        limit: int,
    ) -> list[Revision]:
        """Sort what was known of each market and had started."""
        async with self._transaction.statement() as rows:
            found: list[Revision] = []
            for market in sorted(set(markets)):
                those = [
                    revision
                    for revision in rows.of(market)
                    if is_known(revision, known_at) and start_of(revision) <= as_of
                ]
                those.sort(key=lambda each: (start_of(each), *recorded(each)), reverse=True)
                found += those[:limit]
            return found

    async def following(self, *, market: Market, after: datetime) -> Revision | None:
        """Take the least start that is later."""
        async with self._transaction.statement() as rows:
            return min(_later(rows, market, after), key=start_of, default=None)

    async def ends(self, *, revision_ids: Collection[UUID]) -> Mapping[UUID, datetime]:
        """Take the least start that is later than each one's."""
        async with self._transaction.statement() as rows:
            found = {}
            for key in revision_ids:
                revision = rows.revisions.get(key)
                if revision is None or revision.superseded_at is not None:
                    continue
                starts = [
                    start_of(later) for later in _later(rows, revision.market, start_of(revision))
                ]
                if starts:
                    found[key] = min(starts)
            return found


def _later(rows: RangeUnitsState, market: Market, after: datetime) -> list[Revision]:
    return [
        revision
        for revision in rows.of(market)
        if revision.superseded_at is None and start_of(revision) > after
    ]
