"""A way to Postgres that breaks: at any time, or at a message of its protocol."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from typing import Final

from anyio import create_task_group
from sqlalchemy import URL, make_url

from tests.integration.server import free_port

_ABORTIVELY: Final = struct.pack("ii", 1, 0)  # SO_LINGER: what is closed is reset
_ENDS_OF_REQUESTS: Final = b"QS"  # a simple query, and the Sync of an extended one
_ENDS_OF_ANSWERS: Final = b"Z"  # ready for the next query


class Way(Enum):
    """Where a message goes."""

    THERE = "to the server"
    BACK = "to the client"


@dataclass(frozen=True, slots=True)
class Message:
    """A message of Postgres's protocol: its kind is one byte, none for a client's first."""

    way: Way
    kind: bytes
    content: bytes

    def is_last(self) -> bool:
        """Whether it completes a request, or the answer to one."""
        ends = _ENDS_OF_REQUESTS if self.way is Way.THERE else _ENDS_OF_ANSWERS
        return bool(self.kind) and self.kind in ends


Moment = Callable[[Message], bool]
"""Says of each message, as it arrives here, whether it is the one that is waited for."""


def asked(statement: str) -> Moment:
    """Wait for a client that asks the server for a statement with this text.

    Only the first time on a connection: a statement that is prepared is then run by its name.
    """
    text = statement.encode()

    def is_it(message: Message) -> bool:
        return message.way is Way.THERE and message.kind in b"QP" and text in message.content

    return is_it


def done(tag: str) -> Moment:
    """Wait for a server that says that it has done this; it has, before it says so."""
    text = tag.encode()

    def is_it(message: Message) -> bool:
        is_tag = message.way is Way.BACK and message.kind == b"C"
        return is_tag and message.content.startswith(text)

    return is_it


def number(place: int, way: Way) -> Moment:
    """Wait for the end of a request, or of an answer, counted from one."""
    ends = 0

    def is_it(message: Message) -> bool:
        nonlocal ends
        ends += message.way is way and message.is_last()
        return ends == place

    return is_it


class Proxy:
    """A way to a server over the loopback, which can be closed, cut and held up.

    What is ordered for a moment happens once, instead of passing that message on.
    """

    def __init__(self, target: URL) -> None:
        self.port = free_port()
        self._target = target
        self._listener: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._moment: Moment | None = None
        self._order: Callable[[], None] = self.cut

    @property
    def url(self) -> str:
        """The database on this way; unencrypted, or no message could be told from another."""
        url = self._target.set(host="127.0.0.1", port=self.port)
        return url.update_query_dict({"ssl": "disable"}).render_as_string(hide_password=False)

    async def open(self) -> None:
        """Let everything through from now on, and forget what was ordered."""
        self._moment = None
        self._flows.set()
        if self._listener is None:
            self._listener = await asyncio.start_server(self._carry, "127.0.0.1", self.port)

    def close(self) -> None:
        """Refuse every connection from now on, and cut those that there are."""
        if self._listener is not None:  # pragma: no branch - it may be closed twice
            self._listener.close()
            self._listener = None
        self.cut()

    def cut(self) -> None:
        """Reset every connection, at both ends."""
        for end in self._ends:
            if not end.is_closing():
                connection = end.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORTIVELY)
                end.transport.abort()

    def hold_up(self) -> None:
        """Let nothing through, as if it were on its way."""
        self._flows.clear()

    def cut_when(self, moment: Moment) -> None:
        """Reset every connection at that moment."""
        self._moment, self._order = moment, self.cut

    def hold_up_when(self, moment: Moment) -> None:
        """Let nothing through from that moment on."""
        self._moment, self._order = moment, self.hold_up

    @property
    def waits(self) -> bool:
        """Whether the moment of what was ordered has not come yet."""
        return self._moment is not None

    async def _carry(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection(
            self._target.host, self._target.port or 5432
        )
        ends = {to_client, to_server}
        self._ends |= ends
        async with create_task_group() as tasks:
            tasks.start_soon(self._pump, Way.THERE, client, to_server)
            tasks.start_soon(self._pump, Way.BACK, server, to_client)
        self._ends -= ends

    async def _pump(
        self, way: Way, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        has_kind = way is Way.BACK
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                kind = await source.readexactly(1) if has_kind else b""
                length = await source.readexactly(4)
                content = await source.readexactly(int.from_bytes(length) - len(length))
                has_kind = True
                if self._moment is not None and self._moment(Message(way, kind, content)):
                    self._moment = None
                    self._order()
                await self._flows.wait()
                sink.write(kind + length + content)
                await sink.drain()
        sink.close()


@asynccontextmanager
async def proxy_to(url: str) -> AsyncIterator[Proxy]:
    """Give an open way to a database."""
    proxy = Proxy(make_url(url))
    await proxy.open()
    yield proxy
    proxy.close()
