"""What this process counts, for Prometheus."""

from collections.abc import Mapping
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

_ANSWERS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_WAITS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
# Of several processes that share their counts: the sum over those that live.
_SUM: Final = "livesum"


class Instruments:
    """Counters, gauges and histograms, each set by what it measures.

    No label holds anything that a client makes up, so that there are only so many series.
    """

    def __init__(self) -> None:
        # Or there would be a second series for each, of when it began.
        disable_created_metrics()  # type: ignore[no-untyped-call] # theirs
        self.registry = registry = CollectorRegistry()
        answers = ("method", "route", "status")
        self._requests = Counter(
            "tickgate_http_requests",
            "Requests that were answered, or broken off (status none).",
            answers,
            registry=registry,
        )
        self._durations = Histogram(
            "tickgate_http_request_duration_seconds",
            "Time from a request to the end of its answer.",
            answers,
            buckets=_ANSWERS,
            registry=registry,
        )
        # Finding them by their labels takes as long as counting.
        self._answers: dict[tuple[str, str | None, int | None], tuple[Counter, Histogram]] = {}
        self._logins = Counter(
            "tickgate_logins",
            "Attempts to log in that have ended, by outcome and true reason, as the login log has.",
            ("outcome", "reason"),
            registry=registry,
        )
        self.hash_queue = Gauge(
            "tickgate_hash_queue_length",
            "Passwords that wait for a thread to be hashed in.",
            multiprocess_mode=_SUM,
            registry=registry,
        )
        self.hash_waits = Histogram(
            "tickgate_hash_wait_seconds",
            "Time that a password waited for a thread.",
            buckets=_WAITS,
            registry=registry,
        )
        self.pool_in_use = Gauge(
            "tickgate_database_pool_in_use",
            "Connections to the database that are in use.",
            multiprocess_mode=_SUM,
            registry=registry,
        )
        self.pool_size = Gauge(
            "tickgate_database_pool_size",
            "Connections to the database that may be in use at a time.",
            multiprocess_mode=_SUM,
            registry=registry,
        )
        self._ingests = Counter(
            "tickgate_ingests",
            "Replies of exchanges that were taken, wholly or in part, or rejected.",
            ("exchange", "result"),
            registry=registry,
        )
        self._markets = Counter(
            "tickgate_ingested_markets",
            "Markets in the replies of exchanges, by what became of them.",
            ("exchange", "result"),
            registry=registry,
        )
        self.streams = Gauge(
            "tickgate_change_streams_open",
            "Clients that follow the stream of changes.",
            multiprocess_mode=_SUM,
            registry=registry,
        )

    def answered(self, method: str, route: str | None, status: int | None, seconds: float) -> None:
        """Count a request."""
        known = (method, route, None if status is None else status // 100)
        requests, durations = self._answers.get(known) or self._new_answers(*known)
        requests.inc()
        durations.observe(seconds)

    def _new_answers(
        self, method: str, route: str | None, hundreds: int | None
    ) -> tuple[Counter, Histogram]:
        labels = (method, route or "none", "none" if hundreds is None else f"{hundreds}xx")
        found = self._requests.labels(*labels), self._durations.labels(*labels)
        self._answers[method, route, hundreds] = found
        return found

    def logged_in(self, outcome: str, reason: str | None) -> None:
        """Count an attempt to log in."""
        self._logins.labels(outcome, reason or "none").inc()

    def ingested(self, exchange: str, result: str, markets: Mapping[str, int]) -> None:
        """Count a reply of an exchange, and the markets in it."""
        self._ingests.labels(exchange, result).inc()
        for became, number in markets.items():
            self._markets.labels(exchange, became).inc(number)
