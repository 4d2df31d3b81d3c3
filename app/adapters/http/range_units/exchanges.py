"""Exchanges, their markets and their replies."""

from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, BaseModel, Field

from app.adapters.http.authentication import Caller, GuardedRoute
from app.adapters.http.errors import responses
from app.adapters.http.range_units.asked import (
    ExchangeCode,
    FindingAnswer,
    Quote,
    Services,
    TargetCode,
)
from app.adapters.http.schemas import (
    Instant,
    InvalidCursor,
    Page,
    PartOfList,
    Sent,
    page_of,
    parts_of,
)
from app.domain.range_units.errors import (
    InvalidCode,
    NoPayloadFormat,
    ObservedInFuture,
    PayloadRejected,
    UnknownExchange,
    rejection,
)
from app.domain.range_units.revisions import Exchange, Market, exchange_code, market_of

exchanges = APIRouter(prefix="/v1/exchanges", tags=["exchanges"], route_class=GuardedRoute)


class ExchangeAnswer(BaseModel):
    """An exchange."""

    exchange: str = Field(examples=["upbit"])
    name: str = Field(examples=["Upbit"])
    time_zone: str = Field(examples=["Asia/Seoul"])


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:  # unknown, or no name of a zone at all
        raise ValueError("is not a time zone of the IANA database") from error
    return name


def _printable(name: str) -> str:
    if not name.isprintable():
        raise ValueError("has characters that cannot be printed")
    return name


class ExchangeToPut(Sent):
    """An exchange's name, and the time zone of its notices."""

    name: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_printable)]
    time_zone: Annotated[str, Field(max_length=64), AfterValidator(_time_zone)] = "UTC"


class MarketAnswer(BaseModel):
    """A market with range units. The target `*` is the ladder of a whole quote currency."""

    quote_currency: str = Field(examples=["KRW"])
    target_currency: str = Field(examples=["*"])


@exchanges.get("", summary="List exchanges", responses=responses(401, 403, 422, 503, InvalidCursor))
async def list_exchanges(
    page: Annotated[PartOfList, Query()], services: Services
) -> Page[ExchangeAnswer]:
    """Give exchanges, by code."""
    after = None if page.cursor is None else _code(*parts_of(page.cursor, 1))
    found = await services.range_units.list_exchanges(after=after, limit=page.limit + 1)
    return page_of(found, page.limit, _exchange_answer, lambda exchange: (exchange.code,))


@exchanges.put(
    "/{exchange}",
    summary="Add or rename an exchange",
    responses={201: {"model": ExchangeAnswer}, **responses(401, 403, 413, 422, 503, InvalidCode)},
)
async def put_exchange(
    exchange: ExchangeCode, body: ExchangeToPut, services: Services, response: Response
) -> ExchangeAnswer:
    """Add an exchange (201), or change its name and time zone (200)."""
    put = Exchange(exchange_code(exchange), body.name, body.time_zone)
    if await services.range_units.put_exchange(exchange=put):
        response.status_code = HTTPStatus.CREATED
    return _exchange_answer(put)


@exchanges.get(
    "/{exchange}/markets",
    summary="List markets",
    responses=responses(401, 403, 422, 503, InvalidCode, InvalidCursor, UnknownExchange),
)
async def list_markets(
    exchange: ExchangeCode, page: Annotated[PartOfList, Query()], services: Services
) -> Page[MarketAnswer]:
    """Give the markets of an exchange, by quote and target currency."""
    code = exchange_code(exchange)
    after = None if page.cursor is None else _position(code, *parts_of(page.cursor, 2))
    found = await services.range_units.list_markets(
        exchange=code, after=after, limit=page.limit + 1
    )
    return page_of(found, page.limit, _market_answer, lambda market: (market.quote, market.target))


def _market_answer(market: Market) -> MarketAnswer:
    return MarketAnswer(quote_currency=market.quote, target_currency=market.target)


def _code(code: str) -> str:
    try:
        return exchange_code(code)
    except InvalidCode:
        raise InvalidCursor from None


def _position(code: str, quote: str, target: str) -> Market:
    try:
        return market_of(code, quote, target)
    except InvalidCode:
        raise InvalidCursor from None


def _exchange_answer(exchange: Exchange) -> ExchangeAnswer:
    return ExchangeAnswer(exchange=exchange.code, name=exchange.name, time_zone=exchange.time_zone)


class RejectionAnswer(BaseModel):
    """Why a market of a payload was not taken; there may be several reasons."""

    market: str = Field(
        description="Its place in the payload, where no market can be made out.",
        examples=["binance BTC/ETH"],
    )
    reason: str


class MarketFinding(FindingAnswer):
    """Something odd about a table in a payload, or about the one that a tick size contradicts."""

    market: str = Field(examples=["coinone KRW/BTC"])


class IngestAnswer(BaseModel):
    """What became of the markets of a payload."""

    attempted: int
    inserted: int
    updated: int
    unchanged: int
    rejected: int
    checked: int = Field(
        description="Markets whose tick size was only compared with their range units."
    )
    rejections: list[RejectionAnswer]
    lint: list[MarketFinding]


class MarketAsked(Sent):
    """The market that the exchange was asked about, and when it answered."""

    quote: Quote
    target: TargetCode
    observed_at: Annotated[
        Instant | None,
        Field(
            description="When the reply was got, if that was not now. An older one becomes history"
            " at most: what was observed later stays."
        ),
    ] = None


@exchanges.post(
    "/{exchange}/range-units/ingest",
    summary="Take an exchange's reply",
    responses=responses(
        401,
        403,
        413,
        422,
        503,
        InvalidCode,
        ObservedInFuture,
        UnknownExchange,
        NoPayloadFormat,
        PayloadRejected,
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "The reply, byte for byte as the exchange sent it.",
            "content": {"application/json": {"schema": {}}},
        }
    },
)
async def ingest(
    principal: Caller,
    request: Request,
    exchange: ExchangeCode,
    asked: Annotated[MarketAsked, Query()],
    services: Services,
) -> IngestAnswer:
    """Take what an exchange replied about range units, in one transaction.

    What is new is in force from when the reply was got; the same again changes nothing but
    `last_seen`. A market that cannot be read, or was seen to be otherwise later, is among the
    `rejections` and keeps what it had. A reply that is an error,
    empty, or has no market that can be read is `payload_rejected`, with every reason.
    """
    ingested = await services.range_units.ingest(
        market=market_of(exchange, asked.quote, asked.target),
        payload=await request.body(),
        source=f"a reply handed in by {principal.username}",
        observed_at=asked.observed_at,
    )
    return IngestAnswer(
        attempted=ingested.attempted,
        inserted=ingested.inserted,
        updated=ingested.updated,
        unchanged=ingested.unchanged,
        rejected=ingested.rejected,
        checked=ingested.checked,
        rejections=[RejectionAnswer(**rejection(fault)) for fault in ingested.rejections],
        lint=[
            MarketFinding(market=str(market), **asdict(finding))
            for market, finding in ingested.lint
        ],
    )
