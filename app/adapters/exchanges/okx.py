"""Range units as OKX publishes them: `GET /api/v5/public/instrument-tick-bands`.

They hold for families of instruments, such as the options of BTC-USD. A family that is spelled
like a pair becomes the market of that pair, USD/BTC; any other one, such as EVENTS, is itself the
quote of a ladder, EVENTS/*. Families of options are all that this endpoint knows: spot markets
have their tick sizes elsewhere, and are never read here.
"""

from collections.abc import Mapping

from app.adapters.exchanges.bands import Bands
from app.adapters.exchanges.client import ExchangeClient
from app.adapters.exchanges.listing import about_several, no_part
from app.adapters.exchanges.refusal import Refused, error_said, wrong
from app.adapters.exchanges.replies import NamedMarkets, ReadsNamedMarkets, object_of, text_of
from app.domain.range_units.revisions import WHOLE_QUOTE
from app.domain.range_units.table import RangeUnitTable, TopRule
from app.ports.range_units.feeds import Feed, Parts, Take
from app.ports.range_units.formats import PayloadFormat

_BANDS = Bands("minPx", "tickSz", "maxPx")
_LIST = "tickBand"


def _entries(payload: bytes) -> object:
    reply = object_of(payload)
    code = reply.get("code")
    if isinstance(code, str) and code != "0":
        raise error_said(code, reply.get("msg"))
    if code != "0":
        raise Refused("is not shaped like range units", [wrong(reply, "code", '"0"')])
    return reply.get("data")


def _codes(entry: Mapping[str, object], path: str) -> tuple[str, str]:
    family = text_of(entry, "instFamily", path)
    target, hyphen, quote = family.partition("-")
    is_pair = bool(hyphen and target and quote) and WHOLE_QUOTE not in family
    return (quote, target) if is_pair else (family, WHOLE_QUOTE)


def _table(entry: Mapping[str, object], path: str) -> RangeUnitTable:
    if _LIST not in entry:
        raise Refused("has no bands", [wrong(entry, _LIST, "a list", path=f"{path}.")])
    return _BANDS.table(entry[_LIST], f"{path}.{_LIST}", top_rule=TopRule.INCLUSIVE)


class OkxFormat(ReadsNamedMarkets, PayloadFormat):
    """One reply, many families. Where the last band ends is itself a price."""

    markets = NamedMarkets("data", _entries, _codes, _table)


_ALL = "all"


class OkxFeed(Feed):
    """One call tells everything; only options have bands."""

    def __init__(self, client: ExchangeClient) -> None:
        self._client = client

    async def parts(self) -> Parts:
        """Give the one part that there is, without asking."""
        return Parts((_ALL,))

    async def fetch(self, *, part: str, take: Take) -> None:
        """Ask for the bands of all families of options."""
        if part != _ALL:
            raise no_part("okx", part)
        path = "/api/v5/public/instrument-tick-bands"
        answer = await self._client.get(path, {"instType": "OPTION"})
        await take(about_several("okx", answer))
