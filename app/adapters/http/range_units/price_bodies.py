"""What is asked about prices, and what is answered."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    StrictBool,
    model_validator,
)
from pydantic_core import core_schema

from app.adapters.http.range_units.asked import AsOf, Number
from app.adapters.http.schemas import written_plainly
from app.domain.range_units.grid import Direction, Reason, Ties
from app.domain.range_units.numbers import plain
from app.domain.range_units.orders import Intent, Side, direction_of

MOST_PRICES: Final = 10_000
MOST_TICKS: Final = 10**30
MOST_LEVELS: Final = 1_000


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


# Numbers that are not below zero, in plain notation, and no longer than what is taken anyway, with
# a comma after each. All at once is three times as fast as one by one.
_are_numbers: Final = re.compile(r"(?:(?:0|[1-9][0-9]{0,39})(?:\.[0-9]{1,40})?,)*+").fullmatch

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


class _InPlainNotation:
    """Prices as texts: ten thousand of them are read without making a decimal of each."""

    def __get_pydantic_core_schema__(
        self, _source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        numbers = handler.generate_schema(Prices)
        return core_schema.no_info_wrap_validator_function(self._read, numbers)

    @staticmethod
    def _read(value: object, read: Callable[[object], list[Decimal]]) -> list[str]:
        if isinstance(value, list) and 0 < len(value) <= MOST_PRICES:
            with suppress(TypeError):  # of what is no text, `read` tells where it is
                joined = f"{','.join(value)},"
                # A text with a comma in it is no number, though it may look like two.
                if joined.count(",") == len(value) and _are_numbers(joined):
                    return [text.rstrip("0").rstrip(".") if "." in text else text for text in value]
        return [plain(price) for price in read(value)]


PricesInPlainNotation = Annotated[list[str], _InPlainNotation()]


class PricesToCheck(PriceAsked):
    """Up to 10,000 prices."""

    prices: PricesInPlainNotation


class PricesToRound(AsOf):
    """Prices and a direction; or, for orders, a side and an intent."""

    prices: PricesInPlainNotation
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
