"""How the process learns that it is to end, while it still serves."""

import signal
import threading
from asyncio import get_running_loop
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, kw_only=True)
class LastSteps:
    """What is to be done, on the event loop, when a signal tells the process to stop.

    A server then stops accepting, waits for the answers that it is giving, and ends its lifespan:
    an answer without an end would be waited for in vain.
    """

    told: Callable[[], object]
    """At once."""
    linger: float
    """Seconds until the server learns of it: what sends requests here has to notice first."""
    ending: Callable[[], object]
    """When the server learns of it."""
    patience: float
    """Seconds from then on for which it may wait."""
    late: Callable[[], object]
    """When they are over."""


@contextmanager
def told_to_stop(steps: LastSteps) -> Iterator[None]:
    """Take these steps when a signal tells the process to stop, for a block.

    What the signal did before is done as well. SIGINT, which a person sends, is not lingered over.
    A supervisor and its own supervisor may both send SIGTERM: the second changes nothing. Off the
    main thread, where Python lets nobody handle signals, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = _Handler(steps)
    for number in _SIGNALS:
        signal.signal(number, handler.stop)
    try:
        yield
    finally:
        for number, before in handler.before.items():
            signal.signal(number, before)


class _Handler:
    def __init__(self, steps: LastSteps) -> None:
        self.before = {number: signal.getsignal(number) for number in _SIGNALS}
        self._steps = steps
        self._loop = get_running_loop()
        self._is_told = self._is_ending = False

    def stop(self, number: int, frame: FrameType | None) -> None:
        lingers = number == signal.SIGTERM and self._steps.linger > 0 and not self._is_ending
        if not self._is_told:
            self._is_told = True
            self._loop.call_soon_threadsafe(self._steps.told)
            if lingers:
                later = (self._steps.linger, self._end, number, None)
                self._loop.call_soon_threadsafe(self._loop.call_later, *later)
        if not lingers:
            self._end(number, frame)

    def _end(self, number: int, frame: FrameType | None) -> None:
        if not self._is_ending:
            self._is_ending = True
            later = (self._steps.patience, self._steps.late)
            self._loop.call_soon_threadsafe(self._steps.ending)
            self._loop.call_soon_threadsafe(self._loop.call_later, *later)
        before = self.before[signal.Signals(number)]
        if callable(before):
            before(number, frame)
        elif before is signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
