"""Ask a service about prices on random tables, over HTTP: `python -m strength.oracle --help`.

The service runs as others run it, a process of its own on SQLite or Postgres. Each table is stated
with a PUT, as the next revision of one of a few markets, and asked about: what its prices are, and
some of what else the API takes, drawn anew for each table. Every field of every answer is compared
with what the oracle of the tests works out (`tests/oracle.py`), band by band and in fractions. When
it is interrupted, it tells what was found until then.
"""

import argparse
import random
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import anyio
import httpx
from anyio.from_thread import start_blocking_portal
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from app.domain.principal import Role
from strength.targets import TARGETS, Target
from tests.oracle_questions import hear
from tests.random_tables import KINDS, drawn

EXCHANGE: Final = "/v1/exchanges/drawn"
MARKETS: Final = 20
PRICES: Final = 20
QUESTIONS: Final = 6  # of a table: more tables find more than more questions
AT_ONCE: Final = 2
MOST_SHOWN: Final = 20

out = Console(highlight=False, markup=False, soft_wrap=True)


@dataclass
class Tally:
    """What was asked of one service, and what was wrong, each with the seed of its table."""

    name: str
    kinds: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[int, str]] = field(default_factory=list)
    seconds: float = 0


async def ask(target: Target, token: str, seeds: range, tally: Tally, progress: Progress) -> None:
    """State a table for each seed, and ask about it, some at once."""
    task = progress.add_task(target.name, total=len(seeds))
    started = time.monotonic()

    async def ask_some(client: httpx.AsyncClient, first: int) -> None:
        for place in range(first, len(seeds), AT_ONCE):
            chance = random.Random(seeds[place])  # noqa: S311 - to be repeated, no secret
            table = drawn(chance, kind=chance.choice(list(KINDS)), prices=PRICES)
            # Markets are not shared by those who ask at once: each knows what is in force.
            market = f"{EXCHANGE}/markets/XXX/T{place % MARKETS}"
            heard = await hear(client, market, table, chance, most=QUESTIONS)
            tally.kinds[table.kind] += 1
            tally.answers.update(heard.answers)
            tally.faults += [(seeds[place], fault) for fault in heard.faults]
            tally.seconds = time.monotonic() - started
            progress.advance(task)

    async with target.client() as client, anyio.create_task_group() as tasks:
        client.headers["Authorization"] = f"Bearer {token}"
        (await client.put(EXCHANGE, json={"name": "Drawn"})).raise_for_status()
        for first in range(AT_ONCE):
            tasks.start_soon(ask_some, client, first)


def report(tallies: list[Tally]) -> int:
    """Print what was asked and what was wrong, and give how much that is."""
    table = Table("", *(tally.name for tally in tallies), box=None)
    table.add_row("tables", *(f"{tally.kinds.total():,}" for tally in tallies))
    for kind in sorted({kind for tally in tallies for kind in tally.kinds}):
        table.add_row(f"  {kind}", *(f"{tally.kinds[kind]:,}" for tally in tallies))
    table.add_row("answers", *(f"{tally.answers.total():,}" for tally in tallies))
    for name in sorted({name for tally in tallies for name in tally.answers}):
        table.add_row(f"  {name}", *(f"{tally.answers[name]:,}" for tally in tallies))
    table.add_row("wrong", *(f"{len(tally.faults):,}" for tally in tallies))
    table.add_row("seconds", *(f"{tally.seconds:,.0f}" for tally in tallies))
    out.print(table)
    wrong = [(tally.name, *fault) for tally in tallies for fault in tally.faults]
    for name, seed, fault in wrong[:MOST_SHOWN]:
        out.print(f"\n[{name}] --seed {seed} --tables 1\n{fault}")
    return len(wrong)


def main() -> None:
    """Ask, report, and exit with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m strength.oracle", description=__doc__)
    parser.add_argument("--tables", type=int, default=500, help="for each service (500)")
    parser.add_argument("--seed", type=int, help="that of the first table")
    parser.add_argument("--on", choices=TARGETS, action="append", help="only this; repeatable")
    asked = parser.parse_args()
    seed = random.randrange(2**32) if asked.seed is None else asked.seed  # noqa: S311 - no secret
    seeds = range(seed, seed + asked.tables)
    out.print(f"--seed {seed} --tables {asked.tables}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    tallies: list[Tally] = []
    with (
        start_blocking_portal() as portal,
        Progress(*columns, TimeElapsedColumn(), console=out) as progress,
    ):
        for name in asked.on or ["sqlite", "postgres"]:
            with TARGETS[name](portal) as target:
                tallies.append(Tally(name))
                token = target.account(Role.ADMIN)
                # What was found until then is told when somebody has heard enough.
                with suppress(KeyboardInterrupt):
                    anyio.run(ask, target, token, seeds, tallies[-1], progress)
    sys.exit(1 if report(tallies) else 0)


if __name__ == "__main__":
    main()
