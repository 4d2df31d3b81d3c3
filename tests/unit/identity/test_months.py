from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.domain.identity.months import first_kept, month_after, month_of, months_from

NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
SEOUL = timezone(timedelta(hours=9))


@pytest.mark.parametrize(
    ("at", "month"),
    [
        (NOVEMBER, NOVEMBER),
        (datetime(2026, 11, 30, 23, 59, 59, 999999, tzinfo=UTC), NOVEMBER),
        (datetime(2026, 12, 1, 8, 59, tzinfo=SEOUL), NOVEMBER),
        (datetime(2026, 12, 1, 9, tzinfo=SEOUL), datetime(2026, 12, 1, tzinfo=UTC)),
    ],
)
def test_a_month_is_one_of_utc(at: datetime, month: datetime) -> None:
    assert month_of(at) == month


@pytest.mark.parametrize(
    ("month", "after"), [((2026, 12), (2027, 1)), ((2024, 2), (2024, 3)), ((2026, 1), (2026, 2))]
)
def test_after_a_month_comes_the_next(month: tuple[int, int], after: tuple[int, int]) -> None:
    found = month_after(datetime(*month, 1, tzinfo=UTC))
    assert found == datetime(*after, 1, tzinfo=UTC)


def test_months_ahead_begin_with_this_one() -> None:
    found = months_from(datetime(2026, 11, 23, tzinfo=UTC), 3)
    assert [(month.year, month.month) for month in found] == [(2026, 11), (2026, 12), (2027, 1)]


@pytest.mark.parametrize(
    ("days", "kept"),
    [(0, (2026, 11)), (22, (2026, 11)), (23, (2026, 10)), (365, (2025, 11)), (10**6, (1, 1))],
)
def test_a_month_is_kept_as_long_as_any_day_of_it_is(days: int, kept: tuple[int, int]) -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert first_kept(now, timedelta(days=days)) == datetime(*kept, 1, tzinfo=UTC)
