"""Ingest a payload, and then the same again: `ingest DIRECTORY URL TARGET PAYLOAD BANDS`."""

import gc
import json
import sys
from functools import partial
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from time import perf_counter, process_time

import anyio

from app.bootstrap.database import opened
from app.domain.range_units.revisions import Market
from benchmarks.tickgate import Place


def _peak() -> float:
    return getrusage(RUSAGE_SELF).ru_maxrss / 1024  # of KiB, on Linux


async def _run(directory: Path, url: str, target: str, payload: bytes, bands: int) -> None:
    figures = {}
    market = Market("coinone", "KRW", target)
    gc.freeze()  # as the service and its commands do
    async with opened(Place(directory, url).settings()) as application:
        await application.range_units.list_exchanges()  # a connection
        before = _peak()
        for phase in ("insert", "replay"):
            began, used = perf_counter(), process_time()
            ingested = await application.range_units.ingest(
                market=market, payload=payload, source="a benchmark"
            )
            figures[f"{phase} bands/s"] = bands / (perf_counter() - began)
            figures[f"{phase} CPU µs per band"] = (process_time() - used) / bands * 1e6
            if ingested.attempted - ingested.rejected != 1:
                raise RuntimeError("The payload was not taken.")
        figures["MiB more"] = _peak() - before
    sys.stdout.write(json.dumps(figures))


if __name__ == "__main__":
    place, url, target, payload, bands = sys.argv[1:]
    anyio.run(
        partial(_run, Path(place), url, target, Path(payload).read_bytes(), int(bands)),
        backend_options={"use_uvloop": True},
    )
