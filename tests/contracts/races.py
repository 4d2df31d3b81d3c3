"""Two units of work that want the same thing at once."""

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from anyio import Event, create_task_group, fail_after

PATIENCE = 5
"""Seconds after which what should have ended counts as hanging."""

UnitOfWork = TypeVar("UnitOfWork")
Step = Callable[[UnitOfWork], Awaitable[object]]

_LOOKS = 20


async def race(
    work: Callable[[], AbstractAsyncContextManager[UnitOfWork]],
    *,
    first: Step[UnitOfWork],
    meanwhile: Step[UnitOfWork],
    last: Step[UnitOfWork] | None,
    second: Step[UnitOfWork],
) -> list[str]:
    """Let `second` enter while what `first` did is not committed; give who got through when.

    `first` and `last` share a unit of work, which leaves without commit where `last` is None;
    `second` has another, and commits what it wants kept. While the second should be waiting, the
    first does `meanwhile` again and again: that takes every store long enough for a second that
    does not wait to be through too early, and never makes a second that waits look as if it did
    not.
    """
    through: list[str] = []
    begun = Event()

    async def run_second() -> None:
        begun.set()
        async with work() as unit_of_work:
            await second(unit_of_work)
            through.append("second")

    with fail_after(PATIENCE):
        async with create_task_group() as tasks, work() as unit_of_work:
            await first(unit_of_work)
            tasks.start_soon(run_second)
            await begun.wait()
            for _ in range(_LOOKS):
                await meanwhile(unit_of_work)
            through.append("first")
            if last is not None:
                await last(unit_of_work)
    return through


async def all_at_once(*steps: Callable[[], Coroutine[object, object, None]]) -> None:
    """Run the steps as tasks, and see that all of them end."""
    with fail_after(PATIENCE):
        async with create_task_group() as tasks:
            for step in steps:
                tasks.start_soon(step)
