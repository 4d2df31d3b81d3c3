"""The questions that bots ask all day, answered without the ways of a framework for every request.

What FastAPI does for each takes twice as long as the answer. Here is what its routes do, for a
current table and a current price of which everything is known: the same functions, found without
looking for a route, and given what the path says. Nothing here waits. Whatever is out of the
ordinary, any refusal first of all, is left to the route, which answers as if nobody had been here,
and gets to know what is asked next.
"""

import re
from functools import lru_cache
from typing import Final

from fastapi import Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app.adapters.http.access import ACCESS
from app.adapters.http.authentication import is_admitted
from app.adapters.http.ending import Ending
from app.adapters.http.headers import sent
from app.adapters.http.range_units.asked import MARKET_PATH, RangeUnitsServices
from app.adapters.http.range_units.prices import price_shown, prices
from app.adapters.http.range_units.tables import range_units, shown_again
from app.domain.range_units.errors import InvalidCode
from app.domain.range_units.numbers import InvalidNumber, parse_decimal, plain
from app.domain.range_units.revisions import Market, market_of

_PATH: Final = re.compile(
    r"/v1/exchanges/([^/]+)/markets/([^/]+)/([^/]+)/(?:range-units|prices/([^/]+))"
)
LONGEST_PATH: Final = 300
"""More characters than any path of these has."""

REMEMBERED: Final = 1_000
"""Paths that are known at a time."""

_TABLE: Final = f"{MARKET_PATH}/range-units"
_PRICE: Final = f"{MARKET_PATH}/prices/{{price}}"
_ROUTES: Final = {
    route.path: route
    for route in (*range_units.routes, *prices.routes)
    if isinstance(route, APIRoute) and "GET" in (route.methods or ())
}


class Shortcuts:
    """ASGI middleware, within `RequestLog`: answers what it can, and passes on the rest."""

    def __init__(self, app: ASGIApp, *, ending: Ending) -> None:
        self._app = app
        self._ending = ending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        response = None
        if scope["type"] == "http" and scope["method"] == "GET" and not scope["query_string"]:
            path = scope["path"]
            # Strangers' paths are remembered, too: a thousand long ones would fill the memory.
            asked = _asked(path) if len(path) <= LONGEST_PATH else None
            if asked is not None and not self._ending.is_told:
                response = _answer(scope, *asked)
        await (response or self._app)(scope, receive, send)


@lru_cache(maxsize=REMEMBERED)
def _asked(path: str) -> tuple[Market, str | None] | None:
    """Read a path, which bots ask for again and again: of which market, and which price if any."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    exchange, quote, target, price = found.groups()
    try:
        market = market_of(exchange, quote, target)
        return market, None if price is None else plain(parse_decimal(price))
    except (InvalidCode, InvalidNumber):
        return None


def _answer(scope: Scope, market: Market, price: str | None) -> Response | None:
    route = _TABLE if price is None else _PRICE
    if not is_admitted(scope, ACCESS["GET", route]):
        return None
    services: RangeUnitsServices = scope["app"].state.range_units
    asked = sent(scope, b"if-none-match") or None
    response = None
    if price is not None:
        known = services.prices.known(market=market, price=price)
        response = None if known is None else price_shown(*known, asked)
    elif (units := services.range_units.known(market=market)) is not None:
        response = shown_again(services, units, asked)
    if response is not None:
        scope["route"] = _ROUTES[route]
    return response
