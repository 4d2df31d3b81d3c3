"""Postgres goes away and comes back, as a service that keeps running sees it."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import httpx
import pytest
from anyio import create_task_group, fail_after
from pydantic import SecretStr
from sqlalchemy import URL, make_url, text

from app.adapters.sql.database import AsyncDatabase
from app.adapters.sql.identity import SqlIdentityUnitOfWork
from app.bootstrap import opened
from app.domain.errors import StoreUnavailable
from app.settings import Settings
from tests.integration.server import (
    BUSY,
    TERMINATE_BUSY,
    Server,
    eventually,
    free_port,
    is_quiet,
    new_postgres_database,
    opened_database,
    rows_of,
    serving,
)

ABORTIVELY: Final = struct.pack("ii", 1, 0)  # SO_LINGER: what is closed is reset
SOON: Final = 5
"""Seconds within which a request is answered although the database is not."""


class Proxy:
    """A way to a server over the loopback, which can be closed, cut and held up."""

    def __init__(self, target: URL) -> None:
        self.port = free_port()
        self._target = target
        self._listener: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()

    async def open(self) -> None:
        self._flows.set()
        if self._listener is None:
            self._listener = await asyncio.start_server(self._carry, "127.0.0.1", self.port)

    def close(self) -> None:
        """Refuse every connection from now on, and cut those that there are."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.cut()

    def cut(self) -> None:
        """Reset every connection, at both ends."""
        for end in self._ends:
            if not end.is_closing():
                connection = end.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORTIVELY)
                end.transport.abort()

    def hold_up(self) -> None:
        """Let nothing through, as if it were on its way."""
        self._flows.clear()

    async def _carry(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection(
            self._target.host, self._target.port or 5432
        )
        ends = {to_client, to_server}
        self._ends |= ends
        async with create_task_group() as tasks:
            tasks.start_soon(self._pump, client, to_server)
            tasks.start_soon(self._pump, server, to_client)
        self._ends -= ends

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                await self._flows.wait()
                sink.write(data)
                await sink.drain()
        sink.close()


@dataclass(frozen=True)
class Service:
    """A server that reaches its database through a proxy; `database` goes there directly."""

    server: Server
    client: httpx.AsyncClient
    proxy: Proxy
    database: AsyncDatabase
    proxied_url: str
    password: str

    async def log_in(self) -> httpx.Response:
        body = {"username": "admin", "password": self.password}
        return await self.client.post("/v1/auth/login", json=body)

    async def me(self, token: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return await self.client.get("/v1/users/me", headers=headers)

    async def attempts(self) -> list[str]:
        rows = await rows_of(self.database, "SELECT outcome FROM login_attempts ORDER BY at")
        return [row.outcome for row in rows]


@pytest.fixture(scope="module")
async def started(
    anyio_backend: str,  # noqa: ARG001 - asked for first, so that all share one event loop
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server_url: str,
) -> AsyncIterator[Service]:
    directory = tmp_path_factory.mktemp("outages")
    async with (
        new_postgres_database(postgres_server_url) as url,
        opened_database(url) as database,
        proxy_to(url) as proxy,
    ):
        password = await prepared(url, directory)
        proxied = make_url(url).set(host="127.0.0.1", port=proxy.port)
        proxied_url = proxied.render_as_string(hide_password=False)
        # A hash of this cost takes long enough for the database to go away meanwhile.
        settings = {"TICKGATE_DATABASE_URL": proxied_url, "TICKGATE_BCRYPT_COST": "12"}
        async with serving(directory, settings=settings) as server, server.client() as client:
            yield Service(server, client, proxy, database, proxied_url, password)


@asynccontextmanager
async def proxy_to(url: str) -> AsyncIterator[Proxy]:
    proxy = Proxy(make_url(url))
    await proxy.open()
    yield proxy
    proxy.close()


async def prepared(url: str, directory: Path) -> str:
    settings = Settings(database_url=SecretStr(url), data_dir=directory, bcrypt_cost=4)
    async with opened(settings) as application:
        made = await application.prepare()
    assert made is not None
    return made[1]


@pytest.fixture
async def service(started: Service) -> AsyncIterator[Service]:
    yield started
    await started.proxy.open()


@pytest.fixture
async def token(service: Service) -> str:
    login = await service.log_in()
    return str(login.json()["access_token"])


def is_unavailable(answer: httpx.Response) -> bool:
    return (
        answer.status_code == 503
        and answer.headers["content-type"] == "application/problem+json"
        and answer.json()["code"] == "store_unavailable"
        and int(answer.headers["retry-after"]) > 0
    )


async def test_without_its_database_it_is_not_ready(service: Service) -> None:
    service.proxy.close()
    assert is_unavailable(await service.client.get("/readyz"))


async def test_without_its_database_it_is_alive(service: Service) -> None:
    service.proxy.close()
    assert (await service.client.get("/livez")).status_code == 200


async def test_without_its_database_a_request_is_to_be_tried_again(
    service: Service, token: str
) -> None:
    service.proxy.close()
    assert is_unavailable(await service.me(token))


async def test_without_its_database_a_login_is_to_be_tried_again(service: Service) -> None:
    service.proxy.close()
    assert is_unavailable(await service.log_in())


async def test_once_its_database_is_back_it_is_ready_without_a_restart(service: Service) -> None:
    service.proxy.close()
    await service.client.get("/readyz")
    await service.proxy.open()
    assert (await service.client.get("/readyz")).status_code == 200


async def test_once_its_database_is_back_requests_and_logins_succeed(
    service: Service, token: str
) -> None:
    service.proxy.close()
    await service.me(token)
    await service.proxy.open()
    answers = [await service.me(token), await service.log_in()]
    assert [answer.status_code for answer in answers] == [200, 200]


async def test_a_login_whose_database_goes_away_meanwhile_is_to_be_tried_again(
    service: Service,
) -> None:
    answers = await logins_during(service, service.proxy.close)
    assert all(map(is_unavailable, answers))


async def test_a_login_whose_database_goes_away_meanwhile_stays_in_the_log(
    service: Service,
) -> None:
    before = await service.attempts()
    await logins_during(service, service.proxy.close)
    assert await service.attempts() == [*before, "pending"]


async def logins_during(service: Service, happens: Callable[[], None]) -> list[httpx.Response]:
    """Let something happen while a password is checked."""
    answers: list[httpx.Response] = []
    before = len(await service.attempts())

    async def log_in() -> None:
        answers.append(await service.log_in())

    async def is_recorded() -> bool:
        return len(await service.attempts()) > before

    async with create_task_group() as tasks:
        tasks.start_soon(log_in)
        await service.server.eventually(is_recorded)
        happens()
    return answers


async def test_connections_that_broke_while_idle_are_replaced_unnoticed(
    service: Service, token: str
) -> None:
    statuses = []
    for _ in range(3):
        service.proxy.cut()
        statuses.append((await service.me(token)).status_code)
    assert statuses == [200, 200, 200]


async def test_many_connections_that_broke_while_idle_are_replaced_unnoticed(
    service: Service, token: str
) -> None:
    await many(service, token)
    service.proxy.cut()
    assert {answer.status_code for answer in await many(service, token)} == {200}


async def many(service: Service, token: str) -> list[httpx.Response]:
    answers: list[httpx.Response] = []

    async def ask() -> None:
        answers.append(await service.me(token))

    async with create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(ask)
    return answers


async def cut_the_connection(service: Service) -> None:
    service.proxy.cut()


async def end_the_backend(service: Service) -> None:
    await rows_of(service.database, TERMINATE_BUSY)


Breaks = Callable[[Service], Awaitable[None]]


async def break_a_statement(service: Service, database: AsyncDatabase, breaks: Breaks) -> None:
    """Run a statement that would last, and break it once the server is at it."""
    refusals: list[Exception] = []

    async def run() -> None:
        async with SqlIdentityUnitOfWork(database.sessions) as uow:
            try:
                await uow.execute(text("SELECT pg_sleep(20)"))
            except StoreUnavailable as error:
                refusals.append(error)

    async with create_task_group() as tasks:
        tasks.start_soon(run)
        await eventually(partial(rows_of, service.database, f"{BUSY} AND query LIKE '%pg_sleep%'"))
        await breaks(service)
    assert len(refusals) == 1


@pytest.fixture
async def database(service: Service) -> AsyncIterator[AsyncDatabase]:
    """The database through the proxy, from this process."""
    async with opened_database(service.proxied_url, pool_size=1) as database:
        yield database
    await rows_of(service.database, TERMINATE_BUSY)  # which may not know that nobody waits for it
    await eventually(partial(is_quiet, service.database))


@pytest.mark.parametrize("breaks", [cut_the_connection, end_the_backend])
async def test_a_statement_that_breaks_off_says_that_the_store_is_unavailable(
    service: Service, database: AsyncDatabase, breaks: Breaks
) -> None:
    await break_a_statement(service, database, breaks)


@pytest.mark.parametrize("breaks", [cut_the_connection, end_the_backend])
async def test_after_a_statement_that_broke_off_the_next_unit_of_work_succeeds(
    service: Service, database: AsyncDatabase, breaks: Breaks
) -> None:
    await break_a_statement(service, database, breaks)
    async with SqlIdentityUnitOfWork(database.sessions) as uow:
        assert await uow.users.by_username(username_key="admin")


async def test_while_nothing_comes_through_it_says_soon_that_it_is_not_ready(
    service: Service,
) -> None:
    await service.client.get("/readyz")
    service.proxy.hold_up()
    with fail_after(SOON):
        assert is_unavailable(await service.client.get("/readyz"))


async def test_while_nothing_comes_through_it_is_alive(service: Service) -> None:
    service.proxy.hold_up()
    assert (await service.client.get("/livez")).status_code == 200


async def test_it_starts_without_its_database_and_is_ready_once_that_is_there(
    service: Service, tmp_path: Path
) -> None:
    service.proxy.close()
    settings = {"TICKGATE_DATABASE_URL": service.proxied_url}
    async with serving(tmp_path, settings=settings) as server, server.client() as client:
        before = await client.get("/readyz")
        await service.proxy.open()
        after = await client.get("/readyz")
    assert is_unavailable(before)
    assert after.status_code == 200
