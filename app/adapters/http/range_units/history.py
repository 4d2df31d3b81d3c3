"""What was, is, and is announced: revisions, and what differs between two."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

from app.adapters.http.authentication import GuardedRoute
from app.adapters.http.errors import responses
from app.adapters.http.range_units.answers import (
    BandAnswer,
    RevisionAnswer,
    WholeRevisionAnswer,
    band_answer,
    revision_answer,
    whole_revision_answer,
)
from app.adapters.http.range_units.asked import MARKET_PATH, Number, OfMarket, Services
from app.adapters.http.schemas import (
    InvalidCursor,
    Page,
    PartOfList,
    Sent,
    page_of,
    parts_of,
    read_instant,
)
from app.domain.range_units.diff import Division, Loss, UnitChange
from app.domain.range_units.errors import (
    InvalidCode,
    RevisionInForce,
    UnknownExchange,
    UnknownHistory,
    UnknownMarket,
    UnknownRevision,
)

history = APIRouter(prefix=MARKET_PATH, tags=["range units"], route_class=GuardedRoute)
revisions = APIRouter(prefix="/v1/range-units", tags=["range units"], route_class=GuardedRoute)


def _revision_or_instant(value: object) -> UUID | datetime:
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            return read_instant(value)
    raise ValueError("is neither a revision's id nor a time")


RevisionOrInstant = Annotated[
    UUID | datetime,
    BeforeValidator(_revision_or_instant),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "format": "uuid"},
                {"type": "string", "format": "date-time"},
            ]
        }
    ),
]


class Differing(Sent):
    """Two revisions by their ids, or by instants at which they answer."""

    before: Annotated[RevisionOrInstant, Field(alias="from")]
    after: Annotated[RevisionOrInstant, Field(alias="to")]


class DivisionAnswer(BaseModel):
    """A band, and those that have its bounds together."""

    whole: BandAnswer
    parts: list[BandAnswer]


class UnitChangeAnswer(BaseModel):
    """Prices from `range_min` to `next_range_min` (null: open) have another unit."""

    range_min: Number
    next_range_min: Number | None
    unit_before: Number
    unit_after: Number


class LossAnswer(BaseModel):
    """Prices that were valid and are not any more. Others in between may be valid still."""

    first: Number
    last: Number | None = Field(description="Null: there is no end of them.")
    unit_before: Number | None
    unit_after: Number | None = Field(description="Null: no price there is valid, or all are.")


class RevisionRef(BaseModel):
    """Which revision."""

    revision_id: UUID
    effective_from: datetime | None


class DiffAnswer(BaseModel):
    """What differs between two revisions. Bands are the same where their bounds are."""

    before: RevisionRef
    after: RevisionRef
    added: list[BandAnswer]
    removed: list[BandAnswer]
    split: list[DivisionAnswer]
    merged: list[DivisionAnswer]
    finer: list[UnitChangeAnswer]
    coarser: list[UnitChangeAnswer]
    losses: list[LossAnswer] = Field(
        description="Price ranges whose valid sets shrink: each by the first and the last price"
        " that is not valid any more."
    )


@history.get(
    "/range-units/history",
    summary="List revisions",
    responses=responses(
        401, 403, 422, 503, InvalidCode, UnknownExchange, UnknownMarket, InvalidCursor
    ),
)
async def list_revisions(
    market: OfMarket, page: Annotated[PartOfList, Query()], services: Services
) -> Page[RevisionAnswer]:
    """Give the revisions of a market and of its quote currency, either of which may answer for it.

    Superseded ones too, the newest record first; `target_currency` tells them apart.
    """
    after = None if page.cursor is None else _id_in(*parts_of(page.cursor, 1))
    try:
        found = await services.history.history(market=market, after=after, limit=page.limit + 1)
    except UnknownRevision:
        raise InvalidCursor from None
    return page_of(found, page.limit, revision_answer, lambda dated: (str(dated.revision.id),))


@history.get(
    "/range-units/diff",
    summary="Compare revisions",
    responses=responses(
        401,
        403,
        422,
        503,
        InvalidCode,
        UnknownExchange,
        UnknownMarket,
        UnknownHistory,
        UnknownRevision,
    ),
)
async def compare_revisions(
    market: OfMarket, asked: Annotated[Differing, Query()], services: Services
) -> DiffAnswer:
    """Say what a change changes: bands, units, and which prices are not valid any more."""
    compared = await services.history.diff(market=market, before=asked.before, after=asked.after)
    difference = compared.difference
    return DiffAnswer(
        before=RevisionRef(
            revision_id=compared.before.id, effective_from=compared.before.effective_from
        ),
        after=RevisionRef(
            revision_id=compared.after.id, effective_from=compared.after.effective_from
        ),
        added=list(map(band_answer, difference.added)),
        removed=list(map(band_answer, difference.removed)),
        split=list(map(_division, difference.split)),
        merged=list(map(_division, difference.merged)),
        finer=list(map(_unit_change, difference.finer)),
        coarser=list(map(_unit_change, difference.coarser)),
        losses=list(map(_loss, difference.losses)),
    )


@history.delete(
    "/range-units/scheduled/{revision_id}",
    summary="Withdraw an announced revision",
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(
        401, 403, 422, 503, InvalidCode, UnknownExchange, UnknownRevision, RevisionInForce
    ),
)
async def withdraw(
    market: OfMarket, revision_id: Annotated[UUID, Path()], services: Services
) -> None:
    """Take an announced revision back before it comes into force.

    It stays in the history, and in what was known until now. One that is in force is 409
    `revision_in_force`; it is followed by a later one, not taken back.
    """
    await services.history.withdraw(market=market, revision_id=revision_id)


@revisions.get(
    "/revisions/{revision_id}",
    summary="Show a revision",
    responses=responses(401, 403, 422, 503, UnknownRevision),
)
async def get_revision(
    revision_id: Annotated[UUID, Path()], services: Services
) -> WholeRevisionAnswer:
    """Give a revision of any market, superseded or not, with its table."""
    return whole_revision_answer(*await services.history.revision(revision_id=revision_id))


def _id_in(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidCursor from None


def _division(division: Division) -> DivisionAnswer:
    return DivisionAnswer(
        whole=band_answer(division.whole), parts=list(map(band_answer, division.parts))
    )


def _unit_change(change: UnitChange) -> UnitChangeAnswer:
    return UnitChangeAnswer(
        range_min=change.range_min,
        next_range_min=change.next_range_min,
        unit_before=change.unit_before,
        unit_after=change.unit_after,
    )


def _loss(loss: Loss) -> LossAnswer:
    return LossAnswer(
        first=loss.first,
        last=loss.last,
        unit_before=loss.unit_before,
        unit_after=loss.unit_after,
    )
