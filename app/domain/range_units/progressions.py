"""The valid prices of a table, band by band, as arithmetic progressions of integers."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from app.domain.range_units.table import Anchor, Boundary, RangeUnitTable, TopRule


class Progression(NamedTuple):
    """The valid prices of one band: first, first + unit, … up to and including `last`."""

    first: int
    last: int | None
    unit: int
    before: int
    """How many valid prices lie below `first` in the whole table."""


def laid_out(  # noqa: PLR0913 - a table, and all its numbers as integers
    table: RangeUnitTable,
    *,
    starts: Sequence[int],
    units: Sequence[int],
    top: int | None,
    least: int | None,
    greatest: int | None,
) -> list[Progression]:
    """Lay out a table whose bands and bounds are given in units of 10^-scale, of whatever scale.

    A band without a valid price is left out.
    """
    lowest = None if table.allows_non_positive else 1
    if least is not None:
        lowest = least if lowest is None else max(lowest, least)

    progressions: list[Progression] = []
    before = 0
    is_anchored = table.anchor is Anchor.RANGE_MIN
    bands = zip(starts, units, _reaches(table, starts, top), strict=True)
    for start, unit, (least_here, greatest_here) in bands:
        low = least_here if lowest is None or least_here > lowest else lowest
        high = greatest_here
        if greatest is not None and (high is None or high > greatest):
            high = greatest
        anchor = start if is_anchored else 0
        first = anchor - (anchor - low) // unit * unit
        last = None if high is None else anchor + (high - anchor) // unit * unit
        if last is not None and last < first:
            continue
        progressions.append(Progression(first, last, unit, before))
        if last is not None:
            before += (last - first) // unit + 1
    return progressions


def _reaches(
    table: RangeUnitTable, starts: Sequence[int], top: int | None
) -> Iterator[tuple[int, int | None]]:
    """Give the least and the greatest integer that belong to each band."""
    # A boundary belongs to the band above it, or to the one below.
    to_the_next = 0 if table.boundary is Boundary.UPPER_INCLUSIVE else 1
    lows = [start + 1 - to_the_next for start in starts]
    lows[:1] = starts[:1]  # the lowest bound has no band below it to belong to
    highs: list[int | None] = [start - to_the_next for start in starts[1:]]
    is_included = table.top_rule is TopRule.INCLUSIVE
    highs.append(top if top is None or is_included else top - 1)
    return zip(lows, highs, strict=False)  # without a band there is no end
