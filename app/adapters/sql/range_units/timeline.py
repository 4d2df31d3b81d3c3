"""Revisions in the order of their starts, on the database."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import aliased

from app.adapters.sql.range_units.catalogue import columns_of
from app.adapters.sql.range_units.revisions import (
    RevisionRow,
    bands_of,
    batches,
    known_at_that_time,
    revision_of,
    table_of,
)
from app.adapters.sql.unit_of_work import SqlTransaction
from app.domain.range_units.revisions import Market, Revision
from app.domain.range_units.table import RangeUnitTable
from app.ports.range_units.timeline import Timeline

# Postgres takes at most 32,767 parameters in a statement, and a market is three of them.
_AT_ONCE: Final = 5_000


class SqlTimeline(Timeline):
    """The revisions of a database."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    async def revisions(self, *, revision_ids: Collection[UUID]) -> Mapping[UUID, Revision]:
        """SELECT by primary key."""
        return {row.id: revision_of(row) for row in await self._rows(revision_ids)}

    async def tables(self, *, revision_ids: Collection[UUID]) -> Mapping[UUID, RangeUnitTable]:
        """SELECT the revisions, and the bands of all of them at once."""
        rows = await self._rows(revision_ids)
        bands = await bands_of(self._transaction, [row.id for row in rows])
        return {row.id: table_of(row, bands[row.id]) for row in rows}

    async def started(
        self,
        *,
        markets: Collection[Market],
        as_of: datetime,
        known_at: datetime | None = None,
        limit: int,
    ) -> list[Revision]:
        """SELECT the latest starts per market, by a window."""
        self._transaction.check()
        row = RevisionRow
        found: list[Revision] = []
        for some in batches(sorted(set(markets)), _AT_ONCE):
            keys = [(market.exchange, market.quote, market.target) for market in some]
            place = func.row_number().over(
                partition_by=(row.exchange, row.quote, row.target),
                order_by=(row.effective_from.desc(), row.recorded_at.desc(), row.id.desc()),
            )
            ranked = (
                select(row, place.label("place"))
                .where(
                    tuple_(row.exchange, row.quote, row.target).in_(keys),
                    row.effective_from <= as_of,
                    known_at_that_time(known_at),
                )
                .subquery()
            )
            latest = aliased(row, ranked)
            query = (
                select(latest)
                .where(ranked.c.place <= limit)
                .order_by(latest.exchange, latest.quote, latest.target, ranked.c.place)
            )
            found += map(revision_of, (await self._transaction.execute(query)).scalars())
        return found

    async def following(self, *, market: Market, after: datetime) -> Revision | None:
        """SELECT the least start that is later."""
        row = RevisionRow
        query = (
            select(row)
            .filter_by(**columns_of(market))
            .where(row.superseded_at.is_(None), row.effective_from > after)
            .order_by(row.effective_from)
            .limit(1)
        )
        found = (await self._transaction.execute(query)).scalar_one_or_none()
        return None if found is None else revision_of(found)

    async def ends(self, *, revision_ids: Collection[UUID]) -> Mapping[UUID, datetime]:
        """SELECT the least later start beside each."""
        self._transaction.check()
        row, later = RevisionRow, aliased(RevisionRow)
        found: dict[UUID, datetime] = {}
        for some in batches(revision_ids, _AT_ONCE):
            query = (
                select(
                    row.id,
                    func.min(later.effective_from, type_=row.effective_from.type).label("end"),
                )
                .join(
                    later,
                    (later.exchange == row.exchange)
                    & (later.quote == row.quote)
                    & (later.target == row.target)
                    & (later.effective_from > row.effective_from),
                )
                .where(row.id.in_(some), row.superseded_at.is_(None), later.superseded_at.is_(None))
                .group_by(row.id)
            )
            pairs = await self._transaction.execute(query)
            found |= {pair.id: pair.end for pair in pairs}
        return found

    async def _rows(self, revision_ids: Collection[UUID]) -> list[RevisionRow]:
        self._transaction.check()
        rows: list[RevisionRow] = []
        for some in batches(set(revision_ids), _AT_ONCE):
            query = select(RevisionRow).where(RevisionRow.id.in_(some))
            rows += (await self._transaction.execute(query)).scalars()
        return rows
