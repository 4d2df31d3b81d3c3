"""Range units as Binance publishes them: the PRICE_FILTER of `GET /api/v3/exchangeInfo`.

A tickSize of 0 says that there is no tick rule, a limit of 0 that there is none. Other filters,
and whether a market is trading at the moment, are about something else.
"""

from collections.abc import Mapping

from app.adapters.exchanges.client import ExchangeClient
from app.adapters.exchanges.limits import filter_of
from app.adapters.exchanges.listing import about_several, no_part
from app.adapters.exchanges.refusal import Refused, error_said, wrong
from app.adapters.exchanges.replies import NamedMarkets, ReadsNamedMarkets, object_of, text_of
from app.domain.errors import Fault
from app.domain.range_units.table import RangeUnitTable
from app.ports.range_units.feeds import Feed, Parts, Take
from app.ports.range_units.formats import PayloadFormat

_PATH = "symbols"
_TYPE = "filterType"
_PRICE_FILTER = "PRICE_FILTER"


def _entries(payload: bytes) -> object:
    reply = object_of(payload)
    if _PATH in reply:
        return reply[_PATH]
    if "code" in reply:
        raise error_said(reply["code"], reply.get("msg"))
    raise Refused("is not shaped like range units", [wrong(reply, _PATH, "a list")])


def _codes(entry: Mapping[str, object], path: str) -> tuple[str, str]:
    return text_of(entry, "quoteAsset", path), text_of(entry, "baseAsset", path)


def _table(entry: Mapping[str, object], path: str) -> RangeUnitTable:
    filters = entry.get("filters")
    if not isinstance(filters, list):
        raise Refused("has no filters", [wrong(entry, "filters", "a list", path=f"{path}.")])
    found = [
        (f"{path}.filters[{place}]", one)
        for place, one in enumerate(filters)
        if isinstance(one, dict) and one.get(_TYPE) == _PRICE_FILTER
    ]
    if len(found) != 1:
        message = f"has {len(found) or 'no'} {_PRICE_FILTER}, not one"
        raise Refused("has no one price filter", [Fault(f"{path}.filters", message)])
    [(where, price_filter)] = found
    return filter_of(price_filter, where, fields=frozenset({_TYPE}))


class BinanceFormat(ReadsNamedMarkets, PayloadFormat):
    """One reply, all markets."""

    markets = NamedMarkets(_PATH, _entries, _codes, _table)


_ALL = "all"


class BinanceFeed(Feed):
    """One call tells everything."""

    def __init__(self, client: ExchangeClient) -> None:
        self._client = client

    async def parts(self) -> Parts:
        """Give the one part that there is, without asking."""
        return Parts((_ALL,))

    async def fetch(self, *, part: str, take: Take) -> None:
        """Ask for all symbols."""
        if part != _ALL:
            raise no_part("binance", part)
        answer = await self._client.get("/api/v3/exchangeInfo")
        await take(about_several("binance", answer))
