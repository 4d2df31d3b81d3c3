"""Our own service, run as others run it: a process on Postgres, over HTTP."""

import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from pydantic import SecretStr

from app.adapters.security.signing_keys import make_first_key
from app.adapters.security.vault import make_vault_key
from app.bootstrap.database import DatabaseApplication, opened
from app.domain.range_units.numbers import parse_decimal
from app.domain.range_units.revisions import Market
from app.domain.range_units.table import RangeUnitTable, Row, table_of
from app.settings import Settings
from benchmarks.harness import Bench
from benchmarks.load import once, request
from benchmarks.peers.environments import ROOT
from benchmarks.processes import Served, served
from tests.integration.server import new_postgres_database

MARKET: Final = Market("coinone", "KRW", "BTC")
MARKET_PATH: Final = "/v1/exchanges/coinone/markets/KRW/BTC"
PASSWORD: Final = "correct horse battery staple"  # noqa: S105 - of users that live for minutes
USERS: Final = 16
PRICE: Final = "1234567"
"""A price that is asked about; it is not valid."""
BANDS: Final = (
    ("0", "0.0001"),
    ("1", "0.001"),
    ("10", "0.01"),
    ("100", "0.1"),
    ("1000", "1"),
    ("5000", "5"),
    ("10000", "10"),
    ("50000", "50"),
    ("100000", "100"),
    ("500000", "500"),
    ("1000000", "1000"),
    ("5000000", "5000"),
    ("10000000", "10000"),
    ("50000000", "50000"),
    ("100000000", "100000"),
)
"""Where each band begins, and its unit: as many as a won market has."""

JSON: Final = ("Content-Type", "application/json")
_HEADERS: Final = (JSON, ("Accept", "*/*"), ("User-Agent", "ccxt/4.5.90"))


def won_table() -> RangeUnitTable:
    """Make the table that is read, and that prices are rounded by."""
    return table_of([Row(parse_decimal(low), parse_decimal(unit)) for low, unit in BANDS])


@dataclass(frozen=True, slots=True)
class Place:
    """A database with users and range units, and the settings of a service on it."""

    directory: Path
    url: str
    bcrypt_cost: int = 12

    def settings(self) -> Settings:
        """Give the settings; what is not said is as everywhere."""
        return Settings(
            database_url=SecretStr(self.url),
            data_dir=self.directory / "data",
            bcrypt_cost=self.bcrypt_cost,
        )

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Served]:
        """Run the service, with one worker."""
        command = [sys.executable, "-m", "app", "serve", "--port"]
        settings = {
            "PYTHONPATH": str(ROOT),
            "TICKGATE_DATABASE_URL": self.url,
            "TICKGATE_DATA_DIR": str(self.directory / "data"),
            "TICKGATE_BCRYPT_COST": str(self.bcrypt_cost),
        }
        async with served(
            command, directory=self.directory, path="/livez", settings=settings
        ) as server:
            yield server


@asynccontextmanager
async def tickgate_place(bench: Bench, *, bcrypt_cost: int = 12) -> AsyncIterator[Place]:
    """Make a database that lives as long as the block: sixteen users, and a market of won."""
    directory = bench.directory / uuid4().hex
    directory.mkdir()
    async with new_postgres_database(bench.postgres) as url:
        place = Place(directory, url, bcrypt_cost)
        settings = place.settings()
        settings.data_dir.mkdir()
        make_first_key(settings.token_keys_dir)
        make_vault_key(settings.token_keys_dir)
        async with opened(settings, makes=True) as application:
            await _fill(application)
        yield place


async def _fill(application: DatabaseApplication) -> None:
    await application.prepare()
    for number in range(USERS):
        await application.users.create_user(username=f"bot-{number}", password=PASSWORD)
    await put_range_units(application, MARKET)


async def put_range_units(application: DatabaseApplication, market: Market) -> None:
    """Give a market the range units that are read."""
    await application.range_units.put_range_units(
        market=market, table=won_table(), source="a benchmark"
    )


def login(number: int = 0) -> bytes:
    """Write the login of a user."""
    body = json.dumps({"username": f"bot-{number}", "password": PASSWORD}).encode()
    return request("POST", "/v1/auth/login", _HEADERS, body)


async def token_for(server: Served, number: int = 0) -> tuple[str, str]:
    """Log a user in, and give the header that says so."""
    answer = await once(server.port, login(number))
    return "Authorization", f"Bearer {json.loads(answer.body)['access_token']}"


def read(token: tuple[str, str], *others: tuple[str, str], market: Market = MARKET) -> bytes:
    """Write the question for a market's range units."""
    path = f"/v1/exchanges/{market.exchange}/markets/{market.quote}/{market.target}/range-units"
    return request("GET", path, (token, *_HEADERS[1:], *others))


def read_price(token: tuple[str, str]) -> bytes:
    """Write the question for one price."""
    return request("GET", f"{MARKET_PATH}/prices/{PRICE}", (token, *_HEADERS[1:]))


def round_prices(token: tuple[str, str], prices: Sequence[str]) -> bytes:
    """Write the question what prices round down to."""
    body = json.dumps({"prices": prices, "direction": "down"}).encode()
    return request("POST", f"{MARKET_PATH}/prices/round", (token, *_HEADERS), body)


def content_of(body: bytes) -> Mapping[str, Any]:
    """Read an answer."""
    content: Mapping[str, Any] = json.loads(body)
    return content
