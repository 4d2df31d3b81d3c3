"""What Upbit tells of range units: `GET /v1/orderbook/instruments`.

Its ladders exist only as documentation. This reply has one tick size per market, that at the
current price: it can contradict a ladder, and is never a ladder itself.

One market that Upbit does not know makes an error of the whole reply. So the markets come from
`GET /v1/market/all`, and are asked about in short batches.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from app.adapters.exchanges.bands import number_in_string
from app.adapters.exchanges.client import ExchangeClient
from app.adapters.exchanges.listing import (
    MOST_CHARACTERS,
    Codes,
    about_several,
    listed_parts,
    market_of_part,
    no_list,
    no_part,
    parsed,
)
from app.adapters.exchanges.refusal import Refused, described, error_said
from app.adapters.exchanges.replies import NamedMarkets, content_of, text_of
from app.domain.errors import Fault
from app.domain.range_units.revisions import WHOLE_QUOTE, Market, Reading, ScalarTick
from app.ports.range_units.feeds import Feed, Parts, Take
from app.ports.range_units.formats import PayloadFormat

_TICK = "tick_size"


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


class UpbitFormat(PayloadFormat):
    """One reply, a tick size for each of several markets, and never a table."""

    def read(
        self,
        *,
        payload: bytes,
        market: Market,
        observed_at: datetime,  # noqa: ARG002 - tick sizes are not kept
        source: str,  # noqa: ARG002 - the same
    ) -> Reading:
        """Read what is to be compared with the tables that are known."""
        ticks, rejections = _MARKETS.of(payload, market)
        return Reading((), tuple(rejections), tuple(ScalarTick(*tick) for tick in ticks.items()))


_CODE = re.compile(r"([A-Z0-9]{1,32})-([A-Z0-9][A-Z0-9._-]{0,31})")


class UpbitFeed(Feed):
    """Batches of markets of one quote currency, as `KRW/BTC,ETH`: as many as a part can name."""

    def __init__(self, client: ExchangeClient) -> None:
        self._client = client

    async def parts(self) -> Parts:
        """List the markets, and put them into batches."""
        answer = await self._client.get("/v1/market/all")
        match await parsed(answer):
            case list() as markets:
                listed = listed_parts(answer, "", markets, _pair)
                return replace(listed, readable=tuple(_batches(listed.readable)))
            case _:
                raise no_list(answer, "is no list of markets")

    async def fetch(self, *, part: str, take: Take) -> None:
        """Ask for a batch."""
        quote, _, targets = part.partition("/")
        if len(part) > MOST_CHARACTERS:
            raise no_part("upbit", part)
        asked = [market_of_part("upbit", f"{quote}/{one}") for one in targets.split(",")]
        codes = ",".join(f"{market.quote}-{market.target}" for market in asked)
        answer = await self._client.get("/v1/orderbook/instruments", {"markets": codes})
        await take(about_several("upbit", answer, tuple(asked)))


def _pair(entry: object) -> Codes:
    match entry:
        case {"market": str() as code} if named := _CODE.fullmatch(code):
            return named[1], named[2]
        case {"market": str() as code}:
            raise Refused(f"has {described(code)} for a market, not such as KRW-BTC")
        case _:
            raise Refused("has no market")


def _batches(markets: Sequence[str]) -> Iterator[str]:
    """Join markets of one quote currency, given as `KRW/BTC` in order, within a part's length."""
    for quote, some in groupby(markets, key=lambda market: market.partition("/")[0]):
        batch = ""
        for target in (market.partition("/")[2] for market in some):
            if batch and len(batch) + len(target) < MOST_CHARACTERS:
                batch = f"{batch},{target}"
                continue
            if batch:
                yield batch
            batch = f"{quote}/{target}"
        yield batch
