"""The rows of the range units in memory."""

from copy import copy
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

from app.domain.range_units.changes import PlacedChange
from app.domain.range_units.jobs import Job, PartOutcome
from app.domain.range_units.quarantine import Quarantined
from app.domain.range_units.revisions import Exchange, Market, Revision
from app.domain.range_units.table import RangeUnitTable


@dataclass
class RangeUnitsState:
    """All rows of the area. Revisions are kept by market, so that a question reads only its own."""

    exchanges: dict[str, Exchange] = field(default_factory=dict)
    markets: dict[Market, tuple[UUID, ...]] = field(default_factory=dict)
    revisions: dict[UUID, Revision] = field(default_factory=dict)
    tables: dict[UUID, RangeUnitTable] = field(default_factory=dict)
    changes: dict[int, PlacedChange] = field(default_factory=dict)
    position: int = 0
    jobs: dict[UUID, Job] = field(default_factory=dict)
    job_parts: dict[tuple[UUID, str], tuple[int, PartOutcome | None]] = field(default_factory=dict)
    quarantine: dict[UUID, Quarantined] = field(default_factory=dict)
    payloads: dict[UUID, bytes] = field(default_factory=dict)

    def __copy__(self) -> Self:
        """Copy the dictionaries; the rows are immutable."""
        return type(self)(
            copy(self.exchanges),
            copy(self.markets),
            copy(self.revisions),
            copy(self.tables),
            copy(self.changes),
            self.position,
            jobs=copy(self.jobs),
            job_parts=copy(self.job_parts),
            quarantine=copy(self.quarantine),
            payloads=copy(self.payloads),
        )

    def of(self, market: Market) -> list[Revision]:
        """Give a market's own revisions."""
        return [self.revisions[revision_id] for revision_id in self.markets.get(market, ())]
