"""What became different about range units, in the order in which it was kept."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.domain.range_units.revisions import Market, Revision


class ChangeKind(StrEnum):
    """What happened to a revision. That its source confirmed it is no change."""

    RECORDED = "recorded"
    """It is new: in force, or from `effective_from` on."""
    SUPERSEDED = "superseded"
    """It never comes into force: an amendment took its place."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change to one market's range units, at the instant at which it was recorded.

    It says of the revision what does not alter later, so that it reads the same for ever.
    """

    kind: ChangeKind
    at: datetime
    market: Market
    revision_id: UUID
    effective_from: datetime | None
    source: str
    digest: str


@dataclass(frozen=True, slots=True)
class PlacedChange:
    """A change and its position in the order of all of them."""

    position: int
    change: Change


def changes_of(
    *, superseded: Iterable[Revision] = (), recorded: Iterable[Revision] = (), at: datetime
) -> list[Change]:
    """Tell what one use case did: what makes room comes before what takes it."""
    changes = [_change(ChangeKind.SUPERSEDED, revision, at) for revision in superseded]
    return changes + [_change(ChangeKind.RECORDED, revision, at) for revision in recorded]


def _change(kind: ChangeKind, revision: Revision, at: datetime) -> Change:
    return Change(
        kind=kind,
        at=at,
        market=revision.market,
        revision_id=revision.id,
        effective_from=revision.effective_from,
        source=revision.source,
        digest=revision.digest,
    )
