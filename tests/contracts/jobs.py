from dataclasses import replace
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

import pytest

from app.domain.errors import UnstorableText
from app.domain.range_units import notes, storage
from app.domain.range_units.errors import SyncInProgress, UnknownExchange
from app.domain.range_units.jobs import (
    ACTIVE,
    PART_NOTE,
    Counts,
    Failure,
    Job,
    JobState,
    PartNote,
    PartOutcome,
    Progress,
)
from app.domain.range_units.places import Place
from app.ports.range_units.jobs import JobParts, Jobs
from app.ports.range_units.work import RangeUnitsUnitOfWork, RangeUnitsWork
from tests.builders import an_exchange, at, new_id
from tests.contracts.races import race

MICROSECOND = timedelta(microseconds=1)
TEXTS = ["", " a ", "\r\n\x1b[31m", "Zoë 코인원 \U0001f642", "'; -- \" % _ \\ $1 :a ?"]
UNSTORABLE = ["a\0b", "a\ud800b", "a" * 10_000]


def a_job(  # noqa: PLR0913 - each of a test's own
    *,
    exchange: str = "coinone",
    state: JobState = JobState.QUEUED,
    requested_by: str = "trader",
    requested: int = 0,
    reason: str = "",
    job_id: UUID | None = None,
) -> Job:
    """Give a job that was requested so many microseconds after the instant of tests."""
    requested_at = at() + requested * MICROSECOND
    return Job(
        id=job_id or new_id(),
        exchange=exchange,
        state=state,
        requested_by=requested_by,
        requested_at=requested_at,
        heartbeat=requested_at,
        reason=reason,
    )


async def keep(work: RangeUnitsWork, *jobs: Job) -> None:
    async with work() as uow:
        exchanges = [an_exchange(code=code) for code in ("coinone", "korbit")]
        await uow.catalogue.put_exchanges(exchanges=exchanges)
        for job in jobs:
            await uow.jobs.active(exchange=job.exchange)
            await uow.jobs.add(job=job)
        await uow.commit()


async def jobs_of(work: RangeUnitsWork) -> list[Job]:
    async with work() as uow:
        return await uow.jobs.page(exchange=None, after=None, limit=100)


class JobsContract:
    port: ClassVar[type] = Jobs
    adapter: ClassVar[type]

    async def test_what_is_tested_is_the_adapter_that_is_named(self, work: RangeUnitsWork) -> None:
        async with work() as uow:
            assert type(uow.jobs) is self.adapter

    async def test_a_job_comes_back_with_every_field(self, work: RangeUnitsWork) -> None:
        bare = a_job()
        whole = Job(
            id=new_id(),
            exchange="korbit",
            state=JobState.FAILED,
            requested_by="the schedule",
            requested_at=at(),
            heartbeat=at() + MICROSECOND,
            started_at=at() + 2 * MICROSECOND,
            ended_at=at() + 3 * MICROSECOND,
            reason="It rained.",
        )
        await keep(work, bare, whole)
        async with work() as uow:
            found = [
                [await uow.jobs.job(job_id=job.id), await uow.jobs.hold(job_id=job.id)]
                for job in (bare, whole)
            ]
            missing = [await uow.jobs.job(job_id=new_id()), await uow.jobs.hold(job_id=new_id())]
        assert (found, missing) == ([[bare] * 2, [whole] * 2], [None] * 2)

    async def test_texts_come_back_as_they_were(self, work: RangeUnitsWork) -> None:
        texts = [*TEXTS, "\U0001f642" * storage.REQUESTED_BY]
        ended = JobState.DONE
        jobs = [a_job(state=ended, requested_by=text, reason=text) for text in texts]
        jobs.append(a_job(state=ended, reason="\U0001f642" * notes.NOTE))
        await keep(work, *jobs)
        assert await jobs_of(work) == jobs[::-1]

    async def test_a_text_that_cannot_be_stored_is_refused(self, work: RangeUnitsWork) -> None:
        known = a_job()
        await keep(work, known)
        for text in UNSTORABLE:
            for job in (
                a_job(state=JobState.DONE, requested_by=text),
                a_job(state=JobState.DONE, reason=text),
            ):
                async with work() as uow:
                    with pytest.raises(UnstorableText):
                        await uow.jobs.add(job=job)
            async with work() as uow:
                with pytest.raises(UnstorableText):
                    await uow.jobs.put(job=replace(known, reason=text))
        assert await jobs_of(work) == [known]

    async def test_the_active_job_of_an_exchange_is_the_one_that_has_not_ended(
        self, work: RangeUnitsWork
    ) -> None:
        ended = [a_job(state=state) for state in JobState if state not in ACTIVE]
        other = a_job(exchange="korbit", state=JobState.RUNNING)
        await keep(work, *ended, other)
        async with work() as uow:
            found = [await uow.jobs.active(exchange=code) for code in ("coinone", "korbit")]
        assert found == [None, other]

    async def test_an_unknown_exchange_has_no_active_job_and_cannot_be_held(
        self, work: RangeUnitsWork
    ) -> None:
        async with work() as uow:
            with pytest.raises(UnknownExchange):
                await uow.jobs.active(exchange="nowhere")

    async def test_an_exchange_has_one_job_at_a_time_that_has_not_ended(
        self, work: RangeUnitsWork
    ) -> None:
        first = a_job(state=JobState.DONE)
        second = a_job(state=JobState.CANCELLING)
        await keep(work, first, second)
        async with work() as uow:
            with pytest.raises(SyncInProgress):
                await uow.jobs.add(job=a_job(state=JobState.QUEUED))
        async with work() as uow:
            with pytest.raises(SyncInProgress):
                await uow.jobs.put(job=replace(first, state=JobState.RUNNING))
        assert await jobs_of(work) == [second, first]

    async def test_what_changes_is_replaced_and_nothing_else(self, work: RangeUnitsWork) -> None:
        job = a_job()
        await keep(work, job)
        changed = replace(
            job,
            state=JobState.CANCELLED,
            heartbeat=at() + MICROSECOND,
            started_at=at() + MICROSECOND,
            ended_at=at() + 2 * MICROSECOND,
            reason="It was cancelled.",
        )
        async with work() as uow:
            await uow.jobs.put(job=replace(changed, exchange="korbit", requested_by="nobody"))
            await uow.jobs.put(job=a_job(state=JobState.DONE))
            await uow.commit()
        assert await jobs_of(work) == [changed]

    async def test_a_heartbeat_never_goes_back_and_tells_the_state(
        self, work: RangeUnitsWork
    ) -> None:
        job = a_job(state=JobState.CANCELLING)
        await keep(work, job)
        async with work() as uow:
            told = [
                await uow.jobs.beat(job_id=job.id, at=at() + MICROSECOND),
                await uow.jobs.beat(job_id=job.id, at=at() - MICROSECOND),
                await uow.jobs.beat(job_id=new_id(), at=at()),
            ]
            await uow.commit()
        assert told == [JobState.CANCELLING, JobState.CANCELLING, None]
        assert await jobs_of(work) == [replace(job, heartbeat=at() + MICROSECOND)]

    async def test_pages_come_newest_first_with_ties_by_id(self, work: RangeUnitsWork) -> None:
        done = JobState.DONE
        jobs = [a_job(state=done, requested=place) for place in (0, 2, 1, 1, 1)]
        other = a_job(exchange="korbit", state=done, requested=1)
        await keep(work, *jobs, other)
        order = [jobs[1], other, jobs[4], jobs[3], jobs[2], jobs[0]]
        async with work() as uow:
            paged: list[Job] = []
            after = None
            while part := await uow.jobs.page(exchange=None, after=after, limit=2):
                paged += part
                after = Place(part[-1].requested_at, part[-1].id)
            own = await uow.jobs.page(
                exchange="coinone", after=Place(other.requested_at, other.id), limit=2
            )
            none = await uow.jobs.page(exchange=None, after=None, limit=0)
        assert (paged, own, none) == (order, order[2:4], [])

    async def test_what_is_not_committed_is_not_kept(self, work: RangeUnitsWork) -> None:
        job = a_job()
        await keep(work, job)
        async with work() as uow:
            await uow.jobs.put(job=replace(job, state=JobState.DONE))
            await uow.jobs.add(job=a_job())
            await uow.jobs.beat(job_id=job.id, at=at() + MICROSECOND)
        assert await jobs_of(work) == [job]

    async def test_who_asks_for_an_exchange_that_is_held_waits(self, work: RangeUnitsWork) -> None:
        await keep(work)
        job = a_job()

        async def add(uow: RangeUnitsUnitOfWork) -> None:
            await uow.jobs.active(exchange="coinone")
            await uow.jobs.add(job=job)

        async def look(uow: RangeUnitsUnitOfWork) -> None:
            assert await uow.jobs.active(exchange="coinone") == job

        through = await race(
            work,
            first=add,
            meanwhile=lambda uow: uow.jobs.job(job_id=job.id),
            last=lambda uow: uow.commit(),
            second=look,
        )
        assert through == ["first", "second"]

    async def test_who_asks_for_a_job_that_is_held_waits(self, work: RangeUnitsWork) -> None:
        job = a_job()
        done = replace(job, state=JobState.DONE)
        await keep(work, job)

        async def change(uow: RangeUnitsUnitOfWork) -> None:
            await uow.jobs.hold(job_id=job.id)
            await uow.jobs.put(job=done)

        async def look(uow: RangeUnitsUnitOfWork) -> None:
            assert await uow.jobs.hold(job_id=job.id) == done

        through = await race(
            work,
            first=change,
            meanwhile=lambda uow: uow.jobs.job(job_id=job.id),
            last=lambda uow: uow.commit(),
            second=look,
        )
        assert through == ["first", "second"]


def failed(part: str, reason: str = "It rained.") -> PartOutcome:
    return PartOutcome(part, Counts(), reason)


class JobPartsContract:
    port: ClassVar[type] = JobParts
    adapter: ClassVar[type]

    async def test_what_is_tested_is_the_adapter_that_is_named(self, work: RangeUnitsWork) -> None:
        async with work() as uow:
            assert type(uow.job_parts) is self.adapter

    async def test_parts_that_are_planned_are_left_in_their_order(
        self, work: RangeUnitsWork
    ) -> None:
        job = a_job()
        await keep(work, job)
        parts = ["KRW/B", "KRW/A", "all", "\U0001f642" * storage.PART, "~", "'; --"]
        async with work() as uow:
            await uow.job_parts.plan(job_id=job.id, parts=parts)
            await uow.job_parts.plan(job_id=job.id, parts=[])
            await uow.commit()
        async with work() as uow:
            assert await uow.job_parts.remaining(job_id=job.id) == parts
            assert await uow.job_parts.remaining(job_id=new_id()) == []

    async def test_planning_again_keeps_places_and_outcomes(self, work: RangeUnitsWork) -> None:
        job = a_job()
        await keep(work, job)
        async with work() as uow:
            await uow.job_parts.plan(job_id=job.id, parts=["b", "a", "c"])
            await uow.job_parts.record(job_id=job.id, outcome=PartOutcome("a", Counts(1)))
            await uow.job_parts.plan(job_id=job.id, parts=["d", "c", "a", "0"])
            left = await uow.job_parts.remaining(job_id=job.id)
        assert left == ["b", "d", "c", "0"]

    async def test_what_succeeded_is_not_left_and_what_failed_is(
        self, work: RangeUnitsWork
    ) -> None:
        job, other = a_job(), a_job(exchange="korbit")
        await keep(work, job, other)
        async with work() as uow:
            for each in (job, other):
                await uow.job_parts.plan(job_id=each.id, parts=["a", "b", "c"])
            await uow.job_parts.record(job_id=job.id, outcome=PartOutcome("a", Counts(1)))
            await uow.job_parts.record(job_id=job.id, outcome=failed("b", ""))
            await uow.job_parts.record(job_id=job.id, outcome=failed("unknown"))
            await uow.commit()
        async with work() as uow:
            left = [await uow.job_parts.remaining(job_id=each.id) for each in (job, other)]
        assert left == [["b", "c"], ["a", "b", "c"]]

    async def test_progress_adds_up_and_a_later_outcome_replaces_an_earlier_one(
        self, work: RangeUnitsWork
    ) -> None:
        job, other, bare = a_job(), a_job(exchange="korbit"), a_job(state=JobState.DONE)
        await keep(work, job, other, bare)
        async with work() as uow:
            await uow.job_parts.plan(job_id=job.id, parts=["a", "b", "c", "d"])
            await uow.job_parts.plan(job_id=other.id, parts=["a"])
            for outcome in (
                failed("a"),
                PartOutcome("a", Counts(5, 1, 2, 1, 1, 9, 8)),
                PartOutcome("b", Counts(10, 1, 1, 1, 7, 3, 1), "in part"),
                failed("c"),
            ):
                await uow.job_parts.record(job_id=job.id, outcome=outcome)
            await uow.commit()
        async with work() as uow:
            ids = [job.id, other.id, bare.id, new_id()]
            found = await uow.job_parts.progress(job_ids=ids)
            none = await uow.job_parts.progress(job_ids=[])
        expected = {
            job.id: Progress(Counts(15, 2, 3, 2, 8, 12, 9), 4, 3, 2),
            other.id: Progress(parts=1),
        }
        assert (dict(found), dict(none)) == (expected, {})

    async def test_failures_come_in_the_order_of_the_parts_and_not_without_end(
        self, work: RangeUnitsWork
    ) -> None:
        job = a_job()
        await keep(work, job)
        async with work() as uow:
            await uow.job_parts.plan(job_id=job.id, parts=["c", "b", "a", "d"])
            for part in "adc":
                await uow.job_parts.record(job_id=job.id, outcome=failed(part, f"why {part}"))
            found = [
                await uow.job_parts.failures(job_id=job.id, limit=limit) for limit in (9, 2, 0)
            ]
        expected = [Failure(part, f"why {part}") for part in "cad"]
        assert found == [expected, expected[:2], []]

    async def test_notes_come_in_the_order_of_the_parts_and_not_without_end(
        self, work: RangeUnitsWork
    ) -> None:
        job, other = a_job(), a_job(exchange="korbit")
        await keep(work, job, other)
        texts = [*TEXTS, "\U0001f642" * PART_NOTE]
        async with work() as uow:
            parts = [f"{9 - place}" for place in range(len(texts))]
            await uow.job_parts.plan(job_id=job.id, parts=[*parts, "bare", "mended"])
            for part, text in reversed([*zip(parts, texts, strict=True)]):
                failure = "why" if part == "9" else None
                outcome = PartOutcome(part, Counts(), failure, text)
                await uow.job_parts.record(job_id=job.id, outcome=outcome)
            for outcome in (PartOutcome("mended", Counts(), None, "odd"), failed("mended")):
                await uow.job_parts.record(job_id=job.id, outcome=outcome)
            await uow.commit()
        async with work() as uow:
            found = [await uow.job_parts.notes(job_id=job.id, limit=limit) for limit in (9, 2, 0)]
            none = await uow.job_parts.notes(job_id=other.id, limit=9)
        expected = [PartNote(part, text) for part, text in zip(parts, texts, strict=True)]
        assert (found, none) == ([expected, expected[:2], []], [])

    async def test_a_text_that_cannot_be_stored_is_refused(self, work: RangeUnitsWork) -> None:
        job = a_job()
        await keep(work, job)
        for text in UNSTORABLE:
            async with work() as uow:
                with pytest.raises(UnstorableText):
                    await uow.job_parts.plan(job_id=job.id, parts=["a", text])
            for outcome in (failed("a", text), PartOutcome("a", Counts(), None, text)):
                async with work() as uow:
                    with pytest.raises(UnstorableText):
                        await uow.job_parts.record(job_id=job.id, outcome=outcome)
        async with work() as uow:
            assert await uow.job_parts.remaining(job_id=job.id) == []

    async def test_reasons_come_back_as_they_were(self, work: RangeUnitsWork) -> None:
        job = a_job()
        await keep(work, job)
        reasons = [*TEXTS, "\U0001f642" * notes.NOTE]
        async with work() as uow:
            parts = [str(place) for place in range(len(reasons))]
            await uow.job_parts.plan(job_id=job.id, parts=parts)
            for part, reason in zip(parts, reasons, strict=True):
                await uow.job_parts.record(job_id=job.id, outcome=failed(part, reason))
            await uow.commit()
        async with work() as uow:
            found = await uow.job_parts.failures(job_id=job.id, limit=100)
        assert [failure.reason for failure in found] == reasons

    async def test_what_is_not_committed_is_not_kept(self, work: RangeUnitsWork) -> None:
        job = a_job()
        await keep(work, job)
        async with work() as uow:
            await uow.job_parts.plan(job_id=job.id, parts=["a"])
        async with work() as uow:
            assert await uow.job_parts.remaining(job_id=job.id) == []
