"""Payloads that were rejected, kept so that somebody can see why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from app.domain.errors import Fault
from app.domain.range_units.notes import noted
from app.domain.range_units.revisions import Market

BYTES_KEPT: Final = 1024 * 1024
"""How much is kept of a payload: a larger one says in its beginning, too, what it is."""

KEPT: Final = 100
"""How many are kept of an exchange: enough to see what it has sent for days, in at most 100 MB."""

FAULTS_KEPT: Final = 100
"""How many faults are kept with a payload: nobody reads more, and each band may have one."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A payload that was rejected: where it came from, and what is wrong with it.

    The same payload of the same source is one, which came `times` times, last at `last_seen`.
    `digest` and `size` are of the whole payload. The codes of `market` are empty where a reply
    was asked for that names its markets itself.
    """

    id: UUID
    market: Market
    source: str
    received_at: datetime
    last_seen: datetime
    times: int
    digest: str
    size: int
    reason: str
    faults: tuple[Fault, ...]


def faults_kept(faults: Sequence[Fault]) -> tuple[Fault, ...]:
    """Give as many faults as are kept, in texts that any store can keep."""
    return tuple(
        Fault(noted(fault.field), noted(fault.message), noted(fault.about))
        for fault in faults[:FAULTS_KEPT]
    )
