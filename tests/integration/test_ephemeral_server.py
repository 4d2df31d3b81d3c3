"""The service that keeps everything in memory: its users, its clock, what a reset is.

Its clock, unlike a fake's, runs; so these tests stop it, or ask only what a moment cannot change.
"""

import re
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from anyio.lowlevel import checkpoint
from fastapi import FastAPI

from app.adapters.http.app import HttpServices
from app.adapters.http.ending import Ending
from app.bootstrap import _served, ephemeral, http_app
from app.bootstrap.application import Application
from app.bootstrap.database import opened
from app.settings import Settings, Store, WrongSetting
from pytest_tickgate.server import USERS, TickgateError, TickgateServer, started
from tests.application import client_of
from tests.integration.server import PATIENCE, command, environment_of
from tests.unit.http.streams import streamed

MARKET: Final = "/v1/exchanges/upbit/markets/KRW/BTC"
ROUTES: Final = (("GET", "/_test/clock"), ("PUT", "/_test/clock"), ("POST", "/_test/reset"))
NEW_YEAR: Final = datetime(2030, 1, 1, tzinfo=UTC)


class Served(NamedTuple):
    """A server in this process; `alive` are those applications that something goes on in."""

    app: FastAPI
    client: httpx.AsyncClient
    alive: list[Application]

    async def put_clock(self, **where: object) -> dict[str, Any]:
        answer = await self.client.put("/_test/clock", json=where)
        assert answer.status_code == 200, answer.text
        put: dict[str, Any] = answer.json()
        return put

    async def log_in(self, username: str, password: str | None = None) -> httpx.Response:
        body = {"username": username, "password": password or USERS[username].password}
        return await self.client.post("/v1/auth/login", json=body)

    async def token_of(self, username: str) -> dict[str, str]:
        token = (await self.log_in(username)).json()["access_token"]
        return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
async def running(anyio_backend: str) -> AsyncIterator[Served]:  # noqa: ARG001 - one event loop
    settings = Settings(store=Store.MEMORY)
    alive: list[Application] = []
    ending = Ending()

    @asynccontextmanager
    async def counted(application: Application) -> AsyncIterator[HttpServices]:
        async with _served(settings, application, ending=ending) as services:
            alive.append(application)
            try:
                yield services
            finally:
                alive.remove(application)

    app = ephemeral.http_app(settings, served=counted, ending=ending)
    async with client_of(app) as client:
        yield Served(app, client, alive)
    assert alive == []


@pytest.fixture
async def served(running: Served) -> Served:
    """The server as at its start: to make another takes longer than the tests do."""
    assert (await running.client.post("/_test/reset")).status_code == 204
    return running


# -- what there is ---------------------------------------------------------------------------


async def test_everyone_who_is_documented_can_log_in_but_for_the_disabled(served: Served) -> None:
    told = {name: (await served.log_in(name)).status_code for name in USERS}
    assert told == {"admin": 200, "bot": 200, "former": 401}


def test_the_plugin_knows_the_users_that_there_are() -> None:
    seeded = {(u.username, u.password, u.role, u.disabled) for u in ephemeral.USERS}
    assert {(u.username, u.password, u.role, u.disabled) for u in USERS.values()} == seeded


async def test_the_bundled_range_units_answer(served: Served) -> None:
    price = await served.client.get(
        f"{MARKET}/prices/1234500", headers=await served.token_of("bot")
    )
    assert (price.json()["floor"], price.json()["ceil"]) == ("1234000", "1235000")


async def test_no_exchange_is_asked_unless_it_is_said_where(served: Served) -> None:
    url = "/v1/exchanges/coinone/range-units/sync"
    answer = await served.client.post(url, headers=await served.token_of("admin"))
    assert (answer.status_code, answer.json()["code"]) == (404, "no_feed")


async def test_its_document_has_the_routes_of_tests(served: Served) -> None:
    paths = (await served.client.get("/openapi.json")).json()["paths"]
    assert {(method, path) for method, path in ROUTES if method.lower() in paths.get(path, ())} == {
        *ROUTES
    }


async def test_a_service_on_a_database_has_no_such_routes() -> None:
    transport = httpx.ASGITransport(http_app(Settings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://tickgate.test") as client:
        told = [
            (await client.request(method, path, json={})).status_code for method, path in ROUTES
        ]
    assert told == [404, 404, 404]


# -- the clock -------------------------------------------------------------------------------


async def test_a_clock_that_is_set_stands_still_until_it_is_told_to_run(served: Served) -> None:
    assert await served.put_clock(time=NEW_YEAR.isoformat()) == {
        "time": "2030-01-01T00:00:00Z",
        "frozen": True,
    }
    advanced = await served.put_clock(advance_seconds=1.5)
    assert advanced == {"time": "2030-01-01T00:00:01.500000Z", "frozen": True}
    let_go = await served.put_clock(frozen=False)
    assert let_go["frozen"] is False
    now = datetime.fromisoformat((await served.client.get("/_test/clock")).json()["time"])
    assert timedelta(0) < now - NEW_YEAR < timedelta(minutes=5)


async def test_a_token_expires_as_the_clock_says(served: Served) -> None:
    await served.put_clock(time=NEW_YEAR.isoformat())
    token = await served.token_of("bot")
    told = []
    for seconds in (299, 2):
        await served.put_clock(advance_seconds=seconds)
        told.append((await served.client.get("/v1/users/me", headers=token)).status_code)
    assert told == [200, 401]


async def test_the_window_of_failed_logins_ends_as_the_clock_says(served: Served) -> None:
    await served.put_clock(time=NEW_YEAR.isoformat())
    for _ in range(5):
        await served.log_in("bot", "not the password")
    told = [(await served.log_in("bot")).status_code]
    await served.put_clock(advance_seconds=301)
    told.append((await served.log_in("bot")).status_code)
    assert told == [429, 200]


async def test_range_units_that_are_announced_come_into_force_as_the_clock_says(
    served: Served,
) -> None:
    await served.put_clock(time=NEW_YEAR.isoformat())
    announced = {
        "range_units": [{"range_min": "0", "price_unit": "7"}],
        "effective_from": "2030-01-01T00:01:00Z",
        "source": "a test",
    }
    token = await served.token_of("admin")
    stated = await served.client.put(f"{MARKET}/range-units", json=announced, headers=token)
    assert stated.status_code == 201, stated.text
    units = []
    for seconds in (59, 2):
        await served.put_clock(advance_seconds=seconds)
        price = await served.client.get(f"{MARKET}/prices/1000000", headers=token)
        units.append(price.json()["price_unit"])
    assert units == ["1000", "7"]


async def test_a_clock_is_not_put_where_it_cannot_go(served: Served) -> None:
    before = await served.put_clock(time=NEW_YEAR.isoformat())
    told = {
        body: (answer.status_code, answer.json()["code"])
        for body in (
            "{}",
            "null",
            "[]",
            '{"time": null}',
            '{"time": "2030-01-01T00:00:00"}',
            '{"time": "tomorrow"}',
            '{"time": 0}',
            '{"advance_seconds": "1"}',
            '{"advance_seconds": true}',
            '{"advance_seconds": NaN}',
            '{"advance_seconds": 1e999}',
            '{"frozen": 1}',
            '{"thawed": true}',
            '{"time": "2030-01-01T00:00:00Z", "advance_seconds": 1}',
        )
        for answer in [
            await served.client.put(
                "/_test/clock", content=body, headers={"Content-Type": "application/json"}
            )
        ]
    }
    assert {body for body, found in told.items() if found != (422, "invalid_request")} == set()
    beyond = [
        (await served.client.put("/_test/clock", json=body)).json()["code"]
        for body in (
            {"time": "1999-12-31T23:59:59Z"},
            {"time": "3000-01-01T00:00:00Z"},
            {"advance_seconds": 99_999_999_999},
            {"advance_seconds": -99_999_999_999},
            {"advance_seconds": 40_000_000_000},
        )
    ]
    assert beyond == ["clock_out_of_range"] * 5
    assert (await served.client.get("/_test/clock")).json() == before


# -- a reset ---------------------------------------------------------------------------------


async def test_nothing_is_left_after_a_reset(served: Served) -> None:
    await served.put_clock(time=NEW_YEAR.isoformat())
    admin = await served.token_of("admin")
    name = {"username": "another", "password": "correct horse battery staple"}
    assert (await served.client.post("/v1/users", json=name, headers=admin)).status_code == 201
    key = {"name": "k", "scopes": ["range-units:read"]}
    made = await served.client.post("/v1/api-keys", json=key, headers=admin)
    by_key = {"Authorization": f"Bearer {made.json()['key']}"}
    await served.client.put("/v1/exchanges/mine", json={"name": "Mine"}, headers=admin)
    for _ in range(5):
        await served.log_in("bot", "not the password")
    await served.client.post("/_test/reset")
    assert (await served.client.get("/_test/clock")).json()["frozen"] is False
    for old in (admin, by_key):
        assert (await served.client.get("/v1/exchanges", headers=old)).status_code == 401
    assert (await served.log_in("bot")).status_code == 200
    admin = await served.token_of("admin")
    users = (await served.client.get("/v1/users", headers=admin)).json()["items"]
    assert [user["username"] for user in users] == ["admin", "bot", "former"]
    exchanges = (await served.client.get("/v1/exchanges", headers=admin)).json()["items"]
    assert "mine" not in {exchange["exchange"] for exchange in exchanges}
    attempts = (await served.client.get("/v1/login-log", headers=admin)).json()["items"]
    assert [attempt["outcome"] for attempt in attempts] == ["success", "success"]


async def test_of_resets_at_once_each_ends_the_world_before_it(served: Served) -> None:
    told = []

    async def reset() -> None:
        told.append((await served.client.post("/_test/reset")).status_code)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(reset)
    assert told == [204] * 5
    [application] = served.alive
    assert served.app.state.identity.users is application.users


async def test_a_reset_is_done_to_the_end_wherever_it_is_cancelled(served: Served) -> None:
    found = []
    for pauses in range(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(served.client.post, "/_test/reset")
            for _ in range(pauses):
                await checkpoint()
            tasks.cancel_scope.cancel()
        [application] = served.alive
        assert served.app.state.identity.users is application.users, pauses
        found.append(application)
    assert len(set(found)) > 1


async def test_a_reset_ends_the_streams(served: Served) -> None:
    token = await served.token_of("bot")
    stream = "/v1/range-units/changes/stream"
    async with streamed(served.app, stream, headers=token) as answer:
        assert answer.status == 200
        await served.client.post("/_test/reset")
        while await answer.block() is not None:
            pass


# -- what is refused -------------------------------------------------------------------------


def test_what_makes_no_sense_in_memory_is_refused_in_one_line() -> None:
    check = partial(ephemeral.check, workers=1, init=None, expose=False)
    for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost"):
        check(host=host)
    check(host="0.0.0.0", expose=True)  # noqa: S104 - nothing is bound to it
    local = partial(check, host="localhost")
    for wrong in (
        partial(local, workers=2),
        partial(local, init=True),
        partial(local, init=False),
        *(partial(check, host=host) for host in ("0.0.0.0", "::", "192.0.2.1", "a.example", "")),  # noqa: S104 - see above
    ):
        with pytest.raises(WrongSetting, match=r"\A--[a-z]+: [^\n]+\Z"):
            wrong()


async def test_a_command_that_would_find_nothing_is_refused() -> None:
    with pytest.raises(WrongSetting, match=r"\ATICKGATE_STORE: [^\n]+\Z"):
        async with opened(Settings(store=Store.MEMORY)):
            pass


# -- a process -------------------------------------------------------------------------------


def test_a_process_says_where_it_is_and_ends_with_its_input_though_somebody_follows() -> None:
    with subprocess.Popen(  # noqa: S603 - our own interpreter and our own service
        command("serve", "--port", "0", "--until-eof"),
        env=environment_of({"TICKGATE_STORE": "memory"}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        server = TickgateServer(process.stdout.readline().strip(), Path())
        token = server.tell("POST", "/v1/auth/login", server.credentials("bot"))["access_token"]
        following = HTTPConnection(urlsplit(server.base_url).netloc, timeout=PATIENCE)
        with closing(following):
            headers = {"Authorization": f"Bearer {token}"}
            following.request("GET", "/v1/range-units/changes/stream", headers=headers)
            assert following.getresponse().status == 200
            try:
                said, warned = process.communicate(timeout=PATIENCE)
            finally:
                process.kill()
    assert process.returncode == -signal.SIGTERM
    assert (said, "THIS SERVER KEEPS NOTHING" in warned) == ("", True)
    assert [line for line in warned.splitlines() if "Application shutdown complete." in line]


def test_a_port_for_metrics_that_is_taken_is_told_before_the_address_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = {"STORE": "memory", "METRICS_PORT": str(taken.getsockname()[1])}
        ended = subprocess.run(  # noqa: S603 - our own interpreter and our own service
            command("serve", "--port", "0"),
            env=environment_of({f"TICKGATE_{name}": value for name, value in settings.items()}),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert re.fullmatch(r"tickgate: TICKGATE_METRICS_PORT: [^\n]+\n", ended.stderr)


@pytest.mark.thorough
def test_a_server_that_cannot_start_says_why() -> None:
    with (
        pytest.raises(TickgateError, match="TICKGATE_BCRYPT_COST: "),
        started({"BCRYPT_COST": "cheap"}),
    ):
        pass
