"""Exchanges and markets in memory: verified stand-ins for the database's."""

from collections.abc import Collection

from app.adapters.memory.range_units.state import RangeUnitsState
from app.adapters.memory.store import MemoryTransaction
from app.domain.range_units.errors import UnknownExchange
from app.domain.range_units.revisions import Exchange, Market
from app.domain.range_units.storage import check_exchange, check_market
from app.ports.range_units.catalogue import Catalogue


class MemoryCatalogue(Catalogue):
    """The exchanges and markets of a `MemoryStore`."""

    def __init__(self, transaction: MemoryTransaction[RangeUnitsState]) -> None:
        self._transaction = transaction

    async def put_exchanges(self, *, exchanges: Collection[Exchange]) -> set[str]:
        """Keep the exchanges under their codes."""
        async with self._transaction.statement(writes=True) as rows:
            for exchange in exchanges:
                check_exchange(exchange)
            added = {exchange.code for exchange in exchanges} - rows.exchanges.keys()
            rows.exchanges |= {exchange.code: exchange for exchange in exchanges}
            return added

    async def exchange(self, *, code: str) -> Exchange | None:
        """Look the code up."""
        async with self._transaction.statement() as rows:
            return rows.exchanges.get(code)

    async def exchanges(self, *, after: str | None = None, limit: int) -> list[Exchange]:
        """Sort by code."""
        async with self._transaction.statement() as rows:
            codes = sorted(code for code in rows.exchanges if after is None or code > after)
            return [rows.exchanges[code] for code in codes[:limit]]

    async def hold_markets(self, *, markets: Collection[Market]) -> None:
        """Keep the markets; there is one writer at a time."""
        async with self._transaction.statement(writes=True) as rows:
            for market in markets:
                check_market(market)
            for market in markets:
                if market.exchange not in rows.exchanges:
                    raise UnknownExchange(f"There is no exchange {market.exchange}.")
                rows.markets.setdefault(market, ())

    async def markets(self, *, exchange: str, after: Market | None, limit: int) -> list[Market]:
        """Filter and sort all of them."""
        async with self._transaction.statement() as rows:
            found = sorted(
                market
                for market in rows.markets
                if market.exchange == exchange
                and (after is None or (market.quote, market.target) > (after.quote, after.target))
            )
            return found[:limit]
