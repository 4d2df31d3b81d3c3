"""What is measured, put to where it happens; and where the measures can be read."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from tempfile import TemporaryDirectory

from app.adapters.http.metrics import Metrics, metrics_app
from app.adapters.http.protocol import HttpProtocol
from app.adapters.metrics.exposition import SHARED
from app.adapters.metrics.identity import CountingIdentityUnitOfWork
from app.adapters.metrics.instruments import Instruments
from app.adapters.metrics.server import listening, served
from app.domain.identity.login_log import LoginAttempt
from app.ports.identity.work import IdentityUnitOfWork
from app.settings import Settings, WrongSetting


def counted_logins(
    work: Callable[..., IdentityUnitOfWork], instruments: Instruments
) -> Callable[..., IdentityUnitOfWork]:
    """Count the attempts that end in units of work."""

    def count(attempt: LoginAttempt) -> None:
        instruments.logged_in(attempt.outcome, attempt.fail_reason)

    return lambda **options: CountingIdentityUnitOfWork(work(**options), count)


@contextmanager
def shared_counts(workers: int) -> Iterator[None]:
    """Let the workers that are started in the block share their counts.

    They are processes of their own, and a scrape reaches any one of them: it has to tell of all.
    """
    if workers == 1 or SHARED in os.environ:
        yield
        return
    with TemporaryDirectory(prefix="tickgate-metrics-") as directory:
        os.environ[SHARED] = directory
        try:
            yield
        finally:
            del os.environ[SHARED]


def check_port(settings: Settings) -> None:
    """Raise `WrongSetting` where the port for metrics cannot be had."""
    if settings.metrics_port is None:
        return
    try:
        with listening(settings.metrics_host, settings.metrics_port):
            pass
    except OSError as error:
        raise WrongSetting(f"TICKGATE_METRICS_PORT: {error}") from error


@asynccontextmanager
async def on_own_port(metrics: Metrics, settings: Settings) -> AsyncIterator[None]:
    """Serve the metrics on the port that is set for them, if one is, while the block lasts."""
    port = settings.metrics_port
    if port is None:
        yield
        return
    is_shared = SHARED in os.environ
    async with served(
        metrics_app(metrics),
        host=settings.metrics_host,
        port=port,
        protocol=HttpProtocol,
        is_shared=is_shared,
    ):
        yield
