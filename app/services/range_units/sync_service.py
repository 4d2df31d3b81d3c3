from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from app.domain.range_units.errors import NoFeed, UnknownJob
from app.domain.range_units.jobs import (
    FAILURES_TOLD,
    NOTES_TOLD,
    Failure,
    Job,
    JobState,
    PartNote,
    Progress,
    abandoned,
    cancelled,
    is_due,
    refuse_second,
    resumed,
)
from app.domain.range_units.places import Place
from app.ports.clock import Clock
from app.ports.ids import Ids
from app.ports.range_units.work import RangeUnitsUnitOfWork, RangeUnitsWork


@dataclass(frozen=True, slots=True)
class JobReport:
    """A job, how far it is, and some of the parts that failed or should be looked at."""

    job: Job
    progress: Progress
    failures: tuple[Failure, ...]
    notes: tuple[PartNote, ...]
    is_orphaned: bool


class SyncService:
    """Syncs of exchanges, as jobs: requested here, and run by a `SyncWorker`."""

    def __init__(
        self,
        *,
        uow: RangeUnitsWork,
        reading: RangeUnitsWork,
        exchanges: Collection[str],
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._uow = uow
        self._reading = reading
        self._exchanges = exchanges
        self._clock = clock
        self._ids = ids

    async def start(self, *, exchange: str, requested_by: str) -> Job:
        """Queue a sync of an exchange; one whose process has died makes way for it.

        Raises `NoFeed`, `UnknownExchange`, and `SyncInProgress`, which names the job.
        """
        self._refuse_unfed(exchange)
        async with self._uow() as uow:
            job = await self._queued(uow, exchange, requested_by)
            await uow.commit()
        return job

    async def start_due(self, *, exchange: str, every: timedelta) -> Job | None:
        """Queue a scheduled sync, where the last one of any kind was requested so long ago.

        None: it is not due, or one goes on. Of several processes that ask, one is given the job.
        Raises `NoFeed`, `UnknownExchange`.
        """
        self._refuse_unfed(exchange)
        async with self._uow() as uow:
            active = await uow.jobs.active(exchange=exchange)
            last = await uow.jobs.page(exchange=exchange, after=None, limit=1)
            now = self._clock.now()
            if active is not None and not active.is_orphaned(now):
                return None
            if not is_due(next(iter(last), None), every, now):
                return None
            job = await self._queued(uow, exchange, "the schedule")
            await uow.commit()
        return job

    async def cancel(self, *, job_id: UUID) -> Job:
        """Cancel a job, or ask its process to; what was taken until then stays.

        Raises `UnknownJob`, and `JobFinished` for one that ended otherwise.
        """
        async with self._uow() as uow:
            job = _found(await uow.jobs.hold(job_id=job_id), job_id)
            changed = cancelled(job, self._clock.now())
            await uow.jobs.put(job=changed)
            await uow.commit()
        return changed

    async def resume(self, *, job_id: UUID) -> Job:
        """Queue a job again; parts that succeeded are not asked for again.

        Raises `UnknownJob`, `JobFinished` for one that is done, and `SyncInProgress` while it, or
        another of its exchange, goes on; `NoFeed`.
        """
        async with self._reading() as uow:
            known = _found(await uow.jobs.job(job_id=job_id), job_id)
        self._refuse_unfed(known.exchange)
        async with self._uow() as uow:
            active = await uow.jobs.active(exchange=known.exchange)
            job = _found(await uow.jobs.hold(job_id=job_id), job_id)
            now = self._clock.now()
            changed = resumed(job, now)
            if active is not None and active.id != job_id:
                await self._make_way(uow, active)
            await uow.jobs.put(job=changed)
            await uow.commit()
        return changed

    async def job(self, *, job_id: UUID) -> JobReport:
        """Give a job with its progress, failures and notes. Raises `UnknownJob`."""
        async with self._reading() as uow:
            job = _found(await uow.jobs.job(job_id=job_id), job_id)
            progress = await uow.job_parts.progress(job_ids=[job_id])
            failures = await uow.job_parts.failures(job_id=job_id, limit=FAILURES_TOLD)
            notes = await uow.job_parts.notes(job_id=job_id, limit=NOTES_TOLD)
        return JobReport(
            job,
            progress.get(job_id, Progress()),
            tuple(failures),
            tuple(notes),
            job.is_orphaned(self._clock.now()),
        )

    async def list_jobs(
        self, *, exchange: str | None = None, after: Place | None = None, limit: int = 50
    ) -> list[JobReport]:
        """Give jobs with their progress, newest first, without their failures one by one."""
        async with self._reading() as uow:
            jobs = await uow.jobs.page(exchange=exchange, after=after, limit=limit)
            progress = await uow.job_parts.progress(job_ids=[job.id for job in jobs])
        now = self._clock.now()
        return [
            JobReport(job, progress.get(job.id, Progress()), (), (), job.is_orphaned(now))
            for job in jobs
        ]

    def _refuse_unfed(self, exchange: str) -> None:
        if exchange not in self._exchanges:
            raise NoFeed(f"It is not known where {exchange} publishes its range units.")

    async def _queued(self, uow: RangeUnitsUnitOfWork, exchange: str, requested_by: str) -> Job:
        active = await uow.jobs.active(exchange=exchange)
        if active is not None:
            await self._make_way(uow, active)
        now = self._clock.now()
        job = Job(
            id=self._ids.new_id(),
            exchange=exchange,
            state=JobState.QUEUED,
            requested_by=requested_by,
            requested_at=now,
            heartbeat=now,
        )
        await uow.jobs.add(job=job)
        return job

    async def _make_way(self, uow: RangeUnitsUnitOfWork, active: Job) -> None:
        now = self._clock.now()
        if not active.is_orphaned(now):
            raise refuse_second(active)
        await uow.jobs.put(job=abandoned(active, now))


def _found(job: Job | None, job_id: UUID) -> Job:
    if job is None:
        raise UnknownJob(f"There is no job {job_id}.")
    return job
