"""What runs a sync: it fetches an exchange's range units part by part, and takes each reply."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from anyio import CancelScope, create_task_group

from app.domain.errors import Fault, StoreUnavailable, TickgateError
from app.domain.range_units.errors import (
    NoFeed,
    PayloadRejected,
    SyncInProgress,
)
from app.domain.range_units.jobs import (
    PART_NOTE,
    Counts,
    Job,
    JobState,
    PartOutcome,
    begun,
    ended,
    reason_of,
    reason_of_rejections,
)
from app.domain.range_units.notes import noted
from app.ports.clock import Clock
from app.ports.range_units.feeds import Feed, Reply
from app.ports.range_units.locks import IsHeld, SyncLocks
from app.ports.range_units.work import RangeUnitsWork
from app.services.range_units.range_units_service import RangeUnitsService

AT_ONCE: Final = 8
"""How many parts are fetched at once: enough to use up a rate budget though replies take long."""

Tell = Callable[[int, int], None]
"""Is told how many parts were tried, of how many."""


class SyncWorker:
    """Runs jobs, each under the lock of its exchange."""

    def __init__(  # noqa: PLR0913 - one for each thing that a run needs
        self,
        *,
        uow: RangeUnitsWork,
        range_units: RangeUnitsService,
        feeds: Mapping[str, Feed],
        locks: SyncLocks,
        clock: Clock,
        pause: Callable[[], Awaitable[None]],
        at_once: int = AT_ONCE,
    ) -> None:
        """Take what runs need; `pause` is between two heartbeats, a few seconds."""
        self._uow = uow
        self._range_units = range_units
        self._feeds = feeds
        self._locks = locks
        self._clock = clock
        self._pause = pause
        self._at_once = at_once

    async def run(self, *, job: Job, tell: Tell = lambda _tried, _of: None) -> Job:
        """Run a queued job to its end, and give it as it is then.

        One that is not queued any more is left as it is. A part that fails, or whose payload is
        rejected in part or as a whole, is recorded and does not stop the others; what came before
        a failure is taken. What cannot be read of the list of parts is recorded like a part. A
        cancel is noticed between parts. The end is recorded though this is cancelled, or raises
        what made the whole job fail: `SyncInProgress` where another process syncs the exchange.
        """
        try:
            async with self._locks.hold(exchange=job.exchange) as is_held:
                if is_held is None:
                    raise SyncInProgress(f"Another process syncs {job.exchange}.")  # noqa: TRY301 - ends the job like any refusal
                running = await self._begin(job)
                is_whole = running and await self._whole(running, is_held, tell)
                if is_whole:
                    return await self._end(job, JobState.DONE, "")
                return await self._end(job, JobState.CANCELLED, "It was cancelled.")
        except BaseException as error:
            # A store that is away cannot be told: the job is an orphan then, and can be resumed.
            with suppress(StoreUnavailable):
                await self._end(job, *_meaning(error))
            raise

    async def _begin(self, job: Job) -> Job | None:
        async with self._uow() as uow:
            known = await uow.jobs.hold(job_id=job.id)
            running = None if known is None else begun(known, self._clock.now())
            if running is not None:
                await uow.jobs.put(job=running)
                await uow.commit()
        return running

    async def _whole(self, job: Job, is_held: IsHeld, tell: Tell) -> bool:
        feed = self._feeds.get(job.exchange)
        if feed is None:
            raise NoFeed(f"It is not known where {job.exchange} publishes its range units.")
        run = _Run(
            job,
            _Means(self._uow, self._range_units, feed, is_held, self._clock, self._pause, tell),
        )
        return await run.go(self._at_once)

    async def _end(self, job: Job, state: JobState, reason: str) -> Job:
        """Record the end of a job, in a task of its own: to the end, whoever is cancelled.

        A shield alone does not stop a task's own cancellation, which is not a scope's.
        """
        found: list[Job | StoreUnavailable] = []

        async def record() -> None:
            with CancelScope(shield=True):
                try:
                    async with self._uow() as uow:
                        known = await uow.jobs.hold(job_id=job.id)
                        last = ended(known or job, state, self._clock.now(), reason)
                        await uow.jobs.put(job=last)
                        await uow.commit()
                    found.append(last)
                except StoreUnavailable as error:
                    found.append(error)

        async with create_task_group() as tasks:
            tasks.start_soon(record)
        [last] = found
        if isinstance(last, StoreUnavailable):
            raise last
        return last


def _meaning(error: BaseException) -> tuple[JobState, str]:
    if isinstance(error, TickgateError):
        return JobState.FAILED, reason_of(error)
    if isinstance(error, Exception):
        return JobState.FAILED, noted(f"A defect: {error!r}")
    return JobState.CANCELLED, "Its process was stopped."


@dataclass(frozen=True, slots=True)
class _Means:
    """What a run works with."""

    uow: RangeUnitsWork
    range_units: RangeUnitsService
    feed: Feed
    is_held: IsHeld
    clock: Clock
    pause: Callable[[], Awaitable[None]]
    tell: Tell


class _Run:
    """One run of a job: several tasks take parts from what is left, and one gives signs of life."""

    def __init__(self, job: Job, means: _Means) -> None:
        self._job = job
        self._means = means
        self._left: Iterator[str] = iter(())
        self._unreadable: Mapping[str, str] = {}
        self._tried = self._of = 0
        self._stops = False
        self._error: Exception | None = None

    async def go(self, at_once: int) -> bool:
        """Try the parts that are left; True unless some were not tried because it was to stop."""
        async with create_task_group() as tasks:
            tasks.start_soon(self._guarded, tasks.cancel_scope, self._beat_on)
            await self._guarded(tasks.cancel_scope, partial(self._try_all, at_once))
            tasks.cancel_scope.cancel()
        if self._error is not None:
            raise self._error
        return next(self._left, None) is None

    async def _guarded(self, scope: CancelScope, work: Callable[[], Awaitable[None]]) -> None:
        """Do something, whose error stops all of the run and is raised for it, once."""
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - it is raised by `go`
            self._error = self._error or error
            scope.cancel()

    async def _try_all(self, at_once: int) -> None:
        listed = await self._means.feed.parts()
        self._unreadable = {one.part: one.reason for one in listed.unreadable}
        parts = [*listed.readable, *self._unreadable]
        job_id = self._job.id
        async with self._means.uow() as uow:
            await uow.job_parts.plan(job_id=job_id, parts=parts)
            left = await uow.job_parts.remaining(job_id=job_id)
            planned = await uow.job_parts.progress(job_ids=[job_id])
            await uow.commit()
        self._left = iter(left)
        self._of = planned[job_id].parts if job_id in planned else 0
        self._tried = self._of - len(left)
        self._means.tell(self._tried, self._of)
        async with create_task_group() as tasks:
            for _ in range(min(at_once, len(left))):
                tasks.start_soon(self._guarded, tasks.cancel_scope, self._try_on)

    async def _try_on(self) -> None:
        while not self._stops and (part := next(self._left, None)) is not None:
            outcome = await self._outcome(part)
            await self._note(outcome)
            self._tried += 1
            self._means.tell(self._tried, self._of)

    async def _outcome(self, part: str) -> PartOutcome:
        if part in self._unreadable:
            return PartOutcome(part, Counts(), noted(self._unreadable[part]))
        taking = _Taking(self._means.range_units, self._means.clock)
        try:
            await self._means.feed.fetch(part=part, take=taking.take)
        except TickgateError as error:
            taking.failures.append(reason_of(error))
        return taking.outcome(part)

    async def _note(self, outcome: PartOutcome | None = None) -> None:
        """Record what became of a part, and a sign of life; learn whether the job is to stop."""
        job_id = self._job.id
        async with self._means.uow() as uow:
            if outcome is not None:
                await uow.job_parts.record(job_id=job_id, outcome=outcome)
            state = await uow.jobs.beat(job_id=job_id, at=self._means.clock.now())
            await uow.commit()
        self._stops = self._stops or state is not JobState.RUNNING

    async def _beat_on(self) -> None:
        while True:
            await self._means.pause()
            if not await self._means.is_held():
                raise StoreUnavailable(f"The lock of {self._job.exchange} was lost on the way.")
            with suppress(StoreUnavailable):  # the parts will tell, if it stays away
                await self._note()


class _Taking:
    """Takes the replies to a part, and keeps what became of them whatever comes after."""

    def __init__(self, range_units: RangeUnitsService, clock: Clock) -> None:
        self._range_units = range_units
        self._clock = clock
        self._counts = Counts()
        self._odd: list[str] = []
        self._rejections: list[Fault] = []
        self.failures: list[str] = []

    async def take(self, reply: Reply) -> None:
        """Ingest a reply, as of when it was got."""
        try:
            taken = await self._range_units.ingest(
                market=reply.market,
                payload=reply.payload,
                source=reply.source,
                # The clock may have been set back since.
                observed_at=min(reply.received_at, self._clock.now()),
                asked=reply.asked,
            )
        except PayloadRejected as error:
            self.failures.append(reason_of(error))
            self._counts += Counts(attempted=error.markets, rejected=error.markets)
            return
        self._rejections += taken.rejections
        self._odd += [f"{market}: {finding.message}" for market, finding in taken.disagreements]
        self._counts += Counts(
            attempted=taken.attempted,
            inserted=taken.inserted,
            updated=taken.updated,
            unchanged=taken.unchanged,
            rejected=taken.rejected,
            checked=taken.checked,
            disagreeing=len(taken.disagreements),
        )

    def outcome(self, part: str) -> PartOutcome:
        """Give what became of the part."""
        failures = [*self.failures]
        if self._rejections:
            failures.append(reason_of_rejections(self._rejections))
        note = noted("; ".join(self._odd), PART_NOTE)
        return PartOutcome(part, self._counts, noted(" / ".join(failures)) or None, note or None)
