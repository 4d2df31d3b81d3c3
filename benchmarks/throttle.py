"""What the throttle lets through, and what an attack costs: `python -m benchmarks.throttle`.

The service layer is asked without HTTP, on a database with its schema, by clients that ask again
as soon as they are answered; the hasher is a fake that takes no time. What is left is the work of
the database: a transaction that claims and one that settles, or one alone where a guess is refused.
"""

import argparse
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

import anyio

from app.adapters.sql import schema
from app.adapters.sql.database import AsyncDatabase
from app.domain.identity.errors import InvalidCredentials, TooManyAttempts
from app.domain.identity.login_log import Client
from tests.application import PASSWORD, FakedApplication
from tests.integration.server import (
    application_on,
    new_postgres_database,
    opened_database,
    rows_of,
)
from tests.postgres import postgres_server

CLIENTS: Final = (1, 16, 64)
ATTACKERS: Final = 16
TARGET: Final = "client-0"
BYSTANDER: Final = "client-1"
_SIZE: Final = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
    "postgresql": "SELECT pg_database_size(current_database())",
}


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _log_in(
    application: FakedApplication, name: str, ip: str, password: str = PASSWORD
) -> None:
    client = Client(ip=ip, user_agent="ccxt/4.2.1", request_id="order-1")
    await application.auth.authenticate_user(username=name, password=password, client=client)


async def _per_second(
    application: FakedApplication, clients: int, seconds: float, user_of: Callable[[int], int]
) -> float:
    """Let so many clients log in again and again, and give how many logins that were."""
    ended = 0

    async def go_on(number: int) -> None:
        nonlocal ended
        user = user_of(number)
        while perf_counter() < until:
            await _log_in(application, f"client-{user}", f"10.0.{user}.7")
            ended += 1

    began = perf_counter()
    until = began + seconds
    async with anyio.create_task_group() as tasks:
        for number in range(clients):
            tasks.start_soon(go_on, number)
    return ended / (perf_counter() - began)


async def _times(application: FakedApplication, seconds: float) -> list[float]:
    """Let one who is not attacked log in again and again, and give the milliseconds."""
    times = []
    until = perf_counter() + seconds
    while perf_counter() < until:
        began = perf_counter()
        await _log_in(application, BYSTANDER, "10.0.1.7")
        times.append((perf_counter() - began) * 1000)
    return times


async def _attack(
    application: FakedApplication, database: AsyncDatabase, seconds: float
) -> tuple[float, float, float]:
    """Guess at a blocked user, from one network.

    Give the refusals per second, what each leaves in the database in bytes, and the median time
    of somebody else's login meanwhile.
    """
    refused = 0

    async def go_on() -> None:
        nonlocal refused
        while True:
            try:
                await _log_in(application, TARGET, "10.9.9.9", "not the password")
            except TooManyAttempts:
                refused += 1
            except InvalidCredentials:
                pass

    before = await _size(database)
    began = perf_counter()
    async with anyio.create_task_group() as tasks:
        for _ in range(ATTACKERS):
            tasks.start_soon(go_on)
        times = await _times(application, seconds)
        took = perf_counter() - began
        tasks.cancel_scope.cancel()
    grown = await _size(database) - before
    return refused / took, grown / (refused + len(times)), median(times)


async def _size(database: AsyncDatabase) -> int:
    [[size]] = await rows_of(database, _SIZE[database.url.get_backend_name()])
    return int(size)


async def _measure(name: str, url: str, seconds: float) -> None:
    async with opened_database(url) as database:
        await schema.upgrade(database)
        application = application_on(database)
        for number in range(max(CLIENTS)):
            await application.users.create_user(username=f"client-{number}", password=PASSWORD)
        for clients in CLIENTS:
            own = await _per_second(application, clients, seconds, lambda number: number)
            one = await _per_second(application, clients, seconds, lambda _: 0)
            _say(f"| {name}, {clients} at once | {own:.0f} | {one:.0f} |")
        quiet = median(await _times(application, seconds))
        refusals, size, besieged = await _attack(application, database, seconds)
        _say(
            f"| {name}, attacked by {ATTACKERS} | {refusals:.0f} refusals, {size:.0f} bytes each "
            f"| a login of another: {quiet:.1f} ms before, {besieged:.1f} ms meanwhile |"
        )


@asynccontextmanager
async def _databases(server: str) -> AsyncIterator[dict[str, str]]:
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory()))
        postgres = await stack.enter_async_context(new_postgres_database(server))
        yield {
            "SQLite": f"sqlite+aiosqlite:///{directory / 'tickgate.db'}",
            "Postgres": postgres,
        }


async def _run(server: str, seconds: float) -> None:
    _say("| | logins per second, a user and network each | one user from one network |")
    _say("|---|---|---|")
    async with _databases(server) as databases:
        for name, url in databases.items():
            await _measure(name, url, seconds)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throttle", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="how long to measure each")
    asked = parser.parse_args()
    with postgres_server(os.environ) as server:
        anyio.run(_run, server, asked.seconds)


if __name__ == "__main__":
    main()
