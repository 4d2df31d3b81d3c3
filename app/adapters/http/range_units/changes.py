"""The feed of changes: in pages, and as server-sent events."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from anyio import CancelScope, current_time
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from app.adapters.http.authentication import GuardedRoute, check_again
from app.adapters.http.context import Refused
from app.adapters.http.errors import responses
from app.adapters.http.range_units.asked import ExchangeCode, RangeUnitsServices, Services
from app.adapters.http.schemas import InvalidCursor, PartOfList, Sent, cursor_of, parts_of
from app.adapters.http.streaming import ClosingStream
from app.domain.errors import TickgateError
from app.domain.range_units.changes import ChangeKind, PlacedChange
from app.domain.range_units.errors import (
    InvalidCode,
    TooManyFollowers,
    UnknownExchange,
    UnknownPosition,
)
from app.domain.range_units.revisions import exchange_code
from app.services.range_units.change_service import ChangesPage

LATEST: Final = "latest"

_POSITION: Final = "[0-9]{1,18}"
_AT_ONCE: Final = 100
_RETRY_MILLISECONDS: Final = 3000

changes = APIRouter(prefix="/v1/range-units/changes", tags=["changes"], route_class=GuardedRoute)


class ChangeAnswer(BaseModel):
    """A change to a market's range units. `effective_from` null: their start is not known."""

    position: int
    at: datetime
    kind: ChangeKind
    exchange: str
    quote_currency: str
    target_currency: str = Field(description="`*`: the ladder of the whole quote currency.")
    revision_id: UUID
    effective_from: datetime | None
    source: str
    digest: str


class ChangesAnswer(BaseModel):
    """A part of the feed. `next_cursor` asks for the next part; null: this is the last for now."""

    items: list[ChangeAnswer]
    next_cursor: str | None
    position: int = Field(description="Everything up to here was seen: the next `since`.")


Since = Annotated[
    str | None,
    Field(
        pattern=f"^({LATEST}|{_POSITION})$",
        description="A position: only what is beyond it. `latest`: from now on. None: all.",
        examples=["0", LATEST],
    ),
]


class ChangesAsked(PartOfList):
    """Beyond which position, and of which exchange. A `cursor` goes on where a part ended."""

    since: Since = None
    exchange: ExchangeCode | None = None


class StreamAsked(Sent):
    """Beyond which position, and of which exchange."""

    since: Since = None
    exchange: ExchangeCode | None = None


@changes.get(
    "",
    summary="List changes",
    responses=responses(
        401, 403, 422, 503, InvalidCode, InvalidCursor, UnknownExchange, UnknownPosition
    ),
)
async def list_changes(
    asked: Annotated[ChangesAsked, Query()], services: Services
) -> ChangesAnswer:
    """Give what became different about range units, in the order in which it was kept.

    Read the tables first, from `since=latest` on what is new. Whoever has seen everything up to a
    `position` never finds something new at or before it later.
    """
    since = asked.since if asked.cursor is None else _position(*parts_of(asked.cursor, 1))
    page = await _page(services, since, asked.exchange, asked.limit)
    return ChangesAnswer(
        items=[_change_answer(placed) for placed in page.changes],
        next_cursor=cursor_of(str(page.position)) if page.has_more else None,
        position=page.position,
    )


@changes.get(
    "/stream",
    summary="Follow changes",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events, one for each change, until access ends.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **responses(
            401, 403, 422, 503, InvalidCode, UnknownExchange, UnknownPosition, TooManyFollowers
        ),
    },
)
async def follow_changes(
    request: Request,
    asked: Annotated[StreamAsked, Query()],
    services: Services,
    last_event_id: Annotated[
        str | None,
        Header(
            pattern=f"^({_POSITION})?$",
            description="The position of the last event seen; it counts before `since`.",
        ),
    ] = None,
) -> StreamingResponse:
    """Give the changes of `GET /v1/range-units/changes` as they come.

    The `id` of an event is its position, and its data is the change. Comments keep the connection
    alive, and whether the caller may still read is asked as often; the stream ends when not. 503
    `busy`: this process serves as many streams as it can.
    """
    since = last_event_id or asked.since
    start = await _page(services, since, asked.exchange, 1)
    # Where it begins is where a page would have begun: what that one has on it comes again.
    position = start.position if since == LATEST else int(since or 0)
    events = _events(request, services, position, asked.exchange)
    await anext(events)  # while a refusal can still be one
    # A proxy that collects an answer before it passes it on would pass on nothing.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return ClosingStream(events, media_type="text/event-stream", headers=headers)


async def _events(
    request: Request, services: RangeUnitsServices, position: int, exchange: str | None
) -> AsyncGenerator[str, None]:
    feed = services.feed
    exchange = None if exchange is None else exchange_code(exchange)
    with feed.follower():
        yield ""
        # An id alone is no event, but tells from where to go on if nothing comes before the end.
        yield f"retry: {_RETRY_MILLISECONDS}\nid: {position}\n\n"
        # Whoever must not read on, or cannot be served, is told why when they ask anew.
        with suppress(TickgateError, Refused):
            async with aclosing(_news(request, services, position, exchange)) as news:
                async for event in news:
                    yield event


async def _news(
    request: Request, services: RangeUnitsServices, position: int, exchange: str | None
) -> AsyncGenerator[str, None]:
    feed = services.feed
    beat_at = current_time() + services.heartbeat
    while not feed.is_over:
        with CancelScope(deadline=beat_at):
            await feed.wait_beyond(position)
        if current_time() >= beat_at:
            await check_again(request)
            beat_at = current_time() + services.heartbeat
            yield f": nothing else\nid: {position}\n\n"
        reached = feed.reached
        found = await feed.read(since=position, exchange=exchange, limit=_AT_ONCE)
        if found:
            yield "".join(_event(placed) for placed in found)
            position = found[-1].position
        if len(found) < _AT_ONCE:
            position = max(position, reached)


def _event(placed: PlacedChange) -> str:
    return f"id: {placed.position}\ndata: {_change_answer(placed).model_dump_json()}\n\n"


async def _page(
    services: RangeUnitsServices, since: str | None, exchange: str | None, limit: int
) -> ChangesPage:
    code = None if exchange is None else exchange_code(exchange)
    if since == LATEST:
        return await services.changes.latest(exchange=code)
    return await services.changes.changes(since=int(since or 0), exchange=code, limit=limit)


def _position(text: str) -> str:
    if re.fullmatch(_POSITION, text) is None:
        raise InvalidCursor
    return text


def _change_answer(placed: PlacedChange) -> ChangeAnswer:
    change = placed.change
    return ChangeAnswer(
        position=placed.position,
        at=change.at,
        kind=change.kind,
        exchange=change.market.exchange,
        quote_currency=change.market.quote,
        target_currency=change.market.target,
        revision_id=change.revision_id,
        effective_from=change.effective_from,
        source=change.source,
        digest=change.digest,
    )
