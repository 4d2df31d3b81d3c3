"""What was read from a store, kept for a while in this process."""

from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

ALWAYS: Final = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
"""From when to when what never changes is good."""


class Kept(Generic[K, V]):
    """Values by key, each good from one instant to another; their sizes are at most `most`.

    `forget` is to be called after every commit of this process that may have changed one. Nothing
    that was read before that is kept, or becomes so: whoever reads says when it began.
    """

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._values: dict[K, tuple[V, datetime, datetime, int]] = {}
        self._size = 0
        self._times_forgotten = 0

    def forget(self) -> None:
        """Keep nothing of what there was, nor of what is being read."""
        self._values.clear()
        self._size = 0
        self._times_forgotten += 1

    def get(self, key: K, now: datetime) -> V | None:
        """Give what is kept, and good at this instant."""
        found = self._values.get(key)
        return found[0] if found is not None and found[1] <= now < found[2] else None

    def begin(self) -> int:
        """Give what `keep` wants to know, before the reading begins."""
        return self._times_forgotten

    def keep(  # noqa: PLR0913 - what, for how long, and at what cost
        self, key: K, value: V, *, since: datetime, until: datetime, begun: int, size: int = 1
    ) -> None:
        """Keep what was read, unless it may have changed since the reading began."""
        if begun != self._times_forgotten or size > self._most:
            return
        self._drop(key)
        while self._size + size > self._most:
            self._drop(next(iter(self._values)))  # what was read the longest time ago
        self._values[key] = (value, since, until, size)
        self._size += size

    def _drop(self, key: K) -> None:
        dropped = self._values.pop(key, None)
        if dropped is not None:
            self._size -= dropped[3]
