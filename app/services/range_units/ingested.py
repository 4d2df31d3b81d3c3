"""What goes into an ingest, and what comes out of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.domain.errors import Fault
from app.domain.range_units.lint import CROSS_CHECKED, Finding
from app.domain.range_units.notes import noted
from app.domain.range_units.quarantine import Quarantined, faults_kept
from app.domain.range_units.revisions import Market


@dataclass(frozen=True, slots=True)
class Received:
    """A payload, and where it came from, when."""

    market: Market
    payload: bytes
    source: str
    digest: str
    observed_at: datetime

    def entry(
        self, entry_id: UUID, now: datetime, reason: str, faults: Sequence[Fault]
    ) -> Quarantined:
        """Describe it as it is kept when it is rejected."""
        return Quarantined(
            id=entry_id,
            market=self.market,
            source=noted(self.source),
            received_at=now,
            last_seen=now,
            times=1,
            digest=self.digest,
            size=len(self.payload),
            reason=noted(reason),
            faults=faults_kept(faults),
        )


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of the markets of one payload."""

    inserted: int
    """Had no range units of their own in force."""
    updated: int
    """Had others."""
    unchanged: int
    """Had the same, which are now confirmed."""
    rejected: int = 0
    """Were not read, and keep what they had."""
    rejections: tuple[Fault, ...] = ()
    """Why those were not, each naming its market; there may be several about one."""
    lint: tuple[tuple[Market, Finding], ...] = ()
    """What is odd about the tables of the others, whether new or not, and what contradicts one."""
    checked: int = 0
    """Were only compared: their tick sizes neither change nor confirm anything."""

    @property
    def attempted(self) -> int:
        """All of them but those only compared."""
        return self.inserted + self.updated + self.unchanged + self.rejected

    @property
    def disagreements(self) -> list[tuple[Market, Finding]]:
        """What is odd about those compared; the range units that answer for them stay."""
        return [one for one in self.lint if one[1].code in CROSS_CHECKED]
