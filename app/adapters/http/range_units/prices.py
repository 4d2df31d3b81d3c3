"""Questions about prices."""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any, Final, Self
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    StrictBool,
    model_validator,
)
from pydantic_core import core_schema

from app.adapters.http.authentication import GuardedRoute
from app.adapters.http.errors import responses
from app.adapters.http.range_units.asked import (
    MARKET_PATH,
    AsOf,
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
from app.adapters.http.schemas import written_plainly
from app.domain.range_units.errors import (
    InvalidCode,
    PriceOffGrid,
    UnknownExchange,
    UnknownHistory,
    UnknownMarket,
)
from app.domain.range_units.grid import Direction, PriceAnswer, Reason, Ties
from app.domain.range_units.numbers import plain
from app.domain.range_units.orders import Intent, Side, direction_of
from app.domain.range_units.revisions import Market
from app.domain.range_units.table import Row
from app.domain.range_units.timeline import Span
from app.domain.range_units.written import Rounded
from app.services.range_units.range_units_service import RangeUnits

_BY_REVISION: Final = (InvalidCode, UnknownExchange, UnknownMarket, UnknownHistory)
MOST_PRICES = 10_000
MOST_TICKS = 10**30
MOST_LEVELS = 1_000


prices = APIRouter(prefix=MARKET_PATH, tags=["prices"], route_class=GuardedRoute)


class ByRevision(BaseModel):
    """By which revision a question was answered, and how long ago that was last confirmed."""

    revision_id: UUID
    effective_from: datetime | None
    age_seconds: int


class Grandfathered(BaseModel):
    """The revision by which a price was valid, and from when to when that answered."""

    revision_id: UUID
    effective_from: datetime | None
    effective_until: datetime


class PriceFacts(BaseModel):
    """What is true of a price. Null: there is no such price, or it is in no band."""

    price: Number
    valid: bool
    reason: Reason | None = Field(description="Why it is not valid.")
    floor: Number | None = Field(description="The greatest valid price at or below it.")
    ceil: Number | None = Field(description="The least valid price at or above it.")
    next_down: Number | None
    next_up: Number | None
    price_unit: Number | None
    range_min: Number | None
    next_range_min: Number | None


class PriceResult(PriceFacts):
    """The same, and of an observed price where it may come from."""

    grandfathered: Grandfathered | None = Field(
        description="Of an observed price: which earlier revision allowed it, if one of the last"
        " few did. An order of then may still rest in the book; a new one is refused."
    )


class PriceAnswered(PriceResult, ByRevision):
    """What is true of one price."""


class PricesChecked(ByRevision):
    """What is true of each price, in the order asked."""

    results: list[PriceResult]


# A number that is not below zero, in plain notation, and no longer than what is taken anyway.
_is_number: Final = re.compile(r"(?:0|[1-9][0-9]{0,39})(?:\.[0-9]{1,40})?").fullmatch

Prices = Annotated[list[Number], Field(min_length=1, max_length=MOST_PRICES)]


def _said(value: object) -> object:
    """Refuse the many words that Pydantic takes for true or false."""
    if isinstance(value, bool) or value in ("true", "false"):
        return value
    raise ValueError("is neither true nor false")


class PriceAsked(AsOf):
    """Of a new order's price, or of one that was observed in a book."""

    observed: Annotated[
        bool,
        Field(description="Also say which earlier revision allowed a price that is not valid."),
        BeforeValidator(_said),
    ] = False


class PricesToCheck(PriceAsked):
    """Up to 10,000 prices."""

    prices: Prices


class _InPlainNotation:
    """Prices as texts: ten thousand of them are read without making a decimal of each."""

    def __get_pydantic_core_schema__(
        self, _source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        numbers = handler.generate_schema(Prices)
        return core_schema.no_info_wrap_validator_function(self._read, numbers)

    @staticmethod
    def _read(value: object, read: Callable[[object], list[Decimal]]) -> list[str]:
        if isinstance(value, list) and len(value) <= MOST_PRICES:
            with suppress(TypeError):  # of what is no text, `read` tells where it is
                if value and all(map(_is_number, value)):
                    return [text.rstrip("0").rstrip(".") if "." in text else text for text in value]
        return [plain(price) for price in read(value)]


class PricesToRound(AsOf):
    """Prices and a direction; or, for orders, a side and an intent."""

    prices: Annotated[list[str], _InPlainNotation()]
    direction: Direction | None = None
    ties: Annotated[Ties | None, Field(description="For `nearest`; default `up`.")] = None
    side: Side | None = None
    intent: Intent | None = None
    explain: Annotated[
        StrictBool, Field(description="Also say of each price what a check says of it.")
    ] = False

    @model_validator(mode="after")
    def _say_where_to(self) -> Self:
        by_order = self.side is not None and self.intent is not None
        if (self.side is None) != (self.intent is None) or by_order == (self.direction is not None):
            raise ValueError("needs either direction, or both side and intent")
        if self.ties is not None and self.direction is not Direction.NEAREST:
            raise ValueError("ties goes with the direction nearest only")
        return self

    def where_to(self) -> Direction:
        """Give the direction that was said, or the one that an order's side and intent mean."""
        if self.side is not None and self.intent is not None:
            return direction_of(self.side, self.intent)
        return self.direction or Direction.NEAREST


class RoundedPrice(BaseModel):
    """A price and what it rounds to; null where there is no valid price that way."""

    price: Number
    rounded: Number | None
    changed: bool
    reason: Reason | None
    facts: PriceFacts | None = Field(
        None, description="What is true of the price itself; with `explain` only."
    )


class PricesRounded(ByRevision):
    """What each price rounds to, in the order asked."""

    results: list[RoundedPrice]


class Step(AsOf):
    """A valid price and a number of ticks, negative for down."""

    price: Number
    ticks: Annotated[int, Field(ge=-MOST_TICKS, le=MOST_TICKS, strict=True)]


class Stepped(ByRevision):
    """The price that many ticks away, and its band; null where the table ends before."""

    price: Number
    ticks: int
    stepped: Number | None
    reason: Reason | None = Field(description="Why the table ends.")
    price_unit: Number | None
    range_min: Number | None
    next_range_min: Number | None


class TicksAsked(AsOf):
    """Two valid prices."""

    start: Annotated[Number, Field(alias="from")]
    end: Annotated[Number, Field(alias="to")]


class TicksCounted(ByRevision):
    """How many valid prices v there are with from < v <= to; negative when from > to."""

    start: Annotated[Number, Field(serialization_alias="from")]
    end: Annotated[Number, Field(serialization_alias="to")]
    ticks: int


class LadderAsked(AsOf):
    """A price, valid itself or not, and how many valid prices to give on either side."""

    price: Number
    levels: Annotated[int, Field(ge=1, le=MOST_LEVELS), BeforeValidator(written_plainly)] = 10


class LadderAnswer(PriceFacts, ByRevision):
    """What is true of a price, and the valid prices around it, nearest first."""

    below: list[Number]
    above: list[Number]


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


async def price_shown(
    market: Market,
    price: Decimal,
    services: RangeUnitsServices,
    if_none_match: Sequence[str] | None,
) -> Response:
    """Answer as `get_price` does of a new order's price now."""
    units, [answer] = await services.prices.check(market=market, prices=[price])
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
