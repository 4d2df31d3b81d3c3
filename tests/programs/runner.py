"""Runs programs, and gives all that a store answered to them."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, aclosing, suppress
from copy import copy
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple

from anyio import Event, create_task_group, fail_after
from anyio.lowlevel import checkpoint

from app.domain.errors import TickgateError
from app.ports.unit_of_work import UnitOfWork
from tests.programs.program import (
    Area,
    AtOnce,
    End,
    Look,
    OneAfterAnother,
    Operation,
    Program,
    U,
    Watched,
)

PATIENCE: Final = 30
"""Seconds after which a program counts as hanging."""


class Answer(NamedTuple):
    """What a store answered: a value, or the class of an error."""

    to: object
    value: object


class Thrown(Exception):
    """What the caller of a unit of work raises in it."""


@dataclass(frozen=True)
class Store(Generic[U]):
    """What a program runs on: an empty store.

    `second_waits` tells whether a second unit of work, which has begun, waits for the first. A
    store that cannot tell says so once it has given it long enough to get through.
    """

    work: Callable[[], U]
    reading: Callable[[], U]
    second_waits: Callable[[], Awaitable[bool]]


async def answers(area: Area[U], store: Store[U], program: Program[U]) -> list[Answer]:
    """Run a program, and read everything there is in the end.

    Errors of the domain are answers, told apart by their class; any other comes out as it is, as
    no program may lead to one.
    """
    with fail_after(PATIENCE):
        if isinstance(program, OneAfterAnother):
            found: list[Answer] = []
            for transaction in filter(None, (program.first, program.second)):
                await _run_watched(store, transaction, found)
        else:
            found = await _run_at_once(store, program)
        steps = [*program.operations()]
        async with store.work() as uow:
            return [*found, Answer("all that is kept", await area.state(uow, steps))]


class _Onlooker(Generic[U]):
    """Reads in one unit of work, from its first look until it is closed."""

    def __init__(self, reading: Callable[[], U]) -> None:
        self._reading = reading
        self._uow: U | None = None
        self._opened = AsyncExitStack()

    async def look(self, read: Operation[U]) -> Answer:
        if self._uow is None:
            self._uow = self._reading()
            await self._opened.enter_async_context(self._uow)
        return await _answer(read, read.run(self._uow))

    async def aclose(self) -> None:
        await self._opened.aclose()


async def _run_watched(store: Store[U], transaction: Watched[U], found: list[Answer]) -> None:
    async with aclosing(_Onlooker(store.reading)) as onlooker:
        with suppress(Thrown):
            async with store.work() as uow:
                for step in transaction.steps:
                    if isinstance(step, Look):
                        found.append(await onlooker.look(step.read))
                    else:
                        found.append(await _answer(step, step.run(uow)))
                await _end(transaction.end, uow, found)
        found += [await onlooker.look(read) for read in transaction.looks]


async def _run_at_once(store: Store[U], program: AtOnce[U]) -> list[Answer]:
    given: list[Answer] = []
    first: list[Answer] = []
    second: list[Answer] = []
    begun, through = Event(), Event()
    await _run_watched(store, Watched(program.claim.given), given)

    async def run_second() -> None:
        begun.set()
        with suppress(Thrown):
            async with store.work() as uow:
                for glance in program.glances:
                    await glance.run(uow)
                await _run((program.claim.second,), uow, second)
                through.set()
                await _run(program.second.steps, uow, second)
                await _end(program.second.end, uow, second)

    async with create_task_group() as tasks:
        with suppress(Thrown):
            async with store.work() as uow:
                await _run((program.claim.first, *program.first.steps), uow, first)
                tasks.start_soon(run_second)
                await begun.wait()
                while not (through.is_set() or await store.second_waits()):
                    await checkpoint()
                # A store may let go of what it holds already when it refuses something.
                if not any(isinstance(answer.value, type) for answer in first):
                    first.append(Answer("whether the second waits", not through.is_set()))
                await _end(program.first.end, uow, first)
    return [*given, *first, *second]


async def _run(steps: Iterable[Operation[U]], uow: U, found: list[Answer]) -> None:
    found += [await _answer(step, step.run(uow)) for step in steps]


async def _end(end: End, uow: UnitOfWork, found: list[Answer]) -> None:
    if end.commits:
        found.append(await _answer("commit", uow.commit()))
    if end.raises:
        raise Thrown


async def _answer(to: object, asked: Awaitable[object]) -> Answer:
    try:
        value = await asked
    except TickgateError as error:
        return Answer(to, type(error))
    answer = Answer(to, copy(value))
    if isinstance(value, list | set | dict):
        value.clear()  # it is the caller's: whatever becomes of it, the store goes on without
    return answer
