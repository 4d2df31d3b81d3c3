"""What the grid promises beyond the published cases: words, sides, and tables with no tick rule."""

from decimal import Decimal
from enum import StrEnum

import pytest

from app.domain.errors import ErrorKind
from app.domain.range_units.errors import PriceOffGrid
from app.domain.range_units.grid import (
    Direction,
    PriceAnswer,
    PriceGrid,
    Reason,
    Ties,
)
from app.domain.range_units.orders import Intent, Side, direction_of
from app.domain.range_units.table import (
    Anchor,
    Boundary,
    RangeUnitTable,
    Row,
    TopRule,
    table_of,
)
from app.domain.range_units.written import Rounded
from app.domain.range_units.written import rounded as rounding

D = Decimal
NO_TICK_RULE = RangeUnitTable((), min_price=D(5), max_price=D(10))


def grid_of(
    *bands: tuple[str, str],
    anchor: Anchor = Anchor.ZERO,
    top: str | None = None,
    top_rule: TopRule | None = None,
    limits: tuple[str, str] | None = None,
) -> PriceGrid:
    least, greatest = (None, None) if limits is None else map(D, limits)
    rows = [Row(D(range_min), D(price_unit)) for range_min, price_unit in bands]
    return PriceGrid(
        table_of(
            rows,
            anchor=anchor,
            top=None if top is None else D(top),
            top_rule=top_rule,
            min_price=least,
            max_price=greatest,
        )
    )


# -- rounding --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "intent", "direction"),
    [
        (Side.BUY, Intent.PASSIVE, Direction.DOWN),
        (Side.BUY, Intent.AGGRESSIVE, Direction.UP),
        (Side.SELL, Intent.PASSIVE, Direction.UP),
        (Side.SELL, Intent.AGGRESSIVE, Direction.DOWN),
    ],
)
def test_side_and_intent_say_where_to_round(
    side: Side, intent: Intent, direction: Direction
) -> None:
    assert direction_of(side, intent) is direction


@pytest.mark.parametrize(
    ("direction", "rounded"), [(Direction.DOWN, 10), (Direction.UP, 15), (Direction.NEAREST, 15)]
)
def test_a_price_is_rounded_with_the_reason_why_it_changed(
    direction: Direction, rounded: int
) -> None:
    [answer] = rounding(grid_of(("0", "5")), ["13"], direction)
    assert answer == Rounded("13", str(rounded), Reason.OFF_TICK)


@pytest.mark.parametrize("direction", Direction)
def test_a_valid_price_rounds_to_itself_for_no_reason(direction: Direction) -> None:
    [answer] = rounding(grid_of(("0", "5")), ["15"], direction)
    assert answer == Rounded("15", "15", None)


def test_a_price_that_cannot_be_rounded_says_why() -> None:
    [answer] = rounding(grid_of(("0", "5")), ["3"], Direction.DOWN)
    assert answer == Rounded("3", None, Reason.OFF_TICK)


def test_a_tie_goes_up_unless_said_otherwise() -> None:
    [answer] = rounding(grid_of(("0", "5")), ["12.5"], Direction.NEAREST)
    assert answer.rounded == "15"


@pytest.mark.parametrize(("ties", "rounded"), [(Ties.UP, 15), (Ties.DOWN, 10), (Ties.EVEN, 10)])
def test_a_tie_is_rounded_by_the_rule_asked_for(ties: Ties, rounded: int) -> None:
    [answer] = rounding(grid_of(("0", "5")), ["12.5"], Direction.NEAREST, ties)
    assert answer.rounded == str(rounded)


@pytest.mark.parametrize("ties", Ties)
@pytest.mark.parametrize(("price", "nearest"), [("-7", 2), ("1.9", 2), ("8.5", 8), ("99", 8)])
def test_the_nearest_price_is_on_the_only_side_that_has_one(
    price: str, nearest: int, ties: Ties
) -> None:
    grid = grid_of(("2", "2"), top="8", top_rule=TopRule.INCLUSIVE)
    assert grid.nearest(D(price), ties) == nearest


def test_where_neither_of_two_equally_near_prices_is_an_even_multiple_it_is_the_higher() -> None:
    # 9 is no multiple of 4, and 12 an odd one.
    grid = grid_of(("0", "3"), ("10", "4"))
    assert grid.nearest(D("10.5"), Ties.EVEN) == 12


def test_even_multiples_are_counted_from_the_anchor() -> None:
    grid = grid_of(("5", "2"), anchor=Anchor.RANGE_MIN)
    assert [grid.nearest(D(price), Ties.EVEN) for price in (6, 8, 10)] == [5, 9, 9]


def test_even_multiples_are_counted_from_zero_where_nothing_is_said_of_an_anchor() -> None:
    grid = grid_of(("6", "2"))
    assert [grid.nearest(D(price), Ties.EVEN) for price in (7, 9, 11)] == [8, 8, 12]


# -- all that is said of one price -----------------------------------------------------------------


def test_the_answer_for_a_valid_price_has_its_neighbours_and_its_band() -> None:
    assert grid_of(("0", "1"), ("10", "5")).answer(D(10)) == PriceAnswer(
        price=D(10),
        reason=None,
        floor=D(10),
        ceil=D(10),
        next_down=D(9),
        next_up=D(15),
        band=Row(D(10), D(5), None),
    )


def test_the_answer_for_an_invalid_price_has_the_valid_prices_on_both_sides() -> None:
    assert grid_of(("0", "1"), ("10", "5")).answer(D("9.5")) == PriceAnswer(
        price=D("9.5"),
        reason=Reason.OFF_TICK,
        floor=D(9),
        ceil=D(10),
        next_down=D(9),
        next_up=D(10),
        band=Row(D(0), D(1), D(10)),
    )


@pytest.mark.parametrize("price", ["-1", "0", "11", "10.5"])
def test_a_price_outside_of_all_bands_has_no_band(price: str) -> None:
    grid = grid_of(("0", "1"), top="10", top_rule=TopRule.INCLUSIVE)
    assert grid.answer(D(price)).band is None


@pytest.mark.parametrize(
    ("price", "reason"),
    [
        ("-3", Reason.NOT_POSITIVE),
        ("0", Reason.NOT_POSITIVE),
        ("1.5", Reason.BELOW_MIN),
        ("3", Reason.BELOW_MIN),
        ("4.5", Reason.OFF_TICK),
        ("90.5", Reason.ABOVE_MAX),
        ("100", Reason.ABOVE_MAX),
    ],
)
def test_sign_goes_before_limits_before_bands_before_ticks(price: str, reason: Reason) -> None:
    grid = grid_of(("2", "1"), ("10", "5"), top="100", limits=("4", "90"))
    assert grid.answer(D(price)).reason is reason


def test_a_lowest_bound_that_is_no_multiple_is_off_tick_and_not_below_the_first_band() -> None:
    assert grid_of(("3", "2")).answer(D("3")).reason is Reason.OFF_TICK


@pytest.mark.parametrize(
    ("price", "reason"), [("3", Reason.BELOW_FIRST_BAND), ("11", Reason.ABOVE_LAST_BAND)]
)
def test_limits_wider_than_the_bands_say_nothing(price: str, reason: Reason) -> None:
    grid = grid_of(("4", "1"), top="10", limits=("1", "20"))
    assert grid.answer(D(price)).reason is reason


def test_limits_between_two_ticks_leave_no_price_at_all() -> None:
    answer = grid_of(("0", "5"), limits=("6", "9")).answer(D(7))
    assert (answer.floor, answer.ceil, answer.next_down, answer.next_up) == (None,) * 4


def test_prices_below_zero_are_valid_where_the_first_band_begins_below_zero() -> None:
    grid = grid_of(("-10", "5"), ("0", "2"))
    assert [grid.is_valid(D(price)) for price in (-15, -10, -5, -2, 0, 2)] == [
        False, True, True, False, True, True,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("boundary", "unit"), [(Boundary.LOWER_INCLUSIVE, 5), (Boundary.UPPER_INCLUSIVE, 1)]
)
def test_a_price_on_a_boundary_belongs_to_the_band_that_the_rule_says(
    boundary: Boundary, unit: int
) -> None:
    table = table_of([Row(D(0), D(1)), Row(D(10), D(5))], boundary=boundary)
    band = PriceGrid(table).answer(D(10)).band
    assert band is not None
    assert band.price_unit == unit


@pytest.mark.parametrize("boundary", Boundary)
def test_the_lowest_bound_of_all_belongs_to_the_first_band_either_way(boundary: Boundary) -> None:
    table = table_of([Row(D(2), D(2)), Row(D(8), D(4))], boundary=boundary)
    answer = PriceGrid(table).answer(D(2))
    assert (answer.valid, answer.band) == (True, Row(D(2), D(2), D(8)))


@pytest.mark.parametrize(
    ("top_rule", "band", "reason"),
    [
        (TopRule.INCLUSIVE, Row(D(0), D(4), D(10)), Reason.OFF_TICK),
        (TopRule.EXCLUSIVE, None, Reason.ABOVE_LAST_BAND),
    ],
)
def test_the_top_belongs_to_the_last_band_only_where_it_is_inclusive(
    top_rule: TopRule, band: Row | None, reason: Reason
) -> None:
    answer = grid_of(("0", "4"), top="10", top_rule=top_rule).answer(D(10))
    assert (answer.band, answer.reason) == (band, reason)


@pytest.mark.parametrize(
    ("words", "written"),
    [
        (
            Reason,
            [
                "off_tick", "not_positive", "below_first_band", "above_last_band", "below_min",
                "above_max", "no_tick_rule",
            ],
        ),
        (Direction, ["down", "up", "nearest"]),
        (Ties, ["up", "down", "even"]),
        (Side, ["buy", "sell"]),
        (Intent, ["passive", "aggressive"]),
    ],
)  # fmt: skip
def test_the_words_of_answers_stay_those_that_programs_know(
    words: type[StrEnum], written: list[str]
) -> None:
    assert [word.value for word in words] == written


# -- counting --------------------------------------------------------------------------------------


def test_a_step_beyond_the_table_leads_nowhere() -> None:
    grid = grid_of(("0", "1"), top="10")
    assert [grid.step(D(5), ticks) for ticks in (-5, -4, 0, 4, 5)] == [None, 1, 5, 9, None]


def test_a_step_takes_the_whole_width_of_wide_tables_at_once() -> None:
    grid = grid_of(("0", "1E-18"), ("1", "0.5"))
    assert grid.step(D("1E-18"), 10**18 - 1 + 10**30) == 1 + 5 * 10**29


@pytest.mark.parametrize(
    ("start", "end", "refused"), [("3", "7.5", "7.5"), ("0", "3", "0"), ("3", "1E+3", "1000")]
)
def test_counting_needs_valid_prices_at_both_ends(start: str, end: str, refused: str) -> None:
    grid = grid_of(("0", "1"), top="10")
    with pytest.raises(PriceOffGrid) as refusal:
        grid.ticks(D(start), D(end))
    error = refusal.value
    assert (error.kind, error.code) == (ErrorKind.INVALID, "price_off_grid")
    assert error.detail.startswith(f"{refused} is not a valid price here (")


@pytest.mark.parametrize("price", ["10", "10.2"])
def test_a_ladder_gives_the_nearest_prices_first(price: str) -> None:
    below, above = grid_of(("0", "1"), ("10", "5")).ladder(D(price), 3)
    assert above == [15, 20, 25]
    assert below == ([9, 8, 7] if price == "10" else [10, 9, 8])


def test_a_ladder_ends_where_the_table_ends() -> None:
    assert grid_of(("0", "1"), top="5").ladder(D(3), 10) == ([D(2), D(1)], [D(4)])


def test_a_ladder_outside_of_the_table_has_one_side() -> None:
    assert grid_of(("0", "1"), top="5").ladder(D(9), 2) == ([D(4), D(3)], [])


# -- no tick rule ----------------------------------------------------------------------------------


@pytest.mark.parametrize("price", ["5", "7.123456789", "10"])
def test_without_a_tick_rule_every_price_inside_the_limits_is_valid(price: str) -> None:
    answer = PriceGrid(NO_TICK_RULE).answer(D(price))
    assert answer == PriceAnswer(
        D(price), Reason.NO_TICK_RULE, D(price), D(price), None, None, None
    )
    assert answer.valid


@pytest.mark.parametrize(
    ("price", "reason", "floor", "ceil"),
    [
        ("-1", Reason.NOT_POSITIVE, None, D(5)),
        ("0", Reason.NOT_POSITIVE, None, D(5)),
        ("4.999", Reason.BELOW_MIN, None, D(5)),
        ("10.001", Reason.ABOVE_MAX, D(10), None),
    ],
)
def test_without_a_tick_rule_the_limits_still_hold(
    price: str, reason: Reason, floor: Decimal | None, ceil: Decimal | None
) -> None:
    answer = PriceGrid(NO_TICK_RULE).answer(D(price))
    assert answer == PriceAnswer(D(price), reason, floor, ceil, None, None, None)


@pytest.mark.parametrize(("price", "valid"), [("-1", False), ("0", False), ("1E-40", True)])
def test_without_a_tick_rule_and_limits_every_price_above_zero_is_valid(
    price: str, valid: bool
) -> None:
    assert PriceGrid(RangeUnitTable(())).is_valid(D(price)) is valid


@pytest.mark.parametrize(
    ("price", "rounded", "reason"),
    [("7.1", "7.1", None), ("4", "5", Reason.BELOW_MIN), ("11", "10", Reason.ABOVE_MAX)],
)
def test_without_a_tick_rule_rounding_only_moves_into_the_limits(
    price: str, rounded: str, reason: Reason | None
) -> None:
    [answer] = rounding(PriceGrid(NO_TICK_RULE), [price], Direction.NEAREST)
    assert answer == Rounded(price, rounded, reason)


def test_without_a_tick_rule_there_are_no_ticks_to_step() -> None:
    with pytest.raises(PriceOffGrid, match=r"no_tick_rule"):
        PriceGrid(NO_TICK_RULE).step(D(7), 1)


def test_without_a_tick_rule_a_ladder_is_empty() -> None:
    assert PriceGrid(NO_TICK_RULE).ladder(D(7), 3) == ([], [])
