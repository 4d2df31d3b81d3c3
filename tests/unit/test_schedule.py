from datetime import timedelta

from anyio import sleep_forever

from app.adapters.background import side_by_side
from app.bootstrap.schedule import scheduled
from app.domain.range_units.jobs import JobState
from tests.application import MemoryApplication
from tests.builders import an_exchange
from tests.cancellation import until
from tests.feeds import a_reply


async def test_what_is_due_is_synced_though_another_exchange_is_refused() -> None:
    application = MemoryApplication()
    await application.range_units.put_exchange(exchange=an_exchange())
    application.coinone.replies = {"KRW/BTC": [a_reply("1")]}
    store = application.range_units_store
    hour = timedelta(hours=1)
    async with (
        side_by_side() as begin,
        scheduled(
            {"nowhere": hour, "coinone": hour},
            sync=application.sync,
            begin=lambda job: begin(lambda: application.sync_worker.run(job=job)),
            wait=sleep_forever,
        ),
    ):
        await until(lambda: any(not job.is_active for job in store.committed.jobs.values()))
    [report] = await application.sync.list_jobs()
    assert (report.job.state, report.progress.counts.inserted) == (JobState.DONE, 1)


async def test_what_is_under_way_when_the_service_stops_can_be_resumed() -> None:
    application = MemoryApplication()
    await application.range_units.put_exchange(exchange=an_exchange())
    application.coinone.replies = {"KRW/BTC": [a_reply("1")]}
    application.coinone.on_fetch = lambda _: sleep_forever()
    job = await application.sync.start(exchange="coinone", requested_by="trader")
    async with side_by_side() as begin:
        begin(lambda: application.sync_worker.run(job=job))
        await until(lambda: bool(application.coinone.asked))
    stopped = (await application.sync.job(job_id=job.id)).job
    assert (stopped.state, stopped.reason) == (JobState.CANCELLED, "Its process was stopped.")
    assert (await application.sync.resume(job_id=job.id)).state is JobState.QUEUED
