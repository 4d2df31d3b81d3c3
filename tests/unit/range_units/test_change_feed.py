"""The feed of changes without HTTP: what its followers and its pages are given, and when."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from itertools import product

from anyio import create_task_group, fail_after, wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from app.adapters.background import repeated
from app.domain.range_units.changes import Change
from app.domain.range_units.revisions import Observation
from tests.application import MemoryApplication
from tests.builders import a_change, a_market, a_table, an_exchange
from tests.cancellation import PATIENCE, until
from tests.feeds import SOURCE, a_reply


async def append(application: MemoryApplication, *changes: Change) -> None:
    async with application.works.range_units() as uow:
        await uow.changes.append(changes=changes)
        await uow.commit()


async def test_whoever_reads_on_from_anywhere_is_given_what_the_store_would_give() -> None:
    application = MemoryApplication()
    feed = application.feed  # which keeps the last five
    markets = [a_market(), a_market(exchange="upbit")]
    with feed.follower():
        await feed.look()
        for number in range(12):
            await append(application, a_change(market=markets[number % 2]))
            await feed.look()
            async with application.works.range_units_reading() as uow:
                for since, exchange, limit in product(
                    range(number + 2), (None, "upbit"), (1, 3, 100)
                ):
                    assert await feed.read(
                        since=since, exchange=exchange, limit=limit
                    ) == await uow.changes.after(position=since, exchange=exchange, limit=limit)


async def test_one_look_reaches_the_end_however_much_is_new() -> None:
    application = MemoryApplication()
    with application.feed.follower():
        await application.feed.look()
        await append(application, *[a_change()] * 1100)
        await application.feed.look()
    assert application.feed.reached == 1100


async def test_whatever_changes_range_units_is_seen_at_once() -> None:
    application = MemoryApplication()
    feed, service = application.feed, application.range_units  # it looks by itself every hour
    btc, eth = a_market(), a_market(target="ETH")
    reply = a_reply("1", target="ETH")
    tomorrow = application.clock.now() + timedelta(days=1)

    async def withdraw() -> None:
        changes = application.range_units_store.committed.changes
        announced = changes[max(changes)].change.revision_id
        await application.history.withdraw(market=btc, revision_id=announced)

    state = partial(service.put_range_units, market=btc, source=SOURCE)
    ladder = Observation(btc.ladder, a_table(("0", "7")), None, SOURCE)
    writes: list[Callable[[], Awaitable[object]]] = [
        partial(service.load_ladders, exchanges=[an_exchange()], observations=[ladder]),
        partial(service.ingest, market=eth, payload=reply.payload, source=SOURCE),
        partial(state, table=a_table(("0", "1"))),
        partial(state, table=a_table(("0", "2")), effective_from=tomorrow),
        withdraw,
    ]
    async with repeated(feed.look, wait=feed.wait):
        with feed.follower():
            for number, write in enumerate(writes, 1):
                await write()
                await until(lambda: feed.reached == number)  # noqa: B023 - called in this round


async def test_a_change_that_comes_while_a_page_is_read_is_on_it_or_behind_its_position() -> None:
    for steps in range(20):
        application = MemoryApplication()
        async with create_task_group() as tasks:
            tasks.start_soon(append, application, a_change())
            for _ in range(steps):
                await checkpoint()
            page = await application.changes.changes(since=0)
        later = await application.changes.changes(since=page.position)
        assert len(page.changes) + len(later.changes) == 1, steps


async def test_who_begins_to_follow_is_looked_for_and_who_waits_is_let_go_at_the_end() -> None:
    application = MemoryApplication()
    feed = application.feed
    await append(application, a_change())  # by another process: nobody here is told
    async with repeated(feed.look, wait=feed.wait):
        await wait_all_tasks_blocked()
        with feed.follower():
            await until(lambda: feed.reached == 1)
            with fail_after(PATIENCE):
                async with create_task_group() as tasks:
                    tasks.start_soon(feed.wait_beyond, 1)
                    await wait_all_tasks_blocked()
                    feed.end()
