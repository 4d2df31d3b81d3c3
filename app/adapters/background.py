"""What the service does by itself, beside answering requests."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from anyio import create_task_group

from app.domain.errors import TickgateError

Work = Callable[[], Awaitable[object]]

_LOGGER: Final = logging.getLogger("tickgate")


@asynccontextmanager
async def repeated(work: Work, *, wait: Work, name: str = "The upkeep") -> AsyncIterator[None]:
    """Do something now, and again after each wait, for as long as the block lasts.

    Whatever becomes of it, the block is not held up, and ends when it ends: a refusal is logged in
    a line, a defect in full, and the next time may be better.
    """

    async def repeat() -> None:
        while True:
            try:
                await work()
            except TickgateError as error:
                _LOGGER.warning("%s has to wait: %s [%s]", name, error.detail, error.code)
            except Exception:
                _LOGGER.exception("%s has failed.", name)
            await wait()

    async with create_task_group() as tasks:
        tasks.start_soon(repeat)
        try:
            yield
        finally:
            tasks.cancel_scope.cancel()


Begin = Callable[[Work], object]
"""Begins to do something, and does not wait for it."""


@asynccontextmanager
async def side_by_side() -> AsyncIterator[Begin]:
    """Do things beside the block, as many as it begins; what still goes on then is cancelled.

    Leaving waits until all have cleaned up. A refusal is logged in a line, a defect in full.
    """

    async def do(work: Work) -> None:
        try:
            await work()
        except TickgateError as error:
            _LOGGER.warning("What was begun has failed: %s [%s]", error.detail, error.code)
        except Exception:
            _LOGGER.exception("What was begun has failed.")

    async with create_task_group() as tasks:
        try:
            yield lambda work: tasks.start_soon(do, work)
        finally:
            tasks.cancel_scope.cancel()
