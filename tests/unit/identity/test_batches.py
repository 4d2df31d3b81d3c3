"""Those who want something at the same time: served together, and none of them for another."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product

import pytest
from anyio import CancelScope, Event, create_task_group, fail_after
from anyio.lowlevel import checkpoint

from app.domain.errors import StoreUnavailable
from app.services.identity.batches import Batches
from tests.cancellation import PATIENCE, until

MOST = 4
MOMENTS = 24


@dataclass
class Served:
    """Serves numbers with texts, and keeps what it was asked for."""

    wrong: frozenset[int] = frozenset()
    away: bool = False
    gate: Event | None = None
    batches: list[list[int]] = field(default_factory=list)
    done: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._batches = Batches(self._serve, most=MOST)
        self.join = self._batches.join

    async def _serve(self, wanted: Sequence[int]) -> list[str]:
        self.batches.append([*wanted])
        await checkpoint()
        if self.gate is not None:
            await self.gate.wait()
        if self.away:
            raise StoreUnavailable("The store does not answer.")
        if self.wrong.intersection(wanted):
            raise ValueError(wanted)
        await checkpoint()
        self.done.update(wanted)
        return [str(each) for each in wanted]


async def all_of(served: Served, *wanted: int) -> dict[int, object]:
    """Let one begin, and the others come while it is served; give how each ended."""
    ended: dict[int, object] = {}
    served.gate = Event()

    async def one(number: int) -> None:
        try:
            ended[number] = await served.join(number)
        except (StoreUnavailable, ValueError) as error:
            ended[number] = type(error)

    with fail_after(PATIENCE):
        async with create_task_group() as tasks:
            for number in wanted:
                tasks.start_soon(one, number)
                await until(lambda: served.batches == [[wanted[0]]])
                await checkpoint()
            served.gate.set()
    return ended


async def test_who_comes_alone_is_served_alone() -> None:
    served = Served()
    assert [await served.join(number) for number in (1, 2)] == ["1", "2"]
    assert served.batches == [[1], [2]]


async def test_those_who_come_meanwhile_are_served_together() -> None:
    served = Served()
    await all_of(served, 1, 2, 3, 4)
    assert served.batches == [[1], [2, 3, 4]]


async def test_each_gets_the_result_of_its_own() -> None:
    assert await all_of(Served(), 1, 2, 3) == {1: "1", 2: "2", 3: "3"}


async def test_no_more_are_served_at_once_than_may_be_and_first_come_first() -> None:
    served = Served()
    await all_of(served, 1, 2, 3, 4, 5, 6, 7)
    assert served.batches == [[1], [2, 3, 4, 5], [6, 7]]


async def test_whoever_cannot_be_served_fails_alone() -> None:
    served = Served(wrong=frozenset({3}))
    assert await all_of(served, 1, 2, 3, 4) == {1: "1", 2: "2", 3: ValueError, 4: "4"}
    assert served.batches == [[1], [2, 3, 4], [2], [3], [4]]


async def test_what_is_unavailable_is_so_for_all_and_is_not_tried_again() -> None:
    served = Served(away=True)
    assert await all_of(served, 1, 2, 3) == dict.fromkeys((1, 2, 3), StoreUnavailable)
    assert served.batches == [[1], [2, 3]]


async def test_after_a_failure_the_next_is_served() -> None:
    served = Served(away=True)
    await all_of(served, 1, 2)
    served.away = False
    assert await served.join(3) == "3"


async def test_whoever_is_cancelled_before_their_turn_is_not_served() -> None:
    served, scope = Served(gate=Event()), CancelScope()

    async def cancelled() -> None:
        with scope:
            await served.join(2)

    with fail_after(PATIENCE):
        async with create_task_group() as tasks:
            tasks.start_soon(served.join, 1)
            await until(lambda: served.batches == [[1]])
            tasks.start_soon(cancelled)
            await checkpoint()
            tasks.start_soon(served.join, 3)
            await checkpoint()
            scope.cancel()
            await checkpoint()
            assert served.gate is not None
            served.gate.set()
    assert served.batches == [[1], [3]]


@pytest.mark.parametrize("number", [2, 3], ids=["who-serves", "who-is-served"])
async def test_whoever_is_cancelled_while_being_served_has_the_result_first(number: int) -> None:
    served, scope, ended = Served(gate=Event()), CancelScope(), list[str]()

    async def cancelled() -> None:
        with scope:
            ended.append(await served.join(number))
            await checkpoint()
            ended.append("went on")  # pragma: no cover - a failure

    with fail_after(PATIENCE):
        async with create_task_group() as tasks:
            tasks.start_soon(served.join, 1)
            await until(lambda: served.batches == [[1]])
            for each in (2, 3):
                tasks.start_soon(*([cancelled] if each == number else [served.join, each]))
                await checkpoint()
            gate, served.gate = served.gate, Event()
            assert gate is not None
            gate.set()
            await until(lambda: served.batches == [[1], [2, 3]])
            scope.cancel()
            await checkpoint()
            served.gate.set()
    assert (ended, served.done[5 - number]) == ([str(number)], 1)


VICTIM = 0


@dataclass
class Cancelled:
    """One who is cancelled at some moment: by a scope, or as a task, once or at every moment."""

    served: Served
    as_task: bool
    again: bool
    ended: list[str] = field(default_factory=list)
    told: int | None = None
    """How often they had been served when they heard of their end."""

    def __post_init__(self) -> None:
        self._scope = CancelScope()
        self._task: asyncio.Task[None] | None = None

    async def go(self) -> None:
        if not self.as_task:
            with self._scope:
                await self._join()
            return
        self._task = asyncio.create_task(self._join())
        with suppress(asyncio.CancelledError):
            await asyncio.wait([self._task])

    async def _join(self) -> None:
        try:
            self.ended.append(await self.served.join(VICTIM))
        finally:
            self.told = self.served.done[VICTIM]

    def cancel(self) -> None:
        if self._task is None:
            self._scope.cancel()
        else:
            self._task.cancel()


async def wrongs(victim: Cancelled, *, before: int, moment: int) -> list[str]:
    """Cancel one who came after so many others and before another; tell what is wrong then."""
    served, ended = victim.served, dict[int, str]()

    async def one(number: int) -> None:
        ended[number] = await served.join(number)

    others = range(1, before + 2)
    with fail_after(PATIENCE):
        async with create_task_group() as tasks:
            for number in others[:before]:
                tasks.start_soon(one, number)
                await until(lambda: served.batches == [[1]])
                await checkpoint()
            tasks.start_soon(victim.go)
            await checkpoint()
            tasks.start_soon(one, others[-1])
            for number in range(MOMENTS):
                if number == moment or (number > moment and victim.again):
                    victim.cancel()
                if served.gate is not None and number == MOMENTS // 4:
                    served.gate.set()
                await checkpoint()
        await one(others[-1] + 1)
    return [
        *[f"{each} has {ended.get(each)}" for each in others if ended.get(each) != str(each)],
        *[f"{each} was served again" for each in others if served.done[each] != 1],
        *["went on when it was told" for _ in range(served.done[VICTIM] - (victim.told or 0))],
    ]


@pytest.mark.parametrize("before", [0, 1, 2], ids=["who-serves", "who-is-next", "who-is-served"])
async def test_whenever_one_is_cancelled_the_others_are_served_once(
    before: int, anyio_backend_name: str
) -> None:
    as_task = [False, True] if anyio_backend_name == "asyncio" else [False]
    outcomes = set()
    for kind, again, moment in product(as_task, [False, True], range(MOMENTS)):
        victim = Cancelled(Served(gate=Event()), kind, again)
        assert await wrongs(victim, before=before, moment=moment) == [], (kind, again, moment)
        outcomes.add((victim.served.done[VICTIM], len(victim.ended)))
    # Wholly, not at all where one had to wait, and as a task wholly though they never heard of it.
    assert {(1, 1)} | ({(0, 0)} if before else set()) <= outcomes <= {(0, 0), (1, 1), (1, 0)}
