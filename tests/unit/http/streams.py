"""A client of answers that have no end: httpx's own, in process, would wait for it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from anyio import (
    EndOfStream,
    Event,
    create_memory_object_stream,
    create_task_group,
    fail_after,
)
from anyio.streams.memory import MemoryObjectReceiveStream
from fastapi import FastAPI

PATIENCE: Final = 5


class Streamed:
    """An answer that is read piece by piece; the server makes the next piece only then."""

    def __init__(self, messages: MemoryObjectReceiveStream[Any]) -> None:
        self._messages = messages
        self._text = ""
        self.status = 0
        self.headers: dict[str, str] = {}

    async def begin(self) -> None:
        with fail_after(PATIENCE):
            start = await self._messages.receive()
        self.status = start["status"]
        self.headers = {name.decode(): value.decode() for name, value in start["headers"]}

    async def block(self) -> str | None:
        """Give what comes before the next blank line; None at the end."""
        while "\n\n" not in self._text:
            try:
                with fail_after(PATIENCE):
                    message = await self._messages.receive()
            except EndOfStream:
                return None
            self._text += message.get("body", b"").decode()
        block, _, self._text = self._text.partition("\n\n")
        return block

    async def change(self) -> dict[str, Any]:
        """Give the next event's data, which has the event's id for its position."""
        block = None
        while block is None or "data: " not in block:
            block = await self.block()
            assert block is not None, "the stream has ended"
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        change: dict[str, Any] = json.loads(fields["data"])
        assert fields["id"] == str(change["position"])
        return change


@asynccontextmanager
async def streamed(app: FastAPI, url: str, headers: dict[str, str]) -> AsyncIterator[Streamed]:
    """Ask for an answer, and hang up at the end of the block."""
    path, _, query = url.partition("?")
    send, receive = create_memory_object_stream[Any](0)
    gone = Event()
    sent_body = False

    async def receive_message() -> dict[str, Any]:
        nonlocal sent_body
        if not sent_body:
            sent_body = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("203.0.113.7", 50000),
        "server": ("tickgate.test", 80),
    }

    async def serve() -> None:
        async with send:
            await app(scope, receive_message, send.send)

    async with create_task_group() as tasks:
        tasks.start_soon(serve)
        async with receive:
            answer = Streamed(receive)
            await answer.begin()
            yield answer
            gone.set()
            with fail_after(PATIENCE):
                async for _ in receive:
                    pass
