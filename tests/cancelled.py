"""What has to hold of a use case that is cancelled, wherever that happens.

It is done wholly or not at all, and that is final when its caller is told; it passes the
cancellation on; it leaves nothing behind; and the next try succeeds, or is told that it was done.
"""

from asyncio import CancelledError
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from anyio import Event, create_task_group, get_cancelled_exc_class

from app.domain.errors import TickgateError
from tests.application import FakedApplication
from tests.cancellation import Mode, Run, sweep, until
from tests.use_cases import Call, UseCase


class Stage(Protocol):
    """An application on stores that are empty, and what there is to see of them."""

    @property
    def application(self) -> FakedApplication:
        """Give the application."""
        ...

    async def prepare(self, use_case: UseCase) -> Call:
        """Bring the use case's situation about, always the same one, and give its call."""
        ...

    async def rows(self) -> object:
        """Give all that is committed, to be compared."""
        ...

    async def leaks(self) -> list[str]:
        """Tell what is still held or going on, once whatever was cancelled has had its time."""
        ...


FEWEST = 5
"""What enters a transaction, writes, commits and leaves is suspended as often at the least.

But on Trio, where the suspensions of an operation's own tasks are not counted.
"""

Staged = Callable[[], AbstractAsyncContextManager[Stage]]
"""Gives a stage to each run."""


async def wrongs(
    use_case: UseCase, mode: Mode, staged: Staged, *, retries_each: bool = True
) -> list[str]:
    """Cancel a use case at one suspension after another, and tell what is wrong with a run.

    The first that anything is wrong with is the last: what it left is in the way of another. Unless
    it `retries_each`, the next try is made once for all runs that left the same rows.
    """
    outcomes = await _outcomes(use_case, staged)
    if outcomes.before == outcomes.after:
        return ["keeps nothing at all"]  # pragma: no cover - a failure
    for rows, outcome in zip(outcomes.between, ("pending", "cancelled"), strict=False):
        if use_case.checks_password and outcome not in repr(rows):
            return [f"does not say {outcome}: {rows}"]  # pragma: no cover - a failure
    struck = 0
    retried: list[object] = []
    for cancelled in sweep(mode):
        async with staged() as stage:
            call = await stage.prepare(use_case)
            run = await cancelled(call())
            struck += run.struck
            told = await stage.rows()
            found = [
                *_of_ending(use_case, run),
                *_of_rows(run, told, outcomes),
                *await stage.leaks(),
            ]
            if await stage.rows() != told:
                found.append(
                    "went on when its caller had been told"
                )  # pragma: no cover - a failure
            if not found and (retries_each or told not in retried):
                retried.append(told)
                found = await _of_retrying(use_case, call, was_done=told == outcomes.after)
        if found:
            return [f"{cancelled} {wrong}" for wrong in found]
    fewest = FEWEST if get_cancelled_exc_class() is CancelledError else 1
    return [] if struck >= fewest else [f"was cancelled {struck} times only"]


@dataclass(frozen=True)
class _Outcomes:
    """The rows that a use case may leave; `between` are those of a guess that has begun."""

    before: object
    after: object
    between: tuple[object, ...] = ()


async def _outcomes(use_case: UseCase, staged: Staged) -> _Outcomes:
    async with staged() as stage:
        call = await stage.prepare(use_case)
        before = await stage.rows()
        await _error_of(call())
        after = await stage.rows()
    if not (use_case.checks_password or use_case.asks_password_again):
        return _Outcomes(before, after)
    async with staged() as stage, create_task_group() as tasks:
        call = await stage.prepare(use_case)
        hasher = stage.application.hasher
        hasher.gate = Event()
        spent = hasher.spent
        tasks.start_soon(call)
        await until(lambda: hasher.spent > spent)
        pending = await stage.rows()
        tasks.cancel_scope.cancel()
    return _Outcomes(before, after, (pending, await stage.rows()))


def _of_ending(use_case: UseCase, run: Run[object]) -> Iterator[str]:
    if run.swallowed:
        yield "swallowed the cancellation"
    if run.error is not None and not _is(use_case.refusal, run.error):
        yield f"raised {run.error!r}"
    if run.left_behind:
        yield f"left tasks behind: {run.left_behind}"


def _of_rows(run: Run[object], rows: object, outcomes: _Outcomes) -> Iterator[str]:
    if run.result is not None or run.error is not None or not run.cancelled:
        if rows != outcomes.after:
            yield f"was answered, and left {rows}"
    elif rows not in (outcomes.before, outcomes.after, *outcomes.between):
        yield f"left {rows}"


async def _of_retrying(use_case: UseCase, call: Call, *, was_done: bool) -> list[str]:
    error = await _error_of(call())
    if error is None or _is(use_case.refusal, error):
        return []
    if was_done and _is(use_case.done_before, error):
        return []
    return [f"made the next try raise {error!r}"]  # pragma: no cover - a failure


def _is(expected: type[TickgateError] | None, error: Exception) -> bool:
    return expected is not None and type(error) is expected


async def _error_of(work: Coroutine[Any, Any, object]) -> Exception | None:
    try:
        await work
    except TickgateError as error:
        return error
    return None
