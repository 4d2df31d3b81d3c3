"""What a load on a server is measured by."""

from collections.abc import Sequence
from typing import Final

from benchmarks.harness import Figures, Quantity
from benchmarks.load import Asked, hammer
from benchmarks.processes import Served

RATE: Final = "answers/s"
CPU: Final = "CPU µs each"
P50: Final = "p50 ms"
P99: Final = "p99 ms"
REFUSED: Final = "refused"
MEMORY: Final = "MiB"
SECONDS: Final = "s"
WARM_UP: Final = 0.25
"""Of a turn, before it."""


def quantities(*contestants: str, name: str) -> list[Quantity]:
    """Give the same quantity of several contestants."""
    return [Quantity(contestant, name) for contestant in contestants]


def latencies(asked: Asked) -> Figures:
    """Give how long answers took."""
    return {
        P50: asked.percentile(0.5),
        P99: asked.percentile(0.99),
        REFUSED: float(asked.refused),
    }


async def loaded(
    server: Served, requests: Sequence[bytes], *, connections: int, seconds: float
) -> Figures:
    """Ask as fast as the answers come; give the rate, what one costs the server, and how long.

    What is asked before counts for nothing: it opens the server's own connections.
    """
    await hammer(server.port, requests, connections=connections, seconds=seconds * WARM_UP)
    before = server.cpu()
    asked = await hammer(server.port, requests, connections=connections, seconds=seconds)
    used = server.cpu() - before
    return {RATE: asked.rate, CPU: used / asked.answered * 1e6, **latencies(asked)}
