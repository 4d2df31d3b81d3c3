"""The bot against the real API, and an exchange that only takes orders down."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest
from bot import buy, key_of

from pytest_tickgate.server import TickgateServer


class StubExchange:
    """Remembers each order that it was sent."""

    def __init__(self) -> None:
        self.orders: list[dict[str, str]] = []
        orders = self.orders

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                orders.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(201)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def exchange() -> Iterator[StubExchange]:
    stub = StubExchange()
    thread = Thread(target=stub.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield stub
    stub.server.shutdown()
    thread.join()
    stub.server.server_close()


@pytest.fixture
def key(tickgate: TickgateServer) -> str:
    bot = tickgate.users["bot"]
    return key_of(tickgate.base_url, bot.username, bot.password)


def test_the_bot_never_pays_more_than_it_wants(
    tickgate: TickgateServer, exchange: StubExchange, key: str
) -> None:
    buy(tickgate.base_url, key, exchange.url, price="1234567", volume="0.1")
    assert exchange.orders == [
        {"market": "KRW-BTC", "side": "bid", "price": "1234000", "volume": "0.1"}
    ]


def test_the_bot_goes_by_the_range_units_of_the_day(
    tickgate: TickgateServer, exchange: StubExchange, key: str
) -> None:
    prices = []
    for day in (30, 31):  # the exchange made its range units coarser in between
        tickgate.clock.set(datetime(2025, 7, day, tzinfo=UTC))
        prices.append(buy(tickgate.base_url, key, exchange.url, price="1234567", volume="0.1"))
    assert prices == ["1234500", "1234000"]


def test_the_bot_goes_on_when_its_login_is_long_over(
    tickgate: TickgateServer, exchange: StubExchange, key: str
) -> None:
    tickgate.clock.advance(timedelta(days=365))
    assert buy(tickgate.base_url, key, exchange.url, price="1000", volume="1") == "1000"


def test_a_disabled_bot_is_told_so_and_places_nothing(
    tickgate: TickgateServer, exchange: StubExchange, key: str
) -> None:
    with httpx.Client(base_url=tickgate.base_url) as operator:
        login = operator.post("/v1/auth/login", json=tickgate.credentials("admin")).json()
        operator.headers["Authorization"] = f"Bearer {login['access_token']}"
        users = operator.get("/v1/users").json()["items"]
        [bot] = [user["id"] for user in users if user["username"] == "bot"]
        operator.patch(f"/v1/users/{bot}", json={"disabled": True}).raise_for_status()
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        buy(tickgate.base_url, key, exchange.url, price="1000", volume="1")
    assert exchange.orders == []


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_what_another_test_did_is_forgotten(
    tickgate: TickgateServer,
    anyio_backend: str,  # noqa: ARG001 - anyio runs the test on it
) -> None:
    async with httpx.AsyncClient(base_url=tickgate.base_url) as client:
        login = await client.post("/v1/auth/login", json=tickgate.credentials("bot"))
        headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
        keys = await client.get("/v1/api-keys", headers=headers)
    assert keys.json()["items"] == []
