"""Range units as Coinone publishes them: `GET /public/v2/range_units/{quote}/{target}`.

The HTTP status says nothing there: errors come with 200 and `result: "error"`, an unknown path
with 200 and HTML, an unknown quote currency with `result: "success"` and no bands. Nor does the
reply name its market; that is known only from the request.
"""

from collections.abc import Mapping
from datetime import datetime

from app.adapters.exchanges.bands import Bands, json_number
from app.adapters.exchanges.client import ExchangeClient
from app.adapters.exchanges.listing import (
    Codes,
    about,
    content_of,
    listed_parts,
    market_of_part,
    no_list,
)
from app.adapters.exchanges.long_bands import LongBands
from app.adapters.exchanges.refusal import Refused, described, error_said, rejected, wrong
from app.adapters.exchanges.replies import object_of
from app.domain.errors import Fault
from app.domain.range_units.revisions import WHOLE_QUOTE, Market, Observation, Reading
from app.domain.range_units.table import RangeUnitTable
from app.ports.range_units.feeds import Feed, Parts, Take
from app.ports.range_units.formats import PayloadFormat

_QUOTE = "KRW"
_PATH = "range_price_units"
_FIELDS = ("range_min", "price_unit", "next_range_min")
_BANDS = Bands(*_FIELDS, read=json_number)
_LONG_BANDS = LongBands(_PATH, *_FIELDS)


class CoinoneFormat(PayloadFormat):
    """One reply, one market. Where the last band ends is the top, and itself no price."""

    def read(
        self, *, payload: bytes, market: Market, observed_at: datetime, source: str
    ) -> Reading:
        """Read a reply; what it says is in force from the moment it was observed."""
        try:
            _refuse_ladders(market)
            table = _table(payload)
        except Refused as refused:
            detail = f"The reply about {market} {refused}."
            raise rejected(detail, refused.faults, about=str(market)) from refused
        return Reading((Observation(market, table, effective_from=observed_at, source=source),))


def _refuse_ladders(market: Market) -> None:
    if market.target == WHOLE_QUOTE:
        raise Refused("is about one market, and cannot speak for a whole quote currency")


def _table(payload: bytes) -> RangeUnitTable:
    long = _LONG_BANDS.read(payload)
    if long is None:
        return _BANDS.table(_bands(object_of(payload)), _PATH)
    reply, table = long
    _bands(reply)  # as it may be refused
    return table


def _bands(reply: Mapping[str, object]) -> list[object]:
    if reply.get("result") == "error":
        raise error_said(reply.get("error_code"), reply.get("error_msg"))
    bands = reply.get(_PATH)
    faults: list[Fault] = []
    if reply.get("result") != "success":
        faults.append(wrong(reply, "result", '"success"'))
    if reply.get("error_code", "0") != "0":
        faults.append(wrong(reply, "error_code", '"0"'))
    if not isinstance(bands, list):
        faults.append(wrong(reply, _PATH, "a list"))
    if faults or not isinstance(bands, list):
        raise Refused("is not shaped like range units", faults)
    if not bands:
        fault = Fault(_PATH, "is empty, which is the answer about an unknown quote currency")
        raise Refused("has no bands", [fault])
    return bands


class CoinoneFeed(Feed):
    """One call for each market; the one that gave all markets at once is being removed there."""

    def __init__(self, client: ExchangeClient) -> None:
        self._client = client

    async def parts(self) -> Parts:
        """List the markets, as `KRW/BTC`."""
        answer = await self._client.get(f"/public/v2/markets/{_QUOTE}")
        content = await content_of(answer)
        if content.get("result") == "error":
            error = error_said(content.get("error_code"), content.get("error_msg"))
            raise no_list(answer, str(error))
        match content:
            case {"result": "success", "markets": list() as markets}:
                return listed_parts(answer, "markets", markets, _codes)
            case _:
                raise no_list(answer, "is no list of markets")

    async def fetch(self, *, part: str, take: Take) -> None:
        """Ask for one market."""
        market = market_of_part("coinone", part)
        answer = await self._client.get(f"/public/v2/range_units/{market.quote}/{market.target}")
        await take(about(market, answer))


def _codes(entry: object) -> Codes:
    match entry:
        case {"quote_currency": str() as quote, "target_currency": str() as target}:
            if quote.upper() == _QUOTE:
                return _QUOTE, target
            raise Refused(f"has {described(quote)} for a quote currency, not {_QUOTE}")
        case _:
            raise Refused("does not have two currencies")
