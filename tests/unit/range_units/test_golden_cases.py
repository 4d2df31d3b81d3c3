"""Prices whose answers are known, on tables that exchanges publish.

Each row begins with its number in the list of golden cases and the short name of its table.
"""

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

from app.domain.range_units.errors import PriceOffGrid
from app.domain.range_units.grid import PriceGrid, Reason, Ties
from app.domain.range_units.numbers import InvalidNumber, parse_decimal, plain
from app.domain.range_units.table import Band, RangeUnitTable, TopRule, table_of
from tests.unit.range_units.ladders import ladder

KOREA = timezone(timedelta(hours=9))

TABLES = {
    "CD": ladder("coinone-krw-documented").table,
    "CN": ladder("coinone-krw-2024-09-30").table,
    "UA": ladder("upbit-krw-before-2024-01-29").table,
    "U24": ladder("upbit-krw-2024-01-29").table,
    "U25": ladder("upbit-krw-2025-07-31").table,
    "BI": ladder("bithumb-krw-2026-08-11").table,
    "TP": ladder("tse-topix500").table,
    "OK": ladder("okx-events").table,
    "BN": ladder("binance-sample").table,
    "uneven": RangeUnitTable(
        (
            Band(Decimal(0), Decimal(3)),
            Band(Decimal(10), Decimal(4)),
            Band(Decimal(20), Decimal("2.5")),
        )
    ),
}
# Coinone's published end, 10000000000, is a sentinel: read this way the last band has no end.
TABLES["CD open"] = table_of(list(TABLES["CD"].rows()), top_rule=TopRule.OPEN)
GRIDS = {name: PriceGrid(table) for name, table in TABLES.items()}


def written(number: Decimal | None) -> str | None:
    return None if number is None else plain(number)


@pytest.mark.parametrize(
    ("case", "table", "price", "valid"),
    [
        (1, "CD", "0.3", True),
        (5, "CN", "116455000", False),
        (11, "U24", "999.1", True),
        (11, "U24", "1000.1", False),
        (11, "U24", "1000", True),
        (13, "TP", "1000.1", False),
        (14, "OK", "0.0005", False),
        (15, "OK", "0.999", True),
        (15, "OK", "0.9995", False),
        (16, "CD", "0", False),
        (16, "CD", "-0", False),
        (16, "CD", "0.000", False),
        (17, "CD", "10000000000", False),
        (17, "CD open", "10000000000", True),
        (18, "BN", "0.0000005", False),
        (18, "BN", "0.000001", True),
        (18, "BN", "100000", True),
        (18, "BN", "100000.000001", False),
        (21, "uneven", "10", False),
    ],
)
def test_a_price_is_valid_or_not(case: int, table: str, price: str, valid: bool) -> None:
    assert GRIDS[table].is_valid(parse_decimal(price)) is valid, case


@pytest.mark.parametrize(
    ("case", "table", "price", "floor", "ceil"),
    [
        (2, "CD", "5003", "5000", "5005"),
        (4, "CD", "116455500", "116455000", "116456000"),
        (5, "CN", "116455000", "116450000", "116460000"),
        (6, "CN", "5.003", "5", "5.005"),
        (8, "CD", "999.95", "999.9", "1000"),
        (9, "CD", "999999", "999500", "1000000"),
        (12, "BI", "100.5", "100", "101"),
        (13, "TP", "1000.1", "1000", "1000.5"),
        (14, "OK", "0.0005", None, "0.001"),
        (15, "OK", "0.9995", "0.999", None),
        (16, "CD", "0", None, "0.0001"),
        (16, "CD", "-0", None, "0.0001"),
        (16, "CD", "0.000", None, "0.0001"),
        (17, "CD", "10000000000", "9999999000", None),
        (17, "CD open", "10000000000", "10000000000", "10000000000"),
        (18, "BN", "0.0000005", None, "0.000001"),
        (18, "BN", "100000.000001", "100000", None),
        (21, "uneven", "10", "9", "12"),
    ],
)
def test_floor_and_ceil_look_at_the_whole_table(
    case: int, table: str, price: str, floor: str | None, ceil: str | None
) -> None:
    answer = GRIDS[table].answer(parse_decimal(price))
    assert (written(answer.floor), written(answer.ceil)) == (floor, ceil), case


@pytest.mark.parametrize(
    ("case", "table", "price", "down", "up"),
    [
        (1, "CD", "0.3", "0.2999", "0.3001"),
        (7, "CD", "1000", "999.9", "1001"),
        (10, "U25", "1000", "999", "1001"),
        (12, "BI", "100", "99.99", "101"),
        (13, "TP", "1000", "999.9", "1000.5"),
        (14, "OK", "0.04", "0.039", "0.05"),
        (21, "uneven", "9", "6", "12"),
    ],
)
def test_the_next_price_may_belong_to_another_band(
    case: int, table: str, price: str, down: str, up: str
) -> None:
    answer = GRIDS[table].answer(parse_decimal(price))
    assert (written(answer.next_down), written(answer.next_up)) == (down, up), case


@pytest.mark.parametrize(
    ("case", "table", "price", "ties", "nearest"),
    [
        (2, "CD", "5003", Ties.UP, "5005"),
        (2, "CD", "5003", Ties.DOWN, "5005"),
        (2, "CD", "5003", Ties.EVEN, "5005"),
        (3, "CD", "1000.5", Ties.UP, "1001"),
        (3, "CD", "1000.5", Ties.DOWN, "1000"),
        (3, "CD", "1000.5", Ties.EVEN, "1000"),
        (8, "CD", "999.95", Ties.UP, "1000"),
        (8, "CD", "999.95", Ties.DOWN, "999.9"),
    ],
)
def test_a_price_half_way_goes_where_the_tie_rule_says(
    case: int, table: str, price: str, ties: Ties, nearest: str
) -> None:
    assert written(GRIDS[table].nearest(parse_decimal(price), ties)) == nearest, case


@pytest.mark.parametrize(
    ("case", "table", "price", "reason"),
    [
        (5, "CN", "116455000", Reason.OFF_TICK),
        (11, "U24", "1000.1", Reason.OFF_TICK),
        (14, "OK", "0.0005", Reason.BELOW_FIRST_BAND),
        (15, "OK", "0.9995", Reason.ABOVE_LAST_BAND),
        (16, "CD", "0", Reason.NOT_POSITIVE),
        (16, "CD", "-0", Reason.NOT_POSITIVE),
        (16, "CD", "0.000", Reason.NOT_POSITIVE),
        (17, "CD", "10000000000", Reason.ABOVE_LAST_BAND),
        (17, "CD open", "10000000000", None),
        (18, "BN", "0.0000005", Reason.BELOW_MIN),
        (18, "BN", "0.000001", None),
        (18, "BN", "100000", None),
        (18, "BN", "100000.000001", Reason.ABOVE_MAX),
        (21, "uneven", "10", Reason.OFF_TICK),
    ],
)
def test_a_refused_price_comes_with_its_reason(
    case: int, table: str, price: str, reason: Reason | None
) -> None:
    assert GRIDS[table].answer(parse_decimal(price)).reason is reason, case


@pytest.mark.parametrize(
    ("case", "start", "end", "ticks"),
    [(19, "999.9", "1001", 2), (19, "1001", "999.9", -2), (19, "0.0001", "1000000", 51999)],
)
def test_ticks_are_counted_across_bands(case: int, start: str, end: str, ticks: int) -> None:
    assert GRIDS["CD"].ticks(parse_decimal(start), parse_decimal(end)) == ticks, case


def test_ticks_are_not_counted_from_a_price_off_the_grid() -> None:
    with pytest.raises(PriceOffGrid) as refusal:
        GRIDS["CD"].ticks(parse_decimal("999.95"), parse_decimal("1001"))
    assert refusal.value.detail == "999.95 is not a valid price here (off_tick)."


@pytest.mark.parametrize(
    ("case", "price", "ticks", "reached"), [(20, "999.9", 3, "1002"), (20, "1001", -3, "999.8")]
)
def test_steps_are_taken_across_bands(case: int, price: str, ticks: int, reached: str) -> None:
    assert written(GRIDS["CD"].step(parse_decimal(price), ticks)) == reached, case


@pytest.mark.parametrize(
    "text",
    ["NaN", "Infinity", " 5 ", "1_000", "１２", "1,000", "0x10", "1e999999", "1" * 10_000],  # noqa: RUF001 - digits of another script
    ids=lambda text: text[:12],
)
def test_a_hostile_number_is_refused_before_any_arithmetic(text: str) -> None:
    with pytest.raises(InvalidNumber):
        parse_decimal(text)


def upbit_krw_at(instant: datetime) -> PriceGrid:
    """Give the grid of the table that came into force last; an unknown start was before all."""
    in_force = [
        ladder(f"upbit-krw-{name}") for name in ("before-2024-01-29", "2024-01-29", "2025-07-31")
    ]
    started = [
        one for one in in_force if one.effective_from is None or one.effective_from <= instant
    ]
    return PriceGrid(started[-1].table)


@pytest.mark.parametrize(
    ("case", "price", "instant", "valid"),
    [
        (23, "7003", datetime(2024, 1, 28, 23, 59, 59, tzinfo=KOREA), False),
        (23, "7003", datetime(2024, 1, 29, tzinfo=KOREA), True),
        (23, "7003", datetime(2025, 7, 30, 23, 59, 59, tzinfo=KOREA), True),
        (23, "7003", datetime(2025, 7, 31, tzinfo=KOREA), False),
        (24, "1234500", datetime(2024, 1, 28, 23, 59, 59, tzinfo=KOREA), True),
        (24, "1234500", datetime(2024, 1, 29, tzinfo=KOREA), True),
        (24, "1234500", datetime(2025, 7, 30, 23, 59, 59, tzinfo=KOREA), True),
        (24, "1234500", datetime(2025, 7, 31, tzinfo=KOREA), False),
    ],
)
def test_what_is_valid_changes_when_the_exchange_changes_its_units(
    case: int, price: str, instant: datetime, valid: bool
) -> None:
    assert upbit_krw_at(instant).is_valid(parse_decimal(price)) is valid, case
