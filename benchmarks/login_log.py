"""What the login log costs, however long it is.

    python -m benchmarks.login_log --rows 10000000

So many rows on Postgres, and a tenth of them on SQLite, evenly over the year before now, in
databases of their own; beside each, one of a hundred thousand rows. Each page is read as the
service reads it; a time is the least of five. Postgres keeps what a crash may not take, as in
production and not as in tests.
"""

import argparse
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final
from uuid import UUID

import anyio
from sqlalchemy import insert, text

from app.adapters.clients.user_agents import UapUserAgents
from app.adapters.sql import schema
from app.adapters.sql.database import AsyncDatabase
from app.adapters.sql.identity.login_log import LoginAttemptRow
from app.adapters.sql.identity.unit_of_work import SqlIdentityUnitOfWork
from app.adapters.system import SystemClock, UuidIds
from app.domain.identity.login_log import FailReason, LoginLogFilter, LoginLogPosition, Outcome
from app.domain.identity.months import months_from
from app.services.identity.user_login_log_service import UserLoginLogService
from tests.integration.server import new_postgres_database, opened_database, rows_of
from tests.postgres import postgres_server

USERS: Final = 1000
ROUNDS: Final = 5
YEAR: Final = timedelta(days=365)
SMALL: Final = 100_000
EXPORTED: Final = 200_000
AT_ONCE: Final = 10_000
"""How many rows SQLite is given at a time."""
SCATTER: Final = 40_503
"""Odd: those who come one after the other come from all over 65,536 addresses."""

DEEPER: Final = 1.2
LONGER: Final = 3
FLAT: Final = 1.1
DROPPED: Final = 1 / 5
"""What is wanted at most: of a deep page, over the first; of findings, over those of the small log;
of the memory of an export, over that of its first tenth; of dropping a month, over deleting one."""

ROWS: Final = """
    INSERT INTO login_attempts (at, id, username, username_key, user_id, ip, network, address,
        user_agent, device_type, os, client, outcome, fail_reason, session_id, duration_ms)
    SELECT CAST(:first AS timestamptz) + n * (CAST(:year AS interval) / :rows),
        lpad(to_hex(n), 32, '0')::uuid, 'user-' || n % :users, 'user-' || n % :users,
        lpad(to_hex(n % :users), 32, '0')::uuid,
        host('10.0.0.0'::inet + place), host('10.0.0.0'::inet + place),
        '\\x00000000000000000000ffff'::bytea || int4send((167772160 + place)::int),
        'ccxt/4.2.1', 'LIBRARY', NULL, 'ccxt 4.2',
        CASE WHEN n % 100000 = 7 THEN 'pending' WHEN n % 10 < 2 THEN 'failed' ELSE 'success' END,
        CASE WHEN n % 10 < 2 AND n % 100000 <> 7
            THEN CASE WHEN n % 10000 = 1 THEN 'disabled' ELSE 'bad_password' END END,
        NULL, 250
    FROM generate_series(CAST(:low AS bigint), CAST(:high AS bigint)) AS n,
        LATERAL (SELECT n * :scatter % 65536 AS place) AS scattered
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
        self._is_sqlite = database.url.get_backend_name() == "sqlite"
        self._now = datetime.now(UTC)
        self.log = UserLoginLogService(
            uow=lambda: SqlIdentityUnitOfWork(database.sessions),
            reading=lambda: SqlIdentityUnitOfWork(database.read_sessions),
            user_agents=UapUserAgents(),
            clock=SystemClock(),
            ids=UuidIds(),
        )

    async def fill(self) -> None:
        """Make the rows, on Postgres with a partition for each month."""
        await schema.upgrade(self._database)
        async with SqlIdentityUnitOfWork(self._database.sessions) as uow:
            await uow.upkeep.make_months(months=months_from(self._now - YEAR, 13))
            await uow.commit()
        if self._is_sqlite:
            await self._fill_sqlite()
        else:
            await self._fill_postgres()
        async with self._database.engine.begin() as connection:
            if not self._is_sqlite:
                await connection.execute(text("SET LOCAL statement_timeout = 0"))
            await connection.execute(text("ANALYZE login_attempts"))

    async def _fill_postgres(self) -> None:
        step = 250_000  # each within the bound that the service sets to a statement
        for low in range(1, self._rows + 1, step):
            values = {
                "first": self._now - YEAR,
                "year": YEAR,
                "rows": self._rows,
                "users": USERS,
                "scatter": SCATTER,
                "low": low,
                "high": min(low + step - 1, self._rows),
            }
            async with self._database.engine.begin() as connection:
                await connection.execute(text("SET LOCAL statement_timeout = 0"))
                await connection.execute(text("SET LOCAL synchronous_commit = off"))
                await connection.execute(text(ROWS), values)

    async def _fill_sqlite(self) -> None:
        for low in range(1, self._rows + 1, AT_ONCE):
            numbers = range(low, min(low + AT_ONCE, self._rows + 1))
            async with self._database.engine.begin() as connection:
                await connection.execute(insert(LoginAttemptRow), [*map(self._row, numbers)])

    def _row(self, n: int) -> dict[str, object]:
        """Make the row that Postgres would make of a number."""
        ip = ip_address(int(ip_address("10.0.0.0")) + n * SCATTER % 65536)
        is_pending, has_failed = n % 100_000 == 7, n % 10 < 2  # noqa: PLR2004 - as above
        reason = "disabled" if n % 10_000 == 1 else "bad_password"
        return {
            "at": self._now - YEAR + n * (YEAR / self._rows),
            "id": UUID(int=n),
            "username": f"user-{n % USERS}",
            "username_key": f"user-{n % USERS}",
            "user_id": UUID(int=n % USERS),
            "ip": str(ip),
            "network": str(ip),
            "address": b"\0" * 10 + b"\xff\xff" + ip.packed,
            "user_agent": "ccxt/4.2.1",
            "device_type": "LIBRARY",
            "client": "ccxt 4.2",
            "outcome": "pending" if is_pending else "failed" if has_failed else "success",
            "fail_reason": reason if has_failed and not is_pending else None,
            "duration_ms": 250,
        }

    def position(self, depth: int) -> LoginLogPosition:
        """Give a place in the log that so many rows are newer than."""
        place = self._rows - depth + 1
        return LoginLogPosition(self._now - YEAR + place * (YEAR / self._rows), UUID(int=place))

    async def pages(self) -> None:
        """Read a page of each filter at each depth."""
        depths = (0, self._rows // 10, self._rows * 9 // 10)
        _say(f"| filter | {' | '.join(f'behind {depth:,} rows' for depth in depths)} | deepest |")
        _say("|---|---|---|---|---|")
        for name, matching in FILTERS.items():
            times = [
                await _timed(
                    lambda matching=matching, depth=depth: self.log.search(  # type: ignore[misc]
                        matching=matching, before=self.position(depth), limit=50
                    )
                )
                for depth in depths
            ]
            deeper = max(times[1:]) / times[0]
            shown = " | ".join(f"{time:.1f}" for time in times)
            _say(f"| {name} | {shown} | {deeper:.2f} {_judged(deeper, DEEPER)} |")

    async def findings(self) -> float:
        """Look for findings, and give the milliseconds."""
        window = timedelta(minutes=15)
        return await _timed(lambda: self.log.findings(window=window))

    async def export(self) -> None:
        """Read rows as an export does, and look at the memory of this process at each page."""
        rows = min(EXPORTED, self._rows)
        began, seen, peaks = perf_counter(), 0, [0.0]
        async for page in self.log.pages(matching=LoginLogFilter()):
            seen += len(page)
            peaks.append(max(peaks[-1], _memory()))
            if seen >= rows:
                break
        took, tenth = perf_counter() - began, peaks[len(peaks) // 10]
        grown = peaks[-1] / tenth
        _say(
            f"export of {seen:,} rows: {took:.1f} s, at most {peaks[-1]:.0f} MiB, "
            f"{tenth:.0f} MiB in its first tenth: {grown:.2f} {_judged(grown, FLAT)}"
        )

    async def months(self) -> None:
        """Drop a month, delete the next, and so on; SQLite has no partitions, and only deletes."""
        if self._is_sqlite:
            return
        starts = months_from(self._now - YEAR, 2 * ROUNDS + 2)
        await self._dropped(starts[1])  # the first month is not a whole one
        dropping, deleting, vacuuming, rows = [], [], [], 0
        for deleted, end in zip(starts[2::2], starts[3::2], strict=False):
            dropping.append(await self._dropped(deleted))
            took, count = await self._deleted(deleted, end)
            deleting.append(took)
            rows += count
            vacuuming.append(await self._vacuumed(deleted))
            await self._dropped(end)
        ratios = [one / other for one, other in zip(dropping, deleting, strict=True)]
        _say(
            f"dropping a month: {median(dropping):.3f} s; deleting one, {rows // len(ratios):,} "
            f"rows: {median(deleting):.3f} s, and {median(vacuuming):.3f} s until the vacuum has "
            f"been there: {median(ratios):.2f}, between {min(ratios):.2f} and {max(ratios):.2f} "
            f"{_judged(median(ratios), DROPPED)}"
        )

    async def _dropped(self, before: datetime) -> float:
        """Drop the oldest month, which ends then, as the service does; give the seconds."""
        await self._alone("CHECKPOINT")
        began = perf_counter()
        async with SqlIdentityUnitOfWork(self._database.sessions) as uow:
            await uow.upkeep.prune(before=before, limit=1)
            await uow.commit()
        return perf_counter() - began

    async def _deleted(self, low: datetime, high: datetime) -> tuple[float, int]:
        """Delete what is between; give the seconds, and how many rows there were."""
        # A month that goes is an old one, with every page of it long on the disk.
        await self._alone("CHECKPOINT")
        began = perf_counter()
        async with self._database.engine.begin() as connection:
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
            deleted = await connection.execute(
                text("DELETE FROM login_attempts WHERE at >= :low AND at < :high"),
                {"low": low, "high": high},
            )
        return perf_counter() - began, deleted.rowcount

    async def _vacuumed(self, month: datetime) -> float:
        began = perf_counter()
        vacuum = f"VACUUM login_attempts_{month:%Y_%m}"
        await self._alone("SET statement_timeout = 0", vacuum)
        return perf_counter() - began

    async def _alone(self, *statements: str) -> None:
        """Run statements that can be in no transaction."""
        async with self._database.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            for statement in statements:
                await connection.execute(text(statement))


async def _measure(url: str, rows: int) -> float:
    async with opened_database(url) as database:
        benchmark = Benchmark(database, rows)
        began = perf_counter()
        await benchmark.fill()
        _say(f"\n{rows:,} rows, made in {perf_counter() - began:.0f} s\n")
        await benchmark.pages()
        findings = await benchmark.findings()
        _say(f"\nfindings of 15 minutes: {findings:.1f} ms")
        await benchmark.export()
        await benchmark.months()
        return findings


async def _run(server: str, rows: int) -> None:
    for name, most in (("Postgres", rows), ("SQLite", rows // 10)):
        _say(f"\n{name}{await _durability(server) if name == 'Postgres' else ''}")
        found = []
        for count in (SMALL, most):
            async with _database(name, server) as url:
                found.append(await _measure(url, count))
        ratio = found[1] / found[0]
        _say(f"findings, over those of {SMALL:,} rows: {ratio:.2f} {_judged(ratio, LONGER)}")


@asynccontextmanager
async def _database(name: str, server: str) -> AsyncIterator[str]:
    if name == "Postgres":
        async with new_postgres_database(server) as url:
            yield url
    else:
        with TemporaryDirectory() as directory:
            yield f"sqlite+aiosqlite:///{directory}/tickgate.db"


async def _durability(server: str) -> str:
    """Say what a crash would take: a server that is given need not be as durable as ours."""
    async with opened_database(server) as database:
        settings = ("fsync", "full_page_writes")
        shown = [(await rows_of(database, f"SHOW {setting}"))[0][0] for setting in settings]
    return f", {', '.join(f'{name} {value}' for name, value in zip(settings, shown, strict=True))}"


def _judged(ratio: float, most: float) -> str:
    return f"({'met' if ratio <= most else 'missed'}: ≤ {most:.3g})"


def _memory() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024**2


def main() -> None:
    """Measure, and print what is found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    asked = parser.parse_args()
    # Who deletes a month writes what a crash is mended from, and who drops one does not.
    with postgres_server(os.environ, durable=True) as url:
        anyio.run(_run, url, asked.rows)


if __name__ == "__main__":
    main()
