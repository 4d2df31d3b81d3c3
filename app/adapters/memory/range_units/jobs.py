"""Jobs in memory: verified stand-ins for the database's."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from app.adapters.memory.range_units.state import RangeUnitsState
from app.adapters.memory.store import MemoryTransaction
from app.domain.range_units.errors import SyncInProgress, UnknownExchange
from app.domain.range_units.jobs import (
    Counts,
    Failure,
    Job,
    JobState,
    PartNote,
    PartOutcome,
    Progress,
)
from app.domain.range_units.places import Place
from app.domain.range_units.storage import check_job, check_outcome, check_part
from app.ports.range_units.jobs import JobParts, Jobs


class MemoryJobs(Jobs):
    """The syncs of a `MemoryStore`."""

    def __init__(self, transaction: MemoryTransaction[RangeUnitsState]) -> None:
        self._transaction = transaction

    async def add(self, *, job: Job) -> None:
        """Keep the job under its id."""
        async with self._transaction.statement(writes=True) as rows:
            check_job(job)
            _refuse_second(rows, job)
            rows.jobs[job.id] = job

    async def active(self, *, exchange: str) -> Job | None:
        """Look for it; there is one writer at a time."""
        async with self._transaction.statement(writes=True) as rows:
            if exchange not in rows.exchanges:
                raise UnknownExchange(f"There is no exchange {exchange}.")
            return next(_active(rows, exchange), None)

    async def job(self, *, job_id: UUID) -> Job | None:
        """Look the id up."""
        async with self._transaction.statement() as rows:
            return rows.jobs.get(job_id)

    async def hold(self, *, job_id: UUID) -> Job | None:
        """Look the id up; there is one writer at a time."""
        async with self._transaction.statement(writes=True) as rows:
            return rows.jobs.get(job_id)

    async def put(self, *, job: Job) -> None:
        """Replace what may change."""
        async with self._transaction.statement(writes=True) as rows:
            check_job(job)
            known = rows.jobs.get(job.id)
            if known is None:
                return
            _refuse_second(rows, replace(job, exchange=known.exchange))
            rows.jobs[job.id] = replace(
                known,
                state=job.state,
                heartbeat=job.heartbeat,
                started_at=job.started_at,
                ended_at=job.ended_at,
                reason=job.reason,
            )

    async def beat(self, *, job_id: UUID, at: datetime) -> JobState | None:
        """Advance the heartbeat."""
        async with self._transaction.statement(writes=True) as rows:
            job = rows.jobs.get(job_id)
            if job is None:
                return None
            rows.jobs[job_id] = replace(job, heartbeat=max(job.heartbeat, at))
            return job.state

    async def page(self, *, exchange: str | None, after: Place | None, limit: int) -> list[Job]:
        """Sort all of them."""
        async with self._transaction.statement() as rows:
            found = sorted(rows.jobs.values(), key=_requested, reverse=True)
            return [
                job
                for job in found
                if exchange in (None, job.exchange)
                and (after is None or _requested(job) < (after.at, after.id))
            ][:limit]


class MemoryJobParts(JobParts):
    """The parts of the syncs of a `MemoryStore`."""

    def __init__(self, transaction: MemoryTransaction[RangeUnitsState]) -> None:
        self._transaction = transaction

    async def plan(self, *, job_id: UUID, parts: Sequence[str]) -> None:
        """Keep the parts that are new, each with its place."""
        async with self._transaction.statement(writes=True) as rows:
            for part in parts:
                check_part(part)
            for place, part in enumerate(parts):
                rows.job_parts.setdefault((job_id, part), (place, None))

    async def remaining(self, *, job_id: UUID) -> list[str]:
        """Take those without a success."""
        async with self._transaction.statement() as rows:
            return [
                part
                for part, outcome in _parts(rows, job_id)
                if outcome is None or outcome.failure is not None
            ]

    async def record(self, *, job_id: UUID, outcome: PartOutcome) -> None:
        """Keep the outcome at the part's place."""
        async with self._transaction.statement(writes=True) as rows:
            check_outcome(outcome)
            known = rows.job_parts.get((job_id, outcome.part))
            if known is not None:
                rows.job_parts[job_id, outcome.part] = (known[0], outcome)

    async def progress(self, *, job_ids: Collection[UUID]) -> Mapping[UUID, Progress]:
        """Count; jobs come in any order."""
        async with self._transaction.statement() as rows:
            asked = list(job_ids)
            self._transaction.chance.shuffle(asked)
            found = {}
            for job_id in asked:
                outcomes = [outcome for _, outcome in _parts(rows, job_id)]
                if outcomes:
                    found[job_id] = _progress(outcomes)
            return found

    async def failures(self, *, job_id: UUID, limit: int) -> list[Failure]:
        """Take those that failed."""
        async with self._transaction.statement() as rows:
            return [
                Failure(part, outcome.failure)
                for part, outcome in _parts(rows, job_id)
                if outcome is not None and outcome.failure is not None
            ][:limit]

    async def notes(self, *, job_id: UUID, limit: int) -> list[PartNote]:
        """Take those that have one."""
        async with self._transaction.statement() as rows:
            return [
                PartNote(part, outcome.note)
                for part, outcome in _parts(rows, job_id)
                if outcome is not None and outcome.note is not None
            ][:limit]


def _requested(job: Job) -> tuple[datetime, UUID]:
    return job.requested_at, job.id


def _active(rows: RangeUnitsState, exchange: str) -> Iterator[Job]:
    return (job for job in rows.jobs.values() if job.exchange == exchange and job.is_active)


def _refuse_second(rows: RangeUnitsState, job: Job) -> None:
    if job.is_active and any(other.id != job.id for other in _active(rows, job.exchange)):
        raise SyncInProgress(f"{job.exchange} has a sync that has not ended.")


def _parts(rows: RangeUnitsState, job_id: UUID) -> list[tuple[str, PartOutcome | None]]:
    own = [(place, part) for (owner, part), (place, _) in rows.job_parts.items() if owner == job_id]
    return [(part, rows.job_parts[job_id, part][1]) for _, part in sorted(own)]


def _progress(outcomes: Sequence[PartOutcome | None]) -> Progress:
    done = [outcome for outcome in outcomes if outcome is not None]
    return Progress(
        counts=sum((outcome.counts for outcome in done), Counts()),
        parts=len(outcomes),
        parts_done=len(done),
        parts_failed=sum(outcome.failure is not None for outcome in done),
    )
