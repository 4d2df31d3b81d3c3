"""Months of UTC, by which the login log is kept and forgotten."""

from datetime import UTC, datetime, timedelta


def month_of(at: datetime) -> datetime:
    """Give the first instant of the month of an instant."""
    return at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def month_after(month: datetime) -> datetime:
    """Give the first instant of the next month."""
    return month_of(month + timedelta(days=31))


def months_from(at: datetime, count: int) -> tuple[datetime, ...]:
    """Give the beginnings of so many months, that of `at` first."""
    months = [month_of(at)]
    while len(months) < count:
        months.append(month_after(months[-1]))
    return tuple(months)


def first_kept(now: datetime, retention: timedelta) -> datetime:
    """Give the beginning of the first month of which any day is to be kept.

    Whole months go, so that every store keeps the same, and a database can drop them at once.
    """
    try:
        return month_of(now - retention)
    except OverflowError:  # longer than there are years
        return datetime.min.replace(tzinfo=UTC)
