"""Cancellation at a chosen point: what is driven is cancelled at its n-th suspension."""

from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from functools import partial
from types import coroutine
from typing import Any, Generic, TypeVar

from anyio import CancelScope, create_task_group, fail_after
from anyio.lowlevel import checkpoint

T = TypeVar("T")

PATIENCE = 5
"""Seconds after which what should have ended counts as hanging."""


@dataclass
class Run(Generic[T]):
    """How a run ended: `result` stays None where it was cancelled or raised `error`."""

    suspensions: int = 0
    cancelled: bool = False
    result: T | None = None
    error: Exception | None = None


async def cancelled_at(place: int, work: Coroutine[Any, Any, T]) -> Run[T]:
    """Run `work` as a task, and cancel the scope around it at its suspension number `place`.

    Suspensions are counted from one, shielded ones too; a scope that is cancelled during those
    delivers afterwards. A run of fewer suspensions was not disturbed.
    """
    run = Run[T]()

    async def drive() -> None:
        with CancelScope() as scope:
            try:
                run.result = await _driven(work, run, place, scope)
            except Exception as error:  # noqa: BLE001 - whatever it is, the test judges it
                run.error = error
        run.cancelled = scope.cancelled_caught

    with fail_after(PATIENCE):
        async with create_task_group() as tasks:
            tasks.start_soon(drive)
    return run


async def suspensions_of(work: Coroutine[Any, Any, object]) -> int:
    """Run `work` undisturbed, in the task that asks, and count its suspensions."""
    run = Run[object]()
    await _driven(work, run, place=0, scope=CancelScope())
    return run.suspensions


@coroutine
def _driven(
    work: Coroutine[Any, Any, T], run: Run[T], place: int, scope: CancelScope
) -> Generator[Any, Any, T]:
    """Hand every suspension of `work` on to the event loop, and the answer back."""
    go_on: Callable[[], Any] = partial(work.send, None)
    while True:
        try:
            suspension = go_on()
        except StopIteration as end:
            result: T = end.value
            return result
        run.suspensions += 1
        if run.suspensions == place:
            scope.cancel()
        try:
            answer = yield suspension
        except BaseException as error:  # noqa: BLE001 - cancellations most of all
            go_on = partial(work.throw, error)
        else:
            go_on = partial(work.send, answer)


async def until(condition: Callable[[], bool]) -> None:
    """Let the other tasks go on until something holds."""
    with fail_after(PATIENCE):
        while not condition():
            await checkpoint()
