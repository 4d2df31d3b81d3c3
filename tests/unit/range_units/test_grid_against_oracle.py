"""Random prices on random tables: the grid must answer what the oracle works out band by band."""

from decimal import Context, Decimal, localcontext
from fractions import Fraction
from itertools import pairwise, product, starmap
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.domain.range_units.errors import PriceOffGrid
from app.domain.range_units.grid import Direction, PriceGrid, Ties
from app.domain.range_units.numbers import plain
from app.domain.range_units.table import (
    Anchor,
    Boundary,
    RangeUnitTable,
    Row,
    TopRule,
    table_of,
)
from app.domain.range_units.written import Rounded, checked, rounded
from tests.oracle import Oracle
from tests.random_tables import KINDS, drawn
from tests.unit.range_units.ladders import NAMES, ladder


class Case(NamedTuple):
    """A table, a price to ask about, and another one of the same kind."""

    table: RangeUnitTable
    price: Decimal
    other: Decimal


class Place(NamedTuple):
    """A price as so many steps from a bound of the table, and so many tenths of a step.

    A step is 1, or the unit of the band that begins there: half of that leads to a tie.
    """

    steps: int
    where: tuple[int, int, bool]

    def among(self, bounds: list[int], units: list[int], power: int) -> Decimal:
        place, tenths, by_unit = self.where
        place %= len(bounds)
        step = units[place % len(units)] if by_unit else 1
        return Decimal(f"{10 * bounds[place] + (10 * self.steps + tenths) * step}E{power - 1}")


class Rules(NamedTuple):
    """What holds for a whole table, whose numbers are small whole ones times 10^power."""

    power: int
    boundary: Boundary
    anchor: Anchor
    top_rule: TopRule


# Drawn from lists, the likelier the oftener they are listed: one choice of Hypothesis takes longer
# than all that the grid does. Of more than 127 it prefers the first ones, so no list is longer.
STEPS = st.sampled_from([*[0] * 16, *[1, -1] * 8, *range(-15, 16), 10**35, 10**36 - 1])
WHERE = st.sampled_from(list(product(range(6), [0, 0, 0, 0, 5, 1, 9], [False, True])))
PLACES = st.builds(Place, STEPS, WHERE)
LIMITS = st.tuples(st.none() | PLACES, st.none() | PLACES)
WIDTHS = [*range(1, 11), 13, 17, 20, 25]
BANDS = st.lists(st.sampled_from(list(product(WIDTHS, range(1, 10)))), min_size=1, max_size=4)
LOWEST = st.sampled_from([*[0] * 20, *range(1, 21), *range(-20, 0)])
RULES = st.sampled_from(
    [Rules(*each) for each in product([0, -2, -18, 12], Boundary, Anchor, TopRule)]
)


def case(
    lowest: int,
    bands: list[tuple[int, int]],
    rules: Rules,
    limits: tuple[Place | None, Place | None],
    prices: tuple[Place, Place],
) -> Case:
    """Make a table of numbers so small that every corner is met often."""
    power, units = rules.power, [unit for _, unit in bands]
    bounds = [lowest]
    for width, _ in bands:
        bounds.append(bounds[-1] + width)
    least, greatest = (place and place.among(bounds, units, power) for place in limits)
    if least is not None and greatest is not None:
        least, greatest = sorted([least, greatest])
    table = table_of(
        [
            Row(Decimal(f"{bound}E{power}"), Decimal(f"{unit}E{power}"))
            for bound, unit in zip(bounds, units, strict=False)
        ],
        boundary=rules.boundary,
        anchor=rules.anchor,
        top=None if rules.top_rule is TopRule.OPEN else Decimal(f"{bounds[-1]}E{power}"),
        top_rule=rules.top_rule,
        min_price=least,
        max_price=greatest,
    )
    return Case(table, *(place.among([*bounds, 0], units, power) for place in prices))


SMALL = st.builds(case, LOWEST, BANDS, RULES, LIMITS, st.tuples(PLACES, PLACES))


def wide_case(kind: str, seed: int) -> Case:
    """Make a table where all sizes of numbers meet."""
    table = drawn(Random(seed), kind=kind, prices=2)  # noqa: S311 - to be repeated, no secret
    return Case(table.table, *table.prices)


TINY = Fraction(1, 10**60)
"""Finer than any number of a table."""

CASES = SMALL | st.builds(wide_case, st.sampled_from(list(KINDS)), st.integers(0, 2**32))


def exact(number: Decimal | None) -> Fraction | None:
    return None if number is None else Fraction(number)


def text(number: Decimal | None) -> str | None:
    return None if number is None else plain(number)


def decimal(number: Fraction) -> Decimal:
    """Write a price of these tables as a decimal; none of them has more than 60 decimals."""
    found = Decimal(f"{int(number * 10**60)}E-60")
    assert Fraction(found) == number
    return found


def some_valid_price(case: Case) -> Decimal:
    grid = PriceGrid(case.table)
    low, high = grid.floor(case.price), grid.ceil(case.price)
    found = high if low is None else low
    assume(found is not None)
    assert found is not None
    return found


# -- each question ---------------------------------------------------------------------------------


@given(case=CASES)
def test_a_price_is_valid_where_nothing_speaks_against_it(case: Case) -> None:
    expected = Oracle(case.table).valid(Fraction(case.price))
    assert PriceGrid(case.table).is_valid(case.price) is expected


@given(case=CASES)
def test_floor_is_the_greatest_valid_price_at_or_below(case: Case) -> None:
    expected = Oracle(case.table).floor(Fraction(case.price))
    assert exact(PriceGrid(case.table).floor(case.price)) == expected


@given(case=CASES)
def test_ceil_is_the_least_valid_price_at_or_above(case: Case) -> None:
    expected = Oracle(case.table).ceil(Fraction(case.price))
    assert exact(PriceGrid(case.table).ceil(case.price)) == expected


@pytest.mark.parametrize("ties", Ties)
@given(case=CASES)
def test_nearest_is_the_closer_side_and_ties_go_by_their_rule(ties: Ties, case: Case) -> None:
    expected = Oracle(case.table).nearest(Fraction(case.price), ties)
    assert exact(PriceGrid(case.table).nearest(case.price, ties)) in expected


@given(case=CASES)
def test_the_next_prices_are_the_closest_other_valid_ones(case: Case) -> None:
    oracle, price = Oracle(case.table), Fraction(case.price)
    answer = PriceGrid(case.table).answer(case.price)
    expected = (oracle.below(price), oracle.above(price))
    assert (exact(answer.next_down), exact(answer.next_up)) == expected


@given(case=CASES)
def test_the_reason_is_one_that_speaks_against_the_price(case: Case) -> None:
    reasons = Oracle(case.table).reasons(Fraction(case.price))
    reason = PriceGrid(case.table).answer(case.price).reason
    assert reason in reasons if reasons else reason is None


@given(case=CASES)
def test_the_reason_for_the_end_is_one_that_speaks_against_all_beyond(case: Case) -> None:
    oracle, grid = Oracle(case.table), PriceGrid(case.table)
    assert grid.beyond(upwards=False) in oracle.beyond(upwards=False)
    if oracle.end is not None:
        assert grid.beyond(upwards=True) in oracle.beyond(upwards=True)


@given(case=CASES)
def test_the_band_is_the_one_that_contains_the_price(case: Case) -> None:
    oracle, price = Oracle(case.table), Fraction(case.price)
    stretch = oracle.stretch_of(price) if price > 0 or not oracle.only_positive else None
    band = PriceGrid(case.table).answer(case.price).band
    expected = None if stretch is None else (stretch.start, stretch.end, stretch.unit)
    numbers = None if band is None else (band.range_min, band.next_range_min, band.price_unit)
    assert (None if numbers is None else tuple(map(exact, numbers))) == expected


@given(case=CASES, ticks=st.integers(-12, 12))
def test_a_step_leads_where_walking_leads(case: Case, ticks: int) -> None:
    start = some_valid_price(case)
    expected = Oracle(case.table).step(Fraction(start), ticks)
    assert exact(PriceGrid(case.table).step(start, ticks)) == expected


@given(case=CASES, ticks=st.integers(-12, 12))
def test_ticks_count_the_prices_of_the_walk(case: Case, ticks: int) -> None:
    start = some_valid_price(case)
    end = Oracle(case.table).step(Fraction(start), ticks)
    assume(end is not None)
    assert end is not None
    assert PriceGrid(case.table).ticks(start, decimal(end)) == ticks
    assert Oracle(case.table).ticks(Fraction(start), end) == ticks


@given(case=CASES)
def test_ticks_between_far_prices_are_the_multiples_that_each_band_has(case: Case) -> None:
    grid = PriceGrid(case.table)
    start, end = some_valid_price(case), some_valid_price(case._replace(price=case.other))
    assert grid.ticks(start, end) == Oracle(case.table).ticks(Fraction(start), Fraction(end))


@given(case=CASES, levels=st.integers(0, 6))
def test_a_ladder_lists_the_walk_both_ways(case: Case, levels: int) -> None:
    oracle = Oracle(case.table)
    below, above = PriceGrid(case.table).ladder(case.price, levels)
    for found, after in ((below, oracle.below), (above, oracle.above)):
        expected: list[Fraction] = []
        at = after(Fraction(case.price))
        while at is not None and len(expected) < levels:
            expected.append(at)
            at = after(at)
        assert list(map(exact, found)) == expected


# -- what holds of all answers ---------------------------------------------------------------------


class Rounding(NamedTuple):
    direction: Direction
    ties: Ties

    def of(self, grid: PriceGrid, price: Decimal) -> Decimal | None:
        [answer] = rounded(grid, [plain(price)], self.direction, self.ties)
        return None if answer.rounded is None else Decimal(answer.rounded)

    def alone(self, grid: PriceGrid, price: Decimal) -> Decimal | None:
        if self.direction is Direction.NEAREST:
            return grid.nearest(price, self.ties)
        return grid.floor(price) if self.direction is Direction.DOWN else grid.ceil(price)


ROUNDINGS = st.builds(Rounding, st.sampled_from(Direction), st.sampled_from(Ties))


@given(case=CASES)
def test_what_is_written_of_many_prices_is_what_is_found_of_each(case: Case) -> None:
    grid, asked = PriceGrid(case.table), [case.price, case.other]
    for price in [case.price, case.other]:
        low, high = grid.floor(price), grid.ceil(price)
        if low is not None and high is not None:
            places = Fraction(low), (Fraction(low) + Fraction(high)) / 2, Fraction(high)
            asked += [decimal(at + by) for at in places for by in (-TINY, 0, TINY)]
    prices = list(map(plain, asked))
    facts = [grid.answer(price) for price in asked]
    for written, each in zip(checked(grid, prices), facts, strict=True):
        assert (written.price, written.reason) == (plain(each.price), each.reason)
        assert (written.valid, written.band) == (each.valid, each.band)
        assert (written.floor, written.ceil) == (text(each.floor), text(each.ceil))
        assert (written.next_down, written.next_up) == (text(each.next_down), text(each.next_up))
    for rounding in starmap(Rounding, product(Direction, Ties)):
        assert list(rounded(grid, prices, *rounding)) == [
            Rounded(price, text(rounding.alone(grid, number)), each.reason)
            for price, number, each in zip(prices, asked, facts, strict=True)
        ]


@given(case=CASES, rounding=ROUNDINGS)
def test_a_rounded_price_is_valid(case: Case, rounding: Rounding) -> None:
    grid = PriceGrid(case.table)
    rounded = rounding.of(grid, case.price)
    assert rounded is None or grid.is_valid(rounded)


@given(case=CASES, rounding=ROUNDINGS)
def test_rounding_again_changes_nothing(case: Case, rounding: Rounding) -> None:
    grid = PriceGrid(case.table)
    rounded = rounding.of(grid, case.price)
    assert rounded is None or rounding.of(grid, rounded) == rounded


@given(case=CASES, rounding=ROUNDINGS)
def test_rounding_keeps_the_order_of_prices(case: Case, rounding: Rounding) -> None:
    grid = PriceGrid(case.table)
    lower, higher = (rounding.of(grid, price) for price in sorted([case.price, case.other]))
    assert lower is None or higher is None or lower <= higher


@given(case=CASES)
def test_a_price_off_the_grid_lies_within_one_tick(case: Case) -> None:
    grid = PriceGrid(case.table)
    answer = grid.answer(case.price)
    assume(not answer.valid)
    if answer.floor is not None and answer.ceil is not None:
        assert answer.floor < case.price < answer.ceil
        assert grid.ticks(answer.floor, answer.ceil) == 1


@given(case=CASES, ticks=st.integers(-(10**30), 10**30))
def test_as_many_ticks_are_counted_as_were_stepped(case: Case, ticks: int) -> None:
    grid = PriceGrid(case.table)
    start = some_valid_price(case)
    end = grid.step(start, ticks)
    if end is not None:
        assert grid.ticks(start, end) == ticks
        assert grid.ticks(end, start) == -ticks


@given(case=CASES)
def test_a_price_off_the_grid_is_no_place_to_count_from(case: Case) -> None:
    grid = PriceGrid(case.table)
    assume(not grid.is_valid(case.price))
    with pytest.raises(PriceOffGrid):
        grid.step(case.price, 0)


def everything(case: Case) -> list[object]:
    grid = PriceGrid(case.table)
    answers: list[object] = [grid.answer(case.price), grid.ladder(case.price, 3)]
    answers += [grid.nearest(case.price, ties) for ties in Ties]
    for price in (grid.floor(case.price), grid.ceil(case.other)):
        if price is not None:
            answers += [grid.step(price, 7), grid.step(price, -7), grid.ticks(price, price)]
    return answers


@given(case=CASES)
def test_the_decimal_context_of_the_thread_does_not_matter(case: Case) -> None:
    expected = repr(everything(case))
    with localcontext(Context(prec=5)) as context:
        for signal in context.traps:
            context.traps[signal] = True
        found = everything(case)
    assert repr(found) == expected


# -- small tables, price by price ------------------------------------------------------------------


@given(case=SMALL)
def test_a_small_table_is_laid_out_price_by_price(case: Case) -> None:
    oracle, grid = Oracle(case.table), PriceGrid(case.table)
    grain = oracle.grain
    first, last = oracle.stretches[0].start, oracle.stretches[-1].start
    places = range(int(first / grain), int(last / grain) + 30)
    prices = [place * grain for place in places]
    valid = [price for price in prices if not oracle.reasons(price)]
    assert [price for price in prices if grid.is_valid(decimal(price))] == valid
    for count, (low, high) in enumerate(pairwise(valid)):
        middle = decimal((low + high) / 2)
        assert (exact(grid.floor(middle)), exact(grid.ceil(middle))) == (low, high)
        assert grid.ticks(decimal(valid[0]), decimal(low)) == count


# -- published tables ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_boundaries_of_a_published_table_hold_no_surprise(name: str) -> None:
    table = ladder(name).table
    oracle, grid = Oracle(table), PriceGrid(table)
    units = [Fraction(band.price_unit) for band in table.bands]
    bounds = [Fraction(band.range_min) for band in table.bands]
    if table.top is not None:
        bounds.append(Fraction(table.top))
        units.append(units[-1])
    for bound, below, above in zip(bounds, [units[0], *units], units, strict=False):
        for price in (bound - below, bound - below / 2, bound, bound + above / 2, bound + above):
            answer = grid.answer(decimal(price))
            found = (exact(answer.floor), exact(answer.ceil), answer.valid)
            assert found == (oracle.floor(price), oracle.ceil(price), oracle.valid(price)), price
