"""Replicas that are stopped and started again while clients use them."""

import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Final

import anyio
import httpx
import pytest
from anyio import create_task_group
from anyio.abc import SocketStream

from app.bootstrap.database import opened
from tests.integration.server import Server, free_port, serving
from tests.integration.test_server_process import (
    Place,
    attempts,
    log_in_as_admin,
    new_place,
)

pytestmark = pytest.mark.thorough

A_LOOK: Final = 0.1
DRAIN: Final = 2
CLIENTS: Final = 4


class Balancer:
    """Takes connections, and leads each to the next replica that says that it is ready."""

    def __init__(self, ports: list[int]) -> None:
        self.port = free_port()
        self.ready: set[int] = set()
        self._ports = ports
        self._turns = cycle(ports)
        self._over = anyio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=self.port)
        async with listener, create_task_group() as tasks:
            tasks.start_soon(listener.serve, self._lead)
            for port in self._ports:
                tasks.start_soon(self._look, port)
            yield
            tasks.cancel_scope.cancel()

    async def _look(self, port: int) -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            while True:
                is_ready = False
                with suppress(httpx.TransportError):
                    is_ready = (await client.head(f"http://127.0.0.1:{port}/readyz")).is_success
                (self.ready.add if is_ready else self.ready.discard)(port)
                with anyio.move_on_after(A_LOOK):
                    await self._over.wait()

    async def _lead(self, client: SocketStream) -> None:
        async with client, await self._replica() as replica, create_task_group() as pipes:

            async def pipe(source: SocketStream, target: SocketStream) -> None:
                with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                    async for chunk in source:
                        await target.send(chunk)
                pipes.cancel_scope.cancel()

            pipes.start_soon(pipe, client, replica)
            pipes.start_soon(pipe, replica, client)

    async def _replica(self) -> SocketStream:
        while True:
            for port in self._turns:
                if port in self.ready:
                    with suppress(OSError):
                        return await anyio.connect_tcp("127.0.0.1", port)
                await anyio.lowlevel.checkpoint()


class Load:
    """Clients that log in and ask who they are, again and again, and what they were answered."""

    def __init__(self, port: int, password: str) -> None:
        self.answers: Counter[object] = Counter()
        self._url = f"http://127.0.0.1:{port}"
        self._password = password
        self._enough = anyio.Event()

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        async with create_task_group() as tasks:
            for _ in range(CLIENTS):
                tasks.start_soon(self._go_on)
            yield
            self._enough.set()

    async def _go_on(self) -> None:
        async with httpx.AsyncClient(base_url=self._url, timeout=20, trust_env=False) as client:
            while not self._enough.is_set():
                try:
                    login = await log_in_as_admin(client, self._password)
                    self.answers[login.status_code] += 1
                    headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
                    me = await client.get("/v1/users/me", headers=headers)
                    self.answers[me.status_code] += 1
                except (httpx.TransportError, KeyError) as error:
                    self.answers[repr(error)] += 1


@pytest.fixture
async def place(tmp_path: Path, postgres_server_url: str) -> AsyncIterator[Place]:
    async with new_place("postgres", tmp_path, postgres_server_url) as place:
        yield place


async def administrator_of(place: Place, *, cost: int = 4) -> str:
    """Make the place ready, and give the administrator's password."""
    settings = place.settings_here().model_copy(update={"bcrypt_cost": cost})
    async with opened(settings, makes=True) as application:
        made = await application.prepare()
    assert made is not None
    return made[1]


async def test_two_replicas_are_restarted_one_after_the_other_and_no_request_fails(
    place: Place,
) -> None:
    password = await administrator_of(place)
    settings = place.settings | {
        "TICKGATE_DRAIN_SECONDS": str(DRAIN),
        "TICKGATE_LOGIN_LIMIT_PAIR": "off",
    }
    ports = [free_port(), free_port()]
    balancer = Balancer(ports)
    load = Load(balancer.port, password)

    async with AsyncExitStack() as stack:
        start = partial(serving, place.directory, settings=settings)
        servers = [await stack.enter_async_context(start(port=port)) for port in ports]
        await stack.enter_async_context(balancer.running())
        await servers[0].eventually(partial(are_ready, balancer, 2))
        async with load.going_on():
            for server, port in zip(servers, ports, strict=True):
                assert await server.ends(signal.SIGTERM) in (0, 128 + signal.SIGTERM)
                again = await stack.enter_async_context(start(port=port))
                await again.eventually(partial(are_ready, balancer, 2))
    assert set(load.answers) == {200}
    assert load.answers[200] > 100


async def are_ready(balancer: Balancer, count: int) -> bool:
    await anyio.lowlevel.checkpoint()
    return len(balancer.ready) == count


async def test_logins_that_wait_for_a_hash_are_answered_though_there_is_no_time_for_all(
    place: Place,
) -> None:
    password = await administrator_of(place, cost=12)
    settings = place.settings | {
        "TICKGATE_BCRYPT_COST": "12",
        "TICKGATE_HASH_THREADS": "1",
        "TICKGATE_SHUTDOWN_SECONDS": "2",
        "TICKGATE_DRAIN_SECONDS": "1",
        "TICKGATE_LOGIN_LIMIT_PAIR": "off",
        "TICKGATE_LOGIN_LIMIT_USER": "off",
    }
    answers: list[httpx.Response] = []
    async with serving(place.directory, settings=settings) as server, server.client() as client:

        async def log_in() -> None:
            answers.append(await log_in_as_admin(client, password))

        async with create_task_group() as tasks:
            for _ in range(30):
                tasks.start_soon(log_in)
            await server.eventually(partial(attempts, place, "pending"))
            server.process.send_signal(signal.SIGTERM)
            await server.eventually(partial(says_that_it_stops, server))
        await server.process.wait()
    told = Counter(answer.status_code for answer in answers)
    assert set(told) == {200, 503}
    late = [answer for answer in answers if answer.status_code == 503]
    assert {(answer.json()["code"], answer.headers["Retry-After"]) for answer in late} == {
        ("stopping", "1")
    }
    assert await attempts(place, "success") != []


async def says_that_it_stops(server: Server) -> bool:
    """Ask on a connection of its own, while it still accepts any."""
    async with server.client() as client:
        return (await client.get("/readyz")).status_code == 503


async def test_what_is_no_http_is_answered_and_logged_and_nothing_of_it_repeated(
    place: Place,
) -> None:
    await administrator_of(place)
    port = free_port()
    async with (
        serving(place.directory, settings=place.settings, port=port) as server,
        await anyio.connect_tcp("127.0.0.1", port) as stream,
    ):
        await stream.send(b"hunter2\r\n\r\n")
        answer = b"".join([chunk async for chunk in stream])
    [line] = [line for line in server.said().splitlines() if "malformed_http" in line]
    assert "client=127.0.0.1" in line
    assert "hunter2" not in server.said()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer
    assert b"hunter2" not in answer
