from decimal import Decimal
from itertools import accumulate

import pytest

from app.domain.range_units.lint import Finding, Oddity, lint
from app.domain.range_units.table import Anchor, Band, RangeUnitTable, Row, TopRule, table_of
from tests.unit.range_units.ladders import ladder


def found(*bands: tuple[str, str], anchor: Anchor = Anchor.ZERO) -> list[tuple[str, int]]:
    rows = [Row(Decimal(start), Decimal(unit)) for start, unit in bands]
    return [(one.code, one.position) for one in lint(table_of(rows, anchor=anchor))]


def of_bounds(top: str | None, max_price: str | None = None) -> list[Oddity]:
    table = table_of(
        [Row(Decimal(0), Decimal(1)), Row(Decimal(1), Decimal(2))],
        top=None if top is None else Decimal(top),
        top_rule=TopRule.OPEN if top is None else TopRule.INCLUSIVE,
        max_price=None if max_price is None else Decimal(max_price),
        anchor=Anchor.RANGE_MIN,
    )
    return [one.code for one in lint(table) if one.code is Oddity.SENTINEL_TOP]


def test_a_ladder_whose_bands_nest_has_no_findings() -> None:
    assert found(("0", "0.1"), ("1000", "1"), ("5000", "5")) == []


def test_a_boundary_is_looked_at_from_both_sides() -> None:
    cases = {
        ("3", "5"): "10 is no price of the unit 3",
        ("2", "4"): "10 is no price of the unit 4",
        ("3", "4"): "10 is no price of the unit 3 nor of 4",
        ("3", "3"): "10 is no price of the unit 3",
    }
    for (below, above), message in cases.items():
        rows = [Row(Decimal(0), Decimal(below)), Row(Decimal(10), Decimal(above))]
        assert lint(table_of(rows))[0] == Finding(Oddity.NOT_NESTED, 1, message), (below, above)


def test_units_that_get_finer_are_found_at_the_finer_band() -> None:
    assert found(("0", "1"), ("10", "5"), ("20", "0.5"), ("30", "5")) == [("finer_above", 2)]


def test_a_row_that_changes_nothing_is_found() -> None:
    assert found(("0", "1"), ("10", "1.0"), ("20", "2")) == [("redundant_row", 1)]


def test_a_band_that_counts_from_its_start_nests_if_the_band_below_reaches_that() -> None:
    assert found(("1", "3"), ("10", "3"), ("12", "3"), anchor=Anchor.RANGE_MIN) == [
        ("redundant_row", 1),
        ("not_nested", 2),
    ]


def test_a_boundary_finer_than_any_decimal_context_is_exact() -> None:
    unit = "0.000000000000000001"
    start = "1234567890123456789012345678901234567890"
    assert found(("0", unit), (start, unit), (f"{start[:-1]}1.{'0' * 18}1", "1")) == [
        ("redundant_row", 1),
        ("not_nested", 2),
    ]


@pytest.mark.parametrize(
    ("bound", "is_sentinel"),
    [
        ("10000000000", True),
        ("1000000000", True),
        ("9999999999", True),
        ("2147483647", True),
        ("92233720368.54775807", True),
        ("9999999999.99", True),
        ("99999999.99999999", True),
        ("999.99", False),
        ("9999999999.98", False),
        ("100000", False),
        ("999999", False),
        ("999999999", False),
        ("2000000000000", False),
        ("1000000000.5", False),
        ("1100000000", False),
    ],
)
def test_a_bound_that_stands_for_none_is_found(bound: str, is_sentinel: bool) -> None:
    expected = [Oddity.SENTINEL_TOP] if is_sentinel else []
    assert of_bounds(bound) == of_bounds(None, bound) == expected


def test_without_a_tick_rule_there_is_nothing_to_look_at() -> None:
    assert of_bounds(None) == []


def test_the_published_ladders_have_these_oddities() -> None:
    names = ("coinone-krw-documented", "upbit-krw-2025-07-31", "okx-events", "tse-topix500")
    codes = {name: [one.code.value for one in lint(ladder(name).table)] for name in names}
    assert codes == {
        "coinone-krw-documented": ["sentinel_top"],
        "upbit-krw-2025-07-31": ["redundant_row", "redundant_row"],
        "okx-events": ["finer_above"],
        "tse-topix500": [],
    }


def test_the_only_finding_of_a_long_ladder_is_found_wherever_it_is() -> None:
    for odd in (1, 999, 1_000, 1_001, 2_000, 2_001, 2_099):
        units = [Decimal(place + 1 - (place == odd)) / 8 for place in range(2_100)]
        starts = accumulate(units[:-1], initial=Decimal(0))
        bands = tuple(map(Band, starts, units))
        [finding] = lint(RangeUnitTable(bands, anchor=Anchor.RANGE_MIN))
        assert (finding.code, finding.position) == (Oddity.REDUNDANT_ROW, odd)


def test_of_very_many_findings_the_first_hundred_are_given() -> None:
    rows = [Row(Decimal(place), Decimal(1)) for place in range(102)]
    assert [one.position for one in lint(table_of(rows))] == list(range(1, 101))
