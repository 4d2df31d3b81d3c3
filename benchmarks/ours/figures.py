"""What a program says at its end: how often something was done in a second, and what it cost."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter, process_time


@dataclass(slots=True)
class Work:
    """How much was done."""

    done: int = 0


@contextmanager
def say() -> Iterator[Work]:
    """Take the time, and tell it."""
    work = Work()
    began, used = perf_counter(), process_time()
    yield work
    took, used = perf_counter() - began, process_time() - used
    sys.stdout.write(
        json.dumps({"each/s": work.done / took, "CPU µs each": used / work.done * 1e6})
    )
