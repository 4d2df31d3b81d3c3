"""The service as a process of its own: started, restarted, terminated, killed."""

import json
import re
import shutil
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import anyio
import httpx
import pytest
from anyio import create_task_group, run_process
from pydantic import SecretStr

from app.adapters.sql.database import AsyncDatabase
from app.bootstrap import Application, opened
from app.domain.range_units.revisions import Market
from app.settings import Settings
from tests.integration.server import (
    Server,
    command,
    contents_of,
    environment_of,
    eventually,
    free_port,
    new_postgres_database,
    opened_database,
    rows_of,
    serving,
)

BTC: Final = Market("coinone", "KRW", "BTC")
STATUS_OF_SIGTERM: Final = 128 + signal.SIGTERM
STATUS_OF_SIGKILL: Final = 128 + signal.SIGKILL
REPLY: Final = Path(__file__).parents[1] / "payloads" / "coinone_range_units_KRW_BTC.json"
LARGE: Final = 100_000


@dataclass(frozen=True)
class Place:
    """Where a service is run, and what it is told; `database` looks at its database."""

    directory: Path
    settings: dict[str, str]
    database: AsyncDatabase

    def settings_here(self) -> Settings:
        """What the service reads, for use in this process."""
        url = self.database.url.render_as_string(hide_password=False)
        return Settings(
            database_url=SecretStr(url), data_dir=self.directory / "data", bcrypt_cost=4
        )


@asynccontextmanager
async def new_place(kind: str, directory: Path, postgres_server_url: str) -> AsyncIterator[Place]:
    settings = {"TICKGATE_BCRYPT_COST": "4"}
    if kind == "sqlite":
        url = f"sqlite+aiosqlite:///{directory / 'data' / 'tickgate.db'}"
        async with opened_database(url) as database:
            yield Place(directory, settings, database)
    else:
        async with (
            new_postgres_database(postgres_server_url) as url,
            opened_database(url) as database,
        ):
            yield Place(directory, settings | {"TICKGATE_DATABASE_URL": url}, database)


@dataclass(frozen=True)
class History:
    """A first start, its end, and a second start at the same place and port, which goes on."""

    place: Place
    first_words: str
    made: dict[str, list[str]]
    status: int
    last_words: str
    left: list[str]
    server: Server

    def password(self) -> str:
        [password] = re.findall(r"^ *password: (\S+)$", self.first_words, re.MULTILINE)
        return str(password)

    def lines_to_paste(self) -> list[str]:
        return re.findall(r"^(?:TOKEN=|curl ).*$", self.first_words, re.MULTILINE)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
async def history(
    anyio_backend: str,  # noqa: ARG001 - asked for first, so that all share one event loop
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server_url: str,
) -> AsyncIterator[History]:
    directory = tmp_path_factory.mktemp("place")
    port = free_port()
    async with new_place(request.param, directory, postgres_server_url) as place:
        start = partial(serving, directory, "--init", settings=place.settings, port=port)
        async with start() as server:
            first_words = server.said()
            made = await contents_of(place.database)
            await place.database.dispose()  # or our look would keep SQLite's files open
            status = await server.ends(signal.SIGTERM)
            last_words = server.said()
            left = sorted(path.name for path in (directory / "data").iterdir())
        async with start() as server:
            yield History(place, first_words, made, status, last_words, left, server)


def test_the_first_start_shows_one_password(history: History) -> None:
    assert len(history.password()) == 43


def test_the_first_start_shows_three_lines_to_paste(history: History) -> None:
    assert len(history.lines_to_paste()) == 3


# What the lines need of curl, for machines that have none.
STAND_IN: Final = """
import argparse, sys, urllib.request as web
asked = argparse.ArgumentParser()
asked.add_argument("-s", action="store_true")
asked.add_argument("-H", action="append", default=[])
asked.add_argument("-d")
asked.add_argument("url")
asked = asked.parse_args()
headers = dict(header.split(": ", 1) for header in asked.H)
request = web.Request(asked.url, asked.d and asked.d.encode(), headers)
sys.stdout.write(web.build_opener(web.ProxyHandler({})).open(request).read().decode())
"""
SHELLS: Final = {
    "curl": "",
    "a stand-in for curl": 'curl() { "$PYTHON" -c "$STAND_IN" "$@"; }\n',
}


@pytest.mark.parametrize("shell", list(SHELLS) if shutil.which("curl") else list(SHELLS)[1:])
async def test_those_lines_work_as_pasted(history: History, shell: str) -> None:
    lines = "\n".join(history.lines_to_paste())
    pasted = await run_process(
        ["bash"],
        input=f"{SHELLS[shell]}{lines}\n".encode(),
        env=environment_of({"PYTHON": sys.executable, "STAND_IN": STAND_IN}),
    )
    me, price = documents_of(pasted.stdout.decode())
    assert (me["username"], me["role"]) == ("admin", "admin")
    assert (price["price"], price["valid"]) == ("1234500", False)


def documents_of(text: str) -> Iterator[dict[str, Any]]:
    while text:
        document, end = json.JSONDecoder().raw_decode(text)
        yield document
        text = text[end:].lstrip()


def test_the_second_start_shows_no_password(history: History) -> None:
    assert "password" not in history.server.said()


async def test_the_second_start_changes_nothing(
    history: History, postgres_server_url: str, tmp_path: Path
) -> None:
    del postgres_server_url, tmp_path
