"""Random tables of every kind, and prices that hit their corners: for sweeps against the oracle.

Where Hypothesis makes small tables, so that what fails can be made smaller still, here all kinds of
sizes meet in one table. A seed tells each of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal
from random import Random
from typing import Final

from app.domain.range_units.table import (
    Anchor,
    Boundary,
    RangeUnitTable,
    Row,
    TopRule,
    table_of,
)

MOST_DIGITS: Final = 40  # before the point, and as many after it
_EXACT: Final = Context(prec=4 * MOST_DIGITS)
SENTINELS: Final = [Decimal(f"1E{power}") for power in (10, 12, 18, 36)]


@dataclass(frozen=True)
class Drawn:
    """A table and prices to ask about; `kind` says how its numbers were drawn."""

    kind: str
    table: RangeUnitTable
    prices: list[Decimal]


def drawn(random: Random, *, kind: str, prices: int) -> Drawn:
    """Draw a table of a kind, and so many prices."""
    rows, top = KINDS[kind](random)
    top_rule = TopRule.OPEN if top is None else random.choice(list(TopRule))
    if top is not None and top_rule is not TopRule.OPEN and random.random() < 0.1:
        top = random.choice([sentinel for sentinel in SENTINELS if sentinel > top] or [top])
    if kind == "filter":
        top_rule = TopRule.INCLUSIVE
    top = None if top_rule is TopRule.OPEN else top
    places = [*(row.range_min for row in rows), *([] if top is None else [top])]
    units = [row.price_unit for row in rows]
    limits = [_near(random, places, units) if random.random() < 0.15 else None for _ in range(2)]
    if all(limits):
        limits.sort(key=lambda limit: limit or Decimal(0))
    least, greatest = limits
    table = table_of(
        random.sample(rows, len(rows)),
        boundary=random.choice(list(Boundary)),
        anchor=random.choice([Anchor.ZERO, Anchor.ZERO, Anchor.RANGE_MIN]),
        top=top,
        top_rule=top_rule,
        min_price=least,
        max_price=greatest,
    )
    places += [limit for limit in limits if limit]
    return Drawn(kind, table, [_price(random, places, units) for _ in range(prices)])


# -- tables ----------------------------------------------------------------------------------------

Rows = tuple[list[Row], Decimal | None]
"""Rows in ascending order, and where the last one may end."""


def _small(random: Random) -> Rows:
    """Small whole numbers, so that boundaries and multiples meet, or miss each other by little."""
    power = random.choice([-40, -18, -8, -2, 0, 12, 30])
    bounds = [random.choice([0, 0, 0, random.randint(1, 20), random.randint(-20, -1)])]
    for _ in range(random.randint(1, 5)):
        bounds.append(bounds[-1] + random.randint(1, 25))
    rows = [
        Row(Decimal(f"{bound}E{power}"), Decimal(f"{random.randint(1, 9)}E{power}"))
        for bound in bounds[:-1]
    ]
    return rows, Decimal(f"{bounds[-1]}E{power}")


def _decades(random: Random) -> Rows:
    """A ladder as exchanges have them: a boundary at each decade, a unit of 1, 2 or 5 times ten."""
    power = random.randint(-18, 6)
    bounds = [Decimal(0), *(Decimal(f"1E{power + step}") for step in range(random.randint(1, 18)))]
    finer = random.randint(1, 6)
    rows = [
        Row(bound, Decimal(f"{random.choice([1, 2, 5, 25])}E{power + max(0, place - 1) - finer}"))
        for place, bound in enumerate(bounds)
    ]
    return rows, Decimal(f"1E{power + len(bounds)}")


def _mixed(random: Random) -> Rows:
    """Bands of unit 1e-18 beside bands of unit 1e9, and boundaries that are multiples of none."""
    bounds = [Decimal(0) if random.random() < 0.6 else _any(random, 9)]
    if random.random() < 0.2:
        bounds[0] = bounds[0].copy_negate()
    rows: list[Row] = []
    for _ in range(random.randint(1, 8)):
        unit = Decimal(f"{random.randint(1, 99)}E{random.choice([-18, -18, -8, 0, 3, 9, 9])}")
        rows.append(Row(bounds[-1], unit))
        far = random.choice([unit, _product(unit, random.randint(1, 50)), _any(random, 12)])
        bounds.append(_sum(bounds[-1], far))
    return rows, bounds[-1]


def _long(random: Random) -> Rows:
    """As many digits as are allowed: 36 before the point and 18 after it, or 40 and 40."""
    digits, decimals = random.choice([(36, 18), (36, 18), (39, 40)])
    numbers = {_digits(random, digits, decimals) for _ in range(random.randint(2, 5))}
    bounds = sorted([*numbers, *([Decimal(0)] if random.random() < 0.5 else [])])
    rows = [
        Row(bound, random.choice([_digits(random, 1, decimals), _digits(random, digits, decimals)]))
        for bound in bounds[:-1]
    ]
    return rows, bounds[-1]


def _filter(random: Random) -> Rows:
    """One unit between two prices: what a filter of prices is as a table."""
    unit = Decimal(f"{random.choice([1, 1, 5, 25])}E{random.randint(-12, 3)}")
    start = _product(unit, random.randint(1, 1_000))
    if random.random() < 0.3:
        start = _sum(start, _product(unit, Decimal("0.3")))
    return [Row(start, unit)], _sum(start, _product(unit, random.randint(1, 10**9)))


def _many(random: Random) -> Rows:
    """A hundred bands, one as good as the other."""
    bounds = [0]
    for _ in range(random.randint(60, 120)):
        bounds.append(bounds[-1] + random.randint(1, 1000))
    return [Row(Decimal(bound), Decimal(random.randint(1, 40))) for bound in bounds[:-1]], Decimal(
        bounds[-1]
    )


KINDS: Final[dict[str, Callable[[Random], Rows]]] = {
    "small": _small,
    "decades": _decades,
    "mixed": _mixed,
    "long": _long,
    "filter": _filter,
    "many": _many,
}


# -- prices ----------------------------------------------------------------------------------------


def _price(random: Random, places: list[Decimal], units: list[Decimal]) -> Decimal:
    draw = random.random()
    if draw < 0.45:
        return _near(random, places, units)
    if draw < 0.85:
        return _on_grid(random, places, units)
    if draw < 0.92:
        return _between(random, random.choice(places), random.choice([*places, Decimal(0)]))
    if draw < 0.97:
        return _any(random, 30)
    return random.choice([Decimal(0), Decimal(-1), Decimal("1E-40"), Decimal("9" * 40)])


def _between(random: Random, low: Decimal, high: Decimal) -> Decimal:
    part = Decimal(random.randint(0, 10**6)).scaleb(-6)
    return _bounded(_sum(low, _product(_sum(high, low.copy_negate()), part)))


def _on_grid(random: Random, places: list[Decimal], units: list[Decimal]) -> Decimal:
    """Give a multiple of a unit in its own band, counted from zero or its start, or a tie."""
    band = random.randrange(len(units))
    start, end = places[band], places[min(band + 1, len(places) - 1)]
    origin = random.choice([Decimal(0), Decimal(0), start])
    inside = _sum(_between(random, start, end), origin.copy_negate())
    multiple = _EXACT.divide_int(inside, units[band])
    part = Decimal(random.choice([0, 0, 0, 5])).scaleb(-1)
    return _bounded(_sum(origin, _product(_sum(multiple, part), units[band])))


def _near(random: Random, places: list[Decimal], units: list[Decimal]) -> Decimal:
    """Give what lies a few units, halves or tenths of one, from a bound."""
    place = random.randrange(len(places))
    unit = random.choice([units[min(place, len(units) - 1)], random.choice(units)])
    steps = random.choice([0, 0, 1, -1, random.randint(-30, 30), random.randint(-(10**9), 10**9)])
    part = Decimal(random.choice([0, 0, 0, 5, 5, 1, 9])).scaleb(-1)
    return _bounded(_sum(places[place], _product(unit, _sum(Decimal(steps), part))))


def _any(random: Random, power: int) -> Decimal:
    """Give a number of any size up to a power of ten."""
    digits = random.randint(1, 10 ** random.randint(1, 18))
    return _bounded(Decimal(digits).scaleb(random.randint(-18, power - 18), _EXACT))


def _digits(random: Random, digits: int, decimals: int) -> Decimal:
    whole = random.randint(10 ** (digits - 1), 10**digits - 1)
    return Decimal(f"{whole}.{random.randint(1, 10**decimals - 1):0{decimals}}")


def _bounded(number: Decimal) -> Decimal:
    """Cut off what no question may have: digits beyond the fortieth on either side."""
    number = number.quantize(Decimal(f"1E-{MOST_DIGITS}"), context=_EXACT)
    most = Decimal("9" * MOST_DIGITS)
    return max(most.copy_negate(), min(most, number))


def _sum(one: Decimal, other: Decimal) -> Decimal:
    return _EXACT.add(one, other)


def _product(one: Decimal, other: Decimal | int) -> Decimal:
    return _EXACT.multiply(one, Decimal(other))
