import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import unquote

import httpx
import pytest

from app.adapters.http.app import HttpServices, create_app
from app.adapters.http.metrics import Metrics
from app.adapters.http.request_log import Answered
from app.adapters.memory.system import SequentialIds
from app.bootstrap.logs import requests_logged
from app.domain.identity.login_log import Client
from app.domain.principal import Role
from app.domain.range_units.revisions import Exchange, Market
from app.settings import LogFormat
from tests.application import (
    BODY_LIMIT,
    PASSWORD,
    PAYLOAD_LIMIT,
    MemoryApplication,
    client_of,
)
from tests.sweeps.hostile import ApiDocument
from tests.unit.http.api import DOCUMENT, MARKET, MarketClient
from tests.unit.range_units.ladders import ladder

API: Final = ApiDocument(DOCUMENT)


class Stage:
    """One HTTP API for all tests, which serves the application of the test at hand.

    Its routes take longer to make than most of the tests take.
    """

    def __init__(self) -> None:
        self.application = MemoryApplication()
        self.metrics: Metrics | None = None
        self.told: list[Answered] = []
        self.write: Callable[[bytes], object] = lambda _line: None
        """What is logged of each request goes there."""
        self.app = create_app(
            opened=self._opened,
            ids=SequentialIds(),
            body_limit=BODY_LIMIT,
            payload_limit=PAYLOAD_LIMIT,
            version="1.2.3",
            log=requests_logged(LogFormat.JSON, lambda line: self.write(line)),  # noqa: PLW0108 - it changes
            tell=self.told.append,
        )

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[HttpServices]:
        on = self.application
        yield HttpServices(
            identity=on.identity_services(),
            range_units=on.range_units_services(),
            ready=on._ready,
            metrics=self.metrics,
        )


async def refuse_undocumented(answer: httpx.Response) -> None:
    """Fail a test in which a route refuses something with a code that it does not document."""
    if 400 <= answer.status_code < 500 or answer.status_code == 503:
        asked = answer.request
        code = json.loads(await answer.aread())["code"]
        documented = API.codes_of(asked.method, unquote(asked.url.raw_path.partition(b"?")[0]))
        assert (answer.status_code, code) in documented


@pytest.fixture(scope="session")
def stage() -> Stage:
    return Stage()


@pytest.fixture
def application() -> MemoryApplication:
    return MemoryApplication()


@pytest.fixture
async def client(stage: Stage, application: MemoryApplication) -> AsyncIterator[httpx.AsyncClient]:
    stage.application = application
    async with client_of(stage.app) as client:
        client.event_hooks = {"response": [refuse_undocumented]}
        yield client


async def logged_in(application: MemoryApplication, role: Role) -> dict[str, str]:
    """Register a user named after the role, and give the header of their access token.

    By hand, not over HTTP: most tests need one, and only a few are about logging in.
    """
    await application.users.create_user(username=role.value, password=PASSWORD, role=role)
    login = await application.auth.authenticate_user(
        username=role.value, password=PASSWORD, client=Client()
    )
    return {"Authorization": f"Bearer {login.access_token}"}


@pytest.fixture
async def admin(application: MemoryApplication) -> dict[str, str]:
    """Give the header of a user who may do everything."""
    return await logged_in(application, Role.ADMIN)


@pytest.fixture
async def user(application: MemoryApplication) -> dict[str, str]:
    """Give the header of a user who may only read range units."""
    return await logged_in(application, Role.USER)


@pytest.fixture
async def market(application: MemoryApplication) -> str:
    """Give the path of a market of Coinone, which has the ladder that Coinone documents."""
    await application.range_units.put_exchange(exchange=Exchange("coinone", "Coinone"))
    await application.range_units.put_range_units(
        market=Market("coinone", "KRW", "BTC"),
        table=ladder("coinone-krw-documented").table,
        source="docs.coinone.co.kr",
        start_unknown=True,
    )
    return MARKET


@pytest.fixture
async def coinone(application: MemoryApplication, admin: dict[str, str]) -> dict[str, str]:
    """Give the header of who may do everything, when Coinone is known but has no markets."""
    await application.range_units.put_exchange(exchange=Exchange("coinone", "Coinone"))
    return admin


@pytest.fixture
def btc(client: httpx.AsyncClient, user: dict[str, str], market: str) -> MarketClient:
    return MarketClient(client, user, market)
