import hashlib
from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import ErrorKind, Fault
from app.domain.range_units.errors import InvalidTable
from app.domain.range_units.table import (
    WRITTEN_AT_ONCE,
    Anchor,
    Band,
    Boundary,
    Columns,
    RangeUnitTable,
    Row,
    TopRule,
    WrittenBands,
    WrittenPart,
    price_filter,
    table_in_order,
    table_of,
)


def row(range_min: str, price_unit: str, next_range_min: str | None = None) -> Row:
    end = None if next_range_min is None else Decimal(next_range_min)
    return Row(Decimal(range_min), Decimal(price_unit), end)


def band(range_min: str, price_unit: str) -> Band:
    return Band(Decimal(range_min), Decimal(price_unit))


TWO_ROWS = [row("0", "1"), row("10", "5")]


# -- what makes a table ----------------------------------------------------------------------------


def test_rows_become_bands_read_the_usual_way() -> None:
    assert table_of(TWO_ROWS) == RangeUnitTable(
        bands=(band("0", "1"), band("10", "5")),
        boundary=Boundary.LOWER_INCLUSIVE,
        anchor=Anchor.ZERO,
        top=None,
        top_rule=TopRule.OPEN,
        min_price=None,
        max_price=None,
    )


def test_every_attribute_is_kept() -> None:
    table = table_of(
        TWO_ROWS,
        boundary=Boundary.UPPER_INCLUSIVE,
        anchor=Anchor.RANGE_MIN,
        top=Decimal(100),
        top_rule=TopRule.INCLUSIVE,
        min_price=Decimal(2),
        max_price=Decimal(90),
    )
    assert table == RangeUnitTable(
        (band("0", "1"), band("10", "5")),
        Boundary.UPPER_INCLUSIVE,
        Anchor.RANGE_MIN,
        Decimal(100),
        TopRule.INCLUSIVE,
        Decimal(2),
        Decimal(90),
    )


def test_rows_out_of_order_are_sorted_as_numbers() -> None:
    table = table_of([row("100", "5"), row("0", "0.1"), row("20", "1")])
    assert table.bands == (band("0", "0.1"), band("20", "1"), band("100", "5"))


def test_rows_of_the_same_unit_on_both_sides_are_kept() -> None:
    assert len(table_of([row("0", "1"), row("10", "1")]).bands) == 2


def test_a_first_band_below_zero_is_a_table() -> None:
    assert table_of([row("-10", "1", "0"), row("0", "1")]).bands[0] == band("-10", "1")


def test_where_the_last_row_ends_is_the_top() -> None:
    table = table_of([row("0", "1", "10"), row("10", "5", "100")])
    assert (table.top, table.top_rule) == (Decimal(100), TopRule.EXCLUSIVE)


def test_the_last_row_in_order_gives_the_top_not_the_last_in_the_list() -> None:
    table = table_of([row("10", "5", "100"), row("0", "1", "10")])
    assert table.top == Decimal(100)


def test_the_end_of_the_last_row_can_be_declared_a_price() -> None:
    table = table_of([row("0", "1", "100")], top_rule=TopRule.INCLUSIVE)
    assert (table.top, table.top_rule) == (Decimal(100), TopRule.INCLUSIVE)


def test_the_end_of_the_last_row_is_dropped_where_the_top_is_open() -> None:
    sentinel = [row("0", "1", "10"), row("10", "5", "10000000000")]
    assert table_of(sentinel, top_rule=TopRule.OPEN) == table_of(TWO_ROWS)


def test_a_top_is_exclusive_unless_said_otherwise() -> None:
    assert table_of(TWO_ROWS, top=Decimal(100)).top_rule is TopRule.EXCLUSIVE


def test_a_top_may_be_said_twice_if_it_is_the_same() -> None:
    assert table_of([row("0", "1", "100.0")], top=Decimal(100)).top == Decimal(100)


def test_equal_limits_leave_one_price() -> None:
    table = table_of(TWO_ROWS, min_price=Decimal(5), max_price=Decimal("5.0"))
    assert table.min_price == table.max_price == Decimal(5)


def test_equal_tables_are_one_key() -> None:
    assert {table_of(TWO_ROWS): "kept"}[table_of(TWO_ROWS[::-1])] == "kept"


@pytest.mark.parametrize(
    ("words", "written"),
    [
        (Boundary, ["lower_inclusive", "upper_inclusive"]),
        (Anchor, ["zero", "range_min"]),
        (TopRule, ["open", "exclusive", "inclusive"]),
    ],
)
def test_the_words_of_tables_stay_those_of_stored_tables(
    words: type[StrEnum], written: list[str]
) -> None:
    assert [word.value for word in words] == written


# -- what does not make a table --------------------------------------------------------------------


def faults_of(
    rows: list[Row],
    *,
    top: str | None = None,
    top_rule: TopRule | None = None,
    limits: tuple[str, str] | None = None,
) -> list[Fault]:
    least, greatest = (None, None) if limits is None else map(Decimal, limits)
    with pytest.raises(InvalidTable) as refusal:
        table_of(
            rows,
            top=None if top is None else Decimal(top),
            top_rule=top_rule,
            min_price=least,
            max_price=greatest,
        )
    return list(refusal.value.faults)


def test_no_rows_are_no_table() -> None:
    assert faults_of([]) == [Fault("range_units", "is empty")]


@pytest.mark.parametrize("unit", ["0", "-0", "-1", "-0.0001"])
def test_a_unit_must_be_above_zero(unit: str) -> None:
    assert faults_of([row("0", "1"), row("10", unit)]) == [
        Fault("range_units[1].price_unit", "is not above zero")
    ]


@pytest.mark.parametrize("end", ["10", "10.0", "9.999", "-5"])
def test_a_row_must_end_above_its_beginning(end: str) -> None:
    assert faults_of([row("10", "5", end), row("20", "10")]) == [
        Fault("range_units[0].next_range_min", "is not above range_min")
    ]


def test_too_low_an_end_of_the_last_row_is_told_once() -> None:
    assert faults_of([row("0", "1", "10"), row("10", "5", "10")]) == [
        Fault("range_units[1].next_range_min", "is not above range_min")
    ]


def test_a_duplicate_names_both_rows_by_their_place_in_the_list() -> None:
    assert faults_of([row("10.0", "5"), row("0", "1"), row("1E+1", "2")]) == [
        Fault("range_units[2].range_min", "duplicate: 10 is also that of range_units[0]")
    ]


def test_a_gap_names_the_row_after_it_and_what_is_not_covered() -> None:
    assert faults_of([row("20", "5"), row("0", "1", "10.50")]) == [
        Fault("range_units[0].range_min", "gap: no band covers 10.5 to 20")
    ]


def test_an_overlap_names_the_later_row_and_the_one_that_reaches_into_it() -> None:
    assert faults_of([row("0", "1", "10"), row("9.99", "5")]) == [
        Fault("range_units[1].range_min", "overlap: range_units[0] already covers up to 10")
    ]


@pytest.mark.parametrize("top", ["99", "101"])
def test_a_top_must_not_contradict_the_end_of_the_last_row(top: str) -> None:
    assert faults_of([row("0", "1", "1E+2")], top=top) == [
        Fault("top", f"is {top}, but the last band ends at 100")
    ]


def test_an_open_top_has_no_bound() -> None:
    assert faults_of(TWO_ROWS, top="100", top_rule=TopRule.OPEN) == [
        Fault("top", "is given although top_rule says open")
    ]


@pytest.mark.parametrize("rule", [TopRule.EXCLUSIVE, TopRule.INCLUSIVE])
def test_a_top_that_is_not_open_needs_a_bound(rule: TopRule) -> None:
    assert faults_of(TWO_ROWS, top_rule=rule) == [
        Fault("top", f"is needed when top_rule says {rule.value}")
    ]


@pytest.mark.parametrize("top", ["10", "9"])
def test_a_top_must_be_above_where_the_last_band_begins(top: str) -> None:
    assert faults_of(TWO_ROWS, top=top) == [Fault("top", "is not above the last range_min")]


def test_the_least_price_must_not_be_above_the_greatest() -> None:
    assert faults_of(TWO_ROWS, limits=("5.01", "5")) == [Fault("min_price", "is above max_price")]


def test_all_faults_are_told_at_once() -> None:
    rows = [row("0", "0", "10"), row("0", "1", "5"), row("20", "-1", "3")]
    assert faults_of(rows, top="15", limits=("2", "1")) == [
        Fault("range_units[0].price_unit", "is not above zero"),
        Fault("range_units[2].price_unit", "is not above zero"),
        Fault("range_units[2].next_range_min", "is not above range_min"),
        Fault("range_units[1].range_min", "duplicate: 0 is also that of range_units[0]"),
        Fault("range_units[2].range_min", "gap: no band covers 5 to 20"),
        Fault("top", "is 15, but the last band ends at 3"),
        Fault("top", "is not above the last range_min"),
        Fault("min_price", "is above max_price"),
    ]


def test_faults_are_placed_where_the_caller_has_the_rows() -> None:
    with pytest.raises(InvalidTable) as refusal:
        table_of([row("0", "0"), row("0", "1")], path="data[0].bands")
    assert [fault.field for fault in refusal.value.faults] == [
        "data[0].bands[0].price_unit",
        "data[0].bands[1].range_min",
    ]


def test_a_refused_table_is_an_invalid_input_with_a_stable_code() -> None:
    with pytest.raises(InvalidTable) as refusal:
        table_of([], path="bands")
    error = refusal.value
    assert (error.kind, error.code) == (ErrorKind.INVALID, "invalid_range_units")
    assert error.detail == "The range units do not make a table."
    assert error.faults == (Fault("bands", "is empty"),)


# -- what a table says of itself -------------------------------------------------------------------


def test_every_band_is_given_back_with_where_it_ends() -> None:
    table = table_of([row("0", "1"), row("10", "5"), row("50", "10")], top=Decimal(100))
    assert list(table.rows()) == [row("0", "1", "10"), row("10", "5", "50"), row("50", "10", "100")]


def test_the_last_band_of_an_open_table_ends_nowhere() -> None:
    assert list(table_of(TWO_ROWS).rows()) == [row("0", "1", "10"), row("10", "5")]


def test_a_table_without_a_tick_rule_has_no_rows() -> None:
    assert list(RangeUnitTable(()).rows()) == []


@pytest.mark.parametrize(("lowest", "allowed"), [("-0.01", True), ("0", False), ("1", False)])
def test_prices_below_zero_need_a_band_below_zero(lowest: str, allowed: bool) -> None:
    assert table_of([row(lowest, "1")]).allows_non_positive is allowed


def test_without_a_tick_rule_prices_are_above_zero() -> None:
    assert RangeUnitTable(()).allows_non_positive is False


@pytest.mark.parametrize(
    ("rows", "rule", "is_filter"),
    [
        ([row("1", "1", "9")], TopRule.INCLUSIVE, True),
        ([row("1", "1", "9")], TopRule.EXCLUSIVE, False),
        ([row("1", "1")], TopRule.OPEN, False),
        ([row("0", "1", "9")], TopRule.INCLUSIVE, False),
        ([row("1", "1"), row("5", "1", "9")], TopRule.INCLUSIVE, False),
    ],
)
def test_one_band_between_two_included_prices_is_a_price_filter(
    rows: list[Row], rule: TopRule, is_filter: bool
) -> None:
    assert table_of(rows, top_rule=rule).is_price_filter is is_filter


# -- its digest ------------------------------------------------------------------------------------


@given(rows=st.permutations([row("0", "0.1", "10"), row("10", "1", "50"), row("50", "5", "90")]))
def test_the_order_of_rows_does_not_change_the_digest(rows: list[Row]) -> None:
    ascending = sorted(rows, key=lambda one: one.range_min)
    assert table_of(rows).digest == table_of(ascending).digest


def test_the_notation_of_numbers_does_not_change_the_digest() -> None:
    one = table_of(
        [row("0", "1"), row("1000", "0.5")], top=Decimal(20000), min_price=Decimal("0.1")
    )
    other = table_of(
        [row("-0.00", "1.0"), row("1E+3", "5e-1")],
        top=Decimal("2.0E+4"),
        min_price=Decimal("0.100"),
    )
    assert one.digest == other.digest


def test_saying_the_ends_of_bands_does_not_change_the_digest() -> None:
    stated = [row("0", "1", "10"), row("10", "5", "100")]
    assert table_of(stated).digest == table_of(TWO_ROWS, top=Decimal(100)).digest


def test_every_attribute_changes_the_digest() -> None:
    ten, hundred = Decimal(10), Decimal(100)
    tables = [
        RangeUnitTable(()),
        table_of(TWO_ROWS),
        table_of([row("0", "1"), row("10", "5"), row("20", "5")]),
        table_of([row("0", "1"), row("11", "5")]),
        table_of([row("0", "1"), row("10", "6")]),
        table_of([row("0", "5"), row("10", "1")]),
        table_of(TWO_ROWS, boundary=Boundary.UPPER_INCLUSIVE),
        table_of(TWO_ROWS, anchor=Anchor.RANGE_MIN),
        table_of(TWO_ROWS, top=hundred),
        table_of(TWO_ROWS, top=hundred, top_rule=TopRule.INCLUSIVE),
        table_of(TWO_ROWS, top=hundred + ten),
        table_of(TWO_ROWS, min_price=ten),
        table_of(TWO_ROWS, max_price=ten),
        table_of(TWO_ROWS, min_price=ten, max_price=ten),
        table_of(TWO_ROWS, max_price=hundred),
    ]
    assert len({table.digest for table in tables}) == len(tables)


def test_the_digest_is_one_that_others_can_compute() -> None:
    table = table_of(
        [row("10", "0.50"), row("0", "0.1")],
        boundary=Boundary.UPPER_INCLUSIVE,
        top=Decimal("1E+2"),
        min_price=Decimal("0.2"),
    )
    content = b"upper_inclusive\nzero\nexclusive\n100\n0.2\n\n0/0.1\n10/0.5"
    assert table.digest == "sha256:" + hashlib.sha256(content).hexdigest()


def test_the_digest_of_a_long_table_is_that_of_all_its_bands() -> None:
    places = range(2 * WRITTEN_AT_ONCE + 1)
    table = RangeUnitTable(tuple(band(str(place), "0.50") for place in places))
    lines = ["lower_inclusive", "zero", "open", "", "", "", *(f"{place}/0.5" for place in places)]
    assert table.digest == "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()


# -- bands that are kept as text -------------------------------------------------------------------


LONG = table_of(
    [
        row("0", "0.1", "1.5"),
        row("1.5", "1", "10"),
        row("10", "1", "123456789012345678901234567890"),
        row("123456789012345678901234567890", "5", "1E+39"),
    ]
)


def columns(table: RangeUnitTable, *sizes: int) -> list[Columns]:
    """Cut a table into parts of so many bands, with integers where numbers are whole."""
    rows = [
        [int(number) if number == int(number) else number for number in (low, unit, end)]
        for low, unit, end in table.rows()
        if end is not None
    ]
    parts = [[rows.pop(0) for _ in range(size)] for size in sizes]
    return [cast("Columns", tuple(zip(*part, strict=True))) for part in parts]


def written(*parts: Sequence[Band]) -> WrittenBands:
    return WrittenBands(
        WrittenPart([band.range_min for band in part], [band.price_unit for band in part])
        for part in parts
    )


def test_a_table_made_in_parts_is_the_one_made_at_once() -> None:
    for sizes in ((4,), (1, 3), (2, 2), (1, 1, 1, 1)):
        table = table_in_order(columns(LONG, *sizes))
        assert table is not None
        assert (table, hash(table), table.digest) == (LONG, hash(LONG), LONG.digest), sizes
        assert (list(table.rows()), table.counted()) == (list(LONG.rows()), LONG.counted()), sizes


def test_what_is_not_in_order_makes_no_table_in_parts() -> None:
    wrong: dict[str, list[Columns]] = {
        "nothing": [],
        "parts in another order": columns(LONG, 2, 2)[::-1],
        "a part left out": columns(LONG, 1, 1, 2)[::2],
        "a gap": [((0, 11), (1, 1), (10, 20))],
        "an overlap": [((0, 9), (1, 1), (10, 20))],
        "a start twice": [((0, 0), (1, 1), (0, 20))],
        "a descent": [((0, 10, 5), (1, 1, 1), (10, 5, 20))],
        "a top below": [((0, 10), (1, 1), (10, 10))],
        "a unit of zero": [((0, 10), (1, 0), (10, 20))],
    }
    assert [name for name, parts in wrong.items() if table_in_order(parts) is not None] == []


def test_written_bands_are_a_sequence_like_any() -> None:
    bands = [
        band("0", "0.1"),
        band("1.5", "1"),
        band("10", "1.0"),
        band("20", "5"),
        band("3E+1", "9"),
    ]
    kept = written(bands[:2], bands[2:3], bands[3:])
    assert (len(kept), list(kept)) == (5, bands)
    assert (list(kept[1:3]), list(kept[::-1])) == (bands[1:3], bands[::-1])
    assert [kept[place] for place in range(-5, 5)] == [*bands, *bands]
    for beyond in (5, -6):
        with pytest.raises(IndexError):
            kept[beyond]


def test_written_bands_equal_those_of_the_same_numbers_and_no_others() -> None:
    same = (band("0.0", "0.1"), band("1.50", "1"))
    kept = written([band("0", "0.1"), band("1.5", "1")])
    assert kept == same == kept == written(same[:1], same[1:])
    assert hash(kept) == hash(same)
    others: list[object] = [same[:1], (*same, band("2", "1")), (same[0], band("1.5", "2")), "0 1.5"]
    assert [other for other in others if other == kept] == []


# -- price filters -----------------------------------------------------------------------------


def test_a_price_filter_is_one_unit_from_zero_within_its_limits() -> None:
    table = price_filter(price_unit=Decimal(2), min_price=Decimal(3), max_price=Decimal(11))
    assert table == RangeUnitTable(
        (band("0", "2"),), min_price=Decimal(3), max_price=Decimal(11), top_rule=TopRule.OPEN
    )


def test_a_unit_of_zero_is_no_tick_rule_and_a_limit_of_zero_is_none() -> None:
    zero = Decimal(0)
    assert price_filter(price_unit=zero, min_price=zero, max_price=zero) == RangeUnitTable(())
    assert price_filter(price_unit=Decimal(1)) == RangeUnitTable((band("0", "1"),))


def test_tables_without_a_tick_rule_differ_by_their_limits() -> None:
    limits = (None, Decimal(1), Decimal(2))
    tables = [
        price_filter(price_unit=Decimal(unit), min_price=low) for unit in (0, 1) for low in limits
    ]
    assert len({table.digest for table in tables}) == 6


def test_a_price_filter_that_is_none_is_refused_with_every_reason() -> None:
    with pytest.raises(InvalidTable) as refused:
        price_filter(
            price_unit=Decimal(-1), min_price=Decimal(5), max_price=Decimal(-4), path="filter."
        )
    assert refused.value.faults == (
        Fault("filter.price_unit", "is negative"),
        Fault("filter.max_price", "is negative"),
        Fault("filter.min_price", "is above the greatest price, -4"),
    )
    assert price_filter(price_unit=Decimal(1), min_price=Decimal(5), max_price=Decimal(5)).bands
