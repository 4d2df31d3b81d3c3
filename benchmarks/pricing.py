"""One price, and ten thousand of them to round."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from benchmarks.harness import Bench, Benchmark, Contestant, Figures, Quantity, Target
from benchmarks.load import once
from benchmarks.measures import CPU, RATE, loaded
from benchmarks.peers.environments import directory_of, python_of
from benchmarks.peers.services import (
    answers_of,
    bare_fastapi,
    read_from_peer,
    read_price_from_peer,
)
from benchmarks.processes import Served, run_program
from benchmarks.tickgate import (
    content_of,
    read_price,
    round_prices,
    tickgate_place,
    token_for,
)

CONNECTIONS: Final = 8
SECONDS: Final = 4
PRICES: Final = 10_000
OURS, OURS_BATCH = "Tickgate, one", "Tickgate, 10,000"
BARE, BARE_PRICE = "bare FastAPI, range units", "bare FastAPI, one"
CCXT, NAUTILUS = "ccxt", "NautilusTrader"
PER_SECOND: Final = "prices/s"
PER_PRICE: Final = "CPU µs per price"


def made_up_prices() -> list[str]:
    """Give prices of every band above one won, none of them valid by chance alone."""
    random = Random(0)  # noqa: S311 - the same prices every time
    return [f"{10 ** random.uniform(0, 7.9):.4f}" for _ in range(PRICES)]


@asynccontextmanager
async def _opened(bench: Bench) -> AsyncIterator[Mapping[str, Contestant]]:
    async with tickgate_place(bench) as place, place.served() as ours:
        answers = await answers_of(ours, place.directory)
        price = await once(ours.port, read_price(await token_for(ours)))
        prices = made_up_prices()
        file = place.directory / "prices.json"
        file.write_text(json.dumps(prices))
        async with bare_fastapi(place.directory, answers) as bare:
            said = content_of((await once(bare.port, read_price_from_peer())).body)
            if said.keys() != content_of(price.body).keys():
                raise RuntimeError("The peer answers something else.")

            async def one() -> Figures:
                return await _load(bench, ours, read_price(await token_for(ours)))

            async def batch() -> Figures:
                return await _batches(bench, ours, round_prices(await token_for(ours), prices))

            yield {
                OURS: one,
                BARE: partial(_load, bench, bare, read_from_peer()),
                BARE_PRICE: partial(_load, bench, bare, read_price_from_peer()),
                OURS_BATCH: batch,
                CCXT: partial(_in_process, bench, "ccxt", file),
                NAUTILUS: partial(_in_process, bench, "nautilus_trader", file),
            }


async def _load(bench: Bench, server: Served, asked: bytes) -> Figures:
    return await loaded(server, [asked], connections=CONNECTIONS, seconds=bench.seconds(SECONDS))


async def _batches(bench: Bench, server: Served, asked: bytes) -> Figures:
    # Two: while one answer is on its way, the other is being made.
    measured = await loaded(server, [asked], connections=2, seconds=bench.seconds(SECONDS))
    return {
        PER_SECOND: measured[RATE] * PRICES,
        PER_PRICE: measured[CPU] / PRICES,
        **{name: measured[name] for name in measured if name not in {RATE, CPU}},
    }


async def _in_process(bench: Bench, peer: str, prices: Path) -> Figures:
    command = [python_of(peer), directory_of(peer) / "rounding.py"]
    seconds = str(bench.seconds(SECONDS))
    return await run_program([*command, seconds, prices], directory=bench.directory, settings={})


BENCHMARK: Final = Benchmark(
    name="pricing",
    title=f"One price on {CONNECTIONS} connections; and {PRICES:,} prices to round, over HTTP",
    opened=_opened,
    peers=("bare_fastapi", "ccxt", "nautilus_trader"),
    targets=(
        Target("4", Quantity(OURS, CPU), Quantity(BARE, CPU), at_most=1.0),
        Target("-", Quantity(OURS, CPU), Quantity(BARE_PRICE, CPU)),
        Target("4", Quantity(OURS_BATCH, PER_SECOND), at_least=300_000),
        Target("4", Quantity(OURS_BATCH, PER_SECOND), Quantity(CCXT, PER_SECOND), at_least=2),
        Target("4", Quantity(OURS_BATCH, PER_SECOND), Quantity(NAUTILUS, PER_SECOND), at_least=10),
    ),
)
