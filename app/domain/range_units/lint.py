"""What is odd about a table although it is one: worth a second look, no reason to refuse it.

Findings about a table are computed from it whenever they are asked for; nothing of them is kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice, pairwise
from typing import Final, TypeAlias, TypeVar

from app.domain.range_units.numbers import counted, plain
from app.domain.range_units.table import Anchor, Band, RangeUnitTable

_T = TypeVar("_T")
_Two: TypeAlias = tuple[_T, _T]


class Oddity(StrEnum):
    """What a finding is about."""

    NOT_NESTED = "not_nested"
    """A boundary is no multiple of the unit on one of its sides."""
    FINER_ABOVE = "finer_above"
    """The unit gets finer as prices rise."""
    SENTINEL_TOP = "sentinel_top"
    """The greatest price looks like a way to write that there is none."""
    REDUNDANT_ROW = "redundant_row"
    """A band has the unit, and the prices, that the band below would have there."""
    SCALAR_DISAGREES = "scalar_disagrees"
    """The tick size that the exchange states for the current price is not the table's."""
    SCALAR_ALONE = "scalar_alone"
    """The exchange states a tick size where there is no table to compare it with."""


CROSS_CHECKED: Final = frozenset({Oddity.SCALAR_DISAGREES, Oddity.SCALAR_ALONE})
"""What only the exchange's word tells, and no table by itself."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One odd thing; `position` is that of the band, counted from zero in ascending order."""

    code: Oddity
    position: int
    message: str


MOST_FINDINGS: Final = 100
_COUNTED_AT_ONCE: Final = 1_000

# Integers at the end of what a machine word, or an exactly counting float, can hold.
_MACHINE_LIMITS: Final = {2**31 - 1, 2**32 - 1, 2**53 - 1, 2**53, 2**63 - 1, 2**64 - 1}
# A one and zeros of that many digits is above what anything is traded for, and nobody limits a
# price to that many nines, wherever the decimal point is among them.
_SENTINEL_DIGITS: Final = 10


def lint(table: RangeUnitTable) -> tuple[Finding, ...]:
    """Look at the bands as they were published, in ascending order; the first hundred findings.

    For a sentinel passes a bound of ten digits or more that is a one before zeros, or nothing but
    nines with or without decimals, and the greatest integers of machines; whether it ends the last
    band or is a limit.
    """
    return (*_about_the_top(table), *islice(_about_boundaries(table), MOST_FINDINGS))


def _about_boundaries(table: RangeUnitTable) -> Iterator[Finding]:
    is_anchored = table.anchor is Anchor.RANGE_MIN
    for place, (bands, starts, units) in enumerate(_neighbours(table), start=1):
        (lower, upper), (start_below, at), (below, above) = bands, starts, units
        unit_below, unit = lower.price_unit, upper.price_unit
        is_off_below = (at - start_below if is_anchored else at) % below != 0
        is_off_above = not is_anchored and at % above != 0
        if is_off_below or is_off_above:
            off = ((unit_below, is_off_below), (unit, is_off_above))
            named = dict.fromkeys(plain(one) for one, is_off in off if is_off)
            message = f"{plain(upper.range_min)} is no price of the unit {' nor of '.join(named)}"
            yield Finding(Oddity.NOT_NESTED, place, message)
        if above < below:
            change = f"from {plain(unit_below)} to {plain(unit)}"
            message = f"the unit gets finer at {plain(upper.range_min)}, {change}"
            yield Finding(Oddity.FINER_ABOVE, place, message)
        if above == below and not (is_anchored and is_off_below):
            message = f"the unit is {plain(unit)} on both sides of {plain(upper.range_min)}"
            yield Finding(Oddity.REDUNDANT_ROW, place, message)


def _neighbours(table: RangeUnitTable) -> Iterator[tuple[_Two[Band], _Two[int], _Two[int]]]:
    """Give each two bands that meet, and in integers their starts and their units.

    A stretch is counted when its turn comes: what is odd about a hundred thousand bands is told,
    as a rule, by the first few of them.
    """
    bands = iter(table.bands)
    stretch = list(islice(bands, 1))
    while some := list(islice(bands, _COUNTED_AT_ONCE)):
        stretch = [*stretch[-1:], *some]
        _, numbers = counted([number for band in stretch for number in band])
        starts, units = numbers[::2], numbers[1::2]
        yield from zip(pairwise(stretch), pairwise(starts), pairwise(units), strict=True)


def _about_the_top(table: RangeUnitTable) -> Iterator[Finding]:
    last = max(len(table.bands) - 1, 0)
    for name, bound in (("top", table.top), ("max_price", table.max_price)):
        if bound is not None and _is_sentinel(plain(bound)):
            message = f"{name} {plain(bound)} looks like a sentinel for no end"
            yield Finding(Oddity.SENTINEL_TOP, last, message)


def _is_sentinel(bound: str) -> bool:
    digits = bound.replace(".", "")  # such as 2^63 - 1 in units of 10^-8
    if int(digits) in _MACHINE_LIMITS:
        return True
    is_round = digits.strip("9") == "" or (bound[0] == "1" and bound[1:].strip("0") == "")
    return is_round and len(digits) >= _SENTINEL_DIGITS
