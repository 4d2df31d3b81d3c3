"""The page that Prometheus reads: what was counted, and how the exchanges stand."""

import os
import platform
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from anyio import Event, move_on_after, to_thread
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from app.domain.errors import TickgateError
from app.domain.range_units.jobs import JobState
from app.services.range_units.overview_service import ExchangeStanding

SHARED: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the directory where processes keep counts that they share."""

Look = Callable[[], Awaitable[Sequence[ExchangeStanding]]]
Begin = Callable[[Callable[[], Awaitable[None]]], object]


class Exposition:
    """Writes the page.

    The store is looked at when somebody reads: by one look at a time, in the background, whose end
    is waited for `patience` seconds and no longer. Where it does not come, the rest is told.
    """

    def __init__(
        self,
        *,
        registry: CollectorRegistry,
        look: Look,
        begin: Begin,
        patience: int,
        version: str,
    ) -> None:
        self._registry = registry
        self._look = look
        self._begin = begin
        self._patience = patience
        self._version = version
        self._going: _Looking | None = None

    async def page(self, accepted: str, /) -> tuple[bytes, str]:
        """Give the page, and its media type, the best of those that a reader accepts."""
        standings = await self._standings()
        write, media_type = choose_encoder(accepted)
        collected = _Page(self._counts, standings, self._version)
        # Off the event loop: there may be thousands of lines, and files of other processes.
        return await to_thread.run_sync(write, collected), media_type

    def _counts(self) -> Collector:
        shared = os.environ.get(SHARED)
        if shared is None:
            return self._registry
        forget_the_dead(Path(shared))
        return MultiProcessCollector(None, shared)  # type: ignore[no-untyped-call] # theirs

    async def _standings(self) -> Sequence[ExchangeStanding] | None:
        going = self._going
        if going is None:
            going = self._going = _Looking()
            self._begin(partial(self._look_once, going))
        with move_on_after(self._patience):
            await going.ended.wait()
        return going.found

    async def _look_once(self, going: "_Looking") -> None:
        try:
            with suppress(TickgateError):  # the page says that the database does not answer
                going.found = await self._look()
        finally:
            self._going = None
            going.ended.set()


@dataclass(eq=False)
class _Looking:
    """A look at the store, and what it found unless that was nothing."""

    ended: Event = field(default_factory=Event)
    found: Sequence[ExchangeStanding] | None = None


class _Page(Collector):
    def __init__(
        self,
        counts: Callable[[], Collector],
        standings: Sequence[ExchangeStanding] | None,
        version: str,
    ) -> None:
        self._counts = counts
        self._standings = standings
        self._version = version

    def collect(self) -> Iterator[Metric]:
        """Give what was counted, then what is so now."""
        yield from self._counts().collect()
        runs = GaugeMetricFamily(
            "tickgate_build_info", "What runs: always 1.", labels=("version", "python")
        )
        runs.add_metric((self._version, platform.python_version()), 1)
        yield runs
        is_up = self._standings is not None
        yield GaugeMetricFamily(
            "tickgate_database_up", "Whether the database answers (1) or not (0).", value=is_up
        )
        yield from _of_exchanges(self._standings or ())


def _of_exchanges(standings: Sequence[ExchangeStanding]) -> Iterator[Metric]:
    ages = GaugeMetricFamily(
        "tickgate_exchange_data_age_seconds",
        "Time since any range units of an exchange were last seen.",
        labels=("exchange",),
    )
    jobs = GaugeMetricFamily(
        "tickgate_sync_jobs",
        "Syncs of an exchange that there are, by state.",
        labels=("exchange", "state"),
    )
    for standing in standings:
        exchange = standing.overview.exchange
        if standing.age is not None:
            ages.add_metric((exchange,), standing.age.total_seconds())
        for state in JobState:
            jobs.add_metric((exchange, state), standing.overview.jobs.get(state, 0))
    yield ages
    yield jobs


def forget_the_dead(shared: Path) -> None:
    """Take the gauges of processes that have died out of the sums; their counters stay."""
    for file in shared.glob("gauge_live*.db"):
        pid = int(file.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)  # asks whether it is there, and does nothing to it
        except ProcessLookupError:
            mark_process_dead(pid, str(shared))  # type: ignore[no-untyped-call] # theirs
