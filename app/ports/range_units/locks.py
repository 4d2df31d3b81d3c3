from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

IsHeld: TypeAlias = Callable[[], Awaitable[bool]]
"""Tells whether a lock is still held: what holds it may have been lost on the way."""


class SyncLocks(Protocol):
    """A lock for each exchange, which all processes on one store share."""

    def hold(self, *, exchange: str) -> AbstractAsyncContextManager[IsHeld | None]:
        """Hold an exchange's lock for a block; gives None where somebody else holds it.

        Never waits for them. It is free again when the block is left, however that is, and when
        the process has died, however it did. Entering may raise `StoreUnavailable`.
        """
        ...
