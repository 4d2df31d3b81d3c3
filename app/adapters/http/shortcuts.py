"""The questions that bots ask all day, answered without the ways of a framework for every request.

What FastAPI does for each takes twice as long as the answer. Here is what its routes do, for a
current table and a current price: the same functions, found without looking for a route, and
given what the path says. Whatever is out of the ordinary, any refusal first of all, is left to
the route, which answers as if nobody had been here.
"""

import re
from typing import Final

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from app.adapters.http.access import ACCESS
from app.adapters.http.authentication import admitted
from app.adapters.http.headers import sent
from app.adapters.http.range_units.asked import MARKET_PATH, RangeUnitsServices
from app.adapters.http.range_units.prices import price_shown, prices
from app.adapters.http.range_units.tables import range_units, shown
from app.domain.errors import TickgateError
from app.domain.range_units.numbers import InvalidNumber, parse_decimal
from app.domain.range_units.revisions import market_of

_PATH: Final = re.compile(
    r"/v1/exchanges/([^/]+)/markets/([^/]+)/([^/]+)/(?:range-units|prices/([^/]+))"
)
_TABLE: Final = f"{MARKET_PATH}/range-units"
_PRICE: Final = f"{MARKET_PATH}/prices/{{price}}"
_ROUTES: Final = {
    route.path: route
    for route in (*range_units.routes, *prices.routes)
    if isinstance(route, APIRoute) and "GET" in (route.methods or ())
}


class Shortcuts:
    """ASGI middleware, within all others: answers what it can, and passes on the rest."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        response = None
        if scope["type"] == "http" and scope["method"] == "GET" and not scope["query_string"]:
            found = _PATH.fullmatch(scope["path"])
            if found is not None:
                response = await _answer(Request(scope), *found.groups())
        await (response or self._app)(scope, receive, send)


async def _answer(
    request: Request, exchange: str, quote: str, target: str, price: str | None
) -> Response | None:
    route = _TABLE if price is None else _PRICE
    services: RangeUnitsServices = request.app.state.range_units
    try:
        await admitted(request, ACCESS["GET", route])
        market = market_of(exchange, quote, target)
        asked = sent(request.scope, b"if-none-match") or None
        if price is None:
            units = await services.range_units.current(market=market)
            response = await shown(services, units, asked)
        else:
            response = await price_shown(market, parse_decimal(price), services, asked)
    except (TickgateError, HTTPException, InvalidNumber):
        return None
    request.scope["route"] = _ROUTES[route]
    return response
