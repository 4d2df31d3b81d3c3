"""Clients that cost little: requests are made beforehand, and connections stay open.

They share the cores with what they measure, so an answer is looked at no further than it takes to
know its status and its end.
"""

import asyncio
import re
from asyncio import get_running_loop
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from time import perf_counter
from typing import Final, cast

import anyio

PATIENCE: Final = 120
"""Seconds after which what was asked counts as never answered."""

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_WITHOUT_BODY: Final = {204, 304}


def request(
    method: str, path: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
) -> bytes:
    """Write a request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(slots=True)
class Answer:
    """An answer's status, head and body."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str:
        """Give a header that is there."""
        found = re.search(rf"\r\n{name}: *([^\r]*)", self.head.decode(), re.IGNORECASE)
        if found is None:
            raise LookupError(f"The answer has no {name}.")
        return found[1]


class Connection(asyncio.Protocol):
    """A connection, which carries one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._received = bytearray()
        self._answer: asyncio.Future[Answer] | None = None

    @classmethod
    async def to(cls, port: int) -> "Connection":
        """Connect to a server on this machine."""
        _, connection = await get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    @property
    def is_open(self) -> bool:
        """Whether requests can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, asked: bytes) -> Answer:
        """Send a request, and wait for its answer."""
        if self._transport is None:
            raise ConnectionError("The connection is not open.")
        self._answer = get_running_loop().create_future()
        self._transport.write(asked)
        return await self._answer

    def close(self) -> None:
        """Let go."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # Those of uvloop can write, but are not derived from what says so.
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer."""
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._received[:end])
        status = int(head[9:12])
        length = 0
        if status not in _WITHOUT_BODY:
            found = _LENGTH.search(head)
            if found is None:
                self._fail(ValueError("The answer does not say how long it is."))
                return
            length = int(found[1])
        begin = end + 4
        if len(self._received) >= begin + length:
            answer = Answer(status, head, bytes(self._received[begin : begin + length]))
            self._received.clear()
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """End; whoever waits for an answer gets none."""
        self._transport = None
        self._fail(exc or ConnectionResetError("The server has closed the connection."))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


@dataclass(slots=True)
class Asked:
    """How requests were answered."""

    began: float
    until: float
    """When the last of them was to begin."""
    answered: int = 0
    refused: int = 0
    """How many had another status than 200 or 304."""
    latencies: list[float] = field(default_factory=list)
    """In milliseconds."""

    times: list[float] = field(default_factory=list)
    """When each answer came that was no refusal."""

    @property
    def rate(self) -> float:
        """Give the answers per second that were no refusals, from the first one on.

        What was begun in time and came after it is left out: by then fewer and fewer ask.
        """
        within = [time for time in self.times if time <= self.until]
        if len(within) > 1:
            return (len(within) - 1) / (self.until - within[0])
        return len(self.times) / (max(self.times, default=self.until) - self.began)

    def percentile(self, part: float) -> float:
        """Give the time within which such a part of the answers came."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * part), len(ordered) - 1)]

    def note(self, answer: Answer, latency: float) -> None:
        """Count an answer that has just come."""
        self.answered += 1
        if answer.status in {200, 304}:
            self.times.append(perf_counter())
        else:
            self.refused += 1
        self.latencies.append(latency * 1000)


async def once(port: int, asked: bytes) -> Answer:
    """Ask once."""
    connection = await Connection.to(port)
    try:
        with anyio.fail_after(PATIENCE):
            return await connection.ask(asked)
    finally:
        connection.close()


async def hammer(
    port: int, requests: Sequence[bytes], *, connections: int, seconds: float
) -> Asked:
    """Ask on so many connections, on each again as soon as it is answered.

    Nothing is begun when the time is over; what was begun is waited for, and counts.
    """
    following = cycle(requests)
    opened = [await Connection.to(port) for _ in range(connections)]
    began = perf_counter()
    result = Asked(began, began + seconds)

    async def go_on(connection: Connection) -> None:
        while (asked_at := perf_counter()) < result.until:
            answer = await connection.ask(next(following))
            result.note(answer, perf_counter() - asked_at)

    try:
        with anyio.fail_after(seconds + PATIENCE):
            async with anyio.create_task_group() as tasks:
                for connection in opened:
                    tasks.start_soon(go_on, connection)
    finally:
        for connection in opened:
            connection.close()
    return result


async def steadily(port: int, asked: bytes, *, per_second: float, seconds: float) -> Asked:
    """Ask at a steady rate, however long the answers take.

    A latency counts from when it was time to ask: a server that stalls makes all wait who would
    have asked meanwhile, and not only the one who did.
    """
    idle = [await Connection.to(port)]
    opened = list(idle)
    began = perf_counter()
    result = Asked(began, began + seconds)

    async def one(due: float) -> None:
        # Servers close what was idle for seconds.
        idle[:] = [connection for connection in idle if connection.is_open]
        if idle:
            connection = idle.pop()
        else:
            connection = await Connection.to(port)
            opened.append(connection)
        answer = await connection.ask(asked)
        result.note(answer, perf_counter() - due)
        idle.append(connection)

    try:
        with anyio.fail_after(seconds + PATIENCE):
            async with anyio.create_task_group() as tasks:
                for number in range(int(seconds * per_second)):
                    due = began + number / per_second
                    await anyio.sleep(max(due - perf_counter(), 0))
                    tasks.start_soon(one, due)
    finally:
        for connection in opened:
            connection.close()
    return result
