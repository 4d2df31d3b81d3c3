"""A range-unit table: the price bands of a market, each with its price unit (tick size)."""

import hashlib
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from itertools import accumulate, chain, islice, pairwise
from operator import eq, lt
from typing import Final, NamedTuple, overload

from app.domain.errors import Fault
from app.domain.range_units.errors import InvalidTable
from app.domain.range_units.numbers import Number, counted, plain

WRITTEN_AT_ONCE: Final = 5_000
"""How many bands are written as text before these are passed on."""
_UNITS_KNOWN: Final = 1_000


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

Columns = tuple[Sequence[Number], Sequence[Number], Sequence[Number]]
"""What some rows say that follow each other, at least one: the starts, the units, the ends."""


class Band(NamedTuple):
    """Prices from `range_min` up to the next band's move in steps of `price_unit` (> 0)."""

    range_min: Decimal
    price_unit: Decimal


class WrittenPart:
    """Bands that follow each other, at least one, as text: starts, and units.

    Two numbers take some 300 bytes. Their digits take ten to twenty, a third of that in compressed
    text, and what is compressed this little costs less than its numbers do to write.
    """

    __slots__ = ("_starts", "_units", "size")

    def __init__(self, starts: Sequence[Number], units: Sequence[Number]) -> None:
        self.size = len(starts)
        self._starts, self._units = _compressed(starts), _compressed(units)

    def texts(self) -> tuple[list[str], list[str]]:
        """Give the numbers as `plain` writes them."""
        starts, units = map(zlib.decompress, (self._starts, self._units))
        return starts.decode().split(" "), units.decode().split(" ")


def _compressed(numbers: Sequence[Number]) -> bytes:
    is_whole = set(map(type, numbers)) == {int}
    text = " ".join(map(str if is_whole else plain, numbers))
    return zlib.compress(text.encode(), zlib.Z_BEST_SPEED)


class WrittenBands(Sequence[Band]):
    """Very many bands, kept as text; they are numbers only while they are looked at."""

    __slots__ = ("_firsts", "_parts")

    def __init__(self, parts: Iterable[WrittenPart]) -> None:
        self._parts = tuple(parts)
        self._firsts = tuple(accumulate((part.size for part in self._parts), initial=0))

    def written(self) -> Iterator[tuple[list[str], list[str]]]:
        """Give the texts of each part."""
        return (part.texts() for part in self._parts)

    def __len__(self) -> int:
        return self._firsts[-1]

    def __iter__(self) -> Iterator[Band]:
        unit_of = lru_cache(maxsize=_UNITS_KNOWN)(Decimal)  # which many bands have in common
        for starts, units in self.written():
            yield from map(Band, map(Decimal, starts), map(unit_of, units))

    @overload
    def __getitem__(self, place: int) -> Band: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Band, ...]: ...
    def __getitem__(self, place: int | slice) -> Band | tuple[Band, ...]:
        if isinstance(place, slice):
            return tuple(self)[place]
        place = range(len(self))[place]
        number = bisect_right(self._firsts, place) - 1
        start, unit = (texts[place - self._firsts[number]] for texts in self._parts[number].texts())
        return Band(Decimal(start), Decimal(unit))

    def __eq__(self, other: object) -> bool:
        """Equal to any bands that are the same numbers, however they are kept."""
        if not isinstance(other, WrittenBands | tuple):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))

    def __hash__(self) -> int:
        return hash(tuple(self))


@dataclass(frozen=True, slots=True)
class RangeUnitTable:
    """Contiguous bands in ascending order, and how they are to be read.

    `top` is None exactly when `top_rule` is open. `min_price` and `max_price`, both inclusive,
    narrow the bands further. No bands at all says that the exchange has no tick rule: then every
    positive price within the limits is valid.

    Construct one with `table_of` or `price_filter`, which check; a store may construct what was
    checked before.
    """

    bands: Sequence[Band]
    boundary: Boundary = Boundary.LOWER_INCLUSIVE
    anchor: Anchor = Anchor.ZERO
    top: Decimal | None = None
    top_rule: TopRule = TopRule.OPEN
    min_price: Decimal | None = None
    max_price: Decimal | None = None

    def rows(self) -> Iterator[Row]:
        """Give the bands in ascending order, each with where the next one begins."""
        ends = chain((band.range_min for band in islice(self.bands, 1, None)), [self.top])
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
        if isinstance(self.bands, WrittenBands):
            yield from self.bands.written()
            return
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


def table_in_order(parts: Iterable[Columns]) -> RangeUnitTable | None:
    """Make the table that `table_of` makes of the same rows, with but one part at hand at a time.

    None where these are not in order, each with an end where the next one begins, or anything is
    wrong with them, as `table_of` tells; or where there are none.
    """
    written: list[WrittenPart] = []
    top: Number | None = None
    for starts, units, ends in parts:
        is_joined = top is None or starts[0] == top
        if not is_joined or not all(map(eq, starts[1:], ends)):
            return None
        if min(units) <= 0 or not all(map(lt, starts, ends)):
            return None
        written.append(WrittenPart(starts, units))
        top = ends[-1]
    if top is None:
        return None
    return RangeUnitTable(WrittenBands(written), top=Decimal(top), top_rule=TopRule.EXCLUSIVE)


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
