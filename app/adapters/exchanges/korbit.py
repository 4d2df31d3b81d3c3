"""Range units as Korbit publishes them: `GET /v2/tickSizePolicy?symbol=btc_krw`.

A symbol is the target, then the quote currency, in lower case. Bands come in any order, and say
only where they begin: the last one is open.
"""

from collections.abc import Mapping
from datetime import datetime

from app.adapters.exchanges.bands import Bands
from app.adapters.exchanges.refusal import Refused, described, error_said, wrong
from app.adapters.exchanges.replies import NamedMarkets, object_of, reading, text_of
from app.domain.errors import Fault
from app.domain.range_units.revisions import WHOLE_QUOTE, Market, Reading
from app.domain.range_units.table import RangeUnitTable
from app.ports.range_units.formats import PayloadFormat

_BANDS = Bands("priceGte", "tickSize")
_POLICY = "tickSizePolicy"


class KorbitFormat(PayloadFormat):
    """One reply, as many markets as were asked about."""

    def read(
        self, *, payload: bytes, market: Market, observed_at: datetime, source: str
    ) -> Reading:
        """Read a reply; what it says is in force from the moment it was observed."""
        return reading(
            _MARKETS, payload=payload, market=market, observed_at=observed_at, source=source
        )


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


_MARKETS = NamedMarkets("data", _entries, _codes, _table)
