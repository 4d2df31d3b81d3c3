"""How often an exchange may be asked."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf

import anyio

_ROUNDING = 1e-6
"""Seconds that are too few to wait for: sums of instants are no more exact, nor are timers."""


@dataclass(frozen=True, slots=True)
class RateBudget:
    """So many calls a second, and so many at once after a pause that was long enough.

    In any span of `t` seconds there are at most `burst + per_second * t` calls.
    """

    per_second: float
    burst: int


class Budget:
    """A token bucket which its callers wait for in turn.

    It is kept as the instant at which it would be full again. A caller that is cancelled while it
    waits has taken nothing.
    """

    def __init__(
        self,
        rate: RateBudget,
        *,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._interval = 1 / rate.per_second
        self._slack = (rate.burst - 1) * self._interval
        self._full_at = -inf
        self._turn = anyio.Lock()
        self._now = now
        self._sleep = sleep

    async def take(self) -> None:
        """Wait until a call may be made, and count it."""
        async with self._turn:
            now = self._now()
            # Looked at again after each wait: meanwhile the exchange may have asked for a pause.
            while (free_at := self._full_at - self._slack) - now > _ROUNDING:
                await self._sleep(free_at - now)
                # A timer that rings a little early must not make this wait for nothing again.
                now = max(self._now(), free_at)
            self._full_at = max(self._full_at, now) + self._interval

    def hold(self, seconds: float) -> None:
        """Let nobody call for so long, and then one after the other at the ordinary rate."""
        self._full_at = max(self._full_at, self._now() + seconds + self._slack)
