"""Jobs that fetch an exchange's range units: their states, and what may become of each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from app.domain.errors import Fault, TickgateError
from app.domain.range_units.errors import JobFinished, PayloadRejected, SyncInProgress
from app.domain.range_units.notes import NOTE, noted, noted_each

ORPHANED_AFTER: Final = timedelta(minutes=1)
"""A heartbeat comes every few seconds: after so long without one, the job's process has died."""

FAILURES_TOLD: Final = 100
"""How many failed parts a job tells one by one; the rest is only counted."""

NOTES_TOLD: Final = 100
"""Of how many parts a job tells the notes."""

PART_NOTE: Final = 2000
"""How long the note of a part is at most: a line for each of some twenty markets."""


class JobState(StrEnum):
    """Where a job is; the names are stable."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    DONE = "done"
    FAILED = "failed"


ACTIVE: Final = frozenset({JobState.QUEUED, JobState.RUNNING, JobState.CANCELLING})
"""The states of a job that has not ended; an exchange has one such job at a time."""


@dataclass(frozen=True, slots=True)
class Job:
    """A sync of one exchange.

    `heartbeat` is when it last gave a sign of life, at first when it was requested. `requested_by`
    is for people. `reason` says why it ended before it was done. All times aware, in UTC.
    """

    id: UUID
    exchange: str
    state: JobState
    requested_by: str
    requested_at: datetime
    heartbeat: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str = ""

    @property
    def is_active(self) -> bool:
        """Whether it has not ended."""
        return self.state in ACTIVE

    def is_orphaned(self, now: datetime) -> bool:
        """Whether it has not ended, and nobody is at it any more."""
        return self.is_active and now - self.heartbeat > ORPHANED_AFTER


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of markets.

    `checked` are those whose tick size was only compared with what is known, and `disagreeing`
    those among them whose range units do not have it; neither was attempted.
    """

    attempted: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    checked: int = 0
    disagreeing: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.attempted + other.attempted,
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.rejected + other.rejected,
            self.checked + other.checked,
            self.disagreeing + other.disagreeing,
        )


@dataclass(frozen=True, slots=True)
class PartOutcome:
    """What became of a part.

    `failure` says what went wrong with it, or with some of its markets; None: nothing did. `note`
    says what somebody should look at all the same.
    """

    part: str
    counts: Counts
    failure: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: parts that are planned, that were tried, and that failed among these."""

    counts: Counts = Counts()
    parts: int = 0
    parts_done: int = 0
    parts_failed: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """A part that failed, at least for some of its markets, and why.

    Of an entry in a list of parts that cannot be read, `part` is the place.
    """

    part: str
    reason: str


@dataclass(frozen=True, slots=True)
class PartNote:
    """A part that somebody should look at, and what for."""

    part: str
    note: str


def refuse_second(active: Job) -> SyncInProgress:
    """Give the refusal of a sync beside one that has not ended."""
    return SyncInProgress(
        f"{active.exchange} has a sync that has not ended: job {active.id}.", job_id=active.id
    )


def begun(job: Job, now: datetime) -> Job | None:
    """Begin a job that is queued; None for any other, which is not to be run."""
    if job.state is not JobState.QUEUED:
        return None
    return replace(
        job, state=JobState.RUNNING, started_at=job.started_at or now, heartbeat=now, reason=""
    )


def cancelled(job: Job, now: datetime) -> Job:
    """Cancel: at once where nobody is at it, else as soon as its process notices.

    Cancelling once more changes nothing. Raises `JobFinished` for one that ended otherwise.
    """
    if job.state is JobState.CANCELLED:
        return job
    if not job.is_active:
        raise JobFinished(f"Job {job.id} has ended: it is {job.state}.")
    if job.state is JobState.QUEUED or job.is_orphaned(now):
        return ended(job, JobState.CANCELLED, now, "It was cancelled.")
    return replace(job, state=JobState.CANCELLING)


def resumed(job: Job, now: datetime) -> Job:
    """Queue a job again that was cancelled, has failed, or whose process has died.

    Raises `JobFinished` for one that is done, and `SyncInProgress` for one that still goes on.
    """
    if job.state is JobState.DONE:
        raise JobFinished(f"Job {job.id} is done.")
    if job.is_active and not job.is_orphaned(now):
        raise refuse_second(job)
    return replace(job, state=JobState.QUEUED, heartbeat=now, ended_at=None, reason="")


def ended(job: Job, state: JobState, now: datetime, reason: str = "") -> Job:
    """End a job; one that has ended already stays as it is."""
    if not job.is_active:
        return job
    return replace(job, state=state, ended_at=now, heartbeat=now, reason=reason)


def abandoned(job: Job, now: datetime) -> Job:
    """End a job that nobody is at any more."""
    return ended(job, JobState.FAILED, now, "Its process died.")


def is_due(last: Job | None, every: timedelta, now: datetime) -> bool:
    """Whether the next scheduled sync is to be, the last of any kind having been this one."""
    return last is None or now - last.requested_at >= every


def reason_of(error: TickgateError) -> str:
    """Say why something failed, in a text that any store can keep."""
    faults = "; ".join(str(fault) for fault in error.faults)
    return noted(f"{error.detail} [{error.code}] {faults}".rstrip())


def reason_of_rejections(faults: Sequence[Fault]) -> str:
    """Say which markets of a reply were not taken, each with the first of its reasons.

    As many as fit: all of them are in quarantine, where the reply could not be read.
    """
    first: dict[str, str] = {}
    for fault in faults:
        first.setdefault(fault.about, str(fault))
    code = PayloadRejected.code
    said = f"{len(first)} of the markets in the reply cannot be taken. [{code}] "
    return said + noted_each(list(first.values()), NOTE - len(said))
