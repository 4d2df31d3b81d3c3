import re
from datetime import UTC, datetime
from typing import Final

# RFC 3339, section 5.6. `fromisoformat` alone takes weeks, and times without an offset.
_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def parse_instant(text: str) -> datetime:
    """Read an RFC 3339 time with its offset, to the microsecond, as UTC. Raises `ValueError`."""
    if _INSTANT.fullmatch(text) is None:
        raise ValueError("is not an RFC 3339 time with its offset")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError:  # before the year 1, or after 9999, in UTC
        raise ValueError("is beyond the years that can be told") from None
