"""Sixteen clients that log in again and again, and what becomes of everybody else meanwhile."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import anyio

from benchmarks.harness import Bench, Benchmark, Contestant, Figures, Quantity, Target
from benchmarks.load import Asked, hammer, request, steadily
from benchmarks.measures import P50, P99, REFUSED
from benchmarks.peers.environments import directory_of, python_of
from benchmarks.peers.services import (
    answers_of,
    fastapi_users,
    login_of_fastapi_users,
    read_from_peer,
    token_of_fastapi_users,
)
from benchmarks.processes import Served, run_program
from benchmarks.tickgate import (
    USERS,
    login,
    read,
    tickgate_place,
    token_for,
)
from tests.integration.server import new_postgres_database

SECONDS: Final = 12
PER_SECOND: Final = 25
HEAD_START: Final = 1.0
"""Seconds of logins before the others come."""

OURS, PEER, BCRYPT = "Tickgate", "fastapi-users", "bcrypt alone"
OURS_IDLE, OURS_BUSY, PEER_BUSY = "Tickgate, idle", "Tickgate, busy", "fastapi-users, busy"
RATE: Final = "logins/s"
CPU: Final = "CPU ms each"
LIVE, READ = "health", "read"


@dataclass(frozen=True, slots=True)
class _Service:
    """A server, how one logs in to it, and what else is asked of it."""

    server: Served
    logins: Sequence[bytes]
    live: bytes
    read: Callable[[], Awaitable[bytes]]


@asynccontextmanager
async def _services(bench: Bench) -> AsyncIterator[tuple[_Service, _Service]]:
    async with (
        tickgate_place(bench) as place,
        place.served() as ours,
        new_postgres_database(bench.postgres) as url,
    ):
        answers = await answers_of(ours, place.directory)
        async with fastapi_users(place.directory, answers, url) as users:

            async def our_read() -> bytes:
                return read(await token_for(ours))

            async def their_read() -> bytes:
                return read_from_peer(await token_of_fastapi_users(users))

            yield (
                _Service(
                    ours,
                    [login(number) for number in range(USERS)],
                    request("GET", "/livez"),
                    our_read,
                ),
                _Service(
                    users,
                    [login_of_fastapi_users(number) for number in range(USERS)],
                    request("GET", "/health"),
                    their_read,
                ),
            )


@asynccontextmanager
async def _logins(bench: Bench) -> AsyncIterator[Mapping[str, Contestant]]:
    async with _services(bench) as (ours, peer):
        yield {
            OURS: partial(_log_in, bench, ours),
            BCRYPT: partial(_check_passwords, bench),
            PEER: partial(_log_in, bench, peer),
        }


async def _log_in(bench: Bench, service: _Service) -> Figures:
    before = service.server.cpu()
    asked = await hammer(
        service.server.port, service.logins, connections=USERS, seconds=bench.seconds(SECONDS)
    )
    used = service.server.cpu() - before
    return {
        RATE: asked.rate,
        CPU: used / asked.answered * 1e3,
        P50: asked.percentile(0.5),
        REFUSED: float(asked.refused),
    }


async def _check_passwords(bench: Bench) -> Figures:
    command = [python_of("by_hand"), directory_of("by_hand") / "checkpw.py"]
    arguments = [str(bench.seconds(SECONDS)), str(os.cpu_count())]
    return await run_program([*command, *arguments], directory=bench.directory, settings={})


@asynccontextmanager
async def _waiting(bench: Bench) -> AsyncIterator[Mapping[str, Contestant]]:
    async with _services(bench) as (ours, peer):
        yield {
            OURS_IDLE: partial(_wait, bench, ours, is_busy=False),
            OURS_BUSY: partial(_wait, bench, ours, is_busy=True),
            PEER_BUSY: partial(_wait, bench, peer, is_busy=True),
        }


async def _wait(bench: Bench, service: _Service, *, is_busy: bool) -> Figures:
    port, seconds = service.server.port, bench.seconds(SECONDS)
    asked = {LIVE: service.live, READ: await service.read()}
    found: dict[str, Asked] = {}

    async def note(name: str, what: Callable[[], Awaitable[Asked]]) -> None:
        found[name] = await what()

    async with anyio.create_task_group() as tasks:
        if is_busy:
            logging_in = partial(hammer, connections=USERS, seconds=seconds + HEAD_START)
            tasks.start_soon(note, RATE, partial(logging_in, port, service.logins))
            await anyio.sleep(HEAD_START)
        for name, each in asked.items():
            steady = partial(steadily, port, each, per_second=PER_SECOND, seconds=seconds)
            tasks.start_soon(note, name, steady)
    figures = {REFUSED: float(sum(one.refused for one in found.values()))}
    for name in asked:
        figures |= {
            f"{name} {P50}": found[name].percentile(0.5),
            f"{name} {P99}": found[name].percentile(0.99),
        }
    return figures


LOGINS: Final = Benchmark(
    name="logins",
    title=f"{USERS} clients that log in, bcrypt of cost 12",
    opened=_logins,
    peers=("by_hand", "fastapi_users"),
    targets=(
        Target("1", Quantity(OURS, RATE), Quantity(BCRYPT, RATE), at_least=0.95),
        Target("1", Quantity(OURS, RATE), Quantity(PEER, RATE), at_least=1.9),
        Target("1", Quantity(OURS, REFUSED), at_most=0),
    ),
)

WAITING: Final = Benchmark(
    name="waiting",
    title=f"{PER_SECOND} requests of each kind a second, while {USERS} clients log in",
    opened=_waiting,
    peers=("fastapi_users",),
    targets=(
        Target(
            "2",
            Quantity(OURS_BUSY, f"{LIVE} {P99}"),
            Quantity(OURS_IDLE, f"{LIVE} {P99}"),
            at_most=4,
        ),
        Target(
            "2",
            Quantity(OURS_BUSY, f"{READ} {P99}"),
            Quantity(OURS_IDLE, f"{READ} {P99}"),
            at_most=2,
        ),
        Target(
            "2",
            Quantity(OURS_BUSY, f"{LIVE} {P99}"),
            Quantity(PEER_BUSY, f"{LIVE} {P99}"),
            at_most=1 / 300,
        ),
        Target(
            "2",
            Quantity(OURS_BUSY, f"{READ} {P99}"),
            Quantity(PEER_BUSY, f"{READ} {P99}"),
            at_most=1 / 300,
        ),
        Target("2", Quantity(OURS_BUSY, REFUSED), at_most=0),
    ),
)
