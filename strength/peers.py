"""Round the same prices on the same ladders as published libraries do: `python -m strength.peers`.

The peers are no dependencies of this project. Whichever of them the interpreter can import is
compared, and any interpreter will do: what is needed of the project here needs no other package.
Who is right where two differ, the oracle of the tests says (`tests/oracle.py`).
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from importlib import import_module
from math import inf
from typing import Any, Final

from app.domain.range_units.grid import PriceGrid, Ties
from app.domain.range_units.numbers import plain
from app.domain.range_units.table import RangeUnitTable, Row, TopRule, table_of
from tests.oracle import Oracle
from tests.unit.range_units.ladders import NAMES, ladder

UNEVEN: Final = "none publishes: 0-10 by 3, 10-20 by 4, then by 2.5"
MOST_TICKS: Final = 200_000

Answers = tuple[Decimal | None, Decimal | None]
"""What a price rounds to downwards, and the other way that the peer has."""
Peer = Callable[[Decimal], Answers]


@dataclass
class Comparison:
    """How many answers were compared on a ladder, and which differ: how, and the first of each."""

    answers: int = 0
    differing: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)


def ccxt(table: RangeUnitTable) -> Peer:
    """Round by ccxt, which is told the unit of the band that the price is in."""
    library = import_module("ccxt")
    grid = PriceGrid(table)

    def rounded(price: Decimal, mode: int) -> Decimal | None:
        band = grid.answer(price).band
        if band is None:
            return None
        unit = format(band.price_unit, "f")
        text = library.decimal_to_precision(format(price, "f"), mode, unit, library.TICK_SIZE)
        return Decimal(text)

    return lambda price: (rounded(price, library.TRUNCATE), rounded(price, library.ROUND))


def quantize(table: RangeUnitTable) -> Peer:
    """Round by Python's own decimal, in multiples of the unit of the band that the price is in."""
    grid = PriceGrid(table)

    def rounded(price: Decimal, mode: str) -> Decimal | None:
        band = grid.answer(price).band
        if band is None:
            return None
        return (price / band.price_unit).quantize(Decimal(1), mode) * band.price_unit

    return lambda price: (rounded(price, ROUND_DOWN), rounded(price, ROUND_HALF_UP))


def nautilus(table: RangeUnitTable) -> Peer:
    """Round by NautilusTrader's scheme of tiers, which lays all prices out in floats."""
    module = import_module("nautilus_trader.model.tick_scheme.implementations.tiered")
    tiers = []
    for row in table.rows():
        start = row.range_min or row.price_unit
        stop = inf if row.next_range_min is None else float(row.next_range_min)
        if row.next_range_min == table.top and table.top_rule is TopRule.INCLUSIVE:
            stop += float(row.price_unit) / 2  # a tier ends before where it stops
        tiers.append((float(start), stop, float(row.price_unit)))
    decimals = max(-int(band.price_unit.normalize().as_tuple().exponent) for band in table.bands)
    scheme = module.TieredTickScheme("ladder", tiers, max(0, decimals), MOST_TICKS)

    def found(ask: Callable[[float], Any], price: Decimal) -> Decimal | None:
        try:
            return Decimal(str(ask(float(price))))
        except (IndexError, ValueError):
            return None

    return lambda price: (
        found(scheme.next_bid_price, price),
        found(scheme.next_ask_price, price),
    )


@dataclass(frozen=True)
class Kind:
    """How a peer is made, what it is called where it is installed, and what its other way is."""

    module: str
    made: Callable[[RangeUnitTable], Peer]
    other: str
    lays_out: bool = False


PEERS: Final = {
    "decimal.quantize": Kind("decimal", quantize, "nearest"),
    "ccxt decimal_to_precision": Kind("ccxt", ccxt, "nearest"),
    "NautilusTrader TieredTickScheme": Kind(
        "nautilus_trader.model.tick_scheme", nautilus, "ceil", lays_out=True
    ),
}


def tables() -> Iterator[tuple[str, RangeUnitTable]]:
    """Give the published ladders, and one whose boundaries are no multiples."""
    for name in NAMES:
        yield name, ladder(name).table
    rows = [("0", "3"), ("10", "4"), ("20", "2.5")]
    uneven = [Row(Decimal(start), Decimal(unit)) for start, unit in rows]
    yield UNEVEN, table_of(uneven, top=Decimal(1000), top_rule=TopRule.EXCLUSIVE)


def laid_out(table: RangeUnitTable) -> RangeUnitTable | None:
    """Cut a ladder where it has too many prices to lay out; None where that is nowhere."""
    rows, top = [], None
    for row in table.rows():
        end = row.next_range_min
        if end is None or (end - row.range_min) / row.price_unit > MOST_TICKS:
            break
        rows.append(row)
        top = end
    if not rows:
        return None
    rule = table.top_rule if len(rows) == len(table.bands) else TopRule.EXCLUSIVE
    return table_of(rows, boundary=table.boundary, anchor=table.anchor, top=top, top_rule=rule)


def prices_on(table: RangeUnitTable, chance: random.Random, count: int) -> Iterator[Decimal]:
    """Give prices near the bounds and in all bands, half of them valid or a tie, or almost."""
    rows = list(table.rows())
    for _ in range(count):
        row = chance.choice(rows)
        end = row.next_range_min or row.range_min * 10 + 100 * row.price_unit
        steps = int((end - row.range_min) / row.price_unit)
        near = [0, 1, steps - 1, steps, chance.randint(0, steps), chance.randint(0, steps)]
        part = Decimal(chance.choice(["0", "0", "0.5", "0.5", "0.49", "0.01", "0.99", "-0.01"]))
        yield row.range_min + (chance.choice(near) + part) * row.price_unit


def compare(table: RangeUnitTable, kind: Kind, chance: random.Random, count: int) -> Comparison:
    """Round by both, and let the oracle judge where they differ."""
    grid, oracle, peer = PriceGrid(table), Oracle(table), kind.made(table)
    found = Comparison()
    for price in prices_on(table, chance, count):
        theirs = peer(price)
        upper = grid.nearest(price, Ties.UP) if kind.other == "nearest" else grid.ceil(price)
        ours = (grid.floor(price), upper)
        exact = Fraction(price)
        for way, our, their in zip(("floor", kind.other), ours, theirs, strict=True):
            found.answers += 1
            if our == their:
                continue
            right = {
                "floor": lambda: {oracle.floor(exact)},  # noqa: B023 - called at once
                "ceil": lambda: {oracle.ceil(exact)},  # noqa: B023 - called at once
                "nearest": lambda: oracle.nearest(exact, Ties.UP),  # noqa: B023 - called at once
            }[way]()
            who = "ours is right" if _exact(our) in right else "OURS IS WRONG"
            what = f"{way}: {_wrong_with(their, oracle)}, {who}"
            found.differing[what] += 1
            found.examples.setdefault(
                what, f"{_written(price)}: ours {_written(our)}, theirs {_written(their)}"
            )
    return found


def _wrong_with(their: Decimal | None, oracle: Oracle) -> str:
    if their is None:
        return "theirs has none"
    return "theirs is another valid price" if oracle.valid(Fraction(their)) else "theirs is invalid"


def _written(number: Decimal | None) -> str:
    return "none" if number is None else plain(number)


def _exact(number: Decimal | None) -> Fraction | None:
    return None if number is None else Fraction(number)


def main() -> None:
    """Compare, and tell; exit with 1 if we are wrong anywhere."""
    parser = argparse.ArgumentParser(prog="python -m strength.peers", description=__doc__)
    parser.add_argument("--prices", type=int, default=2_000, help="on each ladder (2000)")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    wrong, write = 0, sys.stdout.write
    for name, kind in PEERS.items():
        try:
            import_module(kind.module)
        except ImportError:
            write(f"{name}: not installed here\n")
            continue
        answers, differing = 0, 0
        for title, whole in tables():
            table = laid_out(whole) if kind.lays_out else whole
            if table is None:
                write(f"  {title}: too many prices to lay out\n")
                continue
            chance = random.Random(asked.seed)  # noqa: S311 - to be repeated, no secret
            found = compare(table, kind, chance, asked.prices)
            answers += found.answers
            differing += found.differing.total()
            for what, times in found.differing.most_common():
                write(f"  {title}: {times} times {what} ({found.examples[what]})\n")
                wrong += times * ("OURS" in what)
        write(f"{name}: {answers:,} answers, {differing:,} differ\n")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
