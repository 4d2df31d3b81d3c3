"""A table of a hundred thousand bands, taken from an exchange's reply."""

import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final
from uuid import uuid4

from app.bootstrap.database import opened
from benchmarks.harness import Bench, Benchmark, Contestant, Figures, Quantity, Target
from benchmarks.peers.environments import ROOT, directory_of, python_of
from benchmarks.processes import run_program
from benchmarks.tickgate import Place, tickgate_place

BANDS: Final = 100_000
POSTGRES, COPY = "Tickgate, Postgres", "COPY and upsert by hand"
SQLITE, EXECUTEMANY = "Tickgate, SQLite", "executemany by hand"
TWICE: Final = "Tickgate, Postgres, twice as many"
INSERT, REPLAY = "insert bands/s", "replay bands/s"
MEMORY: Final = "MiB more"


@asynccontextmanager
async def _opened(bench: Bench) -> AsyncIterator[Mapping[str, Contestant]]:
    async with tickgate_place(bench) as place:
        directory, bands = place.directory, bench.rows(BANDS)
        file = directory / "data" / "tickgate.db"
        sqlite = Place(directory, f"sqlite+aiosqlite:///{file}")
        async with opened(sqlite.settings(), makes=True) as application:
            await application.prepare()
        payload, twice = _payload(directory, bands), _payload(directory, 2 * bands)
        url = place.url.replace("+asyncpg", "")
        yield {
            POSTGRES: partial(_ours, place, payload, bands),
            COPY: partial(_by_hand, url, payload, directory),
            SQLITE: partial(_ours, sqlite, payload, bands),
            EXECUTEMANY: partial(_by_hand, str(directory / "by_hand.db"), payload, directory),
            TWICE: partial(_ours, place, twice, 2 * bands),
        }


def _payload(directory: Path, count: int) -> Path:
    """Write a reply of an exchange with so many bands."""
    bands = [{"range_min": low, "next_range_min": low + 1, "price_unit": 1} for low in range(count)]
    reply = {"result": "success", "error_code": "0", "range_price_units": bands}
    file = directory / f"{count}.json"
    file.write_text(json.dumps(reply))
    return file


def _market() -> str:
    return f"T{uuid4().hex[:12]}".upper()


async def _ours(place: Place, payload: Path, bands: int) -> Figures:
    command = [sys.executable, "-m", "benchmarks.ours.ingest", str(place.directory), place.url]
    return await run_program(
        [*command, _market(), payload, str(bands)],
        directory=place.directory,
        settings={"PYTHONPATH": str(ROOT)},
    )


async def _by_hand(where: str, payload: Path, directory: Path) -> Figures:
    command = [python_of("by_hand"), directory_of("by_hand") / "ingest.py"]
    return await run_program(
        [*command, where, _market(), payload], directory=directory, settings={}
    )


BENCHMARK: Final = Benchmark(
    name="ingesting",
    title=f"{BANDS:,} bands of one market, inserted and replayed",
    opened=_opened,
    peers=("by_hand",),
    targets=(
        Target("5", Quantity(POSTGRES, INSERT), Quantity(COPY, INSERT), at_least=0.7),
        Target("5", Quantity(POSTGRES, REPLAY), Quantity(COPY, REPLAY), at_least=0.7),
        Target("5", Quantity(SQLITE, INSERT), Quantity(EXECUTEMANY, INSERT), at_least=0.4),
        Target("5", Quantity(SQLITE, REPLAY), Quantity(EXECUTEMANY, REPLAY), at_least=0.4),
        Target("5", Quantity(TWICE, MEMORY), Quantity(POSTGRES, MEMORY), at_most=1.1),
    ),
)
