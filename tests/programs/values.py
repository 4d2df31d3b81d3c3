"""Small pools to draw from, so that what is drawn collides, ties, or is not there.

Ids and instants stand in programs as small numbers and texts, which read better than objects.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import product
from typing import Any, Final, TypeVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.programs.program import Ids

T = TypeVar("T")
Pools = Mapping[str, Sequence[Any]]

NEW_IDS: Final = (2, 3, 4, 5)
IDS: Final = (*NEW_IDS, 2, 3, 1, 6)
"""Those that programs bring, and one on either side that is never there."""

LIMITS: Final = (100, 1, 2, 0)

NOON: Final = "2026-01-05T12:00:00+00:00"
INSTANTS: Final = (
    NOON,
    "2026-01-05T12:00:00.000001+00:00",
    "2026-01-05T21:00:00+09:00",  # noon, too
    "2026-01-05T11:29:59.999999-00:30",  # just before noon
    NOON,
    "2026-01-05T11:00:00+00:00",
    "0001-01-01T00:00:00+00:00",
    "9999-12-31T23:59:59.999999+00:00",
)

_NONE: Final[Pools] = {}
_EVEN: Final = 25  # so long is each pool where one is chosen among the values of several
_STRIDE: Final = 37  # so far apart are the arguments of a pair


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def uuid_of(number: int) -> UUID:
    """Give an id: in the order of the numbers, some with the bit set where a sign would be."""
    return UUID(int=number << 125 | number)


def untaken(taken: Ids, kind: str, number: int) -> int | None:
    """Give the number, or another one if that is taken, and take it; None where all are."""
    free = [each for each in (number, *NEW_IDS) if (kind, each) not in taken]
    taken |= {(kind, each) for each in free[:1]}
    return next(iter(free), None)


def texts(*usual: str, limit: int) -> list[str]:
    """Give a pool of usual texts with a few odd ones, and some that are refused."""
    longest = "x" * limit
    rest = ["\0", "\udfff", f"{longest}x", longest, ""]
    return [*usual * ((_EVEN - len(rest)) // len(usual)), *rest]


def drawn(make: Callable[..., T], needed: Pools, optional: Pools = _NONE) -> SearchStrategy[T]:
    """Draw what is needed, and up to two of the optional arguments; the rest is as by default.

    All of it is a single draw: one for each argument would take long, and to shrink, too.
    """
    combinations = [dict(zip(needed, values, strict=True)) for values in product(*needed.values())]
    one = [
        {name: value}
        for name, pool in optional.items()
        for value in [*pool] * max(1, _EVEN // len(pool))
    ]
    two = [argument | one[place * _STRIDE % len(one)] for place, argument in enumerate(one)]
    more = [{}, *[{}] * len(one), *one, *two]

    def made(place: int) -> T:
        return make(**(combinations[place // len(more)] | more[place % len(more)]))

    return st.integers(0, len(combinations) * len(more) - 1).map(made)
