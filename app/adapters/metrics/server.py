"""A port of its own for the metrics, so that they need not be where everyone can ask."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import uvicorn
from anyio import CancelScope, create_task_group
from starlette.types import ASGIApp

_BACKLOG: Final = 16
_PATIENCE: Final = 4  # seconds for what is being answered when the block ends


class _Beside(uvicorn.Server):
    """A server within another one, whose signals are not for this one."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def served(  # noqa: PLR0913 - as many things can be said of it
    app: ASGIApp,
    *,
    host: str,
    port: int,
    protocol: type[asyncio.Protocol],
    is_shared: bool = False,
    patience: int = _PATIENCE,
) -> AsyncIterator[None]:
    """Serve an application for as long as the block lasts. Raises `OSError`.

    The block ends for certain: the protocol hangs up on who still asks, or does not read, when the
    patience is nearly over. Where several processes share the port, any one of them answers.
    """
    with listening(host, port, is_shared=is_shared) as listener:
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            http=protocol,
            ws="none",
            timeout_graceful_shutdown=patience,
        )
        server = _Beside(config)

        async def serve() -> None:
            # Cancelled, it would neither stop listening nor hang up.
            with CancelScope(shield=True):
                await server.serve([listener])

        async with create_task_group() as tasks:
            tasks.start_soon(serve)
            try:
                yield
            finally:
                server.should_exit = True


@contextmanager
def listening(host: str, port: int, *, is_shared: bool = False) -> Iterator[socket.socket]:
    """Give a socket that listens, and close it afterwards. Raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server(
        (host, port), family=family, backlog=_BACKLOG, reuse_port=is_shared
    ) as listener:
        yield listener
