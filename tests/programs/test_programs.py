"""Random programs on the in-memory adapters: what they reach, what they find, how they are told."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from inspect import iscoroutinefunction
from typing import Any, Final, Generic, TypeAlias, cast, get_type_hints

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis.errors import NoSuchExample
from hypothesis.strategies import SearchStrategy

from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.identity.unit_of_work import MemoryIdentityUnitOfWork
from app.adapters.memory.range_units.state import RangeUnitsState
from app.adapters.memory.range_units.unit_of_work import MemoryRangeUnitsUnitOfWork
from app.adapters.memory.store import MemoryStore
from app.domain.errors import UnitOfWorkFailed, UnstorableText
from app.domain.identity.errors import UsernameTaken
from app.domain.identity.login_log import FailReason, Outcome
from app.domain.principal import Role
from app.ports.identity.work import IdentityUnitOfWork
from app.ports.range_units.work import RangeUnitsUnitOfWork
from tests.programs import identity, planted, range_units
from tests.programs import program as shapes
from tests.programs.identity import IDENTITY, LOG, SESSIONS, USERS
from tests.programs.identity_operations import AddUser, GetUser, HoldUser, PageUsers
from tests.programs.memory import on_memory
from tests.programs.program import (
    Area,
    AtOnce,
    Claim,
    End,
    Look,
    OneAfterAnother,
    Operation,
    Program,
    Theme,
    Transaction,
    U,
    Watched,
    at_once,
    one_after_another,
    programs,
)
from tests.programs.range_units import CATALOGUE, RANGE_UNITS, REVISIONS
from tests.programs.runner import Answer, answers

# The same in every run: whether something is found, and how soon, is then no matter of luck.
SEARCH: Final = settings(
    max_examples=2_000,
    phases=(Phase.generate, Phase.shrink),
    derandomize=True,
    database=None,
    deadline=None,
)
A_HANDFUL: Final = 5


@dataclass(frozen=True)
class OnMemory(Generic[U]):
    """An area, and the in-memory adapters that its programs run on."""

    area: Area[U]
    port: type
    state: Callable[[], Any]
    unit_of_work: Callable[[MemoryStore[Any]], U]

    async def answers(self, program: Program[U]) -> list[Answer]:
        return await answers(self.area, on_memory(self.unit_of_work, self.state()), program)


ON_IDENTITY: Final = OnMemory[IdentityUnitOfWork](
    IDENTITY, IdentityUnitOfWork, IdentityState, MemoryIdentityUnitOfWork
)
ON_RANGE_UNITS: Final = OnMemory[RangeUnitsUnitOfWork](
    RANGE_UNITS, RangeUnitsUnitOfWork, RangeUnitsState, MemoryRangeUnitsUnitOfWork
)

both_areas = pytest.mark.parametrize(
    "on", [ON_IDENTITY, ON_RANGE_UNITS], ids=["identity", "range units"]
)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    """An event loop for the programs of a search, which is no coroutine itself."""
    with asyncio.Runner() as runner:
        yield runner


# -- what they reach ---------------------------------------------------------------------------


class Recorded:
    """A port that notes which of its methods are called."""

    def __init__(self, name: str, port: object, called: set[str]) -> None:
        self._name = name
        self._port = port
        self._called = called

    def __getattr__(self, method: str) -> Any:
        self._called.add(f"{self._name}.{method}")
        return getattr(self._port, method)


def recording(on: OnMemory[Any], called: set[str]) -> OnMemory[Any]:
    def recorded(store: MemoryStore[Any]) -> Any:
        uow = on.unit_of_work(store)
        for name in get_type_hints(on.port):
            setattr(uow, name, Recorded(name, getattr(uow, name), called))
        return uow

    return replace(on, unit_of_work=recorded)


@both_areas
def test_every_method_of_the_ports_is_in_a_program(loop: asyncio.Runner, on: OnMemory[Any]) -> None:
    methods = {
        f"{name}.{method}"
        for name, port in get_type_hints(on.port).items()
        for method, member in vars(port).items()
        if iscoroutinefunction(member)
    }
    called: set[str] = set()

    def are_all_called(program: Program[Any]) -> bool:
        loop.run(recording(on, called).answers(program))
        return called >= methods

    with suppress(NoSuchExample):
        find(programs(on.area), are_all_called, settings=settings(SEARCH, phases=[Phase.generate]))
    assert methods - called == set()


# -- what they find ----------------------------------------------------------------------------

Shape: TypeAlias = Callable[[Area[Any]], SearchStrategy[Program[Any]]]
Planted: TypeAlias = tuple[OnMemory[Any], type, Shape, Theme[Any]]

PLANTED: dict[str, Planted] = {
    "a lost update": (ON_IDENTITY, planted.WritingOnWhatItFound, at_once, USERS),
    "a dirty read": (ON_IDENTITY, planted.ShownAtOnce, one_after_another, USERS),
    "a refusal without consequence": (
        ON_IDENTITY,
        planted.UsableAfterARefusal,
        one_after_another,
        USERS,
    ),
    "an order of arrival": (ON_IDENTITY, planted.UsersInOrderOfArrival, one_after_another, USERS),
    "a key that is not folded": (ON_IDENTITY, planted.AddressesByTheLetter, at_once, USERS),
    "ties in another order": (ON_IDENTITY, planted.TiesTheWrongWayRound, one_after_another, LOG),
    "a time that does not go back": (
        ON_IDENTITY,
        planted.UsedNeverBefore,
        one_after_another,
        SESSIONS,
    ),
    "a list that is given twice": (
        ON_RANGE_UNITS,
        planted.OneListForAll,
        one_after_another,
        CATALOGUE,
    ),
    "a date that is overwritten": (
        ON_RANGE_UNITS,
        planted.SupersededLastCounts,
        one_after_another,
        REVISIONS,
    ),
}


@pytest.mark.parametrize(
    ("on", "unit_of_work", "shape", "theme"), PLANTED.values(), ids=PLANTED.keys()
)
def test_a_divergence_is_found_and_shrunk(
    loop: asyncio.Runner,
    on: OnMemory[Any],
    unit_of_work: Callable[[MemoryStore[Any]], Any],
    shape: Shape,
    theme: Theme[Any],
) -> None:
    diverging = replace(on, unit_of_work=unit_of_work)

    def diverges(program: Program[Any]) -> bool:
        return loop.run(diverging.answers(program)) != loop.run(on.answers(program))

    shrunk = find(shape(replace(on.area, themes=[theme])), diverges, settings=SEARCH)
    assert len([*shrunk.operations()]) <= A_HANDFUL


@both_areas
def test_an_adapter_without_a_divergence_is_let_be(loop: asyncio.Runner, on: OnMemory[Any]) -> None:
    def diverges(program: Program[Any]) -> bool:
        return loop.run(on.answers(program)) != loop.run(on.answers(program))

    few = settings(SEARCH, max_examples=20)
    with pytest.raises(NoSuchExample):
        find(programs(on.area), diverges, settings=few)


# -- how they are told -------------------------------------------------------------------------


def python_of(*modules: object) -> dict[str, object]:
    names = {name: value for module in modules for name, value in vars(module).items()}
    return names | {kind.__name__: kind for kind in (FailReason, Outcome, Role)}


NAMES: Final = python_of(shapes, identity, range_units)


@given(program=programs(IDENTITY))
def test_a_program_of_identity_prints_as_the_python_that_makes_it(
    program: Program[IdentityUnitOfWork],
) -> None:
    assert eval(repr(program), NAMES) == program  # noqa: S307 - whether that can be done is asked


@given(program=programs(RANGE_UNITS))
def test_a_program_of_range_units_prints_as_the_python_that_makes_it(
    program: Program[RangeUnitsUnitOfWork],
) -> None:
    assert eval(repr(program), NAMES) == program  # noqa: S307 - whether that can be done is asked


@given(program=programs(IDENTITY))
def test_no_program_brings_an_id_twice(program: Program[IdentityUnitOfWork]) -> None:
    ids = [step.id for step in program.operations() if isinstance(step, AddUser)]
    assert len(ids) == len({*ids})


# -- what is answered --------------------------------------------------------------------------


def values(found: list[Answer]) -> list[object]:
    """Give what was answered on the way, without what is kept."""
    return [answer.value for answer in found[:-1]]


def users_kept(found: list[Answer]) -> object:
    users, *_ = cast("tuple[object, ...]", found[-1].value)
    return users


ALICE: Final = AddUser(id=2, username="alice")


async def test_a_value_is_answered_as_it_is() -> None:
    program = OneAfterAnother(Watched((ALICE, GetUser(id=2))))
    found = await ON_IDENTITY.answers(program)
    assert values(found) == [None, ALICE.user, None]


async def test_a_refusal_is_answered_by_its_class_and_so_is_all_that_follows() -> None:
    program = OneAfterAnother(Watched((AddUser(id=2, username="\0"), GetUser(id=2))))
    found = await ON_IDENTITY.answers(program)
    assert values(found) == [UnstorableText, UnitOfWorkFailed, UnitOfWorkFailed]


@pytest.mark.parametrize("end", [End.COMMIT, End.COMMIT_AND_FAIL])
async def test_what_was_committed_is_kept(end: End) -> None:
    found = await ON_IDENTITY.answers(OneAfterAnother(Watched((ALICE,), end)))
    assert users_kept(found) == [ALICE.user]


@pytest.mark.parametrize("end", [End.LEAVE, End.FAIL])
async def test_what_was_not_committed_is_not_kept(end: End) -> None:
    found = await ON_IDENTITY.answers(OneAfterAnother(Watched((ALICE,), end)))
    assert users_kept(found) == []


async def test_an_onlooker_sees_what_is_committed_by_then() -> None:
    page = PageUsers()
    program = OneAfterAnother(Watched((ALICE, Look(page)), looks=(page,)))
    found = await ON_IDENTITY.answers(program)
    assert [answer.value for answer in found if answer.to == page] == [[], [ALICE.user]]


async def test_a_second_that_claims_the_same_waits_for_the_first() -> None:
    program = AtOnce(
        Claim(HoldUser(id=2), HoldUser(id=2), given=(ALICE,)), glances=(GetUser(id=2),)
    )
    found = await ON_IDENTITY.answers(program)
    assert Answer("whether the second waits", value=True) in found


async def test_what_the_second_gets_depends_on_how_the_first_ends() -> None:
    claim = Claim(ALICE, AddUser(id=3, username="ALICE"))
    committed = await ON_IDENTITY.answers(AtOnce(claim))
    left = await ON_IDENTITY.answers(AtOnce(claim, first=Transaction(end=End.LEAVE)))
    assert [answer.value for answer in committed if answer.to == claim.second] == [UsernameTaken]
    assert [answer.value for answer in left if answer.to == claim.second] == [None]


@dataclass(frozen=True, repr=False)
class Defective(Operation[IdentityUnitOfWork]):
    async def run(self, uow: IdentityUnitOfWork) -> None:
        raise LookupError(uow)


async def test_an_error_that_is_not_the_domains_is_no_answer() -> None:
    with pytest.raises(LookupError):
        await ON_IDENTITY.answers(OneAfterAnother(Watched((Defective(),))))
