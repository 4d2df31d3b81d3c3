"""How a process is told to stop; signals are handled on asyncio's event loops only."""

import signal
from collections.abc import Iterator
from threading import Thread

import anyio
import pytest

from app.adapters.shutdown import LastSteps, told_to_stop

EVER = 600.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Told:
    """What was done, in its order, by the steps and by who handled signals before."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def steps(self, *, linger: float = 0, patience: float = EVER) -> LastSteps:
        return LastSteps(
            told=lambda: self.done.append("told"),
            linger=linger,
            ending=lambda: self.done.append("ending"),
            patience=patience,
            late=lambda: self.done.append("late"),
        )

    async def until(self, *expected: str) -> None:
        with anyio.fail_after(5):
            while len(self.done) < len(expected):
                await anyio.lowlevel.checkpoint()
        assert self.done == list(expected)


@pytest.fixture
def told() -> Iterator[Told]:
    told = Told()
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [
        signal.signal(number, lambda number, _: told.done.append(signal.Signals(number).name))
        for number in numbers
    ]
    yield told
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


async def test_told_to_stop_a_process_ends_at_once_and_is_late_after_its_patience(
    told: Told,
) -> None:
    with told_to_stop(told.steps(patience=0.01)):
        signal.raise_signal(signal.SIGTERM)
        await told.until("SIGTERM", "told", "ending", "late")


async def test_what_sends_requests_is_told_before_the_process_ends(told: Told) -> None:
    with told_to_stop(told.steps(linger=0.01)):
        signal.raise_signal(signal.SIGTERM)
        await told.until("told", "SIGTERM", "ending")


async def test_a_second_signal_of_the_same_kind_does_not_hurry_it(told: Told) -> None:
    with told_to_stop(told.steps(linger=0.01)):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        await told.until("told", "SIGTERM", "ending")


async def test_a_person_who_interrupts_it_does_not_wait(told: Told) -> None:
    with told_to_stop(told.steps(linger=EVER)):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        await told.until("SIGINT", "told", "ending")


async def test_after_the_block_signals_do_what_they_did_before(told: Told) -> None:
    with told_to_stop(told.steps()):
        pass
    signal.raise_signal(signal.SIGTERM)
    await told.until("SIGTERM")


async def test_off_the_main_thread_nothing_is_handled(told: Told) -> None:
    def block() -> None:
        with told_to_stop(told.steps()):
            told.done.append("block")

    thread = Thread(target=block)
    thread.start()
    thread.join()
    assert told.done == ["block"]
