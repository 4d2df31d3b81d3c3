"""A market's range units: shown, and stated."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from anyio import to_thread
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from app.adapters.http.authentication import GuardedRoute
from app.adapters.http.errors import responses
from app.adapters.http.range_units.asked import (
    MARKET_PATH,
    AsOf,
    FindingAnswer,
    Number,
    OfMarket,
    Services,
    finding_answers,
)
from app.adapters.http.schemas import Instant, Sent
from app.domain.range_units.table import (
    Anchor,
    Boundary,
    RangeUnitTable,
    Row,
    TopRule,
    table_of,
)
from app.services.range_units.range_units_service import RangeUnits

range_units = APIRouter(prefix=MARKET_PATH, tags=["range units"], route_class=GuardedRoute)


class BandAnswer(BaseModel):
    """Prices from `range_min` to `next_range_min` (null: open) move in steps of `price_unit`."""

    range_min: Number
    next_range_min: Number | None
    price_unit: Number


class RangeUnitsAnswer(BaseModel):
    """A market's range units. `effective_from` null: their start is not known."""

    exchange: str
    quote_currency: str
    target_currency: str = Field(description="`*`: the ladder of the whole quote currency.")
    revision_id: UUID
    effective_from: datetime | None
    recorded_at: datetime
    last_seen: datetime
    source: str
    digest: str
    boundary: Boundary
    anchor: Anchor
    top: Number | None
    top_rule: TopRule
    min_price: Number | None
    max_price: Number | None
    range_units: list[BandAnswer] = Field(
        description="Empty: the exchange has no tick rule, any price within the limits is valid."
    )
    lint: list[FindingAnswer] = Field(description="What is odd about the table.")


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


class AsOfKnownAt(AsOf):
    """At which instant, and as it was known at which."""

    known_at: Instant | None = None


@range_units.get(
    "/range-units", summary="Show range units", responses=responses(401, 403, 404, 422, 503)
)
async def get_range_units(
    market: OfMarket, when: Annotated[AsOfKnownAt, Query()], services: Services
) -> RangeUnitsAnswer:
    """Give the table that answers for a market: its own, or its quote currency's."""
    units = await services.range_units.current(
        market=market, as_of=when.as_of, known_at=when.known_at
    )
    return await _range_units_answer(units)


@range_units.put(
    "/range-units",
    summary="State range units",
    responses={201: {"model": RangeUnitsAnswer}, **responses(401, 403, 404, 409, 413, 422, 503)},
)
async def put_range_units(
    market: OfMarket, body: RangeUnitsToPut, services: Services, response: Response
) -> RangeUnitsAnswer:
    """Record a new revision (201); what is in force already stays unchanged (200).

    One that has yet to come into force is amended by another of the same start; one that has is
    history (409 `revision_in_force`).
    """
    units, is_new = await services.range_units.put_range_units(
        market=market,
        table=body.table(),
        source=body.source,
        effective_from=body.effective_from,
    )
    if is_new:
        response.status_code = HTTPStatus.CREATED
    return await _range_units_answer(units)


async def _range_units_answer(units: RangeUnits) -> RangeUnitsAnswer:
    # Off the event loop: a hundred thousand bands take a while to look over.
    odd = await to_thread.run_sync(finding_answers, units.table)
    revision, table = units.revision, units.table
    return RangeUnitsAnswer(
        exchange=revision.market.exchange,
        quote_currency=revision.market.quote,
        target_currency=revision.market.target,
        revision_id=revision.id,
        effective_from=revision.effective_from,
        recorded_at=revision.recorded_at,
        last_seen=revision.last_seen,
        source=revision.source,
        digest=revision.digest,
        boundary=table.boundary,
        anchor=table.anchor,
        top=table.top,
        top_rule=table.top_rule,
        min_price=table.min_price,
        max_price=table.max_price,
        range_units=[
            BandAnswer(
                range_min=row.range_min,
                next_range_min=row.next_range_min,
                price_unit=row.price_unit,
            )
            for row in table.rows()
        ],
        lint=odd,
    )
