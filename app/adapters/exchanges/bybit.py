"""Range units as Bybit publishes them: the priceFilter of `GET /v5/market/instruments-info`.

A reply is one page of one category of instruments. Several instruments can be of the same pair:
the spot market or perpetual contract that is called by its pair (BTCUSDT, BTCPERP) is the market
of that pair; any other contract, such as one that expires, is itself the target, as in
USDT/BTCUSDT-27MAR26.
"""

from collections.abc import Mapping
from decimal import Decimal

from app.adapters.exchanges.client import Answer, ExchangeClient
from app.adapters.exchanges.limits import filter_of
from app.adapters.exchanges.listing import about_several, content_of, no_list, no_part
from app.adapters.exchanges.refusal import Refused, described, error_said, wrong
from app.adapters.exchanges.replies import NamedMarkets, ReadsNamedMarkets, object_of, text_of
from app.domain.errors import Fault
from app.domain.range_units.errors import FeedRefused
from app.domain.range_units.table import RangeUnitTable
from app.ports.range_units.feeds import Feed, Parts, Take
from app.ports.range_units.formats import PayloadFormat

_FILTER = "priceFilter"
_LIMITS = {"minPrice", "maxPrice"}


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


class BybitFormat(ReadsNamedMarkets, PayloadFormat):
    """One reply, the instruments of a page."""

    markets = NamedMarkets("result.list", _entries, _codes, _table)


_PATH = "/v5/market/instruments-info"
_CATEGORY = "linear"  # the spot market has the same pairs, with other price filters
_PAGE = "500"
_MOST_PAGES = 50


class BybitFeed(Feed):
    """One part: the perpetuals, whose pages have to be followed to the last."""

    def __init__(self, client: ExchangeClient) -> None:
        self._client = client

    async def parts(self) -> Parts:
        """Give the one category, without asking."""
        return Parts((_CATEGORY,))

    async def fetch(self, *, part: str, take: Take) -> None:
        """Ask for the pages of a category; each is taken before the next is asked for."""
        if part != _CATEGORY:
            raise no_part("bybit", part)
        cursors = [""]
        while len(cursors) <= _MOST_PAGES:
            query = {"category": part, "limit": _PAGE}
            if cursors[-1]:
                query["cursor"] = cursors[-1]
            answer = await self._client.get(_PATH, query)
            page = await _page(answer, part)
            await take(about_several("bybit", answer))
            following = _following(answer, page)
            if not following:
                return
            if following in cursors:
                raise no_list(answer, "leads back to a page that was read already")
            cursors.append(following)
        raise FeedRefused(f"bybit has more than {_MOST_PAGES} pages about {part}.")


async def _page(answer: Answer, category: str) -> Mapping[str, object]:
    """Read what a page says of itself; nothing, where it is no page.

    That is for whoever reads the replies to say, and to keep, as of any other reply. Raises
    `FeedRefused` for a page of another category: that names the same pairs, with other filters.
    """
    try:
        content = await content_of(answer)
    except FeedRefused:
        return {}
    match content:
        case {"result": {"category": str() as other}} if other not in ("", category):
            raise no_list(answer, f"is about the category {described(other)}, not {category}")
        case {"result": dict() as page}:
            return page
        case _:
            return {}


def _following(answer: Answer, page: Mapping[str, object]) -> str:
    """Find the cursor of the next page; none, where the page is the last."""
    match page:
        case {"nextPageCursor": str() as following}:
            return following
        case {"nextPageCursor": other} if other is not None:
            raise no_list(answer, f"has {described(other)} for a cursor")
        case _:
            return ""
