from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The only source of the time."""

    def now(self) -> datetime:
        """Give the current time: aware, in UTC, to the microsecond. It may step backwards."""
        ...
