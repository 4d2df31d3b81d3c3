"""What is odd about a table although it is one: worth a second look, no reason to refuse it.

Findings are computed from the table whenever they are asked for; nothing of them is kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

from app.domain.range_units.numbers import decimals, plain, to_units
from app.domain.range_units.table import Anchor, Band, RangeUnitTable


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


@dataclass(frozen=True, slots=True)
class Finding:
    """One odd thing; `position` is that of the band, counted from zero in ascending order."""

    code: Oddity
    position: int
    message: str


# Integers at the end of what a machine word, or an exactly counting float, can hold.
_MACHINE_LIMITS: Final = {2**31 - 1, 2**32 - 1, 2**53 - 1, 2**53, 2**63 - 1, 2**64 - 1}
# A round number of that many digits is above what anything is traded for.
_SENTINEL_DIGITS: Final = 10


def lint(table: RangeUnitTable) -> tuple[Finding, ...]:
    """Look at the bands as they were published, in ascending order of position.

    For a sentinel passes a bound of ten digits or more that is a one before zeros or nothing but
    nines, and the greatest integers of machines; whether it ends the last band or is a limit.
    """
    return (*_about_boundaries(table), *_about_the_top(table))


def _about_boundaries(table: RangeUnitTable) -> Iterator[Finding]:
    for place, (below, above) in enumerate(pairwise(table.bands), start=1):
        at = plain(above.range_min)
        unit_below, unit_above = plain(below.price_unit), plain(above.price_unit)
        off = _units_off(table.anchor, below, above)
        if off:
            message = f"{at} is no price of the unit {' nor of '.join(off)}"
            yield Finding(Oddity.NOT_NESTED, place, message)
        if above.price_unit < below.price_unit:
            message = f"the unit gets finer at {at}, from {unit_below} to {unit_above}"
            yield Finding(Oddity.FINER_ABOVE, place, message)
        if above.price_unit == below.price_unit and (table.anchor is Anchor.ZERO or not off):
            message = f"the unit is {unit_below} on both sides of {at}"
            yield Finding(Oddity.REDUNDANT_ROW, place, message)


def _units_off(anchor: Anchor, below: Band, above: Band) -> list[str]:
    """Give the units on either side of a boundary that it is no price of."""
    if anchor is Anchor.RANGE_MIN:
        # The band above counts from the boundary, and always has it.
        numbers, bands = (below.range_min, above.range_min, below.price_unit), [below]
    else:
        numbers, bands = (above.range_min, below.price_unit, above.price_unit), [below, above]
    scale = max(map(decimals, numbers))
    origin = to_units(below.range_min, scale)[0] if anchor is Anchor.RANGE_MIN else 0
    distance = to_units(above.range_min, scale)[0] - origin
    units = dict.fromkeys(band.price_unit for band in bands)
    return [plain(unit) for unit in units if distance % to_units(unit, scale)[0]]


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
    is_round = bound.strip("9") == "" or (bound[0] == "1" and bound[1:].strip("0") == "")
    return is_round and len(bound) >= _SENTINEL_DIGITS
