"""Questions about prices."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Response
from pydantic import (
    BaseModel,
)

from app.adapters.http.authentication import GuardedRoute
from app.adapters.http.errors import responses
from app.adapters.http.range_units.asked import (
    MARKET_PATH,
    Number,
    OfMarket,
    RangeUnitsServices,
    Services,
    read_number,
)
from app.adapters.http.range_units.conditional import (
    NOT_MODIFIED,
    IfNoneMatch,
    is_current,
    of_a_question,
)
from app.adapters.http.range_units.price_bodies import (
    ByRevision,
    LadderAnswer,
    LadderAsked,
    PriceAnswered,
    PriceAsked,
    PriceFacts,
    PriceResult,
    PricesChecked,
    PricesRounded,
    PricesToCheck,
    PricesToRound,
    RoundedPrice,
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
from app.domain.range_units.revisions import Market
from app.domain.range_units.table import Row
from app.domain.range_units.timeline import Span
from app.domain.range_units.written import Rounded
from app.services.range_units.range_units_service import RangeUnits

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
    units, [facts] = await _checked(market, [price], asked, services)
    answer = PriceAnswered(**facts, **_by(units))
    # Which of the earlier revisions there are is not told by the one that answers.
    return answer if asked.observed else conditional(units, answer, if_none_match)


def price_shown(
    units: RangeUnits, answer: PriceAnswer, if_none_match: Sequence[str] | None
) -> Response:
    """Answer as `get_price` does of a new order's price now."""
    return conditional(units, PriceAnswered(**_facts(answer), **_by(units)), if_none_match)


def conditional(
    units: RangeUnits, answer: BaseModel, if_none_match: Sequence[str] | None
) -> Response:
    """Show what a table says, unless the client has that."""
    headers = of_a_question(units)
    if is_current(if_none_match, headers["ETag"]):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    body = answer.model_dump_json(by_alias=True)
    return Response(body, headers=headers, media_type="application/json")


@prices.post(
    "/prices/check",
    summary="Check prices",
    responses=responses(401, 403, 413, 422, 503, *_BY_REVISION),
)
async def check_prices(market: OfMarket, body: PricesToCheck, services: Services) -> PricesChecked:
    """Answer for many prices as `GET …/prices/{price}` does for one."""
    units, facts = await _checked(market, body.prices, body, services)
    return PricesChecked(results=[PriceResult(**each) for each in facts], **_by(units))


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
    if body.explain:
        answer = PricesRounded(results=list(map(_explained, rounded)), **_by(units))
        return Response(answer.model_dump_json(), media_type="application/json")
    return Response(_rounded(units, rounded), media_type="application/json")


def _rounded(units: RangeUnits, rounded: Sequence[Rounded]) -> bytes:
    """Write `PricesRounded`: numbers and reasons in it need no escapes."""
    results = ",".join(
        f'{{"price":"{price}","rounded":"{near}","changed":false,"reason":null}}'
        if reason is None
        else f'{{"price":"{price}","rounded":{_quoted(near)},"changed":true,"reason":"{reason}"}}'
        for price, near, reason, _ in rounded
    )
    evidence = ByRevision(**_by(units)).model_dump_json()
    return f'{evidence[:-1]},"results":[{results}]}}'.encode()


def _explained(rounded: Rounded) -> RoundedPrice:
    near, facts = rounded.rounded, rounded.facts
    return RoundedPrice(
        price=read_number(rounded.price),
        rounded=None if near is None else read_number(near),
        changed=rounded.reason is not None,
        reason=rounded.reason,
        facts=None if facts is None else PriceFacts(**_facts(facts)),
    )


def _quoted(text: str | None) -> str:
    return "null" if text is None else f'"{text}"'


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
    return conditional(units, answer, if_none_match)


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
    return conditional(units, answer, if_none_match)


async def _checked(
    market: Market, prices: list[Decimal], asked: PriceAsked, services: RangeUnitsServices
) -> tuple[RangeUnits, list[dict[str, Any]]]:
    question = {"as_of": asked.as_of, "known_at": asked.known_at}
    if asked.observed:
        units, explained = await services.prices.explain(market=market, prices=prices, **question)
        return units, [_facts(answer, span) for answer, span in explained]
    units, answers = await services.prices.check(market=market, prices=prices, **question)
    return units, [_facts(answer) for answer in answers]


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
