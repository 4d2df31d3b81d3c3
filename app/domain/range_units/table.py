"""A range-unit table: the price bands of a market, each with its price unit (tick size)."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import islice, pairwise
from typing import Final, NamedTuple

from app.domain.errors import Fault
from app.domain.range_units.errors import InvalidTable
from app.domain.range_units.numbers import counted, plain

WRITTEN_AT_ONCE: Final = 5_000
"""How many bands are written as text before these are passed on."""


class Boundary(StrEnum):
    """To which of its two bands a price on a boundary belongs."""

    LOWER_INCLUSIVE = "lower_inclusive"
    """To the band above: Korean crypto exchanges, KRX."""
    UPPER_INCLUSIVE = "upper_inclusive"
    """To the band below: TSE, HKEX, the tick regime of RTS 11."""


class Anchor(StrEnum):
    """From where the multiples of a band's unit are counted."""

    ZERO = "zero"
    RANGE_MIN = "range_min"


class TopRule(StrEnum):
    """Whether the last band ends, and whether its end is itself a price."""

    OPEN = "open"
    EXCLUSIVE = "exclusive"
    INCLUSIVE = "inclusive"


# Named tuples, as tables of a hundred thousand are made of them: twice as fast to make.
class Row(NamedTuple):
    """One band as an exchange publishes it; `next_range_min` is None where it is not stated."""

    range_min: Decimal
    price_unit: Decimal
    next_range_min: Decimal | None = None


Written = tuple[Decimal, Decimal, Decimal | None]
"""What a `Row` is, too, for whom a hundred thousand of those would be too many."""


class Band(NamedTuple):
    """Prices from `range_min` up to the next band's move in steps of `price_unit` (> 0)."""

    range_min: Decimal
    price_unit: Decimal


@dataclass(frozen=True, slots=True)
class RangeUnitTable:
    """Contiguous bands in ascending order, and how they are to be read.

    `top` is None exactly when `top_rule` is open. `min_price` and `max_price`, both inclusive,
    narrow the bands further. No bands at all says that the exchange has no tick rule: then every
    positive price within the limits is valid.

    Construct one with `table_of` or `price_filter`, which check; a store may construct what was
    checked before.
    """

    bands: tuple[Band, ...]
    boundary: Boundary = Boundary.LOWER_INCLUSIVE
    anchor: Anchor = Anchor.ZERO
    top: Decimal | None = None
    top_rule: TopRule = TopRule.OPEN
    min_price: Decimal | None = None
    max_price: Decimal | None = None

    def rows(self) -> Iterator[Row]:
        """Give the bands in ascending order, each with where the next one begins."""
        ends = [*(band.range_min for band in self.bands[1:]), self.top]
        for band, end in zip(self.bands, ends, strict=False):  # without a band there is no end
            yield Row(band.range_min, band.price_unit, end)

    @property
    def allows_non_positive(self) -> bool:
        """A price is above zero unless the table itself reaches below it."""
        return bool(self.bands) and self.bands[0].range_min < 0

    @property
    def is_price_filter(self) -> bool:
        """One band from a least to a greatest price, both included: limits, not a ladder.

        This is how a PRICE_FILTER (minPrice, maxPrice, tickSize) looks when it is written as
        bands; a price outside is `below_min` or `above_max`.
        """
        return (
            len(self.bands) == 1
            and self.bands[0].range_min > 0
            and self.top_rule is TopRule.INCLUSIVE
        )

    def counted(self, *, at_least: int = 0) -> tuple[int, list[int], list[int]]:
        """Give the bands in integers: how many decimals these have, the starts, and the units.

        Those are as many as the finest of the numbers has, or more where more are wanted.
        """
        numbers = [band.range_min for band in self.bands]
        numbers += [band.price_unit for band in self.bands]
        scale, found = counted(numbers, at_least=at_least)
        return scale, found[: len(self.bands)], found[len(self.bands) :]

    def written(self) -> Iterator[tuple[list[str], list[str]]]:
        """Give the bands as `plain` writes them, some thousands at a time: starts, and units."""
        bands = iter(self.bands)
        while some := list(islice(bands, WRITTEN_AT_ONCE)):
            starts, units = zip(*some, strict=True)
            yield list(map(plain, starts)), list(map(plain, units))

    @property
    def digest(self) -> str:
        """SHA-256 of the content: equal content, equal digest, whatever its order or notation."""
        parts: list[str] = [self.boundary, self.anchor, self.top_rule]
        parts += ["" if n is None else plain(n) for n in (self.top, self.min_price, self.max_price)]
        digest = hashlib.sha256("\n".join(parts).encode())
        for starts, units in self.written():
            bands = map("/".join, zip(starts, units, strict=True))
            digest.update("\n".join(["", *bands]).encode())
        return f"sha256:{digest.hexdigest()}"


def price_filter(
    *,
    price_unit: Decimal,
    min_price: Decimal | None = None,
    max_price: Decimal | None = None,
    path: str = "",
) -> RangeUnitTable:
    """Make the table of one unit between two limits, both inclusive, counted from zero.

    A unit of 0 says that there is no tick rule, a limit of 0 or None that there is none. Raises
    `InvalidTable`, its faults at `path` followed by their names.
    """
    min_price, max_price = min_price or None, max_price or None
    named = {"price_unit": price_unit, "min_price": min_price, "max_price": max_price}
    faults = [
        Fault(f"{path}{name}", "is negative")
        for name, number in named.items()
        if number is not None and number < 0
    ]
    if min_price is not None and max_price is not None and min_price > max_price:
        message = f"is above the greatest price, {plain(max_price)}"
        faults.append(Fault(f"{path}min_price", message))
    if faults:
        raise InvalidTable("The limits do not make a table.", faults=faults)
    bands = (Band(Decimal(0), price_unit),) if price_unit else ()
    return RangeUnitTable(bands=bands, min_price=min_price, max_price=max_price)


def table_of(  # noqa: PLR0913 - the attributes of a table, all optional but the rows
    rows: Sequence[Written],
    *,
    boundary: Boundary = Boundary.LOWER_INCLUSIVE,
    anchor: Anchor = Anchor.ZERO,
    top: Decimal | None = None,
    top_rule: TopRule | None = None,
    min_price: Decimal | None = None,
    max_price: Decimal | None = None,
    path: str = "range_units",
) -> RangeUnitTable:
    """Check published rows, in any order, and make a table of them.

    The top is `top`, else where the last row says it ends; `top_rule` defaults to exclusive when
    there is one. `top_rule` open declares a published end to be a sentinel and drops it. A limit
    of 0 is none.
    Raises `InvalidTable` with one fault per thing that is wrong, at its place under `path`.
    """
    min_price, max_price = min_price or None, max_price or None
    # Faults name rows by their place in the input, so the order is one of places.
    order = sorted(range(len(rows)), key=[start for start, _, _ in rows].__getitem__)
    faults = list(_faults_of_rows(rows, order, path))
    ordered = [rows[place] for place in order]
    last, _, published_top = ordered[-1] if ordered else (None, None, None)
    if top is not None and published_top is not None and top != published_top:
        faults.append(
            Fault("top", f"is {plain(top)}, but the last band ends at {plain(published_top)}")
        )
    if top is not None and top_rule is TopRule.OPEN:
        faults.append(Fault("top", "is given although top_rule says open"))
    if top is None and top_rule is not TopRule.OPEN:
        top = published_top
    if top_rule is None:
        top_rule = TopRule.OPEN if top is None else TopRule.EXCLUSIVE
    if top is None and top_rule is not TopRule.OPEN:
        faults.append(Fault("top", f"is needed when top_rule says {top_rule}"))
    # Where the end is the last row's own, too low an end is listed among the rows' faults.
    if top is not None and last is not None and top != published_top and top <= last:
        faults.append(Fault("top", "is not above the last range_min"))
    if min_price is not None and max_price is not None and min_price > max_price:
        faults.append(Fault("min_price", "is above max_price"))
    if faults:
        raise InvalidTable("The range units do not make a table.", faults=faults)
    return RangeUnitTable(
        bands=tuple(Band(low, unit) for low, unit, _ in ordered),
        boundary=boundary,
        anchor=anchor,
        top=top,
        top_rule=top_rule,
        min_price=min_price,
        max_price=max_price,
    )


def _faults_of_rows(rows: Sequence[Written], order: Sequence[int], path: str) -> Iterator[Fault]:
    if not rows:
        yield Fault(path, "is empty")
    for place, (start, unit, end) in enumerate(rows):
        if unit <= 0:
            yield Fault(f"{path}[{place}].price_unit", "is not above zero")
        if end is not None and end <= start:
            yield Fault(f"{path}[{place}].next_range_min", "is not above range_min")
    for here, after in pairwise(order):
        (start, _, end), (following, _, _) = rows[here], rows[after]
        if start < following and (end is None or end == following):
            continue
        where = f"{path}[{after}].range_min"
        if start == following:
            yield Fault(where, f"duplicate: {plain(following)} is also that of {path}[{here}]")
        elif end is not None and start < end < following:
            yield Fault(where, f"gap: no band covers {plain(end)} to {plain(following)}")
        elif end is not None and end > following:
            yield Fault(where, f"overlap: {path}[{here}] already covers up to {plain(end)}")
