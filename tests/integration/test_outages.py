"""Postgres goes away and comes back, as a service that keeps running sees it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

import httpx
import pytest
from anyio import create_task_group, fail_after
from pydantic import SecretStr
from sqlalchemy import text

from app.adapters.sql.database import AsyncDatabase
from app.adapters.sql.identity.unit_of_work import SqlIdentityUnitOfWork
from app.bootstrap.database import opened
from app.domain.errors import StoreUnavailable
from app.settings import Settings
from tests.integration.proxy import Proxy, Way, number, proxy_to
from tests.integration.server import (
    BUSY,
    TERMINATE_BUSY,
    Server,
    api_on,
    eventually,
    is_quiet,
    is_unavailable,
    log_in,
    new_postgres_database,
    opened_database,
    rows_of,
    serving,
    url_of,
)

ON_POSTGRES: Final = pytest.mark.parametrize("migrated_database", ["postgres"], indirect=True)
SOON: Final = 5
"""Seconds within which a request is answered although the database is not."""


@dataclass(frozen=True)
class Service:
    """A server that reaches its database through a proxy; `database` goes there directly."""

    server: Server
    client: httpx.AsyncClient
    proxy: Proxy
    database: AsyncDatabase
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
        # A hash of this cost takes long enough for the database to go away meanwhile.
        settings = {"TICKGATE_DATABASE_URL": proxy.url, "TICKGATE_BCRYPT_COST": "12"}
        async with serving(directory, settings=settings) as server, server.client() as client:
            yield Service(server, client, proxy, database, password)


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
    async with opened_database(service.proxy.url, pool_size=1) as database:
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
        assert await uow.users.by_usernames(username_keys=["admin"])


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
    settings = {"TICKGATE_DATABASE_URL": service.proxy.url}
    async with serving(tmp_path, settings=settings) as server, server.client() as client:
        before = await client.get("/readyz")
        await service.proxy.open()
        after = await client.get("/readyz")
    assert is_unavailable(before)
    assert after.status_code == 200


@pytest.fixture
async def proxied(
    committed_database: AsyncDatabase, tmp_path: Path
) -> AsyncIterator[tuple[Proxy, httpx.AsyncClient]]:
    """The API in this process, whose connections are cut at chosen messages."""
    url = url_of(committed_database)
    async with proxy_to(url) as proxy, api_on(proxy.url, tmp_path) as client:
        yield proxy, client


async def sessions_of(database: AsyncDatabase) -> tuple[set[str], set[str]]:
    """Give the sessions that there are, and those that the login log knows of."""
    opened = await rows_of(database, "SELECT id FROM sessions")
    settled = await rows_of(
        database, "SELECT session_id FROM login_attempts WHERE outcome = 'success'"
    )
    return {str(row.id) for row in opened}, {str(row.session_id) for row in settled}


@ON_POSTGRES
@pytest.mark.parametrize("way", Way)
async def test_whichever_message_of_a_login_is_cut_off_nobody_is_logged_in_without_a_row(
    proxied: tuple[Proxy, httpx.AsyncClient], committed_database: AsyncDatabase, way: Way
) -> None:
    proxy, client = proxied
    unavailable = 0
    for place in count(1):
        await client.get("/readyz")  # by a connection that is there already
        proxy.cut_when(number(place, way))
        login = await log_in(client)
        if proxy.waits:
            break
        opened, settled = await sessions_of(committed_database)
        assert opened == settled, place
        if login.status_code == 200:
            assert login.json()["session_id"] in settled, place
        else:
            assert is_unavailable(login), place
        unavailable += login.status_code != 200
        assert (await log_in(client)).status_code == 200, place
    assert login.status_code == 200
    assert unavailable > 8  # six statements and two commits


BANDS_OF_REVISIONS: Final = """
    SELECT count(position) AS bands FROM range_unit_revisions
    LEFT JOIN range_unit_bands ON revision_id = id GROUP BY id
"""


def reply(unit: int) -> bytes:
    bands = [
        {"range_min": low, "next_range_min": low + 100, "price_unit": unit} for low in (0, 100)
    ]
    return json.dumps({"result": "success", "error_code": "0", "range_price_units": bands}).encode()


@ON_POSTGRES
@pytest.mark.parametrize("way", Way)
async def test_whichever_message_of_an_ingest_is_cut_off_it_is_there_whole_or_not_at_all(
    proxied: tuple[Proxy, httpx.AsyncClient], committed_database: AsyncDatabase, way: Way
) -> None:
    proxy, client = proxied

    async def token() -> str:
        return str((await log_in(client)).json().get("access_token", ""))

    # What is cut here is the ingest; on a busy machine the first login may have to come again.
    headers = {"Authorization": f"Bearer {await eventually(token)}"}

    async def ingest(unit: int) -> httpx.Response:
        return await client.post(
            "/v1/exchanges/coinone/range-units/ingest",
            params={"quote": "KRW", "target": "BTC"},
            content=reply(unit),
            headers=headers,
        )

    unavailable = 0
    for place in count(1):
        await client.get("/readyz")  # by a connection that is there already
        proxy.cut_when(number(place, way))
        answer = await ingest(place)
        if proxy.waits:
            break
        found = await rows_of(committed_database, BANDS_OF_REVISIONS)
        assert {row.bands for row in found} <= {2}, place
        is_kept = len(found) == place  # beside those of the places before
        assert is_kept if answer.status_code == 200 else is_unavailable(answer), place
        unavailable += answer.status_code != 200
        again = await ingest(place)
        assert (again.status_code, again.json()["unchanged"]) == (200, is_kept), place
    assert answer.status_code == 200
    assert unavailable > 8  # more statements than that, and a commit
