"""What is odd about a table although it is one: worth a second look, no reason to refuse it.

Findings about a table are computed from it whenever they are asked for; nothing of them is kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice, pairwise
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
    scale = max((decimals(n) for b in table.bands for n in (b.range_min, b.price_unit)), default=0)
    grids = [_Grid.of(band, table.anchor, scale) for band in table.bands]
    for place, (below, above) in enumerate(pairwise(grids), start=1):
        at, band = above.start, table.bands[place]
        off = [one for one in (below, above) if not one.has(at)]
        if off:
            units = dict.fromkeys(plain(one.band.price_unit) for one in off)
            message = f"{plain(band.range_min)} is no price of the unit {' nor of '.join(units)}"
            yield Finding(Oddity.NOT_NESTED, place, message)
        if above.unit < below.unit:
            change = f"from {plain(below.band.price_unit)} to {plain(band.price_unit)}"
            message = f"the unit gets finer at {plain(band.range_min)}, {change}"
            yield Finding(Oddity.FINER_ABOVE, place, message)
        if above.unit == below.unit and (table.anchor is Anchor.ZERO or not off):
            message = f"the unit is {plain(band.price_unit)} on both sides of "
            yield Finding(Oddity.REDUNDANT_ROW, place, message + plain(band.range_min))


@dataclass(frozen=True, slots=True)
class _Grid:
    """A band in integers of the smallest decimal place of its table."""

    band: Band
    start: int
    unit: int
    origin: int

    @classmethod
    def of(cls, band: Band, anchor: Anchor, scale: int) -> "_Grid":
        start, unit = to_units(band.range_min, scale)[0], to_units(band.price_unit, scale)[0]
        return cls(band, start, unit, start if anchor is Anchor.RANGE_MIN else 0)

    def has(self, price: int) -> bool:
        return (price - self.origin) % self.unit == 0


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
