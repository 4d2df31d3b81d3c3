"""What the login log costs on Postgres, however long it is.

    python -m benchmarks.login_log --rows 10000000

Rows are made by the server, evenly over the year before now, in a database of its own. Each page
is read as the service reads it; a time is the least of five.
"""

import argparse
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from time import perf_counter
from tracemalloc import get_traced_memory, start
from typing import Final
from uuid import UUID

import anyio
from sqlalchemy import text

from app.adapters.clients.user_agents import UapUserAgents
from app.adapters.sql import schema
from app.adapters.sql.database import AsyncDatabase
from app.adapters.sql.identity.unit_of_work import SqlIdentityUnitOfWork
from app.adapters.system import SystemClock, UuidIds
from app.domain.identity.login_log import FailReason, LoginLogFilter, LoginLogPosition, Outcome
from app.domain.identity.months import months_from
from app.services.identity.user_login_log_service import UserLoginLogService
from tests.integration.server import new_postgres_database, opened_database
from tests.postgres import postgres_server

USERS: Final = 1000
ROUNDS: Final = 5
YEAR: Final = timedelta(days=365)
EXPORTED: Final = 20_000
ROWS: Final = """
    INSERT INTO login_attempts (at, id, username, username_key, user_id, ip, network, address,
        user_agent, device_type, os, client, outcome, fail_reason, session_id, duration_ms)
    SELECT CAST(:first AS timestamptz) + n * (CAST(:year AS interval) / :rows),
        lpad(to_hex(n), 32, '0')::uuid, 'user-' || n % :users, 'user-' || n % :users,
        lpad(to_hex(n % :users), 32, '0')::uuid,
        host('10.0.0.0'::inet + n % 65536), host('10.0.0.0'::inet + n % 65536),
        '\\x00000000000000000000ffff0a00'::bytea || int2send((n % 65536 - 32768)::int2),
        'ccxt/4.2.1', 'LIBRARY', NULL, 'ccxt 4.2',
        CASE WHEN n % 100000 = 7 THEN 'pending' WHEN n % 10 < 2 THEN 'failed' ELSE 'success' END,
        CASE WHEN n % 10 < 2 AND n % 100000 <> 7
            THEN CASE WHEN n % 10000 = 1 THEN 'disabled' ELSE 'bad_password' END END,
        NULL, 250
    FROM generate_series(CAST(:low AS bigint), CAST(:high AS bigint)) AS n
"""
FILTERS: Final = {
    "none": LoginLogFilter(),
    "user": LoginLogFilter(user_id=UUID(int=7)),
    "username": LoginLogFilter(username_key="user-7"),
    "address": LoginLogFilter(network=ip_network("10.0.0.7")),
    "network of 256": LoginLogFilter(network=ip_network("10.0.7.0/24")),
    "success": LoginLogFilter(outcome=Outcome.SUCCESS),
    "failed": LoginLogFilter(outcome=Outcome.FAILED),
    "pending": LoginLogFilter(outcome=Outcome.PENDING),
    "rare reason": LoginLogFilter(fail_reason=FailReason.DISABLED),
}


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _timed(work: Callable[[], Awaitable[object]]) -> float:
    """Give milliseconds."""
    times = []
    for _ in range(ROUNDS):
        began = perf_counter()
        await work()
        times.append(perf_counter() - began)
    return min(times) * 1000


class Benchmark:
    """A log of so many rows, and what is asked of it."""

    def __init__(self, database: AsyncDatabase, rows: int) -> None:
        self._database = database
        self._rows = rows
        self._now = datetime.now(UTC)
        self.log = UserLoginLogService(
            uow=lambda: SqlIdentityUnitOfWork(database.sessions),
            reading=lambda: SqlIdentityUnitOfWork(database.read_sessions),
            user_agents=UapUserAgents(),
            clock=SystemClock(),
            ids=UuidIds(),
        )

    async def fill(self) -> None:
        """Make the rows, with a partition for each month."""
        await schema.upgrade(self._database)
        async with SqlIdentityUnitOfWork(self._database.sessions) as uow:
            await uow.upkeep.make_months(months=months_from(self._now - YEAR, 13))
            await uow.commit()
        step = 250_000  # each within the bound that the service sets to a statement
        for low in range(1, self._rows + 1, step):
            values = {
                "first": self._now - YEAR,
                "year": YEAR,
                "rows": self._rows,
                "users": USERS,
                "low": low,
                "high": min(low + step - 1, self._rows),
            }
            async with self._database.engine.begin() as connection:
                await connection.execute(text("SET LOCAL statement_timeout = 0"))
                await connection.execute(text("SET LOCAL synchronous_commit = off"))
                await connection.execute(text(ROWS), values)
        async with self._database.engine.begin() as connection:
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
            await connection.execute(text("ANALYZE login_attempts"))

    def position(self, depth: int) -> LoginLogPosition:
        """Give a place in the log that so many rows are newer than."""
        place = self._rows - depth + 1
        return LoginLogPosition(self._now - YEAR + place * (YEAR / self._rows), UUID(int=place))

    async def pages(self) -> None:
        """Read a page of each filter at each depth."""
        depths = (0, self._rows // 10, self._rows * 9 // 10)
        _say(f"| filter | {' | '.join(f'behind {depth:,} rows' for depth in depths)} |")
        _say("|---|---|---|---|")
        for name, matching in FILTERS.items():
            times = [
                await _timed(
                    lambda matching=matching, depth=depth: self.log.search(  # type: ignore[misc]
                        matching=matching, before=self.position(depth), limit=50
                    )
                )
                for depth in depths
            ]
            _say(f"| {name} | {' | '.join(f'{time:.1f}' for time in times)} |")

    async def findings(self) -> None:
        """Look for findings."""
        window = timedelta(minutes=15)
        took = await _timed(lambda: self.log.findings(window=window))
        _say(f"findings of 15 minutes: {took:.1f} ms")

    async def export(self, rows: int) -> None:
        """Read so many rows as an export does."""
        start()
        began, seen = perf_counter(), 0
        async for page in self.log.pages(matching=LoginLogFilter()):
            seen += len(page)
            if seen >= rows:
                break
        _say(
            f"export of {seen:,} rows: {perf_counter() - began:.1f} s, "
            f"at most {get_traced_memory()[1] / 1e6:.1f} MB of Python's memory"
        )

    async def months(self) -> None:
        """Delete a month, and drop another."""
        first, second, third = months_from(self._now - YEAR, 3)
        async with self._database.engine.begin() as connection:
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
            began = perf_counter()
            deleted = await connection.execute(
                text("DELETE FROM login_attempts WHERE at >= :low AND at < :high"),
                {"low": second, "high": third},
            )
        _say(f"deleting a month of {deleted.rowcount:,} rows: {perf_counter() - began:.2f} s")
        began = perf_counter()
        async with SqlIdentityUnitOfWork(self._database.sessions) as uow:
            await uow.upkeep.prune(before=second, limit=1)
            await uow.commit()
        _say(f"dropping the month that began on {first:%Y-%m-%d}: {perf_counter() - began:.2f} s")


async def _run(url: str, rows: int) -> None:
    for count in (100_000, rows):
        async with new_postgres_database(url) as made, opened_database(made) as database:
            benchmark = Benchmark(database, count)
            began = perf_counter()
            await benchmark.fill()
            _say(f"\n{count:,} rows, made in {perf_counter() - began:.0f} s\n")
            await benchmark.pages()
            await benchmark.findings()
            await benchmark.export(EXPORTED)
            await benchmark.months()


def main() -> None:
    """Measure, and print what is found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    asked = parser.parse_args()
    with postgres_server(os.environ) as url:
        anyio.run(_run, url, asked.rows)


if __name__ == "__main__":
    main()
