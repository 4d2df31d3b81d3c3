"""Range units as Korbit publishes them: `GET /v2/tickSizePolicy?symbol=btc_krw`.

A symbol is the target, then the quote currency, in lower case. Bands come in any order, and say
only where they begin: the last one is open.
"""

import re
from collections.abc import Mapping

from app.adapters.exchanges.bands import Bands
from app.adapters.exchanges.client import ExchangeClient
from app.adapters.exchanges.listing import (
    Codes,
    about,
    content_of,
    listed_parts,
    market_of_part,
    no_list,
)
from app.adapters.exchanges.refusal import Refused, described, error_said, wrong
from app.adapters.exchanges.replies import NamedMarkets, ReadsNamedMarkets, object_of, text_of
from app.domain.errors import Fault
from app.domain.range_units.revisions import WHOLE_QUOTE
from app.domain.range_units.table import RangeUnitTable
from app.ports.range_units.feeds import Feed, Parts, Take
from app.ports.range_units.formats import PayloadFormat

_BANDS = Bands("priceGte", "tickSize")
_POLICY = "tickSizePolicy"


def _entries(payload: bytes) -> object:
    reply = object_of(payload)
    if reply.get("success") is False:
        error = reply.get("error")
        raise error_said(error.get("message") if isinstance(error, dict) else error)
    if reply.get("success") is not True:
        raise Refused("is not shaped like range units", [wrong(reply, "success", "true")])
    return reply.get("data")


def _codes(entry: Mapping[str, object], path: str) -> tuple[str, str]:
    symbol = text_of(entry, "symbol", path)
    target, _, quote = symbol.partition("_")
    if not target or not quote or "_" in quote or WHOLE_QUOTE in symbol:
        fault = Fault(f"{path}.symbol", f"is {described(symbol)}, not such as btc_krw")
        raise Refused("has a market with an odd name", [fault])
    return quote, target


def _table(entry: Mapping[str, object], path: str) -> RangeUnitTable:
    if _POLICY not in entry:
        raise Refused("has no bands", [wrong(entry, _POLICY, "a list", path=f"{path}.")])
    return _BANDS.table(entry[_POLICY], f"{path}.{_POLICY}")


class KorbitFormat(ReadsNamedMarkets, PayloadFormat):
    """One reply, as many markets as were asked about."""

    markets = NamedMarkets("data", _entries, _codes, _table)


_SYMBOL = re.compile(r"([a-z0-9]+)_([a-z0-9]+)")


class KorbitFeed(Feed):
    """One call for each pair that is traded; the list has those that were stopped, too."""

    def __init__(self, client: ExchangeClient) -> None:
        self._client = client

    async def parts(self) -> Parts:
        """List the pairs, as `KRW/BTC`."""
        answer = await self._client.get("/v2/currencyPairs")
        match await content_of(answer):
            case {"success": True, "data": list() as pairs}:
                return listed_parts(answer, "data", pairs, _pair)
            case _:
                raise no_list(answer, "is no list of currency pairs")

    async def fetch(self, *, part: str, take: Take) -> None:
        """Ask for one pair."""
        market = market_of_part("korbit", part)
        symbol = f"{market.target}_{market.quote}".lower()
        answer = await self._client.get("/v2/tickSizePolicy", {"symbol": symbol})
        await take(about(market, answer))


def _pair(entry: object) -> Codes:
    """Read a pair as quote and target; None if it is not traded any more.

    A pair of a status that is not known is asked about: at worst that is one call too many.
    """
    match entry:
        case {"symbol": str() as symbol, "status": str() as status}:
            named = _SYMBOL.fullmatch(symbol)
            if named is None:
                raise Refused(f"has {described(symbol)} for a symbol, not such as btc_krw")
            return None if status == "stopped" else (named[2].upper(), named[1].upper())
        case _:
            raise Refused("has no symbol, or no status")
