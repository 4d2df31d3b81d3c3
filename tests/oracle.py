"""What the rules of range units say of a price, worked out the slow and obvious way.

Every band is asked on its own for its price nearest to the one in question, in fractions, and the
best of these candidates wins. Steps are taken one price at a time, and ticks are counted by
walking; where that is too far to walk, each band is asked how many multiples of its unit it has.
Nothing here comes from the code under test but the attributes of a table and the words.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, gcd, lcm

from app.domain.range_units.grid import Reason, Ties
from app.domain.range_units.table import Anchor, Boundary, RangeUnitTable, TopRule

FAR = Fraction(10) ** 99  # farther out than any number that can be asked about


@dataclass(frozen=True)
class Stretch:
    """The prices that belong to one band: its two ends, each in or out, and its grid."""

    start: Fraction
    start_is_in: bool
    end: Fraction | None
    end_is_in: bool
    unit: Fraction
    origin: Fraction

    def begins_above(self, price: Fraction) -> bool:
        return price < self.start or (price == self.start and not self.start_is_in)

    def ends_below(self, price: Fraction) -> bool:
        end = self.end
        return end is not None and (price > end or (price == end and not self.end_is_in))

    def holds(self, price: Fraction) -> bool:
        return not self.begins_above(price) and not self.ends_below(price)

    def multiple(self, price: Fraction) -> Fraction:
        return (price - self.origin) / self.unit

    def price(self, multiple: int) -> Fraction:
        return self.origin + multiple * self.unit


class Oracle:
    """The answers that the rules give for one table with at least one band."""

    def __init__(self, table: RangeUnitTable) -> None:
        lower_inclusive = table.boundary is Boundary.LOWER_INCLUSIVE
        starts = [Fraction(band.range_min) for band in table.bands]
        ends = [*starts[1:], None if table.top is None else Fraction(table.top)]
        last = len(starts) - 1
        self.stretches = [
            Stretch(
                start=starts[place],
                start_is_in=lower_inclusive or place == 0,
                end=ends[place],
                end_is_in=(
                    table.top_rule is TopRule.INCLUSIVE if place == last else not lower_inclusive
                ),
                unit=Fraction(band.price_unit),
                origin=Fraction(0) if table.anchor is Anchor.ZERO else starts[place],
            )
            for place, band in enumerate(table.bands)
        ]
        self.only_positive = starts[0] >= 0
        self.is_filter = last == 0 and starts[0] > 0 and table.top_rule is TopRule.INCLUSIVE
        self.least = None if table.min_price is None else Fraction(table.min_price)
        self.greatest = None if table.max_price is None else Fraction(table.max_price)
        # Valid prices are multiples of the greatest common divisor: no two of them are closer.
        numbers = [*starts, *(stretch.unit for stretch in self.stretches)]
        self.grain = Fraction(
            gcd(*(number.numerator for number in numbers)),
            lcm(*(number.denominator for number in numbers)),
        )

    def allows(self, price: Fraction) -> bool:
        """Whether neither the sign nor a limit speaks against a price."""
        return (
            (price > 0 or not self.only_positive)
            and (self.least is None or price >= self.least)
            and (self.greatest is None or price <= self.greatest)
        )

    def stretch_of(self, price: Fraction) -> Stretch | None:
        return next((stretch for stretch in self.stretches if stretch.holds(price)), None)

    def valid(self, price: Fraction) -> bool:
        return not self.reasons(price)

    def reasons(self, price: Fraction) -> set[Reason]:
        """Everything that speaks against a price; nothing where it is valid."""
        stretch = self.stretch_of(price)
        too_low = Reason.BELOW_MIN if self.is_filter else Reason.BELOW_FIRST_BAND
        too_high = Reason.ABOVE_MAX if self.is_filter else Reason.ABOVE_LAST_BAND
        against = {
            Reason.NOT_POSITIVE: price <= 0 and self.only_positive,
            Reason.OFF_TICK: stretch is not None and stretch.multiple(price).denominator != 1,
            Reason.BELOW_MIN: self.least is not None and price < self.least,
            Reason.ABOVE_MAX: self.greatest is not None and price > self.greatest,
        }
        against[too_low] = against.get(too_low, False) or self.stretches[0].begins_above(price)
        against[too_high] = against.get(too_high, False) or self.stretches[-1].ends_below(price)
        return {reason for reason, holds in against.items() if holds}

    def floor(self, price: Fraction) -> Fraction | None:
        """Find the greatest of what each band has at or below the price."""
        found = []
        for stretch in self.stretches:
            candidate = stretch.price(self.last_multiple(stretch, price))
            if stretch.holds(candidate) and self.allows(candidate):
                found.append(candidate)
        return max(found, default=None)

    def last_multiple(self, stretch: Stretch, price: Fraction) -> int:
        """Give the last multiple at or below a price before a band, or the prices, end."""
        bounds = [bound for bound in (price, stretch.end, self.greatest) if bound is not None]
        multiple = floor(stretch.multiple(min(bounds)))
        return multiple - 1 if stretch.ends_below(stretch.price(multiple)) else multiple

    def ceil(self, price: Fraction) -> Fraction | None:
        """Find the least of what each band has at or above the price."""
        found = []
        for stretch in self.stretches:
            candidate = stretch.price(self.first_multiple(stretch, price))
            if stretch.holds(candidate) and self.allows(candidate):
                found.append(candidate)
        return min(found, default=None)

    def first_multiple(self, stretch: Stretch, price: Fraction) -> int:
        """Give the first multiple at or above a price once a band, and the prices, begin."""
        zero = Fraction(0) if self.only_positive else None
        low = [bound for bound in (price, stretch.start, self.least, zero) if bound is not None]
        multiple = ceil(stretch.multiple(max(low)))
        candidate = stretch.price(multiple)
        is_before = stretch.begins_above(candidate) or candidate == zero
        return multiple + 1 if is_before else multiple

    def nearest(self, price: Fraction, ties: Ties) -> set[Fraction | None]:
        """Find what may be called nearest: two prices in a tie that no rule settles, else one."""
        low, high = self.floor(price), self.ceil(price)
        if low is None or high is None or low == high:
            return {high if low is None else low}
        if price - low != high - price:
            return {low if price - low < high - price else high}
        stretch = self.stretch_of(price)
        assert stretch is not None, "between two valid prices of contiguous bands there is a band"
        if ties is Ties.EVEN:
            return {side for side in (low, high) if stretch.multiple(side) % 2 == 0} or {low, high}
        return {low if ties is Ties.DOWN else high}

    def below(self, price: Fraction) -> Fraction | None:
        low = self.floor(price)
        return self.floor(price - self.grain / 2) if low == price else low

    def above(self, price: Fraction) -> Fraction | None:
        high = self.ceil(price)
        return self.ceil(price + self.grain / 2) if high == price else high

    def step(self, price: Fraction, ticks: int) -> Fraction | None:
        """Walk from a valid price, one price at a time."""
        at: Fraction | None = price
        for _ in range(abs(ticks)):
            if at is not None:
                at = self.above(at) if ticks > 0 else self.below(at)
        return at

    def up_to(self, price: Fraction) -> int:
        """Count all valid prices at or below a price, band by band."""
        return sum(
            max(
                0,
                self.last_multiple(stretch, price)
                - self.first_multiple(stretch, stretch.start)
                + 1,
            )
            for stretch in self.stretches
        )

    def ticks(self, start: Fraction, end: Fraction) -> int:
        """Count the valid prices above one price, and not above the other, however far apart."""
        return self.up_to(end) - self.up_to(start)

    @property
    def end(self) -> Fraction | None:
        """From where on there is certainly no valid price; None where they never end."""
        ends = [bound for bound in (self.stretches[-1].end, self.greatest) if bound is not None]
        return min(ends, default=None)

    def beyond(self, *, upwards: bool) -> set[Reason]:
        """Give what speaks against all prices above, or below, the last one that is valid."""
        if upwards or not self.only_positive:
            return self.reasons(FAR if upwards else -FAR)
        return (self.reasons(Fraction(0)) | self.reasons(1 / FAR)) - {Reason.OFF_TICK}
