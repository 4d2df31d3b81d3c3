"""What a program is: operations in transactions, one after another or two at once.

Programs print as the Python that makes them, so that a shrunk one can be pasted into a test.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import Field, dataclass, fields
from enum import Enum
from itertools import chain
from typing import Any, ClassVar, Final, Generic, Self, TypeAlias, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from hypothesis.vendor.pretty import RepresentationPrinter

from app.ports.unit_of_work import UnitOfWork

U = TypeVar("U", bound=UnitOfWork)

Ids: TypeAlias = set[tuple[str, int | str]]
"""What the operations of a program have brought into the world, by kind and id."""


class Printed:
    """A dataclass that prints as the call that makes it, without what it has by default."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __repr__(self) -> str:
        shown = [
            f"{each.name}={_python(getattr(self, each.name))}"
            for each in fields(self)
            if getattr(self, each.name) != each.default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    def _repr_pretty_(self, printer: RepresentationPrinter, _cycle: bool) -> None:
        printer.text(repr(self))


def _python(value: object) -> str:
    return f"{type(value).__name__}.{value.name}" if isinstance(value, Enum) else repr(value)


class Operation(Printed, ABC, Generic[U]):
    """Something to do in a unit of work."""

    @abstractmethod
    async def run(self, uow: U) -> object:
        """Do it, and give all that was answered."""

    def anew(self, taken: Ids) -> Self | None:  # noqa: ARG002 - most operations add nothing
        """Give the same with ids that are not taken yet, and take them; None where none is left.

        The ports say that what is added has a new id, and leave open what a duplicate gives.
        """
        return self


class End(Enum):
    """How a transaction ends."""

    COMMIT = "committed"
    LEAVE = "left without commit"
    FAIL = "left by an exception"
    COMMIT_AND_FAIL = "committed, then left by an exception"

    @property
    def commits(self) -> bool:
        return self in {End.COMMIT, End.COMMIT_AND_FAIL}

    @property
    def raises(self) -> bool:
        return self in {End.FAIL, End.COMMIT_AND_FAIL}


_ENDS: Final = st.sampled_from([End.COMMIT, End.COMMIT, *End])
_LONG: Final = 6
_SHORT: Final = 2


@dataclass(frozen=True, repr=False)
class Transaction(Printed, Generic[U]):
    """Steps in one unit of work. None comes after its end: what that gives the ports leave open."""

    steps: tuple[Operation[U], ...] = ()
    end: End = End.COMMIT


@dataclass(frozen=True, repr=False)
class Look(Printed, Generic[U]):
    """An onlooker's step; all of them are in one unit of work for reading, begun at the first."""

    read: Operation[U]


Step: TypeAlias = Operation[U] | Look[U]
AnyStep = TypeVar("AnyStep", bound=Step[Any])


@dataclass(frozen=True, repr=False)
class Watched(Printed, Generic[U]):
    """A transaction with the steps of an onlooker between its own, and their `looks` behind."""

    steps: tuple[Step[U], ...] = ()
    end: End = End.COMMIT
    looks: tuple[Operation[U], ...] = ()


@dataclass(frozen=True, repr=False)
class OneAfterAnother(Printed, Generic[U]):
    """A program of transactions of which each begins when the one before is left."""

    first: Watched[U]
    second: Watched[U] | None = None

    def operations(self) -> Iterator[Step[U]]:
        yield from self.first.steps
        if self.second is not None:
            yield from self.second.steps


@dataclass(frozen=True, repr=False)
class Claim(Printed, Generic[U]):
    """Two operations on one thing, of which the second has to wait for the end of the first."""

    first: Operation[U]
    second: Operation[U]
    given: tuple[Operation[U], ...] = ()

    def operations(self) -> Iterator[Operation[U]]:
        yield from (*self.given, self.first, self.second)


@dataclass(frozen=True, repr=False)
class AtOnce(Printed, Generic[U]):
    """A program of two transactions that want the same thing, so that the second waits.

    The second begins when the first has done everything but end. What it reads before it has
    waited, its `glances`, the ports leave open: a store may hold it back from entering on, or let
    it read on until it claims. So glances are made, as they may leave something behind, but not
    compared.
    """

    claim: Claim[U]
    first: Transaction[U] = Transaction()
    second: Transaction[U] = Transaction()
    glances: tuple[Operation[U], ...] = ()

    def operations(self) -> Iterator[Operation[U]]:
        yield from chain(self.claim.operations(), self.first.steps, self.second.steps)


Program: TypeAlias = OneAfterAnother[U] | AtOnce[U]


@dataclass(frozen=True, repr=False)
class Theme(Generic[U]):
    """Operations that have to do with one another: drawn from all there are, few would ever meet.

    A beginning seldom fails, and leaves what the operations speak of; `reads` only read.
    """

    beginnings: SearchStrategy[tuple[Operation[U], ...]]
    writes: SearchStrategy[Operation[U]]
    reads: SearchStrategy[Operation[U]]
    claims: SearchStrategy[Claim[U]]

    def __or__(self, other: Self) -> Self:
        """Give a theme of both."""
        both = (getattr(self, each.name) | getattr(other, each.name) for each in fields(self))
        return type(self)(*both)


@dataclass(frozen=True, repr=False)
class Area(Generic[U]):
    """What the programs of an area are about.

    `glances` are reads that nothing can refuse. `state` reads all that there is: by lists, and by
    the ids that steps have brought where a port gives no list.
    """

    themes: Sequence[Theme[U]]
    glances: SearchStrategy[Operation[U]]
    state: Callable[[U, Sequence[Step[U]]], Awaitable[object]]


def programs(area: Area[U]) -> SearchStrategy[Program[U]]:
    """Draw programs of an area, of either shape."""
    in_a_row = one_after_another(area)
    return st.one_of(in_a_row, in_a_row, at_once(area))


@st.composite
def one_after_another(draw: DrawFn, area: Area[U]) -> OneAfterAnother[U]:
    """Draw programs of one transaction, or of two in a row, with or without an onlooker."""
    theme = draw(st.sampled_from(area.themes))
    steps = st.lists(theme.writes | theme.reads | theme.reads.map(Look), max_size=_LONG)
    looks = st.lists(theme.reads, max_size=_SHORT)
    taken: Ids = set()

    def watched(begun: Iterable[Operation[U]]) -> Watched[U]:
        kept = _anew([*begun, *draw(steps)], taken)
        return Watched(kept, draw(_ENDS), tuple(draw(looks)))

    first = watched(chain(*draw(st.lists(theme.beginnings, max_size=_SHORT))))
    return OneAfterAnother(first, watched(()) if draw(st.booleans()) else None)


@st.composite
def at_once(draw: DrawFn, area: Area[U]) -> AtOnce[U]:
    """Draw programs of two transactions that meet."""
    theme = draw(st.sampled_from(area.themes))
    steps = st.lists(theme.writes | theme.reads, max_size=_LONG)
    claim = draw(theme.claims)
    taken: Ids = set()
    _anew(claim.operations(), taken)

    def transaction() -> Transaction[U]:
        return Transaction(_anew(draw(steps), taken), draw(_ENDS))

    glances = tuple(draw(st.lists(area.glances, max_size=_SHORT)))
    return AtOnce(claim, transaction(), transaction(), glances)


def _anew(steps: Iterable[AnyStep], taken: Ids) -> tuple[AnyStep, ...]:
    renewed = (step if isinstance(step, Look) else step.anew(taken) for step in steps)
    return tuple(step for step in renewed if step is not None)
