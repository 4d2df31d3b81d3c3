"""Revisions in memory: verified stand-ins for the database's."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from app.adapters.memory.range_units.state import RangeUnitsState
from app.adapters.memory.store import MemoryTransaction
from app.domain.range_units.errors import RevisionInForce
from app.domain.range_units.revisions import BEGINNING, Market, Revision
from app.domain.range_units.storage import check_revision
from app.domain.range_units.table import RangeUnitTable
from app.ports.range_units.revisions import Revisions


class MemoryRevisions(Revisions):
    """The revisions of a `MemoryStore`."""

    def __init__(self, transaction: MemoryTransaction[RangeUnitsState]) -> None:
        self._transaction = transaction

    async def add(self, *, revisions: Sequence[tuple[Revision, RangeUnitTable]]) -> None:
        """Keep each revision and its table, unless its start is taken."""
        async with self._transaction.statement(writes=True) as rows:
            for revision, _ in revisions:
                check_revision(revision)
            for revision, table in revisions:
                if revision.effective_from == BEGINNING:
                    revision = replace(revision, effective_from=None)  # noqa: PLW2901 - as stored
                for other in rows.of(revision.market):
                    taken = other.effective_from == revision.effective_from
                    if taken and other.superseded_at is None and revision.superseded_at is None:
                        raise RevisionInForce(f"{revision.market} has a revision of that start.")
                rows.revisions[revision.id] = revision
                rows.tables[revision.id] = table
                rows.markets[revision.market] += (revision.id,)

    async def in_force(
        self, *, markets: Collection[Market], as_of: datetime, known_at: datetime | None = None
    ) -> Mapping[Market, Revision]:
        """Take the latest start of what was known and had started; markets come in any order."""
        async with self._transaction.statement() as rows:
            found = {}
            asked = list(markets)
            self._transaction.chance.shuffle(asked)
            for market in asked:
                candidates = [
                    revision
                    for revision in rows.of(market)
                    if is_known(revision, known_at) and start_of(revision) <= as_of
                ]
                if candidates:
                    found[market] = max(
                        candidates, key=lambda each: (start_of(each), *recorded(each))
                    )
            return found

    async def table(self, *, revision_id: UUID) -> RangeUnitTable | None:
        """Look the id up."""
        async with self._transaction.statement() as rows:
            return rows.tables.get(revision_id)

    async def confirm(self, *, revision_ids: Collection[UUID], at: datetime) -> None:
        """Advance the confirmations."""
        async with self._transaction.statement(writes=True) as rows:
            for revision in _those(rows, revision_ids):
                last_seen = max(revision.last_seen, at)
                rows.revisions[revision.id] = replace(revision, last_seen=last_seen)

    async def supersede(self, *, revision_ids: Collection[UUID], at: datetime) -> None:
        """Date the supersession of each that has none."""
        async with self._transaction.statement(writes=True) as rows:
            for revision in _those(rows, revision_ids):
                if revision.superseded_at is None:
                    rows.revisions[revision.id] = replace(revision, superseded_at=at)

    async def history(
        self, *, market: Market, after: Revision | None, limit: int
    ) -> list[Revision]:
        """Sort a market's revisions."""
        async with self._transaction.statement() as rows:
            found = sorted(rows.of(market), key=recorded, reverse=True)
            beyond = [r for r in found if after is None or recorded(r) < recorded(after)]
            return beyond[:limit]


def is_known(revision: Revision, known_at: datetime | None) -> bool:
    """Tell whether it was recorded, and not yet superseded, at an instant; None: now."""
    superseded_at = revision.superseded_at
    if known_at is None:
        return superseded_at is None
    return revision.recorded_at <= known_at and (superseded_at is None or known_at < superseded_at)


def start_of(revision: Revision) -> datetime:
    """Give a start that can be compared."""
    return revision.effective_from or BEGINNING


def recorded(revision: Revision) -> tuple[datetime, UUID]:
    """Give its place in the order of record."""
    return revision.recorded_at, revision.id


def _those(rows: RangeUnitsState, revision_ids: Collection[UUID]) -> list[Revision]:
    return [rows.revisions[key] for key in revision_ids if key in rows.revisions]
