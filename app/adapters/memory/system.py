"""Time, ids and secrets that a test decides."""

from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

from app.ports.clock import Clock
from app.ports.ids import Ids, Secrets


class SettableClock(Clock):
    """Stands still until it is told to move. Control: `time`, or `advance`."""

    def __init__(self, time: datetime = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)) -> None:
        self.time = time

    def now(self) -> datetime:
        """Give the set time."""
        return self.time

    def advance(self, by: timedelta) -> None:
        """Move on, or back by a negative duration."""
        self.time += by


class SequentialIds(Ids):
    """Counts, from one, with gaps, as stores do not promise density."""

    def __init__(self) -> None:
        self._numbers = count(1, 7)

    def new_id(self) -> UUID:
        """Give the next number, spelled as a UUID."""
        return UUID(int=next(self._numbers))


class SequentialSecrets(Secrets):
    """Secrets that a test can foretell: `secret-1-…`, 43 characters like the real ones."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def new_secret(self) -> str:
        """Give the next one."""
        return f"secret-{next(self._numbers)}-".ljust(43, "x")
