"""The same work on more and more: users, revisions, markets, rows of the login log.

What is measured is the processor time of one answer, in the service and in Postgres together, asked
for one after the other. Passwords have bcrypt of cost 4: of the usual cost, nothing else of a login
could be seen.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import pairwise
from typing import Final

from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.sql.database import AsyncDatabase
from benchmarks import login_log
from benchmarks.harness import Bench, Benchmark, Contestant, Figures, Quantity, Results, Target
from benchmarks.load import hammer
from benchmarks.measures import WARM_UP
from benchmarks.plots import Plot
from benchmarks.processes import cpu_of
from benchmarks.tickgate import (
    USERS,
    Place,
    login,
    read,
    read_price,
    tickgate_place,
    token_for,
)
from tests.integration.server import opened_database, rows_of

SECONDS: Final = 1.5
SIZES: Final = (1, 2, 4, 8)
BASE: Final = {"users": 1_000, "revisions": 250, "markets": 1_250, "log rows": 12_500}
"""Eight times as many: 8,000 users, 2,000 revisions of one market, 10,000 markets, 100,000 rows."""

LOGIN, READ, PRICE = "CPU ms of a login", "CPU ms of a read", "CPU ms of a price"
TITLES: Final = {
    LOGIN: ("login", "A login, claimed, verified and settled (targets 1 and 6)"),
    READ: ("read", "An authenticated read of range units (target 3)"),
    PRICE: ("price", "An authenticated answer about a price (target 4)"),
}
_BACKENDS: Final = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'tickgate'
"""
_REVISION: Final = """
    (SELECT id FROM range_unit_revisions
     WHERE exchange = 'coinone' AND quote = 'KRW' AND target = 'BTC'
     ORDER BY recorded_at DESC LIMIT 1)
"""


def _name(kind: str, size: int) -> str:
    return "1x" if size == 1 else f"{size}x {kind}"


@asynccontextmanager
async def _opened(bench: Bench) -> AsyncIterator[Mapping[str, Contestant]]:
    async with AsyncExitStack() as stack:
        contestants = {}
        for kind in BASE:
            for size in SIZES:
                name = _name(kind, size)
                if name not in contestants:
                    place = await stack.enter_async_context(tickgate_place(bench, bcrypt_cost=4))
                    sizes = {each: size if each == kind else 1 for each in BASE}
                    counts = {each: bench.rows(BASE[each]) * sizes[each] for each in BASE}
                    await _fill(place, counts)
                    contestants[name] = partial(_turn, bench, place)
        yield contestants


async def _fill(place: Place, counts: Mapping[str, int]) -> None:
    async with opened_database(place.url) as database:
        await login_log.Benchmark(database, counts["log rows"]).fill()
        async with database.engine.begin() as connection:
            new = "md5('{}' || n)::uuid"
            grown = "'grown-' || n"
            changed = {"id": new.format("user"), "username": grown, "username_key": grown}
            await _copy(connection, "users", "username = 'bot-0'", changed, counts["users"])
            revisions = {
                "revision": {"effective_from": "effective_from - n * interval '1 hour'"},
                "market": {"target": "'G' || n"},
            }
            of_btc = "exchange = 'coinone' AND quote = 'KRW' AND target = 'BTC'"
            await _copy(connection, "markets", of_btc, revisions["market"], counts["markets"])
            for kind, changed in revisions.items():
                count, made = counts[f"{kind}s"], new.format(kind)
                template = f"id = {_REVISION}"
                revision = {"id": made, **changed}
                await _copy(connection, "range_unit_revisions", template, revision, count)
                bands = f"revision_id = {_REVISION}"
                await _copy(connection, "range_unit_bands", bands, {"revision_id": made}, count)
        async with database.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text("ANALYZE"))


async def _copy(
    connection: AsyncConnection, table: str, where: str, changed: Mapping[str, str], count: int
) -> None:
    """Copy rows so many times, each copy, by its number `n`, changed a little."""
    columns = [column.name for column in _table(table).columns]
    values = [changed.get(column, column) for column in columns]
    await connection.execute(
        text(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)}"  # noqa: S608 - our own words
            f" FROM {table}, generate_series(1, {count}) AS n WHERE {where}"
        )
    )


def _table(name: str) -> Table:
    return AsyncDatabase.get_base().metadata.tables[name]


async def _turn(bench: Bench, place: Place) -> Figures:
    async with place.served() as server, opened_database(place.url) as database:
        token = await token_for(server)
        asked: dict[str, Sequence[bytes]] = {
            LOGIN: [login(number) for number in range(USERS)],
            READ: [read(token)],
            PRICE: [read_price(token)],
        }

        async def used() -> float:
            backends = [row.pid for row in await rows_of(database, _BACKENDS)]
            return server.cpu() + cpu_of(backends)

        figures = {}
        for name, requests in asked.items():
            work = partial(hammer, server.port, requests, connections=1)
            await work(seconds=bench.seconds(SECONDS) * WARM_UP)
            before = await used()
            answered = (await work(seconds=bench.seconds(SECONDS))).answered
            figures[name] = (await used() - before) / answered * 1e3
        return figures


def _drawn(results: Results) -> Mapping[str, str]:
    return {
        f"{name}.svg": Plot(
            f"{title}, over its CPU at 1x",
            SIZES,
            {
                kind: [results.verdict(_over_base(kind, size, quantity)).ratio for size in SIZES]
                for kind in BASE
            },
        ).svg()
        for quantity, (name, title) in TITLES.items()
    }


def _over_base(kind: str, size: int, quantity: str) -> Target:
    base = Quantity(_name(kind, 1), quantity)
    return Target("9", Quantity(_name(kind, size), quantity), base)


BENCHMARK: Final = Benchmark(
    name="growing",
    title="The same work on twice as much, and twice as much again",
    opened=_opened,
    targets=tuple(
        Target(
            "9",
            Quantity(_name(kind, more), quantity),
            Quantity(_name(kind, fewer), quantity),
            at_most=1.1,
        )
        for quantity in TITLES
        for kind in BASE
        for fewer, more in pairwise(SIZES)
    ),
    drawn=_drawn,
)
