"""Payloads that were rejected."""

from base64 import b64encode
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.adapters.http.authentication import GuardedRoute
from app.adapters.http.errors import responses
from app.adapters.http.range_units.asked import ExchangeCode, Services
from app.adapters.http.range_units.places import cursor_parts, place_of
from app.adapters.http.schemas import InvalidCursor, Page, PartOfList, page_of
from app.domain.range_units.errors import InvalidCode, UnknownExchange, UnknownPayload
from app.domain.range_units.places import Place
from app.domain.range_units.quarantine import Quarantined
from app.domain.range_units.revisions import exchange_code

quarantine = APIRouter(
    prefix="/v1/exchanges/{exchange}/range-units/quarantine",
    tags=["exchanges"],
    route_class=GuardedRoute,
)


class PayloadFault(BaseModel):
    """One thing that is wrong with a payload; `about` is a market where it speaks of several."""

    field: str
    message: str
    about: str


class QuarantinedAnswer(BaseModel):
    """A payload that was rejected. The same one of the same source again only counts."""

    id: UUID
    exchange: str = Field(examples=["coinone"])
    quote_currency: str = Field(description="Empty where a reply names its markets itself.")
    target_currency: str
    source: str
    received_at: datetime
    last_seen: datetime
    times: int
    digest: str = Field(description="Of the whole payload.")
    size: int = Field(description="Of the whole payload, in bytes.")
    reason: str


class QuarantinedDetail(QuarantinedAnswer):
    """A payload that was rejected, with its bytes and all that is wrong with it."""

    faults: list[PayloadFault]
    payload: str = Field(description="Its bytes in Base64; of a large one, the beginning.")


@quarantine.get(
    "",
    summary="List rejected payloads",
    responses=responses(401, 403, 422, 503, InvalidCode, InvalidCursor, UnknownExchange),
)
async def list_rejected(
    exchange: ExchangeCode, page: Annotated[PartOfList, Query()], services: Services
) -> Page[QuarantinedAnswer]:
    """Give the payloads of an exchange that were rejected, newest first; the oldest are let go."""
    found = await services.quarantine.list_entries(
        exchange=exchange_code(exchange), after=place_of(page.cursor), limit=page.limit + 1
    )
    return page_of(
        found,
        page.limit,
        lambda entry: QuarantinedAnswer(**_fields(entry)),
        lambda entry: cursor_parts(Place(entry.received_at, entry.id)),
    )


@quarantine.get(
    "/{payload_id}",
    summary="Get a rejected payload",
    responses=responses(401, 403, 422, 503, InvalidCode, UnknownPayload),
)
async def get_rejected(
    exchange: ExchangeCode, payload_id: UUID, services: Services
) -> QuarantinedDetail:
    """Give a rejected payload, byte for byte, with everything that is wrong with it."""
    entry, payload = await services.quarantine.entry(
        exchange=exchange_code(exchange), entry_id=payload_id
    )
    return QuarantinedDetail(
        **_fields(entry),
        faults=[
            PayloadFault(field=fault.field, message=fault.message, about=fault.about)
            for fault in entry.faults
        ],
        payload=b64encode(payload).decode("ascii"),
    )


def _fields(entry: Quarantined) -> dict[str, Any]:
    return {
        "id": entry.id,
        "exchange": entry.market.exchange,
        "quote_currency": entry.market.quote,
        "target_currency": entry.market.target,
        "source": entry.source,
        "received_at": entry.received_at,
        "last_seen": entry.last_seen,
        "times": entry.times,
        "digest": entry.digest,
        "size": entry.size,
        "reason": entry.reason,
    }
