"""Syncs as they run: on fakes, with a feed by hand."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from anyio import Event, create_task_group, fail_after, sleep_forever
from anyio.lowlevel import checkpoint

from app.domain.errors import StoreUnavailable, TickgateError
from app.domain.range_units.errors import FeedRefused, FeedUnavailable, SyncInProgress
from app.domain.range_units.jobs import Counts, Failure, Job, JobState, Progress
from app.domain.range_units.notes import NOTE
from app.domain.range_units.revisions import Exchange
from app.ports.range_units.feeds import Reply
from app.services.range_units.sync_worker import SyncWorker
from tests.application import MemoryApplication
from tests.builders import a_market, an_exchange
from tests.cancellation import PATIENCE, modes_of, sweep, until
from tests.feeds import BEGUN, SOURCE, a_reply, ticks_of_upbit

HTML = Reply(b"<html>", a_market(target="BAD"), SOURCE, BEGUN, None)


async def an_application(
    **replies: Sequence[Reply | TickgateError] | TickgateError,
) -> MemoryApplication:
    application = MemoryApplication()
    await application.range_units.put_exchange(exchange=an_exchange())
    application.coinone.replies = dict(replies)
    return application


async def started(application: MemoryApplication) -> Job:
    return await application.sync.start(exchange="coinone", requested_by="trader")


def targets(*names: str) -> dict[str, list[Reply]]:
    return {name: [a_reply("1", target=name)] for name in names}


def worker_of(
    application: MemoryApplication,
    *,
    pause: Callable[[], Awaitable[None]] = sleep_forever,
    at_once: int = 8,
) -> SyncWorker:
    return SyncWorker(
        uow=application.works.range_units,
        range_units=application.range_units,
        feeds={"coinone": application.coinone},
        locks=application.sync_locks,
        clock=application.clock,
        pause=pause,
        at_once=at_once,
    )


async def test_every_part_is_fetched_and_every_reply_taken() -> None:
    application = await an_application(**targets("BTC", "ETH"))
    told: list[tuple[int, int]] = []
    job = await application.sync_worker.run(
        job=await started(application), tell=lambda tried, of: told.append((tried, of))
    )
    report = await application.sync.job(job_id=job.id)
    assert (job.state, report.progress) == (
        JobState.DONE,
        Progress(Counts(attempted=2, inserted=2), 2, 2, 0),
    )
    assert told == [(0, 2), (1, 2), (2, 2)]
    markets = await application.range_units.list_markets(exchange="coinone")
    assert [market.target for market in markets] == ["BTC", "ETH"]


async def test_what_is_bad_does_not_stop_the_rest_and_is_reported() -> None:
    application = await an_application(
        away=FeedUnavailable("It is away."),
        BAD=[HTML, a_reply("1", target="NEXT")],
        gone=FeedRefused("It is\0gone."),
        **targets("BTC"),
    )
    job = await application.sync_worker.run(job=await started(application))
    report = await application.sync.job(job_id=job.id)
    assert (job.state, report.progress) == (
        JobState.DONE,
        Progress(Counts(attempted=3, inserted=2, rejected=1), 4, 4, 3),
    )
    first, bad, last = report.failures
    assert (first, last) == (
        Failure("away", "It is away. [feed_unavailable]"),
        Failure("gone", r"It is\x00gone. [feed_refused]"),
    )
    assert bad.part == "BAD"
    assert "[payload_rejected]" in bad.reason
    [entry] = await application.quarantine.list_entries(exchange="coinone")
    assert (entry.market, entry.source) == (HTML.market, SOURCE)


async def test_what_came_before_a_page_that_fails_is_stored_and_counted() -> None:
    away = FeedUnavailable("Page 4 is away.")
    application = await an_application(pages=[a_reply("1"), HTML, a_reply("1", target="ETH"), away])
    job = await application.sync_worker.run(job=await started(application))
    report = await application.sync.job(job_id=job.id)
    assert report.progress.counts == Counts(attempted=3, inserted=2, rejected=1)
    [failure] = report.failures
    assert "HTML" in failure.reason
    assert "Page 4 is away. [feed_unavailable]" in failure.reason


async def test_a_reply_holds_from_when_it_was_got_and_replaces_nothing_that_was_seen_later() -> (
    None
):
    application = await an_application(BTC=[a_reply("1")])  # got when the clock began
    units, market = application.range_units, a_market()
    later = BEGUN + timedelta(minutes=9)
    application.clock.time = later
    await units.ingest(market=market, payload=a_reply("2").payload, source=SOURCE)
    application.clock.advance(timedelta(minutes=1))
    job = await application.sync_worker.run(job=await started(application))
    assert (await application.sync.job(job_id=job.id)).progress.counts.inserted == 1
    now = await units.current(market=market)
    then = await units.current(market=market, as_of=later - timedelta(microseconds=1))
    assert (now.revision.effective_from, now.revision.last_seen) == (later, later)
    assert (then.revision.effective_from, then.revision.last_seen) == (BEGUN, BEGUN)


async def test_a_reply_that_the_clock_was_set_back_behind_is_of_now() -> None:
    application = await an_application(**targets("BTC"))
    application.clock.advance(-timedelta(seconds=2))
    job = await application.sync_worker.run(job=await started(application))
    assert (await application.sync.job(job_id=job.id)).progress.counts.inserted == 1


async def test_a_reply_about_another_market_than_was_asked_for_is_stored_for_nobody() -> None:
    stray = replace(a_reply("1", target="TRX"), asked=(a_market(target="ADA"),))
    application = await an_application(ADA=[stray])
    job = await application.sync_worker.run(job=await started(application))
    report = await application.sync.job(job_id=job.id)
    assert report.progress.counts == Counts(attempted=2, rejected=2)
    [failure] = report.failures
    assert "coinone KRW/TRX: was not asked for" in failure.reason
    assert "coinone KRW/ADA: was asked for, and has no answer" in failure.reason
    assert await application.range_units.list_markets(exchange="coinone") == []
    [entry] = await application.quarantine.list_entries(exchange="coinone")
    assert (entry.source, len(entry.faults)) == (stray.source, 2)


async def test_a_reply_of_which_markets_are_rejected_names_them_as_far_as_they_fit() -> None:
    application = await an_application()
    upbit = Exchange("upbit", "Upbit")
    await application.range_units.put_exchange(exchange=upbit)
    application.upbit.replies = {
        "few": [ticks_of_upbit(KRW_BTC="1", KRW_ETH="-1", KRW_XRP="x")],
        "many": [ticks_of_upbit(KRW_BTC="1", **{f"KRW_{n}": "-1" for n in range(99)})],
    }
    job = await application.sync.start(exchange="upbit", requested_by="trader")
    await application.sync_worker.run(job=job)
    report = await application.sync.job(job_id=job.id)
    few, many = (failure.reason for failure in report.failures)
    assert few == (
        "2 of the markets in the reply cannot be taken. [payload_rejected] "
        "upbit KRW/ETH: [1].tick_size: is not above zero; upbit KRW/XRP: [2].tick_size: is the "
        'string "x", which is not a decimal number in plain or exponent notation'
    )
    assert many.startswith("99 of the markets in the reply cannot be taken.")
    assert many.endswith("upbit KRW/7: [8].tick_size: is not above zero; and 91 more")
    assert len(many) <= NOTE


async def test_what_cannot_be_read_of_the_list_of_parts_is_a_failure_and_stops_no_other() -> None:
    application = await an_application(**targets("BTC", "ETH"))
    unread = Failure("markets[1]", "The entry does not have two currencies.")
    application.coinone.unreadable = (unread,)
    job = await application.sync_worker.run(job=await started(application))
    report = await application.sync.job(job_id=job.id)
    assert (job.state, report.progress, report.failures) == (
        JobState.DONE,
        Progress(Counts(attempted=2, inserted=2), 3, 3, 1),
        (unread,),
    )
    assert sorted(application.coinone.asked) == ["BTC", "ETH"]


async def test_so_many_parts_are_asked_for_at_once_and_no_more() -> None:
    names = [f"C{number}" for number in range(20)]
    application = await an_application(**targets(*names))
    await worker_of(application, at_once=3).run(job=await started(application))
    assert (application.coinone.most_at_once, sorted(application.coinone.asked)) == (
        3,
        sorted(names),
    )


async def test_a_job_fails_when_its_parts_cannot_be_listed() -> None:
    failures = {
        FeedUnavailable("It is away."): "It is away. [feed_unavailable]",
        ZeroDivisionError("oh"): "A defect: ZeroDivisionError('oh')",
    }
    for error, reason in failures.items():
        application = await an_application()
        application.coinone.down = error
        job = await started(application)
        with pytest.raises(type(error)):
            await application.sync_worker.run(job=job)
        found = (await application.sync.job(job_id=job.id)).job
        assert (found.state, found.reason) == (JobState.FAILED, reason)
        assert application.sync_locks.holders == {}


async def test_a_cancel_is_noticed_between_parts_and_a_resumption_goes_on_from_there() -> None:
    application = await an_application(away=FeedUnavailable("Away."), **targets("A", "B", "C"))
    worker = worker_of(application, at_once=1)
    job = await started(application)
    reached, go_on = Event(), Event()

    async def hold_b(part: str) -> None:
        if part == "B":
            reached.set()
            await go_on.wait()

    application.coinone.on_fetch = hold_b
    async with create_task_group() as tasks:
        tasks.start_soon(lambda: worker.run(job=job))
        await reached.wait()
        assert (await application.sync.cancel(job_id=job.id)).state is JobState.CANCELLING
        go_on.set()
    report = await application.sync.job(job_id=job.id)
    assert (report.job.state, report.progress.parts_done) == (JobState.CANCELLED, 3)
    application.coinone.asked.clear()
    last = await worker.run(job=await application.sync.resume(job_id=job.id))
    assert (last.state, application.coinone.asked) == (JobState.DONE, ["away", "C"])


async def test_a_heartbeat_is_given_while_a_part_takes_long_and_notices_a_cancel() -> None:
    application = await an_application(**targets("A"))
    beats = 0

    async def pause() -> None:
        nonlocal beats
        beats += 1
        application.clock.advance(timedelta(seconds=10))
        await checkpoint()

    job = await started(application)
    application.coinone.on_fetch = lambda _: until(lambda: beats > 9)
    last = await worker_of(application, pause=pause).run(job=job)
    assert (last.state, last.heartbeat >= job.heartbeat + timedelta(seconds=90)) == (
        JobState.DONE,
        True,
    )


async def test_a_job_that_loses_its_lock_fails() -> None:
    application = await an_application(**targets("A"))

    async def pause() -> None:
        await checkpoint()
        if "coinone" in application.sync_locks.holders:
            application.sync_locks.lose("coinone")

    application.coinone.on_fetch = lambda _: sleep_forever()
    job = await started(application)
    with fail_after(PATIENCE), pytest.raises(StoreUnavailable, match="lock of coinone"):
        await worker_of(application, pause=pause).run(job=job)
    found = (await application.sync.job(job_id=job.id)).job
    assert found.state is JobState.FAILED


async def test_a_job_whose_exchange_another_process_syncs_fails_and_can_be_resumed() -> None:
    application = await an_application(**targets("A"))
    job = await started(application)
    async with application.sync_locks.hold(exchange="coinone"):
        with pytest.raises(SyncInProgress):
            await application.sync_worker.run(job=job)
    assert application.coinone.asked == []
    last = await application.sync_worker.run(job=await application.sync.resume(job_id=job.id))
    assert last.state is JobState.DONE


async def test_a_job_that_was_cancelled_before_it_began_asks_for_nothing() -> None:
    application = await an_application(**targets("A"))
    job = await started(application)
    await application.sync.cancel(job_id=job.id)
    last = await application.sync_worker.run(job=job)
    assert (last.state, application.coinone.asked) == (JobState.CANCELLED, [])


async def test_a_store_that_is_away_at_the_end_leaves_an_orphan_that_can_be_resumed() -> None:
    application = await an_application(**targets("A"))
    job = await started(application)
    store = application.range_units_store

    async def go_down(_part: str) -> None:
        await checkpoint()
        store.down = True

    application.coinone.on_fetch = go_down
    with pytest.raises(StoreUnavailable):
        await application.sync_worker.run(job=job)
    store.down = False
    application.clock.advance(timedelta(minutes=2))
    report = await application.sync.job(job_id=job.id)
    assert (report.job.state, report.is_orphaned) == (JobState.RUNNING, True)
    application.coinone.on_fetch = lambda _: checkpoint()
    last = await application.sync_worker.run(job=await application.sync.resume(job_id=job.id))
    assert last.state is JobState.DONE


async def test_cancelled_anywhere_its_end_is_recorded_and_a_resumption_makes_it_whole(
    anyio_backend_name: str,
) -> None:
    for mode in modes_of(anyio_backend_name):
        struck = 0
        for cancelled in sweep(mode):
            application = await an_application(**targets("A"))
            job = await started(application)
            run = await cancelled(application.sync_worker.run(job=job))
            struck += run.struck
            found = (await application.sync.job(job_id=job.id)).job
            assert not found.is_active, cancelled
            assert application.sync_locks.holders == {}, cancelled
            assert not application.range_units_store.writer.locked(), cancelled
            if found.state is not JobState.DONE:
                again = await application.sync.resume(job_id=job.id)
                assert (await application.sync_worker.run(job=again)).state is JobState.DONE
            markets = await application.range_units.list_markets(exchange="coinone")
            assert [market.target for market in markets] == ["A"], cancelled
        assert struck > 10


async def test_the_process_that_is_stopped_says_so() -> None:
    application = await an_application(**targets("A"))
    job = await started(application)
    reached = Event()

    async def never(_part: str) -> None:
        reached.set()
        await sleep_forever()

    application.coinone.on_fetch = never
    async with create_task_group() as tasks:
        tasks.start_soon(lambda: application.sync_worker.run(job=job))
        await reached.wait()
        tasks.cancel_scope.cancel()
    found = (await application.sync.job(job_id=job.id)).job
    assert (found.state, found.reason) == (JobState.CANCELLED, "Its process was stopped.")
