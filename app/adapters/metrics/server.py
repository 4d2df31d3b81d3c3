"""A port of its own for the metrics, so that they need not be where everyone can ask."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import uvicorn
from anyio import create_task_group
from starlette.types import ASGIApp

_BACKLOG: Final = 16


class _Beside(uvicorn.Server):
    """A server within another one, whose signals are not for this one."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def served(app: ASGIApp, *, host: str, port: int, is_shared: bool) -> AsyncIterator[None]:
    """Serve an application for as long as the block lasts. Raises `OSError`.

    Where several processes share the port, any one of them answers.
    """
    with listening(host, port, is_shared=is_shared) as listener:
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            ws="none",
        )
        server = _Beside(config)
        async with create_task_group() as tasks:
            tasks.start_soon(server.serve, [listener])
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
