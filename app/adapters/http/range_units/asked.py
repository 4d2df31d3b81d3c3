"""What is asked of range units: of which market, as of when."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from functools import partial
from typing import Annotated, Final

from fastapi import Depends, Path, Request
from pydantic import BaseModel, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from app.adapters.http.schemas import Instant, Sent
from app.domain.range_units.jobs import Job
from app.domain.range_units.lint import Oddity, lint
from app.domain.range_units.numbers import InvalidNumber, parse_decimal, plain
from app.domain.range_units.revisions import Market, market_of
from app.domain.range_units.table import RangeUnitTable
from app.services.kept import Kept
from app.services.range_units.change_feed import ChangeFeed
from app.services.range_units.change_service import ChangeService
from app.services.range_units.history_service import HistoryService
from app.services.range_units.price_service import PriceService
from app.services.range_units.quarantine_service import QuarantineService
from app.services.range_units.range_units_service import RangeUnitsService
from app.services.range_units.sync_service import SyncService

MOST_BYTES: Final = 64 * 1024 * 1024


def read_number(value: object) -> Decimal:
    """Read decimal text, exactly; a JSON number may have lost digits before it came here.

    What is a decimal already is our own, in an answer.
    """
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str):
        raise ValueError("is not a decimal number written as a string")  # noqa: TRY004 - Pydantic's
    try:
        return parse_decimal(value)
    except InvalidNumber as error:
        raise ValueError(str(error)) from None


Number = Annotated[
    Decimal,
    BeforeValidator(read_number),
    PlainSerializer(plain, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": 100,
            "pattern": r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$",
            "examples": ["116455000", "0.0001"],
        }
    ),
]


def _code(form: str, example: str) -> WithJsonSchema:
    # Only documented here: the domain refuses what is none, in its own words.
    return WithJsonSchema({"type": "string", "pattern": form, "examples": [example]})


class FindingAnswer(BaseModel):
    """Something odd about a table, which is no reason to refuse it."""

    code: Oddity
    position: int = Field(description="Of the band, from 0.")
    message: str


def finding_answers(table: RangeUnitTable) -> list[FindingAnswer]:
    """Look a table over."""
    return [FindingAnswer(**asdict(finding)) for finding in lint(table)]


ExchangeCode = Annotated[str, _code("^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", "upbit")]
Quote = Annotated[str, _code("^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$", "KRW")]
TargetCode = Annotated[str, _code("^([A-Za-z0-9][A-Za-z0-9._-]{0,31}|\\*)$", "BTC")]


@dataclass(frozen=True, slots=True)
class RangeUnitsServices:
    """What these routes call."""

    range_units: RangeUnitsService
    prices: PriceService
    history: HistoryService
    changes: ChangeService
    feed: ChangeFeed
    sync: SyncService
    quarantine: QuarantineService
    begin: Callable[[Job], object]
    """Begins to run a job, and does not wait for it."""
    bodies: Kept[str, bytes] = field(default_factory=partial(Kept, most=MOST_BYTES))
    """The range units as they were written last, by ETag."""
    heartbeat: int = 15
    """Seconds after which a stream shows that it is alive, and asks whether it still may be."""


async def _services(request: Request) -> RangeUnitsServices:
    services: RangeUnitsServices = request.app.state.range_units
    return services


async def _market(
    exchange: Annotated[ExchangeCode, Path()],
    quote: Annotated[Quote, Path()],
    target: Annotated[TargetCode, Path(description="`*`: the whole quote currency.")],
) -> Market:
    return market_of(exchange, quote, target)


Services = Annotated[RangeUnitsServices, Depends(_services)]
OfMarket = Annotated[Market, Depends(_market)]


class AsOf(Sent):
    """At which instant (default: now), and as it was known at which (default: now)."""

    as_of: Instant | None = None
    known_at: Instant | None = None


MARKET_PATH = "/v1/exchanges/{exchange}/markets/{quote}/{target}"
