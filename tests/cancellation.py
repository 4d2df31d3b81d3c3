"""Cancellation, injected: an operation is cancelled wherever it can be, one place after another.

    for cancelled in sweep(Mode.EARLY):
        store = a_store()                         # each run begins anew
        run = await cancelled(transfer(store))
        assert not run.swallowed
        assert store.rows in (BEFORE, AFTER)

The operation is driven by hand, so that each of its suspensions passes through here. A sweep
cancels it at the first one, then, in a new run, at the second, and so on; its last run is one
that ended undisturbed. Nothing here knows what is tested: this module needs anyio alone.

On asyncio the tasks that an operation makes are driven as well, and what is cancelled is always
the operation itself, as a caller would. Trio has scopes only: `modes_of` tells what can happen.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from inspect import iscoroutine
from itertools import count
from types import coroutine
from typing import Any, Generic, TypeVar

from anyio import CancelScope, create_task_group, fail_after, get_cancelled_exc_class
from anyio.lowlevel import checkpoint

T = TypeVar("T")

PATIENCE = 5
"""Seconds after which what should have ended counts as hanging."""


class Mode(Enum):
    """How a cancellation arrives."""

    EARLY = "early"
    """Once, before what is awaited completes: `asyncio.Task.cancel`, which no shield stops."""
    LATE = "late"
    """Once, when what is awaited has completed: it was done, and its result is lost."""
    SCOPE = "scope"
    """By an anyio cancel scope: again at every await that is not shielded."""
    DOUBLE = "double"
    """As `EARLY`, and once more at a later suspension, while the operation cleans up."""


def modes_of(backend: str) -> tuple[Mode, ...]:
    """Give the modes there are on an event loop: Trio cancels by scopes, and by nothing else."""
    return (Mode.SCOPE,) if backend == "trio" else tuple(Mode)


@dataclass
class Run(Generic[T]):
    """What became of an operation. `result` stays None where it raised or was cancelled."""

    suspensions: int = 0
    """How often it was suspended, tasks of its own included (on asyncio)."""
    struck: int = 0
    """How many of the cancellations that were meant for it came: fewer once it has ended."""
    delivered: bool = False
    """Whether a cancellation was raised in the operation; a shield keeps that of a scope away."""
    cancelled: bool = False
    """Whether its caller was cancelled, at the latest where it went on with the result."""
    result: T | None = None
    error: Exception | None = None
    left_behind: "list[asyncio.Task[Any]]" = field(default_factory=list)
    """Its tasks that had not ended when it had."""

    @property
    def swallowed(self) -> bool:
        """Whether it kept a cancellation for itself: its caller got a result, or another error."""
        return self.delivered and not self.cancelled


async def cancelled_at(
    place: int,
    work: Coroutine[Any, Any, T],
    *,
    mode: Mode = Mode.SCOPE,
    again: int | None = None,
) -> Run[T]:
    """Run `work` as a task, and cancel it at its suspension number `place`.

    Suspensions are counted from one, shielded ones too; a scope that is cancelled during those
    delivers afterwards, if need be where the caller goes on. `DOUBLE` cancels once more at the
    suspension number `again` after the first. A run of fewer suspensions is not disturbed.
    """
    run = Run[T]()
    on_asyncio = get_cancelled_exc_class() is asyncio.CancelledError
    if not (on_asyncio or mode is Mode.SCOPE):
        raise ValueError(f"Nothing is cancelled {mode.value} here: Trio cancels by scopes.")
    places = {place} if again is None else {place, place + again}

    async def drive() -> None:
        with CancelScope() as scope:
            cancel = scope.cancel if mode is Mode.SCOPE else _cancel_of_this_task()
            driver = _Driver(run, mode, places, cancel)
            with driver.driving_tasks() if on_asyncio else nullcontext():
                try:
                    run.result = await driver.drive(work, is_operation=True)
                except get_cancelled_exc_class():
                    run.cancelled = True
                    if mode is Mode.SCOPE:
                        raise
                except Exception as error:  # noqa: BLE001 - whatever it is, the test judges it
                    run.error = error
                else:
                    await checkpoint()
        # What was raised in the operation has to come out of it; what was not, where one goes on.
        run.cancelled |= scope.cancelled_caught and not run.delivered
        run.left_behind = [task for task in driver.tasks if not task.done()]

    with fail_after(PATIENCE):
        async with create_task_group() as tasks:
            tasks.start_soon(drive)
    return run


class Injection:
    """One run of a sweep: call it, once, with the operation to run."""

    def __init__(self, mode: Mode, place: int, again: int | None) -> None:
        self.mode = mode
        self.place = place
        self.again = again
        self.run: Run[Any] | None = None

    async def __call__(self, work: Coroutine[Any, Any, T]) -> Run[T]:
        """Run `work` as a task, and cancel it at this injection's place."""
        run = await cancelled_at(self.place, work, mode=self.mode, again=self.again)
        self.run = run
        return run

    def __repr__(self) -> str:
        """Say where, for the message of a test that fails."""
        again = "" if self.again is None else f" and {self.again} later"
        return f"<cancelled {self.mode.value} at {self.place}{again}>"


def sweep(mode: Mode) -> Iterator[Injection]:
    """Give one injection after another, until a run was over before it could be disturbed.

    `DOUBLE` sweeps pairs: all later suspensions for each first one.
    """
    for place in count(1):
        for again in count(1) if mode is Mode.DOUBLE else (None,):
            injection = Injection(mode, place, again)
            yield injection
            if injection.run is None:
                raise RuntimeError(f"Nothing was run: call {injection!r} with an operation.")
            struck = injection.run.struck
            if struck == 0:
                return
            if struck == 1 and mode is Mode.DOUBLE:
                break


async def suspensions_of(work: Coroutine[Any, Any, object]) -> int:
    """Run `work` undisturbed, in the task that asks, and count its suspensions."""
    run = Run[object]()
    driver = _Driver(run, Mode.SCOPE, set(), CancelScope().cancel)
    await driver.drive(work, is_operation=True)
    return run.suspensions


async def until(condition: Callable[[], bool]) -> None:
    """Let the other tasks go on until something holds."""
    with fail_after(PATIENCE):
        while not condition():
            await checkpoint()


_driver: ContextVar["_Driver | None"] = ContextVar("_driver", default=None)


class _Driver:
    """Hands every suspension of an operation on to the event loop, and the answer back."""

    def __init__(
        self,
        run: Run[Any],
        mode: Mode,
        places: set[int],
        cancel: Callable[[], object],
    ) -> None:
        self.tasks: list[asyncio.Task[Any]] = []
        self._run = run
        self._mode = mode
        self._places = places
        self._cancel = cancel

    @coroutine
    def drive(self, work: Coroutine[Any, Any, T], *, is_operation: bool) -> Generator[Any, Any, T]:
        go_on: Callable[[], Any] = partial(work.send, None)
        while True:
            try:
                suspension = go_on()
            except StopIteration as end:
                result: T = end.value
                return result
            self._run.suspensions += 1
            is_place = self._run.suspensions in self._places
            if is_place and self._mode is not Mode.LATE:
                self._strike()
            try:
                answer = yield suspension
            except BaseException as error:  # noqa: BLE001 - cancellations most of all
                go_on = partial(work.throw, error)
                raised: object = error
            else:
                go_on = partial(work.send, answer)
                raised = getattr(answer, "error", None)  # where Trio has it
            if is_operation and self._run.struck:
                self._run.delivered |= isinstance(raised, get_cancelled_exc_class())
            if is_place and self._mode is Mode.LATE:
                if is_operation:
                    self._run.struck += 1
                    self._run.delivered = True
                    go_on = partial(work.throw, asyncio.CancelledError())
                else:
                    self._strike()

    def _strike(self) -> None:
        self._run.struck += 1
        self._cancel()

    @contextmanager
    def driving_tasks(self) -> Iterator[None]:
        """Drive the tasks, too, that the operation makes, and those that these make."""
        loop = asyncio.get_running_loop()
        before = loop.get_task_factory()

        def make(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> "asyncio.Task[Any]":
            is_ours = _driver.get() is self and iscoroutine(work)
            task = asyncio.Task(self._driven(work) if is_ours else work, loop=loop, **options)
            if is_ours:
                self.tasks.append(task)
            return task

        _driver.set(self)  # inherited by every task from the one that makes it
        loop.set_task_factory(make)
        try:
            yield
        finally:
            loop.set_task_factory(before)

    async def _driven(self, work: Coroutine[Any, Any, T]) -> T:
        return await self.drive(work, is_operation=False)


def _cancel_of_this_task() -> Callable[[], object]:
    task = asyncio.current_task()
    assert task is not None
    return task.cancel
