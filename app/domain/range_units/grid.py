"""Exact answers about prices, over a whole range-unit table.

Every number of a table is an integer multiple of 10^-scale, where `scale` is the largest number
of decimals in it. In those units each band's valid prices are an arithmetic progression of
integers, the progressions are disjoint and ascending, and every question is a bisection plus a
division. A price finer than the scale lies strictly between two neighbouring integers, which is
all that has to be known of it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import partial

from app.domain.range_units.errors import PriceOffGrid
from app.domain.range_units.numbers import decimals, from_units, lies, plain, to_units
from app.domain.range_units.progressions import Progression, laid_out
from app.domain.range_units.table import Anchor, Boundary, RangeUnitTable, Row, TopRule


class Reason(StrEnum):
    """Why a price is refused, or cannot be rounded."""

    OFF_TICK = "off_tick"
    NOT_POSITIVE = "not_positive"
    BELOW_FIRST_BAND = "below_first_band"
    ABOVE_LAST_BAND = "above_last_band"
    BELOW_MIN = "below_min"
    ABOVE_MAX = "above_max"
    NO_TICK_RULE = "no_tick_rule"


class Direction(StrEnum):
    """Where to round to."""

    DOWN = "down"
    UP = "up"
    NEAREST = "nearest"


class Ties(StrEnum):
    """Which neighbour is nearest to a price exactly half-way."""

    UP = "up"
    DOWN = "down"
    EVEN = "even"
    """The one that is an even multiple of the unit of the band that contains the price.

    The lower one if both are, the upper one if neither is, as can be at a boundary.
    """


@dataclass(frozen=True, slots=True)
class PriceAnswer:
    """All that a table says of one price. None: there is no such price, or no such band."""

    price: Decimal
    reason: Reason | None
    floor: Decimal | None
    ceil: Decimal | None
    next_down: Decimal | None
    next_up: Decimal | None
    band: Row | None

    @property
    def valid(self) -> bool:
        """Valid where floor and ceil meet in the price itself."""
        return self.floor is not None and self.floor == self.ceil


Around = tuple[int | None, int | None, int | None, int | None]
"""The floor, the ceiling, and the next valid prices down and up, in units of 10^-scale."""


class PriceGrid:
    """The valid prices of one table. Immutable, and safe to keep for as long as the table is."""

    def __init__(self, table: RangeUnitTable) -> None:
        self._table = table
        self._rows = tuple(table.rows())
        bounds = (table.top, table.min_price, table.max_price)
        finest = max((decimals(bound) for bound in bounds if bound is not None), default=0)
        self._scale, self._starts, self._ticks = table.counted(at_least=finest)
        self._top, self._least, self._greatest = (
            None if bound is None else self._units(bound) for bound in bounds
        )
        # Strictly between these two there is nothing but the grid that may speak against a price.
        self._inside_from = max(0, *self._starts[:1], self._least or 0)
        ends = (end for end in (self._top, self._greatest) if end is not None)
        self._inside_to = min(ends, default=None) if self._starts else 0
        self._progressions = laid_out(
            table,
            starts=self._starts,
            units=self._ticks,
            top=self._top,
            least=self._least,
            greatest=self._greatest,
        )
        self._firsts = [progression.first for progression in self._progressions]
        self._befores = [progression.before for progression in self._progressions]

    # -- questions -------------------------------------------------------------------------

    def is_valid(self, price: Decimal) -> bool:
        """Whether an order may carry this price."""
        return self.answer(price).valid

    def floor(self, price: Decimal) -> Decimal | None:
        """Give the greatest valid price at or below `price`."""
        if not self._rows:
            return self._unruled(price, upwards=False)
        return self._number(self.floor_at(*lies(price, self._scale)))

    def ceil(self, price: Decimal) -> Decimal | None:
        """Give the least valid price at or above `price`."""
        if not self._rows:
            return self._unruled(price, upwards=True)
        return self._number(self.ceil_at(*lies(price, self._scale)))

    def nearest(self, price: Decimal, ties: Ties) -> Decimal | None:
        """Give the valid price closest to `price`; where one side has none, the other side's."""
        if not self._rows:
            low = self.floor(price)
            return self.ceil(price) if low is None else low
        return self._number(self.nearest_at(*lies(price, self._scale), ties))

    def answer(self, price: Decimal) -> PriceAnswer:
        """Say whether a price is valid, why not, and what the valid prices around it are."""
        at, rest = lies(price, self._scale)
        if not self._rows:
            floor, ceil = self.floor(price), self.ceil(price)
            return PriceAnswer(price, self.reason_at(at, rest), floor, ceil, None, None, None)
        reason, around, band = self.facts_at(at, rest)
        floor, ceil, next_down, next_up = map(self._number, around)
        return PriceAnswer(price, reason, floor, ceil, next_down, next_up, band)

    def step(self, price: Decimal, ticks: int) -> Decimal | None:
        """Give the valid price `ticks` places above `price` (below, if negative).

        None where the table ends before. Raises `PriceOffGrid` when `price` is not valid.
        """
        return self._number(self._at_rank(self._rank(price) + ticks))

    def ticks(self, start: Decimal, end: Decimal) -> int:
        """Count the valid prices v with start < v <= end; negative when start > end.

        Raises `PriceOffGrid` when either is not valid.
        """
        return self._rank(end) - self._rank(start)

    def ladder(self, price: Decimal, levels: int) -> tuple[list[Decimal], list[Decimal]]:
        """Give up to `levels` valid prices below `price`, and as many above, nearest first."""
        answer = self.answer(price)
        return self._walk(answer.next_down, -1, levels), self._walk(answer.next_up, 1, levels)

    # -- the grid itself, to be compared with another --------------------------------------

    @property
    def scale(self) -> int:
        """The largest number of decimals in the table."""
        return self._scale

    @property
    def has_rule(self) -> bool:
        """Whether there are bands at all; without, every positive price inside the limits goes."""
        return bool(self._rows)

    def progressions(self, scale: int) -> list[Progression]:
        """Give the valid prices in units of 10^-scale, of a scale at least as fine as its own.

        Without a tick rule, those that have no more decimals than that.
        """
        finer = 10 ** (scale - self._scale)
        if self._rows:
            return [
                Progression(
                    each.first * finer,
                    None if each.last is None else each.last * finer,
                    each.unit * finer,
                    each.before,
                )
                for each in self._progressions
            ]
        low, high = self._table.min_price, self._table.max_price
        first = 1 if low is None else max(1, to_units(low, scale)[0])
        last = None if high is None else to_units(high, scale)[0]
        return [] if last is not None and last < first else [Progression(first, last, 1, 0)]

    # -- the grid, in units of 10^-scale ---------------------------------------------------

    def floor_at(self, at: int, _rest: int) -> int | None:
        """Give the greatest valid price at or below a place, which is as `lies` tells it."""
        number = bisect_right(self._firsts, at) - 1
        if number < 0:
            return None
        found = self._progressions[number]
        if found.last is not None and found.last < at:
            return found.last
        return at - (at - found.first) % found.unit

    def ceil_at(self, at: int, rest: int) -> int | None:
        """Give the least valid price at or above a place."""
        if rest:
            at += 1
        number = bisect_right(self._firsts, at) - 1
        if number >= 0:
            found = self._progressions[number]
            if found.last is None or at <= found.last:
                return at + (found.first - at) % found.unit
        return self._firsts[number + 1] if number + 1 < len(self._firsts) else None

    def around(self, at: int, rest: int) -> tuple[int | None, int | None]:
        """Give the valid prices at or below, and at or above a place."""
        number = bisect_right(self._firsts, at) - 1
        if number >= 0:
            found = self._progressions[number]
            if found.last is None or at < found.last:
                past = (at - found.first) % found.unit
                low = at - past
                return low, low + found.unit if past or rest else low
        return self.floor_at(at, rest), self.ceil_at(at, rest)

    def nearest_at(self, at: int, rest: int, ties: Ties) -> int | None:
        """Give the valid price closest to a place."""
        low, high = self.around(at, rest)
        if low is None or high is None or low == high:
            return high if low is None else low
        beyond_the_middle = rest - 2 * (low + high - 2 * at)  # `rest` is in quarters, as it were
        if beyond_the_middle:
            return high if beyond_the_middle > 0 else low
        if ties is Ties.EVEN:
            return low if self._is_even_multiple(low, at, rest) else high
        return low if ties is Ties.DOWN else high

    def facts_at(self, at: int, rest: int) -> tuple[Reason | None, Around, Row | None]:
        """Say all of a place that a `PriceAnswer` says, of a table that has bands."""
        low, high = self.around(at, rest)
        down, up, reason = low, high, None
        if low is not None and low == high:
            down, up = self.floor_at(at - 1, 0), self.ceil_at(at + 1, 0)
        else:
            reason = self.reason_at(at, rest)
        place = self.band_at(at, rest)
        return reason, (low, high, down, up), None if place is None else self._rows[place]

    def rounded_at(
        self, places: Iterable[tuple[int, int]], direction: Direction, ties: Ties
    ) -> Iterator[int | None]:
        """Give what `floor_at`, `ceil_at` or `nearest_at` gives of each place.

        Nearly all are within a band. There it goes up from so many quarters of the unit on.
        """
        elsewhere: Callable[[int, int], int | None]
        if direction is Direction.NEAREST:
            elsewhere, quarters, more = partial(self.nearest_at, ties=ties), 2, ties is Ties.DOWN
        elif direction is Direction.UP:
            elsewhere, quarters, more = self.ceil_at, 0, True
        else:
            elsewhere, quarters, more = self.floor_at, 4, False
        seeks_even = direction is Direction.NEAREST and ties is Ties.EVEN
        firsts, progressions = self._firsts, self._progressions
        for at, rest in places:
            number = bisect_right(firsts, at) - 1
            if number >= 0:
                first, last, unit, _ = progressions[number]
                past = (at - first) % unit
                beyond = 4 * past + rest
                is_tie = seeks_even and beyond == 2 * unit
                if (last is None or at < last) and not is_tie:
                    yield at - past + unit if beyond >= quarters * unit + more else at - past
                    continue
            yield elsewhere(at, rest)

    def _rank(self, price: Decimal) -> int:
        """Count the valid prices below a valid price."""
        if not self._rows or not self.is_valid(price):
            reason = self.reason_at(*lies(price, self._scale))
            is_ruled = reason is not Reason.NO_TICK_RULE
            wrong = "is not a valid price" if is_ruled else "has no ticks to count"
            raise PriceOffGrid(f"{plain(price)} {wrong} here ({reason}).", price=price)
        at = self._units(price)
        found = self._progressions[bisect_right(self._firsts, at) - 1]
        return found.before + (at - found.first) // found.unit

    def _at_rank(self, rank: int) -> int | None:
        place = bisect_right(self._befores, rank) - 1
        if place < 0:
            return None
        found = self._progressions[place]
        at = found.first + (rank - found.before) * found.unit
        return at if found.last is None or at <= found.last else None

    def _walk(self, start: Decimal | None, step: int, levels: int) -> list[Decimal]:
        if start is None:
            return []
        rank = self._rank(start)
        places = (self._at_rank(rank + step * level) for level in range(levels))
        return [from_units(at, self._scale) for at in places if at is not None]

    # -- words about a price ---------------------------------------------------------------

    def band_at(self, at: int, rest: int) -> int | None:
        """Give the position of the band that a place is in, as boundary rule and top say."""
        if self._table.boundary is Boundary.LOWER_INCLUSIVE or rest:
            place = bisect_right(self._starts, at) - 1
        else:
            place = bisect_left(self._starts, at) - 1
            if self._starts and at == self._starts[0]:
                place = 0  # it has no band below it to belong to
        if place < 0 or self._is_above_top(at, rest) or self._is_not_positive(at, rest):
            return None
        return place

    def _is_above_top(self, at: int, rest: int) -> bool:
        if self._top is None or at < self._top:
            return False
        return at > self._top or rest > 0 or self._table.top_rule is TopRule.EXCLUSIVE

    def _is_not_positive(self, at: int, rest: int) -> bool:
        return (at < 0 or (at == 0 and not rest)) and not self._table.allows_non_positive

    def reason_at(self, at: int, rest: int) -> Reason:  # noqa: PLR0911 - a table of cases
        """Say why there is no valid price at a place."""
        if self._inside_from < at and (self._inside_to is None or at < self._inside_to):
            return Reason.OFF_TICK
        if self._is_not_positive(at, rest):
            return Reason.NOT_POSITIVE
        if self._least is not None and at < self._least:
            return Reason.BELOW_MIN
        if self._greatest is not None and (at > self._greatest or (at == self._greatest and rest)):
            return Reason.ABOVE_MAX
        if not self._starts:
            return Reason.NO_TICK_RULE
        if at < self._starts[0]:
            return Reason.BELOW_MIN if self._table.is_price_filter else Reason.BELOW_FIRST_BAND
        if self._is_above_top(at, rest):
            return Reason.ABOVE_MAX if self._table.is_price_filter else Reason.ABOVE_LAST_BAND
        return Reason.OFF_TICK

    def beyond(self, *, upwards: bool) -> Reason:
        """Say why there is no valid price above all of them, or below."""
        # Farther out, or closer to zero, than any number that can be read.
        far = 10 ** (99 + self._scale)
        low = (-far, 0) if self._table.allows_non_positive else (0, 1)
        reason = self.reason_at(*((far, 0) if upwards else low))
        return Reason.NOT_POSITIVE if reason is Reason.OFF_TICK else reason

    def _is_even_multiple(self, found: int, at: int, rest: int) -> bool:
        place = self.band_at(at, rest)
        if place is None:
            return False
        anchor = self._starts[place] if self._table.anchor is Anchor.RANGE_MIN else 0
        return (found - anchor) % (2 * self._ticks[place]) == 0

    def _unruled(self, price: Decimal, *, upwards: bool) -> Decimal | None:
        """Without a tick rule every positive price inside the limits is valid."""
        low, high = self._table.min_price, self._table.max_price
        if upwards and low is not None:
            price = max(price, low)
        if not upwards and high is not None:
            price = min(price, high)
        too_low, too_high = low is not None and price < low, high is not None and price > high
        return None if too_low or too_high or price <= 0 else price

    # -- in and out ------------------------------------------------------------------------

    def _units(self, number: Decimal) -> int:
        return to_units(number, self._scale)[0]

    def _number(self, at: int | None) -> Decimal | None:
        return None if at is None else from_units(at, self._scale)
