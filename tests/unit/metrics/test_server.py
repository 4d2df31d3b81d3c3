"""A server beside the one for the API: how it ends, and what it does not let clients do."""

from contextlib import suppress

import anyio
import pytest
from anyio.abc import SocketStream
from anyio.lowlevel import checkpoint
from starlette.types import Receive, Scope, Send

from app.adapters.http.protocol import HttpProtocol
from app.adapters.metrics.server import listening, served
from tests.integration.server import free_port

HOST = "127.0.0.1"
MEGABYTE = bytes(1 << 20)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # the server knows no other


async def at_length(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer with more than a connection holds that nobody reads from."""
    await send({"type": "http.response.start", "status": 200})
    for _ in range(20):
        await send({"type": "http.response.body", "body": MEGABYTE, "more_body": True})
    await send({"type": "http.response.body"})


async def reached(port: int) -> SocketStream:
    """Connect, once somebody listens."""
    with anyio.fail_after(5):
        while True:
            with suppress(OSError):
                return await anyio.connect_tcp(HOST, port)
            await checkpoint()


async def test_nobody_who_does_not_read_keeps_it_from_ending_nor_from_the_next_start() -> None:
    port = free_port()
    for is_cancelled in (False, True):
        told, ended = anyio.Event(), anyio.Event()
        scope = anyio.CancelScope()

        async def serve(
            told: anyio.Event = told,
            ended: anyio.Event = ended,
            scope: anyio.CancelScope = scope,
        ) -> None:
            with scope:
                async with served(
                    at_length, host=HOST, port=port, protocol=HttpProtocol, patience=1
                ):
                    await told.wait()
            ended.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve)
            async with await reached(port) as client:
                await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
                await client.receive(1)
                scope.cancel() if is_cancelled else told.set()
                with anyio.move_on_after(5):
                    await ended.wait()
                has_ended = ended.is_set()
        assert has_ended, is_cancelled
        with listening(HOST, port):
            pass


async def test_headers_without_end_are_refused_and_those_that_fit_are_not() -> None:
    port, told = free_port(), []
    begin, large = b"GET / HTTP/1.0\r\n", b"x: " + b"a" * 30_000 + b"\r\n"
    async with served(at_length, host=HOST, port=port, protocol=HttpProtocol, patience=1):
        for sent in (
            begin + large * 2 + b"\r\n",
            begin + large * 3 + b"\r\n",
            b"GET /" + b"a" * 70_000,
            b"no such thing\r\n\r\n",
        ):
            async with await reached(port) as client:
                await client.send(sent)
                with anyio.fail_after(5):
                    told.append((await client.receive(12))[9:])
        async with await reached(port) as client:
            # What it has not read when it hangs up may cost us the answer, but not the end.
            with anyio.fail_after(5), suppress(anyio.BrokenResourceError):
                await client.send(begin + b"x: " + b"a" * 10_000_000)
                await client.receive(12)
    assert told == [b"200", b"431", b"431", b"400"]
