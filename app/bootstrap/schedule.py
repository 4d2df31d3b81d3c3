"""Syncs that the service does by itself."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial

from app.adapters.background import Work, repeated
from app.domain.range_units.jobs import Job
from app.services.range_units.sync_service import SyncService


@asynccontextmanager
async def scheduled(
    every: Mapping[str, timedelta],
    *,
    sync: SyncService,
    begin: Callable[[Job], object],
    wait: Work,
) -> AsyncIterator[None]:
    """Sync exchanges, each as often as it says, for as long as the block lasts.

    Each is looked at by itself, now and after each wait: what one is refused holds no other up.
    """

    async def look(exchange: str, after: timedelta) -> None:
        job = await sync.start_due(exchange=exchange, every=after)
        if job is not None:
            begin(job)

    async with AsyncExitStack() as stack:
        for exchange, after in every.items():
            await stack.enter_async_context(repeated(partial(look, exchange, after), wait=wait))
        yield
