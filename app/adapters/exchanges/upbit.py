"""What Upbit tells of range units: `GET /v1/orderbook/instruments`.

Its ladders exist only as documentation. This reply has one tick size per market, that at the
current price: it can contradict a ladder, and is never a ladder itself.
"""

from collections.abc import Mapping
from decimal import Decimal

from app.adapters.exchanges.bands import number_in_string
from app.adapters.exchanges.refusal import Refused, described, error_said
from app.adapters.exchanges.replies import NamedMarkets, content_of, text_of
from app.domain.errors import Fault
from app.domain.range_units.cross_check import ScalarTick
from app.domain.range_units.revisions import WHOLE_QUOTE, Market

_TICK = "tick_size"


def read_scalar_ticks(
    payload: bytes, *, asked: Market
) -> tuple[tuple[ScalarTick, ...], tuple[Fault, ...]]:
    """Give the tick size of each market that the reply names, and why others are rejected.

    Raises `PayloadRejected` where the reply as a whole is wrong, or no market is left. One
    unknown market among those asked about is enough for that: then the reply is an error.
    """
    ticks, rejections = _MARKETS.of(payload, asked)
    return tuple(ScalarTick(*tick) for tick in ticks.items()), tuple(rejections)


def _entries(payload: bytes) -> object:
    reply = content_of(payload)
    if isinstance(reply, list):
        return reply
    error = reply.get("error") if isinstance(reply, dict) else None
    if isinstance(error, dict):
        raise error_said(error.get("name"), error.get("message"))
    raise Refused(f"is {described(reply)}, not a list")


def _codes(entry: Mapping[str, object], path: str) -> tuple[str, str]:
    market = text_of(entry, "market", path)
    quote, _, target = market.partition("-")
    if not quote or not target or WHOLE_QUOTE in market:
        fault = Fault(f"{path}.market", f"is {described(market)}, not such as KRW-BTC")
        raise Refused("has a market with an odd name", [fault])
    stated = text_of(entry, "quote_currency", path)
    if stated != quote:
        message = f"is {described(stated)}, although the market is {described(market)}"
        fault = Fault(f"{path}.quote_currency", message)
        raise Refused("has a market with two quote currencies", [fault])
    return quote, target


def _tick(entry: Mapping[str, object], path: str) -> Decimal:
    tick = number_in_string(entry[_TICK]) if _TICK in entry else "is missing"
    if isinstance(tick, Decimal) and tick > 0:
        return tick
    fault = Fault(f"{path}.{_TICK}", tick if isinstance(tick, str) else "is not above zero")
    raise Refused("has a tick size that is none", [fault])


_MARKETS = NamedMarkets("", _entries, _codes, _tick)
