"""The peers that serve HTTP, with the same rows and the same users as ours."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from benchmarks.load import once, request
from benchmarks.peers.environments import directory_of, python_of
from benchmarks.processes import Served, served
from benchmarks.tickgate import PASSWORD, PRICE, USERS, read, read_price, token_for

PATH: Final = "/exchanges/coinone/markets/KRW/BTC"


async def answers_of(ours: Served, directory: Path) -> Path:
    """Write down what ours answers, for the peers to answer the same."""
    token = await token_for(ours)
    asked = {"range_units": read(token), "price": read_price(token)}
    answers = {name: json.loads((await once(ours.port, each)).body) for name, each in asked.items()}
    file = directory / "answers.json"
    file.write_text(json.dumps(answers))
    return file


@asynccontextmanager
async def bare_fastapi(directory: Path, answers: Path) -> AsyncIterator[Served]:
    """Serve the models alone."""
    async with _served("bare_fastapi", directory, {"ANSWERS": str(answers)}) as server:
        yield server


@asynccontextmanager
async def fastapi_users(directory: Path, answers: Path, url: str) -> AsyncIterator[Served]:
    """Serve the rows of a database, behind fastapi-users; an empty database is filled."""
    settings = {
        "ANSWERS": str(answers),
        "DATABASE_URL": url,
        "USERS_PASSWORD": PASSWORD,
        "USERS": str(USERS),
    }
    async with _served("fastapi_users", directory, settings) as server:
        yield server


@asynccontextmanager
async def _served(peer: str, directory: Path, settings: dict[str, str]) -> AsyncIterator[Served]:
    command = [str(python_of(peer)), "-m", "uvicorn", "service:app"]
    # With uvloop, httptools and a line in the log for each request, as ours.
    command += ["--app-dir", str(directory_of(peer)), "--port"]
    async with served(command, directory=directory, path="/health", settings=settings) as server:
        yield server


def login_of_fastapi_users(number: int = 0) -> bytes:
    """Write the login of a user."""
    form = {"username": f"bot-{number}@example.com", "password": PASSWORD}
    content = ("Content-Type", "application/x-www-form-urlencoded")
    return request("POST", "/auth/login", [content], urlencode(form).encode())


async def token_of_fastapi_users(server: Served) -> tuple[str, str]:
    """Log in, and give the header that says so."""
    answer = await once(server.port, login_of_fastapi_users())
    return "Authorization", f"Bearer {json.loads(answer.body)['access_token']}"


def read_from_peer(*headers: tuple[str, str]) -> bytes:
    """Write the question for the market's range units."""
    return request("GET", f"{PATH}/range-units", headers)


def read_price_from_peer() -> bytes:
    """Write the question for one price."""
    return request("GET", f"{PATH}/prices/{PRICE}")
