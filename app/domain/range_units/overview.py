from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from app.domain.range_units.jobs import JobState


@dataclass(frozen=True, slots=True)
class ExchangeOverview:
    """How an exchange stands: when anything of it was last seen, and how many jobs it has."""

    exchange: str
    last_seen: datetime | None
    """Of what is not superseded; None where nothing of it is known."""
    jobs: Mapping[JobState, int]
    """Those that ended too; states without a job are absent."""
