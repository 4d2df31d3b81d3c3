from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Self

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.memory.range_units.state import RangeUnitsState
from app.adapters.memory.range_units.unit_of_work import MemoryRangeUnitsUnitOfWork
from app.domain.range_units.errors import RevisionInForce
from app.domain.range_units.revisions import Market, Revision
from app.domain.range_units.table import RangeUnitTable
from app.services.kept import Kept
from app.services.range_units.current_revisions import FRESH, CurrentRevisions
from tests.application import FakedApplication, MemoryApplication
from tests.builders import a_market, a_table, an_exchange

BTC = a_market()
LADDER = BTC.ladder
MOMENT = timedelta(microseconds=1)
COARSE, FINE, FINEST = (a_table(("0", unit)) for unit in ("1", "0.1", "0.01"))


async def two_processes() -> tuple[MemoryApplication, FakedApplication]:
    """Give two applications on one store, whose clocks agree."""
    first = MemoryApplication()
    second = FakedApplication(first.works)
    for _ in range(1000):
        second.ids.new_id()  # those that the first one will give
    await first.range_units.put_exchange(exchange=an_exchange())
    return first, second


def wait(by: timedelta, *processes: FakedApplication) -> None:
    for process in processes:
        process.clock.advance(by)


async def put(
    application: FakedApplication,
    table: RangeUnitTable,
    *,
    market: Market = BTC,
    after: timedelta | None = None,
) -> Revision:
    start = None if after is None else application.clock.now() + after
    units, _ = await application.range_units.put_range_units(
        market=market, table=table, source="a notice", effective_from=start
    )
    return units.revision


async def kept(application: FakedApplication) -> tuple[Revision, RangeUnitTable]:
    units = await application.range_units.current(market=BTC)
    return units.revision, units.table


async def read(application: FakedApplication) -> tuple[Revision, RangeUnitTable]:
    """Ask for what holds at an instant, which nobody keeps."""
    units = await application.range_units.current(market=BTC, as_of=application.clock.now())
    return units.revision, units.table


async def test_what_this_process_commits_answers_at_once() -> None:
    here, _ = await two_processes()
    for table in (COARSE, FINE, COARSE):
        wait(MOMENT, here)
        await put(here, table)
        assert (await kept(here))[1] == table


async def test_what_another_process_commits_answers_a_second_later() -> None:
    here, there = await two_processes()
    await put(there, COARSE)
    await kept(here)
    wait(MOMENT, here, there)
    await put(there, FINE)
    wait(FRESH, here, there)
    assert await kept(here) == await read(here)


async def test_a_confirmation_by_another_process_shows_a_second_later() -> None:
    here, there = await two_processes()
    await put(there, COARSE)
    before, _ = await kept(here)
    wait(FRESH, here, there)
    await put(there, COARSE)
    wait(FRESH, here, there)
    after, _ = await kept(here)
    assert (after.id, after.last_seen) == (before.id, before.last_seen + FRESH)


@pytest.mark.parametrize("market", [BTC, LADDER], ids=str)
async def test_an_announced_revision_answers_from_its_start_on(market: Market) -> None:
    here, _ = await two_processes()
    await put(here, COARSE, market=market)
    await put(here, FINE, market=market, after=timedelta(milliseconds=1))
    answers = []
    for pause in (timedelta(0), timedelta(milliseconds=1) - MOMENT, MOMENT):
        wait(pause, here)
        answers.append((await kept(here))[1])
    assert answers == [COARSE, COARSE, FINE]


async def test_what_was_being_read_while_this_process_wrote_is_not_kept() -> None:
    here, _ = await two_processes()
    await put(here, COARSE, after=-2 * FRESH)
    revisions: Kept[Market, Revision] = Kept(most=5)
    statements = 0

    class Overtaken(MemoryRangeUnitsUnitOfWork):
        @asynccontextmanager
        async def statement(self, *, writes: bool = False) -> AsyncIterator[RangeUnitsState]:
            nonlocal statements
            async with super().statement(writes=writes) as rows:
                yield rows
            statements += 1
            if statements == 2:  # the first one gave the position, this one what is in force
                await put(here, FINE, after=-FRESH)
                revisions.forget()

    current = CurrentRevisions(reading=partial(Overtaken, here.range_units_store), kept=revisions)
    tables = [(await current.of(market=BTC, now=here.clock.now()))[1] for _ in range(2)]
    assert tables == [COARSE, FINE]


async def test_many_who_ask_at_once_look_for_changes_once() -> None:
    here, _ = await two_processes()
    await put(here, COARSE)
    await kept(here)
    opened = 0

    class Counted(MemoryRangeUnitsUnitOfWork):
        async def __aenter__(self) -> Self:
            nonlocal opened
            opened += 1
            return await super().__aenter__()

    current = CurrentRevisions(
        reading=partial(Counted, here.range_units_store), kept=Kept[Market, Revision](most=5)
    )
    await current.of(market=BTC, now=here.clock.now())
    wait(FRESH, here)
    opened = 0
    async with anyio.create_task_group() as asking:
        for _ in range(9):
            asking.start_soon(partial(current.of, market=BTC, now=here.clock.now()))
    assert opened == 1


_STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("put"),
            st.booleans(),
            st.sampled_from([COARSE, FINE, FINEST]),
            st.sampled_from([BTC, LADDER]),
            st.sampled_from([None, 0.2, 0.5, 2.0]),
        ),
        st.tuples(st.just("wait"), st.sampled_from([0.1, 0.4, 1.0])),
        st.tuples(st.just("ask"), st.booleans()),
    ),
    min_size=5,
    max_size=25,
)


@given(steps=_STEPS)
def test_what_is_kept_is_what_was_so_within_the_last_second(steps: list[tuple[Any, ...]]) -> None:
    anyio.run(_each_within_a_second, steps)


async def _each_within_a_second(steps: list[tuple[Any, ...]]) -> None:
    here, there = await two_processes()
    await put(here, COARSE, market=LADDER)
    true = [(here.clock.now(), await read(here))]
    for kind, *said in steps:
        if kind == "wait":
            wait(timedelta(seconds=said[0]), here, there)
        elif kind == "put":
            is_here, table, market, after = said
            start = None if after is None else timedelta(seconds=after)
            try:
                await put(here if is_here else there, table, market=market, after=start)
            except RevisionInForce:
                continue
            last_writer = here if is_here else there
            assert await kept(last_writer) == await read(last_writer)
        now = here.clock.now()
        true.append((now, await read(here)))
        if kind == "ask":
            since = [answer for at, answer in true if at <= now - FRESH][-1:]
            recent = [answer for at, answer in true if at > now - FRESH]
            assert await kept(here if said[0] else there) in since + recent
