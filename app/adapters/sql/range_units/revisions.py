"""Revisions and their bands on the database."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache, partial
from itertools import chain, count, islice, repeat
from typing import Any, Final, TypeVar
from uuid import UUID

from anyio import to_thread
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Text,
    Uuid,
    and_,
    bindparam,
    cast,
    func,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.orm import Mapped, aliased, mapped_column

from app.adapters.sql.database import Base
from app.adapters.sql.range_units.catalogue import columns_of
from app.adapters.sql.types import ExactDecimal, UtcDateTime, code_text, is_a_number
from app.adapters.sql.unit_of_work import SqlTransaction
from app.domain.range_units import storage
from app.domain.range_units.revisions import BEGINNING, Market, Revision
from app.domain.range_units.table import Anchor, Band, Boundary, RangeUnitTable, TopRule
from app.ports.range_units.revisions import Revisions

T = TypeVar("T")

# Postgres takes at most 32,767 parameters in a statement, and a market is three of them.
_AT_ONCE: Final = 5_000

# Parameters are prepared on the event loop: a larger bulk would hold up everyone else.
_ROWS_AT_ONCE: Final = 10_000
_MUCH_TEXT: Final = 20_000
_UNITS_KNOWN: Final = 1_000


class RevisionRow(Base):
    """A revision, with the attributes of its table but the bands.

    An unknown start is the beginning of time, so that starts are compared and unique like any.
    """

    __tablename__ = "range_unit_revisions"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    exchange: Mapped[str] = mapped_column(code_text(storage.CODE))
    quote: Mapped[str] = mapped_column(code_text(storage.CODE))
    target: Mapped[str] = mapped_column(code_text(storage.CODE))
    effective_from: Mapped[datetime] = mapped_column(UtcDateTime)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_seen: Mapped[datetime] = mapped_column(UtcDateTime)
    superseded_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    source: Mapped[str] = mapped_column(String(storage.SOURCE))
    digest: Mapped[str] = mapped_column(String(storage.DIGEST))
    payload_digest: Mapped[str | None] = mapped_column(String(storage.DIGEST))
    boundary: Mapped[str] = mapped_column(String(16))
    anchor: Mapped[str] = mapped_column(String(16))
    top: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    top_rule: Mapped[str] = mapped_column(String(16))
    min_price: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    max_price: Mapped[Decimal | None] = mapped_column(ExactDecimal)

    __table_args__ = (
        ForeignKeyConstraint(
            ["exchange", "quote", "target"],
            ["markets.exchange", "markets.quote", "markets.target"],
        ),
        Index(
            "uq_range_unit_revisions_start",
            "exchange",
            "quote",
            "target",
            "effective_from",
            unique=True,
            postgresql_where=text("superseded_at IS NULL"),
            sqlite_where=text("superseded_at IS NULL"),
        ),
        Index(
            "ix_range_unit_revisions_recorded",
            "exchange",
            "quote",
            "target",
            "recorded_at",
            "id",
        ),
        is_a_number("top"),
        is_a_number("min_price"),
        is_a_number("max_price"),
    )


class BandRow(Base):
    """A band of a revision's table; `position` counts from zero, in ascending order."""

    __tablename__ = "range_unit_bands"

    revision_id: Mapped[UUID] = mapped_column(
        ForeignKey("range_unit_revisions.id"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True)
    range_min: Mapped[Decimal] = mapped_column(ExactDecimal)
    price_unit: Mapped[Decimal] = mapped_column(ExactDecimal)

    __table_args__ = (
        is_a_number("range_min"),
        is_a_number("price_unit", above="0"),
    )


_FOR_EACH_BAND: Final = """
    INSERT INTO range_unit_bands (revision_id, position, range_min, price_unit)
    VALUES (?, ?, ?, ?)
"""

# Numbers by the thousand in one text: a driver takes several times as long over a parameter for
# each as Postgres takes to store it. COPY would save nothing, as what takes longest is to look up
# each band's revision.
_ALL_BANDS: Final = text(
    """INSERT INTO range_unit_bands (revision_id, position, range_min, price_unit)
    SELECT part.revision_id, part.first + place - 1, CAST(low AS numeric), CAST(unit AS numeric)
    FROM unnest(:revision_ids, :firsts, :starts, :units)
        AS part (revision_id, first, starts, units),
    unnest(string_to_array(part.starts, ' '), string_to_array(part.units, ' '))
        WITH ORDINALITY AS band (low, unit, place)"""
).bindparams(
    bindparam("revision_ids", type_=ARRAY(Uuid)),
    bindparam("firsts", type_=ARRAY(Integer)),
    bindparam("starts", type_=ARRAY(Text)),
    bindparam("units", type_=ARRAY(Text)),
)


class SqlRevisions(Revisions):
    """The revisions of a database."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    async def add(self, *, revisions: Sequence[tuple[Revision, RangeUnitTable]]) -> None:
        """Bulk INSERTs; the unique index refuses a start that is taken."""
        self._transaction.check()
        if not revisions:
            return
        with self._transaction.refusing():
            for revision, _ in revisions:
                storage.check_revision(revision)
        heads = [_revision_values(revision, table) for revision, table in revisions]
        await self._transaction.execute(insert(RevisionRow), heads)
        for parts in _bulks(_parts(revisions)):
            await self._add_bands(parts)

    async def _add_bands(self, parts: Sequence["_Part"]) -> None:
        """Store them as texts, which the drivers pass on as they are."""
        if self._transaction.is_sqlite:
            rows = chain.from_iterable(part.rows() for part in parts)
            await self._transaction.execute_for_each(_FOR_EACH_BAND, list(rows))
            return
        parameters = {
            "revision_ids": [part.revision_id for part in parts],
            "firsts": [part.first for part in parts],
            "starts": [" ".join(part.starts) for part in parts],
            "units": [" ".join(part.units) for part in parts],
        }
        await self._transaction.execute(_ALL_BANDS, parameters)

    async def in_force(
        self, *, markets: Collection[Market], as_of: datetime, known_at: datetime | None = None
    ) -> Mapping[Market, Revision]:
        """SELECT the latest start per market, by a window."""
        self._transaction.check()
        row = RevisionRow
        found = {}
        for some in batches(markets, _AT_ONCE):
            keys = [(market.exchange, market.quote, market.target) for market in some]
            query = select(
                row,
                func.row_number()
                .over(
                    partition_by=(row.exchange, row.quote, row.target),
                    order_by=(row.effective_from.desc(), row.recorded_at.desc(), row.id.desc()),
                )
                .label("place"),
            ).where(
                tuple_(row.exchange, row.quote, row.target).in_(keys),
                row.effective_from <= as_of,
                known_at_that_time(known_at),
            )
            ranked = query.subquery()
            latest = aliased(row, ranked)
            rows = await self._transaction.execute(select(latest).where(ranked.c.place == 1))
            for revision in map(revision_of, rows.scalars()):
                found[revision.market] = revision
        return found

    async def table(self, *, revision_id: UUID) -> RangeUnitTable | None:
        """SELECT the revision and its bands."""
        query = select(RevisionRow).where(RevisionRow.id == revision_id)
        row = (await self._transaction.execute(query)).scalar_one_or_none()
        if row is None:
            return None
        bands = await bands_of(self._transaction, [revision_id])
        return table_of(row, bands[revision_id])

    async def confirm(self, *, revision_ids: Collection[UUID], at: datetime) -> None:
        """UPDATE those seen earlier."""
        self._transaction.check()
        for some in batches(revision_ids, _AT_ONCE):
            statement = (
                update(RevisionRow)
                .where(RevisionRow.id.in_(some), RevisionRow.last_seen < at)
                .values(last_seen=at)
            )
            await self._transaction.execute(statement)

    async def supersede(self, *, revision_ids: Collection[UUID], at: datetime) -> None:
        """UPDATE those not superseded."""
        self._transaction.check()
        for some in batches(revision_ids, _AT_ONCE):
            statement = (
                update(RevisionRow)
                .where(RevisionRow.id.in_(some), RevisionRow.superseded_at.is_(None))
                .values(superseded_at=at)
            )
            await self._transaction.execute(statement)

    async def history(
        self, *, market: Market, after: Revision | None, limit: int
    ) -> list[Revision]:
        """SELECT older than a place in the history."""
        row = RevisionRow
        query = select(row).filter_by(**columns_of(market))
        if after is not None:
            place = tuple_(after.recorded_at, after.id, types=[row.recorded_at.type, row.id.type])
            query = query.where(tuple_(row.recorded_at, row.id) < place)
        query = query.order_by(row.recorded_at.desc(), row.id.desc()).limit(limit)
        rows = (await self._transaction.execute(query)).scalars()
        return [revision_of(found) for found in rows]


@dataclass(frozen=True, slots=True)
class _Part:
    """Bands of a revision that follow each other, from the position `first` on, as texts."""

    revision_id: UUID
    first: int
    starts: Sequence[str]
    units: Sequence[str]

    def rows(self) -> Iterator[tuple[str, int, str, str]]:
        return zip(repeat(self.revision_id.hex), count(self.first), self.starts, self.units)


def _parts(revisions: Iterable[tuple[Revision, RangeUnitTable]]) -> Iterator[_Part]:
    for revision, table in revisions:
        first = 0
        for starts, units in table.written():
            yield _Part(revision.id, first, starts, units)
            first += len(starts)


def _bulks(parts: Iterable[_Part]) -> Iterator[list[_Part]]:
    """Put parts together, and begin anew where a bulk has the rows that go at once."""
    bulk: list[_Part] = []
    size = 0
    for part in parts:
        bulk.append(part)
        size += len(part.starts)
        if size >= _ROWS_AT_ONCE:
            yield bulk
            bulk, size = [], 0
    if bulk:
        yield bulk


def _revision_values(revision: Revision, table: RangeUnitTable) -> dict[str, Any]:
    return {
        "id": revision.id,
        **columns_of(revision.market),
        "effective_from": revision.effective_from or BEGINNING,
        "recorded_at": revision.recorded_at,
        "last_seen": revision.last_seen,
        "superseded_at": revision.superseded_at,
        "source": revision.source,
        "digest": revision.digest,
        "payload_digest": revision.payload_digest,
        "boundary": table.boundary.value,
        "anchor": table.anchor.value,
        "top": table.top,
        "top_rule": table.top_rule.value,
        "min_price": table.min_price,
        "max_price": table.max_price,
    }


def known_at_that_time(known_at: datetime | None) -> ColumnElement[bool]:
    """Choose what was recorded, and not yet superseded, at an instant; None: now."""
    row = RevisionRow
    if known_at is None:
        return row.superseded_at.is_(None)
    not_yet = or_(row.superseded_at.is_(None), row.superseded_at > known_at)
    return and_(row.recorded_at <= known_at, not_yet)


async def bands_of(
    transaction: SqlTransaction, revision_ids: Collection[UUID]
) -> dict[UUID, tuple[Band, ...]]:
    """SELECT the bands of revisions, those of each in one text.

    Of a row for each band, the driver and SQLAlchemy would make objects on the event loop.
    """
    written: dict[UUID, str] = {}
    band = cast(BandRow.range_min, Text) + " " + cast(BandRow.price_unit, Text)
    for some in batches(revision_ids, _AT_ONCE):
        query = (
            select(BandRow.revision_id, func.aggregate_strings(band, " ").label("bands"))
            .where(BandRow.revision_id.in_(some))
            .group_by(BandRow.revision_id)
        )
        rows = await transaction.execute(query)
        written |= {row.revision_id: row.bands for row in rows}
    read = partial(_read_bands, written)
    # For a few, the way to a thread is too long.
    is_much = sum(map(len, written.values())) > _MUCH_TEXT
    found = await to_thread.run_sync(read) if is_much else read()
    return {revision_id: found.get(revision_id, ()) for revision_id in revision_ids}


def _read_bands(written: Mapping[UUID, str]) -> dict[UUID, tuple[Band, ...]]:
    """Read bands as they were written in one text, in the order that they have in a table."""
    unit_of = lru_cache(maxsize=_UNITS_KNOWN)(Decimal)  # which many bands have in common
    found = {}
    for revision_id, numbers in written.items():
        each = iter(numbers.split(" "))
        found[revision_id] = tuple(sorted(Band(Decimal(low), unit_of(next(each))) for low in each))
    return found


def table_of(row: RevisionRow, bands: Iterable[Band]) -> RangeUnitTable:
    """Put a revision's table together."""
    return RangeUnitTable(
        bands=tuple(bands),
        boundary=Boundary(row.boundary),
        anchor=Anchor(row.anchor),
        top=row.top,
        top_rule=TopRule(row.top_rule),
        min_price=row.min_price,
        max_price=row.max_price,
    )


def revision_of(row: RevisionRow) -> Revision:
    """Read a row; the beginning of time is a start that is not known."""
    return Revision(
        id=row.id,
        market=Market(row.exchange, row.quote, row.target),
        effective_from=None if row.effective_from == BEGINNING else row.effective_from,
        recorded_at=row.recorded_at,
        last_seen=row.last_seen,
        source=row.source,
        digest=row.digest,
        superseded_at=row.superseded_at,
        payload_digest=row.payload_digest,
    )


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Cut into lists of at most `size`."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
