"""An exchange on loopback that answers as it is told: well, badly, or not at all."""

import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.lowlevel import checkpoint
from anyio.streams.buffered import BufferedByteReceiveStream

_ABORTIVELY: Final = struct.pack("ii", 1, 0)  # SO_LINGER: what is closed is reset
_MOST_HEAD: Final = 64 * 1024


class Ending(Enum):
    """What becomes of an answer."""

    WHOLE = auto()
    CUT = auto()
    """The connection is closed in the middle of the body."""
    RESET = auto()
    """The connection is reset instead of an answer."""
    HEAD_ONLY = auto()
    """The body never comes."""
    SILENCE = auto()
    """Nothing ever comes."""


@dataclass(frozen=True, slots=True)
class Canned:
    """What is answered to one request."""

    body: bytes = b"{}"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    ending: Ending = Ending.WHOLE
    declared: bool = True
    """Whether its length is told before; otherwise it ends with the connection."""

    def head(self) -> bytes:
        length = f"Content-Length: {len(self.body)}" if self.declared else "Connection: close"
        lines = [f"HTTP/1.1 {self.status} Said", length]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join([*lines, "", ""]).encode()


NOT_FOUND: Final = Canned(b"<html>no such page</html>", 404)


@dataclass
class StubExchange:
    """Controls: `answers` by path and query, the last one for ever; `always`, whatever is asked.

    `on_ask` is waited for before an answer: it can hold one back.

    It remembers what it was `asked`, with which `headers`, and counts `connections` ever made and
    `open` ones.
    """

    url: str
    answers: dict[str, list[Canned]] = field(default_factory=dict)
    always: Canned | None = None
    on_ask: Callable[[str], Awaitable[object]] = lambda _: checkpoint()
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    connections: int = 0
    open: int = 0

    def answer(self, target: str) -> Canned:
        if self.always is not None:
            return self.always
        answers = self.answers.get(target, [NOT_FOUND])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def talk(self, stream: SocketStream) -> None:
        self.connections += 1
        self.open += 1
        try:
            async with stream:
                with suppress(anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError):
                    while await self._answer_one(stream):
                        pass
        finally:
            self.open -= 1

    async def _answer_one(self, stream: SocketStream) -> bool:
        head = await BufferedByteReceiveStream(stream).receive_until(b"\r\n\r\n", _MOST_HEAD)
        request, *lines = head.decode().split("\r\n")
        self.headers.append(dict(line.lower().split(": ", 1) for line in lines))
        method, target, _ = request.split(" ")
        self.asked.append(target if method == "GET" else request)
        await self.on_ask(target)
        canned = self.answer(target)
        match canned.ending:
            case Ending.WHOLE:
                await stream.send(canned.head() + canned.body)
                return canned.declared
            case Ending.CUT:
                await stream.send(canned.head() + canned.body[:-1])
            case Ending.RESET:
                raw = stream.extra_attributes[SocketAttribute.raw_socket]()
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORTIVELY)
            case Ending.HEAD_ONLY:
                await stream.send(canned.head())
                await stream.receive()
            case Ending.SILENCE:
                await stream.receive()
        return False


@asynccontextmanager
async def stub_exchange() -> AsyncIterator[StubExchange]:
    """Serve one until the end of the block."""
    listeners = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listeners.extra_attributes[SocketAttribute.local_port]()
    stub = StubExchange(f"http://127.0.0.1:{port}")
    async with listeners, anyio.create_task_group() as serving:
        serving.start_soon(listeners.serve, stub.talk)
        yield stub
        serving.cancel_scope.cancel()
