"""Questions about prices."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Response

from app.adapters.http.authentication import GuardedRoute
from app.adapters.http.errors import responses
from app.adapters.http.range_units.asked import (
    MARKET_PATH,
    AsOf,
    Number,
    OfMarket,
    RangeUnitsServices,
    Services,
)
from app.adapters.http.range_units.conditional import (
    NOT_MODIFIED,
    IfNoneMatch,
    is_current,
    of_a_question,
)
from app.adapters.http.range_units.price_answers import (
    price_answered,
    prices_checked,
    prices_rounded,
)
from app.adapters.http.range_units.price_bodies import (
    LadderAnswer,
    LadderAsked,
    PriceAnswered,
    PriceAsked,
    PriceResult,
    PricesChecked,
    PricesRounded,
    PricesToCheck,
    PricesToRound,
    Step,
    Stepped,
    TicksAsked,
    TicksCounted,
)
from app.domain.range_units.errors import (
    InvalidCode,
    PriceOffGrid,
    UnknownExchange,
    UnknownHistory,
    UnknownMarket,
)
from app.domain.range_units.grid import PriceAnswer, Ties
from app.domain.range_units.numbers import plain
from app.domain.range_units.revisions import Market
from app.domain.range_units.table import Row
from app.domain.range_units.timeline import Span
from app.domain.range_units.written import Checked
from app.services.range_units.range_units_service import RangeUnits

_JSON: Final = "application/json"
_NOW: Final = AsOf()
_BY_REVISION: Final = (InvalidCode, UnknownExchange, UnknownMarket, UnknownHistory)

prices = APIRouter(prefix=MARKET_PATH, tags=["prices"], route_class=GuardedRoute)


@prices.get(
    "/prices/{price}",
    summary="Is this price valid",
    response_model=PriceAnswered,
    responses={304: NOT_MODIFIED, **responses(401, 403, 422, 503, *_BY_REVISION)},
)
async def get_price(
    market: OfMarket,
    price: Annotated[Number, Path(examples=["116455500"])],
    asked: Annotated[PriceAsked, Query()],
    services: Services,
    if_none_match: IfNoneMatch = None,
) -> PriceAnswered | Response:
    """Say whether an order may carry a price, why not, and which valid prices are around it.

    What may appear in a book is another question: after a change, orders of before may rest
    there. `observed` asks that one too.
    """
    if asked.observed:
        units, [explained] = await _explained(market, [price], asked, services)
        # Which of the earlier revisions there are is not told by the one that answers.
        return PriceAnswered(**explained, **_by(units))
    units, [facts] = await services.prices.check_written(
        market=market, prices=[plain(price)], as_of=asked.as_of, known_at=asked.known_at
    )
    return price_shown(units, facts, if_none_match)


def price_shown(units: RangeUnits, facts: Checked, if_none_match: Sequence[str] | None) -> Response:
    """Answer `get_price` of a new order's price."""
    return conditional(units, partial(price_answered, units, facts), if_none_match)


def conditional(
    units: RangeUnits, write: Callable[[], str], if_none_match: Sequence[str] | None
) -> Response:
    """Show what a table says, unless the client has that."""
    headers = of_a_question(units)
    if is_current(if_none_match, headers["ETag"]):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(write(), headers=headers, media_type=_JSON)


@prices.post(
    "/prices/check",
    summary="Check prices",
    response_model=PricesChecked,
    responses=responses(401, 403, 413, 422, 503, *_BY_REVISION),
)
async def check_prices(
    market: OfMarket, body: PricesToCheck, services: Services
) -> PricesChecked | Response:
    """Answer for many prices as `GET …/prices/{price}` does for one."""
    if body.observed:
        observed = [Decimal(price) for price in body.prices]
        units, explained = await _explained(market, observed, body, services)
        return PricesChecked(results=[PriceResult(**each) for each in explained], **_by(units))
    units, facts = await services.prices.check_written(
        market=market, prices=body.prices, as_of=body.as_of, known_at=body.known_at
    )
    return Response(prices_checked(units, facts), media_type=_JSON)


@prices.post(
    "/prices/round",
    summary="Round prices",
    response_model=PricesRounded,
    responses=responses(401, 403, 413, 422, 503, *_BY_REVISION),
)
async def round_prices(market: OfMarket, body: PricesToRound, services: Services) -> Response:
    """Round prices to valid ones. Passive orders give way, aggressive ones do not."""
    units, rounded = await services.prices.round(
        market=market,
        prices=body.prices,
        direction=body.where_to(),
        ties=body.ties or Ties.UP,
        explain=body.explain,
        as_of=body.as_of,
        known_at=body.known_at,
    )
    return Response(prices_rounded(units, rounded), media_type=_JSON)


@prices.post(
    "/prices/step",
    summary="Step from a price",
    responses=responses(401, 403, 413, 422, 503, *_BY_REVISION, PriceOffGrid),
)
async def step(market: OfMarket, body: Step, services: Services) -> Stepped:
    """Go a number of ticks up or down from a valid price."""
    units, stepped = await services.prices.step(
        market=market, price=body.price, ticks=body.ticks, as_of=body.as_of, known_at=body.known_at
    )
    return Stepped(
        price=body.price,
        ticks=body.ticks,
        stepped=stepped.price,
        reason=stepped.reason,
        **_band(stepped.band),
        **_by(units),
    )


@prices.get(
    "/ticks",
    summary="Count ticks",
    response_model=TicksCounted,
    responses={304: NOT_MODIFIED, **responses(401, 403, 422, 503, *_BY_REVISION, PriceOffGrid)},
)
async def count_ticks(
    market: OfMarket,
    asked: Annotated[TicksAsked, Query()],
    services: Services,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Count the ticks from one valid price to another."""
    units, ticks = await services.prices.ticks(
        market=market, start=asked.start, end=asked.end, as_of=asked.as_of, known_at=asked.known_at
    )
    answer = TicksCounted(start=asked.start, end=asked.end, ticks=ticks, **_by(units))
    return conditional(units, partial(answer.model_dump_json, by_alias=True), if_none_match)


@prices.get(
    "/ladder",
    summary="Show the ladder",
    response_model=LadderAnswer,
    responses={304: NOT_MODIFIED, **responses(401, 403, 422, 503, *_BY_REVISION)},
)
async def show_ladder(
    market: OfMarket,
    asked: Annotated[LadderAsked, Query()],
    services: Services,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Give the valid prices on either side of a price, and what is true of it."""
    units, ladder = await services.prices.ladder(
        market=market,
        price=asked.price,
        levels=asked.levels,
        as_of=asked.as_of,
        known_at=asked.known_at,
    )
    facts = _facts(ladder.asked)
    answer = LadderAnswer(below=ladder.below, above=ladder.above, **facts, **_by(units))
    return conditional(units, partial(answer.model_dump_json, by_alias=True), if_none_match)


async def _explained(
    market: Market, prices: list[Decimal], asked: PriceAsked, services: RangeUnitsServices
) -> tuple[RangeUnits, list[dict[str, Any]]]:
    units, explained = await services.prices.explain(
        market=market, prices=prices, as_of=asked.as_of, known_at=asked.known_at
    )
    return units, [_facts(answer, span) for answer, span in explained]


def _by(units: RangeUnits) -> dict[str, Any]:
    return {
        "revision_id": units.revision.id,
        "effective_from": units.revision.effective_from,
        "age_seconds": units.age // timedelta(seconds=1),
    }


def _facts(answer: PriceAnswer, span: Span | None = None) -> dict[str, Any]:
    return {
        "price": answer.price,
        "valid": answer.valid,
        "reason": answer.reason,
        "floor": answer.floor,
        "ceil": answer.ceil,
        "next_down": answer.next_down,
        "next_up": answer.next_up,
        **_band(answer.band),
        "grandfathered": span
        and {
            "revision_id": span.revision.id,
            "effective_from": span.effective_from,
            "effective_until": span.effective_until,
        },
    }


def _band(band: Row | None) -> dict[str, Any]:
    return {
        "price_unit": band and band.price_unit,
        "range_min": band and band.range_min,
        "next_range_min": band and band.next_range_min,
    }
