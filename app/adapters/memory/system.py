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


class SteeredClock(Clock):
    """Runs as another clock does, until it is put to a time: there it runs on, or stands still."""

    def __init__(self, real: Clock) -> None:
        self._real = real
        self._ahead = timedelta(0)
        self._stands_at: datetime | None = None

    @property
    def frozen(self) -> bool:
        """Whether it stands still."""
        return self._stands_at is not None

    def now(self) -> datetime:
        """Give the time where it stands, or has come to."""
        return self._stands_at or self._real.now() + self._ahead

    def put(self, time: datetime, *, frozen: bool) -> None:
        """Put it to a time, to stand still there or to run on."""
        self._stands_at = time if frozen else None
        self._ahead = time - self._real.now()


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
