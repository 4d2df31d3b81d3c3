"""A market's range units: shown, and stated."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from app.adapters.http.authentication import GuardedRoute
from app.adapters.http.errors import responses
from app.adapters.http.range_units.answers import RangeUnitsAnswer, range_units_answer
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
    validators,
)
from app.adapters.http.schemas import Instant, Sent
from app.domain.errors import UnstorableText
from app.domain.range_units.errors import (
    InvalidCode,
    InvalidTable,
    RevisionInForce,
    UnknownExchange,
    UnknownHistory,
    UnknownMarket,
)
from app.domain.range_units.table import (
    Anchor,
    Boundary,
    RangeUnitTable,
    Row,
    TopRule,
    table_of,
)
from app.services.kept import ALWAYS
from app.services.range_units.price_service import MANY_BANDS
from app.services.range_units.range_units_service import RangeUnits

range_units = APIRouter(prefix=MARKET_PATH, tags=["range units"], route_class=GuardedRoute)


class BandToPut(Sent):
    """A band; where it ends may be left to where the next one begins."""

    range_min: Number
    next_range_min: Number | None = None
    price_unit: Number


class RangeUnitsToPut(Sent):
    """A whole table, from an instant on (default: now)."""

    range_units: Annotated[list[BandToPut], Field(max_length=200_000)]
    boundary: Boundary = Boundary.LOWER_INCLUSIVE
    anchor: Anchor = Anchor.ZERO
    top: Number | None = None
    top_rule: TopRule | None = None
    min_price: Number | None = None
    max_price: Number | None = None
    effective_from: Instant | None = None
    source: Annotated[str, Field(min_length=1, max_length=500)]

    def table(self) -> RangeUnitTable:
        """Check the bands, and make a table of them."""
        bands = self.range_units
        return table_of(
            [Row(band.range_min, band.price_unit, band.next_range_min) for band in bands],
            boundary=self.boundary,
            anchor=self.anchor,
            top=self.top,
            top_rule=self.top_rule,
            min_price=self.min_price,
            max_price=self.max_price,
        )


def _if_few(sent: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """Read a table of a few bands; leave one of many, which takes long, to `_read`."""
    bands = sent.get("range_units") if isinstance(sent, dict) else None
    return sent if isinstance(bands, list) and len(bands) >= MANY_BANDS else read(sent)


async def _read(body: object) -> tuple[RangeUnitsToPut, RangeUnitTable]:
    """Read what was left, as FastAPI would have, and make the table; off the event loop."""
    if isinstance(body, RangeUnitsToPut):
        return body, body.table()

    def read() -> tuple[RangeUnitsToPut, RangeUnitTable]:
        found = RangeUnitsToPut.model_validate(body)
        return found, found.table()

    try:
        return await to_thread.run_sync(read)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        found = [{**fault, "loc": ("body", *fault["loc"])} for fault in faults]
        raise RequestValidationError(found) from error


@range_units.get(
    "/range-units",
    summary="Show range units",
    response_model=RangeUnitsAnswer,
    responses={
        304: NOT_MODIFIED,
        **responses(
            401, 403, 422, 503, InvalidCode, UnknownExchange, UnknownMarket, UnknownHistory
        ),
    },
)
async def get_range_units(
    market: OfMarket,
    when: Annotated[AsOf, Query()],
    services: Services,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Give the table that answers for a market: its own, or its quote currency's.

    `last_seen` is null in what was known at another instant (`known_at`): when a revision was
    confirmed is kept for the last time only.
    """
    units = await services.range_units.current(
        market=market, as_of=when.as_of, known_at=when.known_at
    )
    return await shown(services, units, if_none_match, with_last_seen=when.known_at is None)


async def shown(
    services: RangeUnitsServices,
    units: RangeUnits,
    if_none_match: Sequence[str] | None,
    *,
    with_last_seen: bool = True,
) -> Response:
    """Show range units, unless the client has them; the body is written once for each ETag."""
    again = shown_again(services, units, if_none_match, with_last_seen=with_last_seen)
    if again is not None:
        return again
    headers = validators(units, with_last_seen=with_last_seen)
    (since, until), begun = ALWAYS, services.bodies.begin()
    body = await _written(units, with_last_seen=with_last_seen)
    services.bodies.keep(
        headers["ETag"], body, since=since, until=until, begun=begun, size=len(body)
    )
    return Response(body, headers=headers, media_type="application/json")


def shown_again(
    services: RangeUnitsServices,
    units: RangeUnits,
    if_none_match: Sequence[str] | None,
    *,
    with_last_seen: bool = True,
) -> Response | None:
    """Show range units that the client has, or that were shown before."""
    headers = validators(units, with_last_seen=with_last_seen)
    if is_current(if_none_match, headers["ETag"]):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    body = services.bodies.get(headers["ETag"], ALWAYS[0])
    return None if body is None else Response(body, headers=headers, media_type="application/json")


@range_units.put(
    "/range-units",
    summary="State range units",
    response_model=RangeUnitsAnswer,
    responses={
        201: {"model": RangeUnitsAnswer},
        **responses(
            401,
            403,
            413,
            422,
            503,
            InvalidCode,
            InvalidTable,
            UnstorableText,
            UnknownExchange,
            RevisionInForce,
        ),
    },
)
async def put_range_units(
    market: OfMarket,
    body: Annotated[RangeUnitsToPut, WrapValidator(_if_few)],
    services: Services,
) -> Response:
    """Record a new revision (201); what is in force already stays unchanged (200).

    One that has yet to come into force is amended by another of the same start, and put off or
    brought forward by the same content with another; one that has is history (409
    `revision_in_force`).
    """
    stated, table = await _read(body)
    units, is_new = await services.range_units.put_range_units(
        market=market, table=table, source=stated.source, effective_from=stated.effective_from
    )
    status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
    return Response(await _written(units), status, media_type="application/json")


async def _written(units: RangeUnits, *, with_last_seen: bool = True) -> bytes:
    """Write the answer."""

    def write() -> bytes:
        answer = range_units_answer(units.revision, units.table)
        if not with_last_seen:
            answer.last_seen = None
        return answer.model_dump_json().encode()

    # Off the event loop where there are many bands; for a few the way there is too long.
    return write() if len(units.table.bands) < MANY_BANDS else await to_thread.run_sync(write)
