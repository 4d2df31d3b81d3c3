"""Range units on the database: exchanges, markets, revisions and their bands."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any, Final, TypeVar, cast
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Table,
    Uuid,
    func,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.orm import Mapped, aliased, mapped_column

from app.adapters.sql.database import Base, Sessions
from app.adapters.sql.types import ExactDecimal, UtcDateTime, code_text
from app.adapters.sql.unit_of_work import SqlTransaction
from app.domain.range_units import storage
from app.domain.range_units.errors import RevisionInForce, UnknownExchange
from app.domain.range_units.revisions import BEGINNING, Exchange, Market, Revision
from app.domain.range_units.table import Anchor, Band, Boundary, RangeUnitTable, TopRule
from app.ports.range_units import Catalogue, RangeUnitsUnitOfWork, Revisions

T = TypeVar("T")

# Postgres takes at most 32,767 parameters in a statement, and a market is three of them.
_AT_ONCE: Final = 5_000

# Parameters are prepared on the event loop: a larger bulk would hold up everyone else.
_ROWS_AT_ONCE: Final = 10_000


def _is_a_number(column: str, *, above: str = "'-Infinity'") -> CheckConstraint:
    # Postgres's numeric also holds NaN, which compares above all numbers, and infinities.
    within = f"{column} > {above} AND {column} < 'Infinity'"
    constraint = CheckConstraint(within, name=f"{column}_is_a_number")
    return constraint.ddl_if(dialect="postgresql")


class ExchangeRow(Base):
    """An exchange."""

    __tablename__ = "exchanges"

    code: Mapped[str] = mapped_column(code_text(storage.CODE), primary_key=True)
    name: Mapped[str] = mapped_column(String(storage.NAME))
    time_zone: Mapped[str] = mapped_column(String(storage.TIME_ZONE))


class MarketRow(Base):
    """A market of an exchange, or the ladder of a whole quote currency (target `*`)."""

    __tablename__ = "markets"

    exchange: Mapped[str] = mapped_column(ForeignKey("exchanges.code"), primary_key=True)
    quote: Mapped[str] = mapped_column(code_text(storage.CODE), primary_key=True)
    target: Mapped[str] = mapped_column(code_text(storage.CODE), primary_key=True)


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
        _is_a_number("top"),
        _is_a_number("min_price"),
        _is_a_number("max_price"),
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
        _is_a_number("range_min"),
        _is_a_number("price_unit", above="0"),
    )


_BAND_TABLE = cast("Table", BandRow.__table__)


class SqlCatalogue(Catalogue):
    """The exchanges and markets of a database."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    async def put_exchanges(self, *, exchanges: Collection[Exchange]) -> set[str]:
        """INSERT … ON CONFLICT DO NOTHING, then UPDATE those that were there."""
        self._transaction.check()
        if not exchanges:
            return set()
        with self._transaction.refusing():
            for exchange in exchanges:
                storage.check_exchange(exchange)
        rows = [
            {"code": exchange.code, "name": exchange.name, "time_zone": exchange.time_zone}
            for exchange in sorted(exchanges, key=lambda exchange: exchange.code)
        ]
        statement = self._transaction.insert(ExchangeRow).values(rows)
        added = await self._transaction.execute(
            statement.on_conflict_do_nothing().returning(ExchangeRow.code)
        )
        codes = set(added.scalars())
        known = [row for row in rows if row["code"] not in codes]
        if known:
            await self._transaction.execute(update(ExchangeRow), known)
        return codes

    async def exchange(self, *, code: str) -> Exchange | None:
        """SELECT by primary key."""
        query = select(ExchangeRow).where(ExchangeRow.code == code)
        row = (await self._transaction.execute(query)).scalar_one_or_none()
        return None if row is None else Exchange(row.code, row.name, row.time_zone)

    async def exchanges(self, *, after: str | None = None, limit: int) -> list[Exchange]:
        """SELECT beyond a primary key."""
        query = select(ExchangeRow).order_by(ExchangeRow.code).limit(limit)
        if after is not None:
            query = query.where(ExchangeRow.code > after)
        rows = (await self._transaction.execute(query)).scalars()
        return [Exchange(row.code, row.name, row.time_zone) for row in rows]

    async def hold_markets(self, *, markets: Collection[Market]) -> None:
        """Lock the exchanges, and INSERT … ON CONFLICT DO NOTHING.

        Whole exchanges are held, in order: one statement for any number of markets, and no two
        units of work can wait for each other.
        """
        with self._transaction.refusing():
            for market in markets:
                storage.check_market(market)
        codes = sorted({market.exchange for market in markets})
        query = (
            select(ExchangeRow.code)
            .where(ExchangeRow.code.in_(codes))
            .order_by(ExchangeRow.code)
            .with_for_update()
        )
        known = set((await self._transaction.execute(query)).scalars())
        with self._transaction.refusing():
            for code in codes:
                if code not in known:
                    raise UnknownExchange(f"There is no exchange {code}.")
        if markets:
            statement = self._transaction.insert(MarketRow).on_conflict_do_nothing()
            await self._transaction.execute(statement, [_key(market) for market in markets])

    async def markets(self, *, exchange: str, after: Market | None, limit: int) -> list[Market]:
        """SELECT beyond a primary key."""
        row = MarketRow
        query = select(row).where(row.exchange == exchange)
        if after is not None:
            query = query.where(tuple_(row.quote, row.target) > tuple_(after.quote, after.target))
        query = query.order_by(row.quote, row.target).limit(limit)
        rows = (await self._transaction.execute(query)).scalars()
        return [Market(row.exchange, row.quote, row.target) for row in rows]


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
        bands = (
            {
                "revision_id": revision.id,
                "position": position,
                "range_min": band.range_min,
                "price_unit": band.price_unit,
            }
            for revision, table in revisions
            for position, band in enumerate(table.bands)
        )
        for some in _batches(bands, _ROWS_AT_ONCE):
            await self._transaction.execute(insert(_BAND_TABLE), some)

    async def in_force(
        self, *, markets: Collection[Market], as_of: datetime, known_at: datetime | None = None
    ) -> Mapping[Market, Revision]:
        """SELECT the latest start per market, by a window."""
        self._transaction.check()
        row = RevisionRow
        found = {}
        for some in _batches(markets, _AT_ONCE):
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
            )
            if known_at is None:
                query = query.where(row.superseded_at.is_(None))
            else:
                query = query.where(
                    row.recorded_at <= known_at,
                    or_(row.superseded_at.is_(None), row.superseded_at > known_at),
                )
            ranked = query.subquery()
            latest = aliased(row, ranked)
            rows = await self._transaction.execute(select(latest).where(ranked.c.place == 1))
            for revision in map(_revision_of, rows.scalars()):
                found[revision.market] = revision
        return found

    async def table(self, *, revision_id: UUID) -> RangeUnitTable | None:
        """SELECT the revision and its bands."""
        query = select(RevisionRow).where(RevisionRow.id == revision_id)
        row = (await self._transaction.execute(query)).scalar_one_or_none()
        if row is None:
            return None
        bands = (
            select(BandRow.range_min, BandRow.price_unit)
            .where(BandRow.revision_id == revision_id)
            .order_by(BandRow.position)
        )
        band_rows = await self._transaction.execute(bands)
        return RangeUnitTable(
            bands=tuple(Band(band.range_min, band.price_unit) for band in band_rows),
            boundary=Boundary(row.boundary),
            anchor=Anchor(row.anchor),
            top=row.top,
            top_rule=TopRule(row.top_rule),
            min_price=row.min_price,
            max_price=row.max_price,
        )

    async def confirm(self, *, revision_ids: Collection[UUID], at: datetime) -> None:
        """UPDATE those seen earlier."""
        self._transaction.check()
        for some in _batches(revision_ids, _AT_ONCE):
            statement = (
                update(RevisionRow)
                .where(RevisionRow.id.in_(some), RevisionRow.last_seen < at)
                .values(last_seen=at)
            )
            await self._transaction.execute(statement)

    async def supersede(self, *, revision_ids: Collection[UUID], at: datetime) -> None:
        """UPDATE those not superseded."""
        self._transaction.check()
        for some in _batches(revision_ids, _AT_ONCE):
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
        query = select(row).filter_by(**_key(market))
        if after is not None:
            place = tuple_(after.recorded_at, after.id, types=[row.recorded_at.type, row.id.type])
            query = query.where(tuple_(row.recorded_at, row.id) < place)
        query = query.order_by(row.recorded_at.desc(), row.id.desc()).limit(limit)
        rows = (await self._transaction.execute(query)).scalars()
        return [_revision_of(found) for found in rows]


def _key(market: Market) -> dict[str, str]:
    return {"exchange": market.exchange, "quote": market.quote, "target": market.target}


def _revision_values(revision: Revision, table: RangeUnitTable) -> dict[str, Any]:
    return {
        "id": revision.id,
        **_key(revision.market),
        "effective_from": revision.effective_from or BEGINNING,
        "recorded_at": revision.recorded_at,
        "last_seen": revision.last_seen,
        "superseded_at": revision.superseded_at,
        "source": revision.source,
        "digest": revision.digest,
        "boundary": table.boundary.value,
        "anchor": table.anchor.value,
        "top": table.top,
        "top_rule": table.top_rule.value,
        "min_price": table.min_price,
        "max_price": table.max_price,
    }


def _revision_of(row: RevisionRow) -> Revision:
    return Revision(
        id=row.id,
        market=Market(row.exchange, row.quote, row.target),
        effective_from=None if row.effective_from == BEGINNING else row.effective_from,
        recorded_at=row.recorded_at,
        last_seen=row.last_seen,
        source=row.source,
        digest=row.digest,
        superseded_at=row.superseded_at,
    )


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


class SqlRangeUnitsUnitOfWork(SqlTransaction, RangeUnitsUnitOfWork):
    """A transaction on a database."""

    violations = {  # noqa: RUF012 - never changed, and declared so by the base class
        "uq_range_unit_revisions_start": RevisionInForce,
        "range_unit_revisions.exchange, range_unit_revisions.quote,"
        " range_unit_revisions.target, range_unit_revisions.effective_from": RevisionInForce,
    }

    def __init__(self, sessions: Sessions) -> None:
        super().__init__(sessions)
        self.catalogue: Catalogue = SqlCatalogue(self)
        self.revisions: Revisions = SqlRevisions(self)
