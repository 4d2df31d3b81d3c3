"""What differs between two tables, exactly, whatever their boundaries, anchors, tops and limits.

The valid prices of either table are arithmetic progressions of integers in one common unit. Where
at most one progression of each applies, an old price is lost exactly when the new progression
steps over it: one price decides for itself, and two neighbours decide for all the others. So no
price is enumerated, however many there are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.domain.range_units.grid import PriceGrid
from app.domain.range_units.numbers import from_units
from app.domain.range_units.progressions import Progression
from app.domain.range_units.table import RangeUnitTable, Row


@dataclass(frozen=True, slots=True)
class Division:
    """One band whose bounds are those of several together: split, or what was merged."""

    whole: Row
    parts: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class UnitChange:
    """From `range_min` to `next_range_min` (None: open) the unit is another than it was.

    To which side the bounds themselves belong is what each table's boundary rule says.
    """

    range_min: Decimal
    next_range_min: Decimal | None
    unit_before: Decimal
    unit_after: Decimal


@dataclass(frozen=True, slots=True)
class Loss:
    """Prices that were valid and are not any more: the first, the last (None: without end).

    Between them, others may be valid still. A unit is None where no band of that table has a
    valid price, or where the table has no tick rule.
    """

    first: Decimal
    last: Decimal | None
    unit_before: Decimal | None
    unit_after: Decimal | None


@dataclass(frozen=True, slots=True)
class TableDiff:
    """What differs. Bands are the same where their bounds are, whatever their units."""

    added: tuple[Row, ...]
    removed: tuple[Row, ...]
    split: tuple[Division, ...]
    merged: tuple[Division, ...]
    finer: tuple[UnitChange, ...]
    coarser: tuple[UnitChange, ...]
    losses: tuple[Loss, ...]


def diff(before: RangeUnitTable, after: RangeUnitTable) -> TableDiff:
    """Compare two tables.

    A table without a tick rule allows prices of any fineness; for it, prices are told apart to
    one decimal more than any bound or unit has, which decides whether some are lost just as well.
    """
    old, new = list(before.rows()), list(after.rows())
    split, merged = list(_divided(old, new)), list(_divided(new, old))
    wholes = {division.whole for division in (*split, *merged)}
    parts = {part for division in (*split, *merged) for part in division.parts}
    accounted = wholes | parts
    bounds_before, bounds_after = set(map(_bounds, old)), set(map(_bounds, new))
    changes = list(_unit_changes(old, new))
    return TableDiff(
        added=tuple(r for r in new if _bounds(r) not in bounds_before and r not in accounted),
        removed=tuple(r for r in old if _bounds(r) not in bounds_after and r not in accounted),
        split=tuple(split),
        merged=tuple(merged),
        finer=tuple(change for change in changes if change.unit_after < change.unit_before),
        coarser=tuple(change for change in changes if change.unit_after > change.unit_before),
        losses=tuple(_losses(PriceGrid(before), PriceGrid(after))),
    )


def _bounds(row: Row) -> tuple[Decimal, Decimal | None]:
    return row.range_min, row.next_range_min


def _divided(wholes: Sequence[Row], rows: Sequence[Row]) -> Iterator[Division]:
    """Give the bands whose bounds several consecutive rows have together."""
    starts = {row.range_min: place for place, row in enumerate(rows)}
    ends = {row.next_range_min: place for place, row in enumerate(rows)}
    for whole in wholes:
        first, last = starts.get(whole.range_min), ends.get(whole.next_range_min)
        if first is not None and last is not None and first < last:
            yield Division(whole, tuple(rows[first : last + 1]))


def _unit_changes(old: Sequence[Row], new: Sequence[Row]) -> Iterator[UnitChange]:
    """Give the ranges with a band in both tables and another unit, as long as they are one."""
    pending: UnitChange | None = None
    for low, high, was, is_now in _side_by_side(old, new):
        if was == is_now:
            continue
        change = UnitChange(low, high, was, is_now)
        if pending is not None and _goes_on(pending, change):
            pending = UnitChange(pending.range_min, high, was, is_now)
            continue
        if pending is not None:
            yield pending
        pending = change
    if pending is not None:
        yield pending


def _goes_on(one: UnitChange, other: UnitChange) -> bool:
    units, same = (one.unit_before, one.unit_after), (other.unit_before, other.unit_after)
    return one.next_range_min == other.range_min and units == same


def _side_by_side(
    old: Sequence[Row], new: Sequence[Row]
) -> Iterator[tuple[Decimal, Decimal | None, Decimal, Decimal]]:
    """Walk both tables at once: each range with a band in both, and their units."""
    here, there = 0, 0
    while here < len(old) and there < len(new):
        was, is_now = old[here], new[there]
        low = max(was.range_min, is_now.range_min)
        ends = [end for end in (was.next_range_min, is_now.next_range_min) if end is not None]
        high = min(ends, default=None)
        if high is None or low < high:
            yield low, high, was.price_unit, is_now.price_unit
        if high is None:
            return
        here += was.next_range_min == high
        there += is_now.next_range_min == high


def _losses(before: PriceGrid, after: PriceGrid) -> Iterator[Loss]:
    scale = max(before.scale, after.scale)
    has_no_rule = not before.has_rule or not after.has_rule
    scale += has_no_rule
    old, new = before.progressions(scale), after.progressions(scale)
    pending: _Lost | None = None
    for lost in _lost(old, new):
        if pending is not None and _continues(pending, lost):
            pending = _Lost(pending.first, lost.last, lost.old, lost.new)
            continue
        if pending is not None:
            yield _shown(pending, scale, before, after)
        pending = lost
    if pending is not None:
        yield _shown(pending, scale, before, after)


@dataclass(frozen=True, slots=True)
class _Lost:
    """The first and the last price lost where one progression met another, or none."""

    first: int
    last: int | None
    old: Progression
    new: Progression | None


def _continues(one: _Lost, other: _Lost) -> bool:
    """Tell whether a loss goes on in the same way in the next band of the same unit."""
    if one.last is None or one.old.unit != other.old.unit:
        return False
    if (one.new and one.new.unit) != (other.new and other.new.unit):
        return False
    return other.first - one.last <= one.old.unit


def _lost(old: Sequence[Progression], new: Sequence[Progression]) -> Iterator[_Lost]:
    """Walk both grids at once, and look at each stretch with at most one progression of each."""
    place = 0
    for was in old:
        low: int | None = was.first
        while low is not None and place < len(new):
            meets = new[place]
            if meets.last is not None and meets.last < low:
                place += 1
                continue
            if was.last is not None and meets.first > was.last:
                break
            if low < meets.first:  # no valid price any more before it begins
                yield from _stretch(was, None, low, meets.first - 1)
                low = meets.first
            high = _least(was.last, meets.last)
            yield from _stretch(was, meets, low, high)
            low = None if high is None or high == was.last else high + 1
        if low is not None and (was.last is None or low <= was.last):
            yield from _stretch(was, None, low, was.last)


def _stretch(
    was: Progression, meets: Progression | None, low: int, high: int | None
) -> Iterator[_Lost]:
    """Give what is lost of one progression between two integers, both included, if anything."""
    first = was.first - (was.first - low) // was.unit * was.unit
    last = None if high is None else was.first + (high - was.first) // was.unit * was.unit
    if last is not None and last < first:
        return
    if meets is None:
        yield _Lost(first, last, was, meets)
        return

    def is_kept(price: int) -> bool:
        return (price - meets.first) % meets.unit == 0

    # Of two neighbours at least one is lost unless the old unit is a multiple of the new one; and
    # if it is, all prices of the stretch are kept, or none.
    if is_kept(first):
        if last == first or was.unit % meets.unit == 0:
            return
        first += was.unit
    if last is not None and is_kept(last):
        last -= was.unit
    yield _Lost(first, last, was, meets)


def _least(one: int | None, other: int | None) -> int | None:
    return min((end for end in (one, other) if end is not None), default=None)


def _shown(lost: _Lost, scale: int, before: PriceGrid, after: PriceGrid) -> Loss:
    return Loss(
        first=from_units(lost.first, scale),
        last=None if lost.last is None else from_units(lost.last, scale),
        unit_before=from_units(lost.old.unit, scale) if before.has_rule else None,
        unit_after=(
            from_units(lost.new.unit, scale) if lost.new is not None and after.has_rule else None
        ),
    )
