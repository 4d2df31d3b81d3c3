"""How revisions and their tables look."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from app.adapters.http.range_units.asked import FindingAnswer, Number, finding_answers
from app.domain.range_units.revisions import Revision
from app.domain.range_units.table import Anchor, Boundary, RangeUnitTable, Row, TopRule
from app.services.range_units.history_service import DatedRevision


class BandAnswer(BaseModel):
    """Prices from `range_min` to `next_range_min` (null: open) move in steps of `price_unit`."""

    range_min: Number
    next_range_min: Number | None
    price_unit: Number


class WhichRevision(BaseModel):
    """Whose revision, since when, and where from. `effective_from` null: it is not known."""

    exchange: str
    quote_currency: str
    target_currency: str = Field(description="`*`: the ladder of the whole quote currency.")
    revision_id: UUID
    effective_from: datetime | None
    recorded_at: datetime
    last_seen: datetime | None
    source: str
    digest: str
    payload_digest: str | None = Field(
        description="Of the bytes it was read from; null: a person stated it."
    )


class TableAnswer(BaseModel):
    """A table, with everything that says how to read it."""

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


class RangeUnitsAnswer(TableAnswer, WhichRevision):
    """A market's range units. `effective_from` null: their start is not known."""


class RevisionAnswer(WhichRevision):
    """A revision in its market's history.

    `effective_until` is where the next one starts, by what is known now; null: it is the last, or
    was superseded before it came into force, at `superseded_at`.
    """

    effective_until: datetime | None
    superseded_at: datetime | None


class WholeRevisionAnswer(TableAnswer, RevisionAnswer):
    """A revision with its table."""


def range_units_answer(revision: Revision, table: RangeUnitTable) -> RangeUnitsAnswer:
    """Show a revision that answers."""
    return RangeUnitsAnswer(**_which(revision), **_table(table))


def revision_answer(dated: DatedRevision) -> RevisionAnswer:
    """Show a revision in a history."""
    return RevisionAnswer(**_which(dated.revision), **_until(dated))


def whole_revision_answer(dated: DatedRevision, table: RangeUnitTable) -> WholeRevisionAnswer:
    """Show a revision by itself."""
    return WholeRevisionAnswer(**_which(dated.revision), **_until(dated), **_table(table))


def band_answer(row: Row) -> BandAnswer:
    """Show a band."""
    return BandAnswer(
        range_min=row.range_min, next_range_min=row.next_range_min, price_unit=row.price_unit
    )


def _which(revision: Revision) -> dict[str, Any]:
    return {
        "exchange": revision.market.exchange,
        "quote_currency": revision.market.quote,
        "target_currency": revision.market.target,
        "revision_id": revision.id,
        "effective_from": revision.effective_from,
        "recorded_at": revision.recorded_at,
        "last_seen": revision.last_seen,
        "source": revision.source,
        "digest": revision.digest,
        "payload_digest": revision.payload_digest,
    }


def _until(dated: DatedRevision) -> dict[str, Any]:
    return {
        "effective_until": dated.effective_until,
        "superseded_at": dated.revision.superseded_at,
    }


def _table(table: RangeUnitTable) -> dict[str, Any]:
    return {
        "lint": finding_answers(table),
        "boundary": table.boundary,
        "anchor": table.anchor,
        "top": table.top,
        "top_rule": table.top_rule,
        "min_price": table.min_price,
        "max_price": table.max_price,
        "range_units": [band_answer(row) for row in table.rows()],
    }
