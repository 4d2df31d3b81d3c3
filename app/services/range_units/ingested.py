"""What goes into an ingest, and what comes out of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from app.domain.errors import Fault
from app.domain.range_units.lint import CROSS_CHECKED, Finding
from app.domain.range_units.notes import noted
from app.domain.range_units.quarantine import Quarantined, faults_kept
from app.domain.range_units.revisions import (
    Bearing,
    Market,
    Observation,
    Revision,
    bearing_of_reply,
)
from app.services.range_units.current_revisions import own_of

_INSTANT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Received:
    """A payload, where it came from, when, and what had been asked for."""

    market: Market
    payload: bytes
    source: str
    digest: str
    observed_at: datetime
    asked: Collection[Market] | None = None

    def dated(self, observation: Observation) -> Observation:
        """Give something that it says with its date, and with what it was read from."""
        return replace(observation, effective_from=self.observed_at, payload_digest=self.digest)

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
    """Were not taken, and keep what they had."""
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


@dataclass(slots=True)
class Borne:
    """What the tables of a reply mean for what was in force when it was got."""

    confirmed: list[UUID] = field(default_factory=list)
    replaced: list[Revision] = field(default_factory=list)
    fresh: list[tuple[Observation, str]] = field(default_factory=list)
    """With their digests."""
    overtaken: list[Fault] = field(default_factory=list)
    """Why some are not taken."""


def borne_on(
    current: Mapping[Market, Revision],
    digested: Sequence[tuple[Observation, str]],
    *,
    observed_at: datetime,
) -> Borne:
    """Sort the tables of a reply by what they mean."""
    borne = Borne()
    for observation, digest in digested:
        known = own_of(current, observation.market)
        bearing = bearing_of_reply(known, digest=digest, observed_at=observed_at)
        if known is not None and bearing is Bearing.OVERTAKEN:
            message = f"is known to be otherwise from later, {known.last_seen:{_INSTANT}}"
            borne.overtaken.append(Fault("", message, about=str(observation.market)))
        elif known is not None and bearing is Bearing.CONFIRMS:
            borne.confirmed.append(known.id)
        else:
            borne.fresh.append((observation, digest))
            if known is not None and bearing is Bearing.REPLACES:
                borne.replaced.append(known)
    return borne
