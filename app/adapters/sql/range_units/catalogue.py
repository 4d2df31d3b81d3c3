"""Exchanges and markets on the database."""

from collections.abc import Collection

from sqlalchemy import (
    ForeignKey,
    String,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.adapters.sql.database import Base
from app.adapters.sql.types import code_text
from app.adapters.sql.unit_of_work import SqlTransaction
from app.domain.range_units import storage
from app.domain.range_units.errors import UnknownExchange
from app.domain.range_units.revisions import Exchange, Market
from app.ports.range_units.catalogue import Catalogue


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
            await self._transaction.execute(statement, [columns_of(market) for market in markets])

    async def markets(self, *, exchange: str, after: Market | None, limit: int) -> list[Market]:
        """SELECT beyond a primary key."""
        row = MarketRow
        query = select(row).where(row.exchange == exchange)
        if after is not None:
            query = query.where(tuple_(row.quote, row.target) > tuple_(after.quote, after.target))
        query = query.order_by(row.quote, row.target).limit(limit)
        rows = (await self._transaction.execute(query)).scalars()
        return [Market(row.exchange, row.quote, row.target) for row in rows]


def columns_of(market: Market) -> dict[str, str]:
    """Give the columns that name a market."""
    return {"exchange": market.exchange, "quote": market.quote, "target": market.target}
