"""Attempts to log in, recorded: what a login costs the database, and no hash."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from benchmarks.harness import Bench, Benchmark, Contestant, Figures, Quantity, Target
from benchmarks.peers.environments import ROOT, directory_of, python_of
from benchmarks.processes import run_program
from benchmarks.tickgate import Place, tickgate_place

TASKS: Final = 64
SECONDS: Final = 6
OURS, PEER = "Tickgate", "asyncpg by hand"
RATE: Final = "each/s"


@asynccontextmanager
async def _opened(bench: Bench) -> AsyncIterator[Mapping[str, Contestant]]:
    async with tickgate_place(bench) as place:
        yield {OURS: partial(_ours, bench, place), PEER: partial(_by_hand, bench, place)}


async def _ours(bench: Bench, place: Place) -> Figures:
    command = [sys.executable, "-m", "benchmarks.ours.attempts", str(place.directory)]
    return await run_program(
        [*command, place.url, str(bench.seconds(SECONDS)), str(TASKS)],
        directory=bench.directory,
        settings={"PYTHONPATH": str(ROOT)},
    )


async def _by_hand(bench: Bench, place: Place) -> Figures:
    command = [python_of("by_hand"), directory_of("by_hand") / "attempts.py"]
    url = place.url.replace("+asyncpg", "")
    return await run_program(
        [*command, url, str(bench.seconds(SECONDS)), str(TASKS)],
        directory=bench.directory,
        settings={},
    )


BENCHMARK: Final = Benchmark(
    name="attempts",
    title=f"Attempts claimed and settled by {TASKS} at once, on Postgres",
    opened=_opened,
    peers=("by_hand",),
    targets=(Target("6", Quantity(OURS, RATE), Quantity(PEER, RATE), at_least=0.5),),
)
