from datetime import timedelta

import pytest

from app.domain.range_units.errors import (
    JobFinished,
    NoFeed,
    PayloadRejected,
    SyncInProgress,
    UnknownExchange,
    UnknownJob,
    UnknownPayload,
)
from app.domain.range_units.jobs import ORPHANED_AFTER, JobState
from app.domain.range_units.places import Place
from app.domain.range_units.quarantine import BYTES_KEPT, KEPT
from app.domain.range_units.revisions import Exchange, digest_of
from tests.application import MemoryApplication
from tests.builders import a_market, an_exchange, new_id
from tests.feeds import SOURCE, a_reply

HOUR = timedelta(hours=1)


@pytest.fixture
async def application() -> MemoryApplication:
    application = MemoryApplication()
    await application.range_units.put_exchange(exchange=an_exchange())
    return application


async def test_an_exchange_has_one_sync_at_a_time_and_the_second_learns_which(
    application: MemoryApplication,
) -> None:
    job = await application.sync.start(exchange="coinone", requested_by="trader")
    with pytest.raises(SyncInProgress) as refused:
        await application.sync.start(exchange="coinone", requested_by="another")
    assert refused.value.job_id == job.id
    assert [report.job for report in await application.sync.list_jobs()] == [job]


async def test_what_cannot_be_asked_for_is_refused(application: MemoryApplication) -> None:
    with pytest.raises(NoFeed):
        await application.sync.start(exchange="nowhere", requested_by="trader")
    with pytest.raises(NoFeed):
        await application.sync.start_due(exchange="nowhere", every=HOUR)
    with pytest.raises(UnknownExchange):
        await MemoryApplication().sync.start(exchange="coinone", requested_by="trader")
    for use in (application.sync.job, application.sync.cancel, application.sync.resume):
        with pytest.raises(UnknownJob):
            await use(job_id=new_id())


async def test_an_orphan_makes_way_for_a_new_sync_and_cannot_be_resumed_beside_it(
    application: MemoryApplication,
) -> None:
    orphan = await application.sync.start(exchange="coinone", requested_by="trader")
    application.clock.advance(2 * ORPHANED_AFTER)
    assert (await application.sync.job(job_id=orphan.id)).is_orphaned
    job = await application.sync.start(exchange="coinone", requested_by="trader")
    ended = (await application.sync.job(job_id=orphan.id)).job
    assert (ended.state, ended.reason) == (JobState.FAILED, "Its process died.")
    with pytest.raises(SyncInProgress) as refused:
        await application.sync.resume(job_id=orphan.id)
    assert refused.value.job_id == job.id


async def test_a_job_that_is_resumed_takes_the_place_of_an_orphan(
    application: MemoryApplication,
) -> None:
    first = await application.sync.start(exchange="coinone", requested_by="trader")
    await application.sync.cancel(job_id=first.id)
    orphan = await application.sync.start(exchange="coinone", requested_by="trader")
    application.clock.advance(2 * ORPHANED_AFTER)
    again = await application.sync.resume(job_id=first.id)
    ended = (await application.sync.job(job_id=orphan.id)).job
    assert (again.state, ended.state) == (JobState.QUEUED, JobState.FAILED)


async def test_a_job_that_is_done_is_neither_cancelled_nor_resumed(
    application: MemoryApplication,
) -> None:
    job = await application.sync.start(exchange="coinone", requested_by="trader")
    await application.sync_worker.run(job=job)
    for use in (application.sync.cancel, application.sync.resume):
        with pytest.raises(JobFinished):
            await use(job_id=job.id)


async def test_a_scheduled_sync_waits_for_its_time_and_for_the_one_before(
    application: MemoryApplication,
) -> None:
    first = await application.sync.start_due(exchange="coinone", every=HOUR)
    assert first is not None
    assert await application.sync.start_due(exchange="coinone", every=HOUR) is None
    await application.sync_worker.run(job=first)
    assert await application.sync.start_due(exchange="coinone", every=HOUR) is None
    application.clock.advance(HOUR)
    second = await application.sync.start_due(exchange="coinone", every=HOUR)
    assert second is not None
    assert second.requested_by == "the schedule"
    assert await application.sync.start_due(exchange="coinone", every=timedelta(seconds=0)) is None


async def test_a_rejected_payload_is_kept_once_with_its_bytes_and_how_often_it_came(
    application: MemoryApplication,
) -> None:
    payload = b"<html>" + b"x" * BYTES_KEPT
    for _ in range(3):
        await _reject(application, payload)
        application.clock.advance(HOUR)
    [entry] = await application.quarantine.list_entries(exchange="coinone")
    found, kept = await application.quarantine.entry(exchange="coinone", entry_id=entry.id)
    assert found == entry
    assert kept == payload[:BYTES_KEPT]
    assert (entry.times, entry.last_seen - entry.received_at) == (3, 2 * HOUR)
    assert (entry.digest, entry.size, entry.source) == (digest_of(payload), len(payload), SOURCE)
    assert entry.faults


async def test_the_oldest_rejected_payloads_of_an_exchange_are_let_go(
    application: MemoryApplication,
) -> None:
    for number in range(KEPT + 2):
        await _reject(application, b"%d" % number)
        application.clock.advance(HOUR)
    entries = await application.quarantine.list_entries(exchange="coinone", limit=500)
    assert [entry.digest for entry in entries] == [
        digest_of(b"%d" % number) for number in range(KEPT + 1, 1, -1)
    ]
    last = Place(entries[-1].received_at, entries[-1].id)
    assert await application.quarantine.list_entries(exchange="coinone", after=last) == []


async def test_a_rejected_payload_is_that_of_its_own_exchange(
    application: MemoryApplication,
) -> None:
    await application.range_units.put_exchange(exchange=Exchange("korbit", "Korbit"))
    await _reject(application, b"<html>")
    [entry] = await application.quarantine.list_entries(exchange="coinone")
    assert await application.quarantine.list_entries(exchange="korbit") == []
    for exchange, entry_id in (("korbit", entry.id), ("coinone", new_id())):
        with pytest.raises(UnknownPayload):
            await application.quarantine.entry(exchange=exchange, entry_id=entry_id)
    with pytest.raises(UnknownExchange):
        await application.quarantine.list_entries(exchange="nowhere")


async def test_what_is_taken_is_not_in_quarantine(application: MemoryApplication) -> None:
    reply = a_reply("1")
    await application.range_units.ingest(
        market=reply.market, payload=reply.payload, source=reply.source
    )
    assert await application.quarantine.list_entries(exchange="coinone") == []


async def _reject(application: MemoryApplication, payload: bytes) -> None:
    with pytest.raises(PayloadRejected):
        await application.range_units.ingest(market=a_market(), payload=payload, source=SOURCE)
