from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from app.domain.range_units.jobs import Failure, Job, JobState, PartNote, PartOutcome, Progress
from app.domain.range_units.places import Place


class Jobs(Protocol):
    """The syncs of every exchange, those that ended too."""

    async def add(self, *, job: Job) -> None:
        """Store a new job, whose exchange is held by `active`.

        Raises `SyncInProgress` when it is active beside another of its exchange.
        """
        ...

    async def active(self, *, exchange: str) -> Job | None:
        """Give the exchange's job that has not ended, or None, and hold the exchange.

        Until this unit of work ends, another one that asks for the same exchange waits in this
        call. Raises `UnknownExchange`.
        """
        ...

    async def job(self, *, job_id: UUID) -> Job | None:
        """Give a job, or None."""
        ...

    async def hold(self, *, job_id: UUID) -> Job | None:
        """Give a job, or None, and hold it: another unit of work that does waits in this call."""
        ...

    async def put(self, *, job: Job) -> None:
        """Replace the state of a job, its times and its reason. An unknown one is passed over.

        Raises `SyncInProgress` when it is active beside another of its exchange.
        """
        ...

    async def beat(self, *, job_id: UUID, at: datetime) -> JobState | None:
        """Advance the heartbeat to `at`, which never goes back; give the state, None if unknown."""
        ...

    async def page(self, *, exchange: str | None, after: Place | None, limit: int) -> list[Job]:
        """Give jobs, of one exchange unless that is None, beyond `after`; at most `limit`.

        Newest first: by `requested_at`, then id, both descending.
        """
        ...


class JobParts(Protocol):
    """What jobs consist of, and what became of each part."""

    async def plan(self, *, job_id: UUID, parts: Sequence[str]) -> None:
        """Add parts, each distinct, to a job that is there, behind one another in this order.

        Those that it has already stay as they are, with their places and outcomes. Empty input
        does nothing.
        """
        ...

    async def remaining(self, *, job_id: UUID) -> list[str]:
        """Give the parts that have no outcome or have failed, by place, then in code-point order.

        Empty for an unknown job.
        """
        ...

    async def record(self, *, job_id: UUID, outcome: PartOutcome) -> None:
        """Keep what became of a part, in place of an earlier outcome.

        An unknown part is passed over.
        """
        ...

    async def progress(self, *, job_ids: Collection[UUID]) -> Mapping[UUID, Progress]:
        """Give how far jobs are; those without parts are absent. Empty input gives nothing."""
        ...

    async def failures(self, *, job_id: UUID, limit: int) -> list[Failure]:
        """Give the parts that have failed, in the order of `remaining`; at most `limit`."""
        ...

    async def notes(self, *, job_id: UUID, limit: int) -> list[PartNote]:
        """Give the notes of parts that have one, failed or not, in that order; at most `limit`."""
        ...
