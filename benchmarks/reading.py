"""A market's range units, read by who has a token: the read that bots make all day.

By one bot of one market; and by sixteen, of each of 64 markets in turn.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from functools import partial
from itertools import cycle
from typing import Any, Final

from app.bootstrap.database import opened
from benchmarks.harness import Bench, Benchmark, Contestant, Figures, Quantity, Target
from benchmarks.load import once
from benchmarks.measures import CPU, RATE, loaded
from benchmarks.peers.services import (
    answers_of,
    bare_fastapi,
    fastapi_users,
    read_from_peer,
    token_of_fastapi_users,
)
from benchmarks.processes import Served
from benchmarks.tickgate import (
    MARKET,
    content_of,
    put_range_units,
    read,
    tickgate_place,
    token_for,
)
from benchmarks.tickgate import (
    USERS as BOTS,
)
from tests.integration.server import new_postgres_database

CONNECTIONS: Final = 8
SECONDS: Final = 4
MARKETS: Final = [replace(MARKET, target=f"T{number}") for number in range(64)]
OURS, CURRENT, MANY = "Tickgate", "Tickgate, 304", "Tickgate, many"
BARE, USERS = "bare FastAPI", "fastapi-users"


@asynccontextmanager
async def _opened(bench: Bench) -> AsyncIterator[Mapping[str, Contestant]]:
    async with (
        tickgate_place(bench) as place,
        place.served() as ours,
        new_postgres_database(bench.postgres) as url,
    ):
        answers = await answers_of(ours, place.directory)
        async with opened(place.settings()) as application:
            for market in MARKETS:
                await put_range_units(application, market)
        answer = await once(ours.port, read(await token_for(ours)))
        async with (
            bare_fastapi(place.directory, answers) as bare,
            fastapi_users(place.directory, answers, url) as users,
        ):
            token_of_users = await token_of_fastapi_users(users)
            for server, asked in (
                (bare, read_from_peer()),
                (users, read_from_peer(token_of_users)),
            ):
                if _read(content_of((await once(server.port, asked)).body)) != _read(
                    content_of(answer.body)
                ):
                    raise RuntimeError("A peer answers something else.")
            etag = ("If-None-Match", answer.header("etag"))

            async def turn(server: Served, *headers: tuple[str, str]) -> Figures:
                # Ours lives for minutes only, and a run for longer.
                asked = read(await token_for(ours), *headers)
                return await _load(bench, server, asked)

            async def turn_of_many() -> Figures:
                tokens = [await token_for(ours, number) for number in range(BOTS)]
                asked = [
                    read(token, market=market)
                    for token, market in zip(cycle(tokens), MARKETS, strict=False)
                ]
                return await _load(bench, ours, *asked)

            yield {
                OURS: partial(turn, ours),
                BARE: partial(_load, bench, bare, read_from_peer()),
                CURRENT: partial(turn, ours, etag),
                MANY: turn_of_many,
                USERS: partial(_load, bench, users, read_from_peer(token_of_users)),
            }


def _read(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take numbers for what they are: a driver may write 1E+4."""
    bands = [
        {name: value and Decimal(value) for name, value in band.items()}
        for band in content["range_units"]
    ]
    return {**content, "range_units": bands}


async def _load(bench: Bench, server: Served, *asked: bytes) -> Figures:
    return await loaded(server, asked, connections=CONNECTIONS, seconds=bench.seconds(SECONDS))


BENCHMARK: Final = Benchmark(
    name="reading",
    title=f"An authenticated read of 15 range units, on {CONNECTIONS} connections",
    opened=_opened,
    peers=("bare_fastapi", "fastapi_users"),
    targets=(
        Target("3", Quantity(OURS, CPU), Quantity(BARE, CPU), at_most=0.8),
        Target("3", Quantity(OURS, RATE), Quantity(USERS, RATE), at_least=12),
        Target("3", Quantity(CURRENT, CPU), Quantity(OURS, CPU), at_most=1.0),
        Target("-", Quantity(MANY, CPU), Quantity(BARE, CPU)),
    ),
)
