"""Range units as Bybit publishes them: the priceFilter of `GET /v5/market/instruments-info`.

A reply is one page of one category of instruments. Several instruments can be of the same pair:
the spot market or perpetual contract that is called by its pair (BTCUSDT, BTCPERP) is the market
of that pair; any other contract, such as one that expires, is itself the target, as in
USDT/BTCUSDT-27MAR26.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from app.adapters.exchanges.limits import filter_of
from app.adapters.exchanges.refusal import Refused, error_said, wrong
from app.adapters.exchanges.replies import NamedMarkets, object_of, reading, text_of
from app.domain.errors import Fault
from app.domain.range_units.revisions import Market, Reading
from app.domain.range_units.table import RangeUnitTable
from app.ports.range_units.formats import PayloadFormat

_FILTER = "priceFilter"
_LIMITS = {"minPrice", "maxPrice"}


class BybitFormat(PayloadFormat):
    """One reply, the instruments of a page."""

    def read(
        self, *, payload: bytes, market: Market, observed_at: datetime, source: str
    ) -> Reading:
        """Read a reply; what it says is in force from the moment it was observed."""
        return reading(
            _MARKETS, payload=payload, market=market, observed_at=observed_at, source=source
        )


def _entries(payload: bytes) -> object:
    reply = object_of(payload)
    code, result = reply.get("retCode"), reply.get("result")
    if isinstance(code, Decimal) and code != 0:
        raise error_said(code, reply.get("retMsg"))
    faults: list[Fault] = []
    if code != 0 or isinstance(code, bool):  # as false is 0 to Python
        faults.append(wrong(reply, "retCode", "0"))
    if not isinstance(result, dict):
        faults.append(wrong(reply, "result", "an object"))
    if faults or not isinstance(result, dict):
        raise Refused("is not shaped like range units", faults)
    return result.get("list")


def _codes(entry: Mapping[str, object], path: str) -> tuple[str, str]:
    symbol = text_of(entry, "symbol", path)
    base, quote = text_of(entry, "baseCoin", path), text_of(entry, "quoteCoin", path)
    return quote, base if symbol in {f"{base}{quote}", f"{base}PERP"} else symbol


def _table(entry: Mapping[str, object], path: str) -> RangeUnitTable:
    found = entry.get(_FILTER)
    if not isinstance(found, dict):
        raise Refused("has no price filter", [wrong(entry, _FILTER, "an object", path=f"{path}.")])
    # Spot markets have no limits in theirs.
    table = filter_of(found, f"{path}.{_FILTER}", limited=not found.keys().isdisjoint(_LIMITS))
    if not table.bands:
        # That 0 disables the rule is Binance's word, not Bybit's.
        fault = Fault(f"{path}.{_FILTER}.tickSize", "is not above zero")
        raise Refused("has a price filter that makes no table", [fault])
    return table


_MARKETS = NamedMarkets("result.list", _entries, _codes, _table)
