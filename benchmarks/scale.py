"""The figures that `docs/scale.md` reckons with: `python -m benchmarks.scale`.

What a hash takes of a core, what a row of the login log takes of a disk, how many logins a second
the database bears without hashes, with the limit of everyone and without, and what a pooler costs.
"""

import argparse
import os
import sys
from functools import partial
from time import perf_counter, process_time
from typing import Final

import anyio
import bcrypt
from sqlalchemy import text

from app.adapters.sql import schema
from app.adapters.sql.database import AsyncDatabase
from app.domain.identity.login_log import Client
from app.domain.identity.throttle import Kind
from benchmarks.login_log import Benchmark
from tests.application import LIMITS, PASSWORD, FakedApplication
from tests.integration.server import new_postgres_database, opened_database, rows_of, works_on
from tests.postgres import postgres_server

CLIENTS: Final = 16
HASHES: Final = 8
TRANSACTIONS: Final = 1000
_SIZES: Final = """
    SELECT sum(pg_table_size(relid)), sum(pg_indexes_size(relid))
    FROM pg_partition_tree('login_attempts') WHERE isleaf
"""


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _way(pooled: bool) -> str:  # noqa: FBT001 - its one meaning
    return "as behind a pooler" if pooled else "directly"


def _hash(cost: int) -> None:
    began = process_time()
    for _ in range(HASHES):
        bcrypt.hashpw(b"x" * 64, bcrypt.gensalt(cost))
    each = (process_time() - began) / HASHES
    _say(f"bcrypt, cost {cost}: {each * 1000:.0f} ms of a core, {1 / each:.1f} a second")


async def _log(server: str, rows: int) -> None:
    async with new_postgres_database(server) as url, opened_database(url) as database:
        began = perf_counter()
        await Benchmark(database, rows).fill()
        took = perf_counter() - began
        [[table, indexes]] = await rows_of(database, _SIZES)
    _say(
        f"login log, {rows:,} rows: {table / rows:.0f} bytes a row, and {indexes / rows:.0f} of"
        f" indexes; made at {rows / took:,.0f} rows a second"
    )


async def _logins(database: AsyncDatabase, kinds: set[Kind], seconds: float) -> tuple[float, float]:
    """Give the logins a second, and the milliseconds of a core that each takes of the service."""
    limits = {kind: limit for kind, limit in LIMITS.items() if kind in kinds}
    application = FakedApplication(works_on(database), limits=limits)
    ended = 0

    async def go_on(number: int) -> None:
        nonlocal ended
        client = Client(ip=f"10.0.{number}.7", user_agent="bot", request_id="1")
        while perf_counter() < until:
            await application.auth.authenticate_user(
                username=f"client-{number}", password=PASSWORD, client=client
            )
            ended += 1

    for number in range(CLIENTS):
        await application.users.create_user(username=f"client-{number}", password=PASSWORD)
    until = perf_counter() + seconds
    spent = process_time()
    async with anyio.create_task_group() as tasks:
        for number in range(CLIENTS):
            tasks.start_soon(go_on, number)
    return ended / seconds, (process_time() - spent) / ended * 1000


async def _transaction(url: str, *, pooled: bool) -> float:
    """Give the least milliseconds that a transaction of two short statements takes."""
    database = AsyncDatabase(url, pooled=pooled)
    times = []
    for _ in range(TRANSACTIONS):
        began = perf_counter()
        async with database.engine.begin() as connection:
            for _ in range(2):
                await connection.execute(text("SELECT relname FROM pg_class WHERE oid = 1259"))
        times.append(perf_counter() - began)
    await database.dispose()
    return min(times) * 1000


async def _run(server: str, rows: int, seconds: float) -> None:
    await _log(server, rows)
    for pooled in (False, True):
        _say(f"a transaction, {_way(pooled)}: {await _transaction(server, pooled=pooled):.2f} ms")
    for limits, kinds in (("all limits", {*Kind}), ("no global limit", {*Kind} - {Kind.EVERYONE})):
        for pooled in (False, True):
            async with new_postgres_database(server) as url:
                database = AsyncDatabase(url, pooled=pooled)
                await schema.upgrade(database)
                rate, spent = await _logins(database, kinds, seconds)
                await database.dispose()
            _say(
                f"logins without hashes, {CLIENTS} at once, {limits}, {_way(pooled)}:"
                f" {rate:.0f} a second, {spent:.0f} ms of a core each"
            )


def main() -> None:
    """Measure, and print a line for each figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="of the login log")
    parser.add_argument("--seconds", type=float, default=3, help="how long to log in")
    asked = parser.parse_args()
    for cost in (10, 12):
        _hash(cost)
    with postgres_server(os.environ) as server:
        anyio.run(partial(_run, server, asked.rows, asked.seconds))


if __name__ == "__main__":
    main()
