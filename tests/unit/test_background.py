import logging
from collections.abc import Iterator
from functools import partial

import pytest
from anyio import Event, sleep_forever
from anyio.lowlevel import checkpoint

from app.adapters.background import repeated, side_by_side
from app.domain.errors import StoreUnavailable
from tests.cancellation import until


class Work:
    """Counts how often it is done; fails as it is told."""

    def __init__(self, *failures: Exception) -> None:
        self._failures: Iterator[Exception] = iter(failures)
        self.done = 0
        self.enough = Event()

    async def __call__(self) -> None:
        await checkpoint()
        self.done += 1
        if self.done > 2:
            self.enough.set()
        for failure in self._failures:
            raise failure


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(f"{record.levelname} {record.getMessage()}")


@pytest.fixture
def lines() -> Iterator[list[str]]:
    handler = Lines()
    logger = logging.getLogger("tickgate")
    logger.addHandler(handler)
    yield handler.told
    logger.removeHandler(handler)


async def test_it_is_done_at_once_and_again_after_each_wait() -> None:
    work = Work()
    async with repeated(work, wait=checkpoint):
        await work.enough.wait()
    assert work.done > 2


async def test_it_is_done_once_while_the_wait_lasts() -> None:
    work, waits = Work(), Event()

    async def wait() -> None:
        waits.set()
        await sleep_forever()

    async with repeated(work, wait=wait):
        await waits.wait()
    assert work.done == 1


async def test_what_fails_is_told_and_tried_again(lines: list[str]) -> None:
    work = Work(StoreUnavailable("The database does not answer."), RuntimeError("a defect"))
    async with repeated(work, wait=checkpoint):
        await work.enough.wait()
    assert lines == [
        "WARNING The upkeep has to wait: The database does not answer. [store_unavailable]",
        "ERROR The upkeep has failed.",
    ]


async def test_work_that_never_ends_holds_no_end_up() -> None:
    begun = Event()

    async def hang() -> None:
        begun.set()
        await sleep_forever()

    async with repeated(hang, wait=checkpoint):
        await begun.wait()


async def test_what_the_block_raises_comes_out_as_it_is() -> None:
    with pytest.RaisesGroup(ValueError, flatten_subgroups=True):
        async with repeated(Work(), wait=checkpoint):
            raise ValueError


async def test_what_is_begun_goes_on_side_by_side_and_is_cancelled_when_the_block_ends() -> None:
    ended: list[str] = []
    both = [Event(), Event()]

    async def hang(name: int) -> None:
        both[name].set()
        try:
            await sleep_forever()
        finally:
            ended.append(f"{name}")

    async with side_by_side() as begin:
        for name in (0, 1):
            begin(partial(hang, name))
        for event in both:
            await event.wait()
    assert sorted(ended) == ["0", "1"]


async def test_what_is_begun_and_fails_is_told_and_stops_nothing_else(lines: list[str]) -> None:
    refused = Work(StoreUnavailable("The database does not answer."))
    defective = Work(RuntimeError("a defect"))
    async with side_by_side() as begin:
        begin(refused)
        begin(defective)
        await until(lambda: len(lines) > 1)
    assert sorted(lines) == [
        "ERROR What was begun has failed.",
        "WARNING What was begun has failed: The database does not answer. [store_unavailable]",
    ]
