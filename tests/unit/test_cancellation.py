"""The harness that cancels: what it says it does, it does."""

import ast
import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from anyio import CancelScope, Event, get_cancelled_exc_class
from anyio.lowlevel import cancel_shielded_checkpoint, checkpoint

from tests.cancellation import (
    Injection,
    Mode,
    Run,
    cancelled_at,
    modes_of,
    suspensions_of,
    sweep,
)

ON_ASYNCIO = pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
ON_TRIO = pytest.mark.parametrize("anyio_backend", ["trio"], indirect=True)

Operation = Callable[[], Coroutine[Any, Any, object]]


class Asking:
    """An operation that waits three times, and once more before it leaves, whatever happened."""

    def __init__(self) -> None:
        self.answered = 0
        self.tidied = False

    async def __call__(self) -> str:
        try:
            for _ in range(3):
                await checkpoint()
                self.answered += 1
            return "done"
        finally:
            await cancel_shielded_checkpoint()
            self.tidied = True


async def runs_of(mode: Mode, operation: Operation) -> list[Run[object]]:
    return [await cancelled(operation()) for cancelled in sweep(mode)]


async def test_an_operation_that_is_not_disturbed_gives_its_result() -> None:
    run = await cancelled_at(5, Asking()())
    assert run.result == "done"


async def test_an_operation_that_is_not_disturbed_raises_its_error() -> None:
    async def raising() -> None:
        await checkpoint()
        raise LookupError

    run = await cancelled_at(2, raising())
    assert isinstance(run.error, LookupError)


async def test_suspensions_are_counted() -> None:
    assert await suspensions_of(Asking()()) == 4


async def test_a_sweep_cancels_at_one_suspension_after_another(anyio_backend_name: str) -> None:
    for mode in set(modes_of(anyio_backend_name)) - {Mode.DOUBLE}:
        places = [injection.place async for injection in _swept(mode)]
        assert places == [1, 2, 3, 4, 5], mode


async def _swept(mode: Mode) -> Any:
    for cancelled in sweep(mode):
        await cancelled(Asking()())
        yield cancelled


async def test_only_the_last_run_of_a_sweep_is_not_disturbed(anyio_backend_name: str) -> None:
    for mode in set(modes_of(anyio_backend_name)) - {Mode.DOUBLE}:
        runs = await runs_of(mode, lambda: Asking()())  # noqa: PLW0108 - a new one for each run
        assert [run.struck for run in runs] == [1, 1, 1, 1, 0], mode


@ON_ASYNCIO
async def test_cancelled_twice_every_later_suspension_follows_every_first() -> None:
    pairs = [(one.place, one.again) async for one in _swept(Mode.DOUBLE)]
    # Wherever it is cancelled at first, it is suspended once more, in tidying up.
    assert pairs == [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2), (4, 1), (5, 1)]


async def test_a_sweep_whose_injections_are_not_used_says_so() -> None:
    with pytest.raises(RuntimeError, match="<cancelled early at 1>"):
        list(sweep(Mode.EARLY))


def test_an_injection_says_where_it_strikes() -> None:
    assert repr(Injection(Mode.DOUBLE, 3, 2)) == "<cancelled double at 3 and 2 later>"


async def test_who_asks_is_not_cancelled_themselves(anyio_backend_name: str) -> None:
    for mode in modes_of(anyio_backend_name):
        await runs_of(mode, lambda: Asking()())  # noqa: PLW0108 - a new one for each run
        await checkpoint()


@ON_ASYNCIO
async def test_cancelled_early_it_gets_no_answer() -> None:
    asking = Asking()
    await cancelled_at(2, asking(), mode=Mode.EARLY)
    assert asking.answered == 1


class OneAnswer:
    """An operation that waits for a future, which is there to be looked at afterwards."""

    def __init__(self) -> None:
        self.future = asyncio.get_running_loop().create_future()

    async def __call__(self) -> object:
        asyncio.get_running_loop().call_soon(self._answer)
        return await self.future

    def _answer(self) -> None:
        if not self.future.done():
            self.future.set_result("an answer")


@ON_ASYNCIO
async def test_cancelled_early_what_it_waited_for_does_not_complete() -> None:
    operation = OneAnswer()
    await cancelled_at(1, operation(), mode=Mode.EARLY)
    assert operation.future.cancelled()


@ON_ASYNCIO
async def test_cancelled_late_what_it_waited_for_completes() -> None:
    operation = OneAnswer()
    await cancelled_at(1, operation(), mode=Mode.LATE)
    assert operation.future.result() == "an answer"


@ON_ASYNCIO
async def test_cancelled_late_its_answer_is_lost() -> None:
    run = await cancelled_at(1, OneAnswer()(), mode=Mode.LATE)
    assert (run.cancelled, run.result) == (True, None)


async def shielded(log: list[str]) -> None:
    with CancelScope(shield=True):
        await checkpoint()
        log.append("behind the shield")
    await checkpoint()
    log.append("after the shield")  # pragma: no cover - if a cancellation were lost


async def test_a_shield_holds_off_the_cancellation_of_a_scope() -> None:
    log: list[str] = []
    run = await cancelled_at(1, shielded(log), mode=Mode.SCOPE)
    assert (run.cancelled, log) == (True, ["behind the shield"])


@ON_ASYNCIO
async def test_a_shield_does_not_hold_off_the_cancellation_of_a_task() -> None:
    log: list[str] = []
    run = await cancelled_at(1, shielded(log), mode=Mode.EARLY)
    assert (run.cancelled, log) == (True, [])


async def stubborn(log: list[str]) -> None:
    """Ignore every cancellation, three times."""
    for _ in range(3):
        with suppress(get_cancelled_exc_class()):
            await checkpoint()
            log.append("undisturbed")


async def test_the_cancellation_of_a_scope_comes_again_at_every_await() -> None:
    log: list[str] = []
    await cancelled_at(1, stubborn(log), mode=Mode.SCOPE)
    assert log == []


@ON_ASYNCIO
async def test_the_cancellation_of_a_task_comes_once() -> None:
    log: list[str] = []
    await cancelled_at(1, stubborn(log), mode=Mode.EARLY)
    assert log == ["undisturbed"] * 2


@ON_ASYNCIO
async def test_the_cancellation_of_a_task_comes_again_where_that_is_asked_for() -> None:
    log: list[str] = []
    await cancelled_at(1, stubborn(log), mode=Mode.DOUBLE, again=2)
    assert log == ["undisturbed"]


async def test_a_cancellation_that_is_kept_from_the_caller_is_swallowed(
    anyio_backend_name: str,
) -> None:
    for mode in modes_of(anyio_backend_name):
        run = await cancelled_at(1, stubborn([]), mode=mode, again=1)
        assert run.swallowed, mode


async def test_a_cancellation_that_becomes_an_error_is_swallowed(anyio_backend_name: str) -> None:
    async def failing() -> None:
        try:
            await Asking()()
        finally:
            raise LookupError

    for mode in modes_of(anyio_backend_name):
        assert (await cancelled_at(1, failing(), mode=mode)).swallowed, mode


async def test_a_cancellation_that_is_passed_on_is_not_swallowed(anyio_backend_name: str) -> None:
    for mode in modes_of(anyio_backend_name):
        runs = await runs_of(mode, lambda: Asking()())  # noqa: PLW0108 - a new one for each run
        assert not any(run.swallowed for run in runs), mode


async def behind_a_shield() -> str:
    with CancelScope(shield=True):
        await checkpoint()
    return "an answer"


async def test_what_ends_behind_its_shield_is_cancelled_where_its_caller_goes_on() -> None:
    run = await cancelled_at(1, behind_a_shield(), mode=Mode.SCOPE)
    assert (run.result, run.cancelled, run.delivered) == ("an answer", True, False)


async def test_what_fails_behind_its_shield_raises_its_error() -> None:
    async def failing() -> None:
        await behind_a_shield()
        raise LookupError

    run = await cancelled_at(1, failing(), mode=Mode.SCOPE)
    assert (type(run.error), run.cancelled, run.swallowed) == (LookupError, False, False)


@ON_ASYNCIO
async def test_the_suspensions_of_the_tasks_it_makes_are_counted() -> None:
    async def parent() -> None:
        await asyncio.create_task(Asking()())

    assert (await cancelled_at(0, parent())).suspensions == 5  # its own, and those four


@ON_ASYNCIO
async def test_at_a_suspension_of_a_task_it_made_the_operation_is_cancelled() -> None:
    child = Asking()

    async def parent() -> None:
        await asyncio.create_task(child())

    await cancelled_at(3, parent(), mode=Mode.EARLY)  # the second of its child
    assert (child.answered, child.tidied) == (1, True)


@ON_ASYNCIO
async def test_cancelled_late_a_task_it_made_gets_its_answer() -> None:
    child = Asking()

    async def parent() -> None:
        await asyncio.create_task(child())

    await cancelled_at(3, parent(), mode=Mode.LATE)
    assert child.answered == 2


@ON_ASYNCIO
async def test_a_task_that_outlives_the_operation_is_left_behind() -> None:
    never = Event()

    async def parent() -> None:
        task = asyncio.create_task(never.wait())
        await asyncio.shield(task)

    run = await cancelled_at(1, parent(), mode=Mode.EARLY)
    assert len(run.left_behind) == 1
    never.set()


@ON_ASYNCIO
async def test_tasks_of_others_are_left_alone() -> None:
    other = asyncio.create_task(Asking()())
    run = await cancelled_at(0, Asking()())
    await other
    assert run.suspensions == 4


@ON_ASYNCIO
async def test_afterwards_tasks_are_made_as_before() -> None:
    before = asyncio.get_running_loop().get_task_factory()
    await cancelled_at(1, Asking()(), mode=Mode.EARLY)
    assert asyncio.get_running_loop().get_task_factory() is before


def test_on_trio_there_is_no_cancellation_but_by_scopes() -> None:
    assert modes_of("trio") == (Mode.SCOPE,)


@ON_TRIO
@pytest.mark.parametrize("mode", [Mode.EARLY, Mode.LATE, Mode.DOUBLE])
async def test_on_trio_any_other_cancellation_is_refused(mode: Mode) -> None:
    asking = Asking()()
    with pytest.raises(ValueError, match=mode.value):
        await cancelled_at(1, asking, mode=mode)
    asking.close()


def test_it_can_be_taken_along_as_it_needs_anyio_alone() -> None:
    source = Path(__file__).parents[1] / "cancellation.py"
    imported = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        for name in _modules(node)
    }
    assert imported - sys.stdlib_module_names == {"anyio"}


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
