"""From the start of a process to its first answer, and what it then takes of the memory."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Final

from benchmarks.harness import Bench, Benchmark, Contestant, Figures, Quantity, Target
from benchmarks.load import hammer
from benchmarks.peers.services import (
    answers_of,
    bare_fastapi,
    fastapi_users,
    read_from_peer,
    token_of_fastapi_users,
)
from benchmarks.processes import Served
from benchmarks.tickgate import read, tickgate_place, token_for
from tests.integration.server import new_postgres_database

OURS, USERS, BARE = "Tickgate", "fastapi-users", "bare FastAPI"
SECONDS: Final = "s to the first answer"
CPU: Final = "CPU s to the first answer"
MEMORY: Final = "MiB"
READS: Final = 1.0
"""Seconds of reads before the memory is looked at."""


@asynccontextmanager
async def _opened(bench: Bench) -> AsyncIterator[Mapping[str, Contestant]]:
    async with tickgate_place(bench) as place, new_postgres_database(bench.postgres) as url:
        async with place.served() as ours:
            answers = await answers_of(ours, place.directory)

        async with fastapi_users(place.directory, answers, url):
            pass  # which fills its database

        async def our_read(server: Served) -> bytes:
            return read(await token_for(server))

        async def their_read(server: Served) -> bytes:
            return read_from_peer(await token_of_fastapi_users(server))

        async def bare_read(_server: Served) -> bytes:
            return read_from_peer()

        async def turn(
            start: Callable[[], AbstractAsyncContextManager[Served]],
            question: Callable[[Served], Awaitable[bytes]],
        ) -> Figures:
            async with start() as server:
                cpu = server.cpu()
                asked = await question(server)
                await hammer(server.port, [asked], connections=4, seconds=bench.seconds(READS))
                return {SECONDS: server.started_in, CPU: cpu, MEMORY: server.memory()}

        directory = place.directory
        yield {
            OURS: partial(turn, place.served, our_read),
            USERS: partial(turn, partial(fastapi_users, directory, answers, url), their_read),
            BARE: partial(turn, partial(bare_fastapi, directory, answers), bare_read),
        }


BENCHMARK: Final = Benchmark(
    name="starting",
    title="From the start to the first answer, and the memory of one worker",
    opened=_opened,
    peers=("bare_fastapi", "fastapi_users"),
    targets=(
        Target("8", Quantity(OURS, SECONDS), Quantity(USERS, SECONDS), at_most=1.0),
        Target("8", Quantity(OURS, MEMORY), Quantity(USERS, MEMORY), at_most=1.0),
    ),
)
