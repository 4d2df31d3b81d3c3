"""What tests of the whole application start: databases of their own, and the service's process."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx
from anyio import fail_after, move_on_after, open_process
from anyio.abc import Process
from pydantic import SecretStr
from sqlalchemy import delete, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from app.adapters.security.signing_keys import make_first_key
from app.adapters.security.vault import make_vault_key
from app.adapters.sql.database import AsyncDatabase
from app.adapters.sql.identity.unit_of_work import SqlIdentityUnitOfWork
from app.adapters.sql.range_units.unit_of_work import SqlRangeUnitsUnitOfWork
from app.bootstrap import http_app
from app.bootstrap.database import opened
from app.domain.principal import Role
from app.settings import Settings
from tests.application import PASSWORD, FakedApplication, Works, client_of
from tests.builders import an_exchange

Answer = TypeVar("Answer")

PATIENCE = 30
"""Seconds after which what should have happened counts as never happening."""

_ROOT = Path(__file__).parents[2]
_A_LOOK = 0.02  # seconds between two looks, in which the server may end


@asynccontextmanager
async def new_postgres_database(server_url: str) -> AsyncIterator[str]:
    """Give the URL of an empty database that lives as long as the block."""
    name = f"tickgate_test_{uuid4().hex}"
    engine = create_async_engine(server_url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        async with engine.connect() as connection:
            await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        await engine.dispose()


@asynccontextmanager
async def opened_database(url: str, *, pool_size: int = 10) -> AsyncIterator[AsyncDatabase]:
    """Give a database, and close its connections afterwards."""
    database = AsyncDatabase(url, pool_size=pool_size)
    if database.url.get_backend_name() == "sqlite":
        event.listen(database.engine.sync_engine, "connect", _turn_around)
    try:
        yield database
    finally:
        await database.dispose()


def url_of(database: AsyncDatabase) -> str:
    """Give the URL of a database, for others to open it."""
    return database.url.render_as_string(hide_password=False)


def _turn_around(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    """Give rows backwards where no order is asked for, so that nothing leans on one."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA reverse_unordered_selects = ON")
    cursor.close()


def works_on(
    database: AsyncDatabase,
    identity_unit_of_work: type[SqlIdentityUnitOfWork] = SqlIdentityUnitOfWork,
) -> Works:
    """Give what opens units of work on a database, writing ones of identity of any kind."""
    return Works(
        identity=partial(identity_unit_of_work, database.sessions),
        identity_reading=partial(SqlIdentityUnitOfWork, database.read_sessions),
        range_units=partial(SqlRangeUnitsUnitOfWork, database.sessions),
        range_units_reading=partial(SqlRangeUnitsUnitOfWork, database.read_sessions),
    )


def application_on(database: AsyncDatabase) -> FakedApplication:
    """Give the services on a database; all else is as it is on memory."""
    return FakedApplication(works_on(database))


async def empty(database: AsyncDatabase) -> None:
    """Delete every row; on Postgres in one statement, far faster than TRUNCATE."""
    tables = reversed(AsyncDatabase.get_base().metadata.sorted_tables)
    statements = [str(delete(table)) for table in tables]
    async with database.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            statements = [f"DO $$ BEGIN {'; '.join(statements)}; END $$"]
        for statement in statements:
            await connection.execute(text(statement))


async def rows_of(database: AsyncDatabase, query: str, **parameters: object) -> list[Any]:
    """Look into a database from outside, holding nobody up."""
    async with database.read_sessions() as session:
        return list(await session.execute(text(query), parameters))


async def contents_of(database: AsyncDatabase) -> dict[str, list[str]]:
    """Give every row of every table, in an order that does not depend on the database's."""
    tables = [table.name for table in database.get_base().metadata.sorted_tables]
    return {
        table: sorted(map(str, await rows_of(database, f"SELECT * FROM {table}")))  # noqa: S608 - our own names
        for table in tables
    }


BUSY = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend'
    AND state <> 'idle' AND pid <> pg_backend_pid()
"""
"""Who else has a statement or a transaction going on in a database of Postgres."""

TERMINATE_BUSY = f"SELECT pg_terminate_backend(pid) FROM ({BUSY}) AS busy"  # noqa: S608 - see above


async def is_quiet(database: AsyncDatabase) -> bool:
    """Whether nobody else works on the database; of SQLite's processes, the dead do not."""
    return database.url.get_backend_name() == "sqlite" or not await rows_of(database, BUSY)


async def eventually(
    question: Callable[[], Awaitable[Answer]], *, seconds: int = PATIENCE
) -> Answer:
    """Ask again and again until the answer is not empty; the question itself takes its time."""
    with fail_after(seconds):
        while not (answer := await question()):
            pass
    return answer


@dataclass(frozen=True, slots=True)
class Server:
    """A service that runs; with several workers, `process` is their parent."""

    base_url: str
    process: Process
    log: Path

    def said(self) -> str:
        """Give all that it wrote until now, to either stream."""
        return self.log.read_text(encoding="utf-8")

    async def ends(self, signal_number: signal.Signals) -> int:
        """Send a signal, and give the exit status: that of a shell, 128 and more for a signal."""
        self.process.send_signal(signal_number)
        with fail_after(PATIENCE):
            status = await self.process.wait()
        return status if status >= 0 else 128 - status

    async def eventually(self, question: Callable[[], Awaitable[object]]) -> None:
        """Ask every now and then until the answer is not empty, as long as the server lives."""
        with fail_after(PATIENCE):
            while not await question():
                with move_on_after(_A_LOOK):
                    status = await self.process.wait()
                    raise RuntimeError(
                        f"Exit status {status}:\n{self.said()}"
                    )  # pragma: no cover - a failure

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        """Give a client, which goes through no proxy that the machine may have."""
        async with httpx.AsyncClient(
            base_url=self.base_url, timeout=PATIENCE, trust_env=False
        ) as client:
            yield client


@asynccontextmanager
async def api_on(url: str, directory: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of the API, in this process, on an empty database with its schema.

    There is an administrator, `boss`, and the exchange `coinone`. Its connections are few, so that
    the same ones are used again.
    """
    settings = Settings(
        database_url=SecretStr(url),
        data_dir=directory,
        bcrypt_cost=4,
        database_pool=1,
        # Logins that are broken off keep their slots until they would be settled.
        login_limit_pair=None,
        login_limit_user=None,
    )
    make_first_key(settings.token_keys_dir)
    make_vault_key(settings.token_keys_dir)
    async with opened(settings) as application:
        await application.users.create_user(username="boss", password=PASSWORD, role=Role.ADMIN)
        await application.range_units.put_exchange(exchange=an_exchange())
    async with client_of(http_app(settings)) as client:
        yield client


async def log_in(client: httpx.AsyncClient) -> httpx.Response:
    """Log the `boss` in."""
    body = {"username": "boss", "password": PASSWORD}
    return await client.post("/v1/auth/login", json=body)


def is_unavailable(answer: httpx.Response) -> bool:
    """Whether it is the documented answer of a service without its database."""
    return (
        answer.status_code == 503
        and answer.headers["content-type"] == "application/problem+json"
        and answer.json()["code"] == "store_unavailable"
        and int(answer.headers["retry-after"]) > 0
    )


def command(*arguments: str) -> list[str]:
    """Give the command line of `tickgate`, run by this interpreter."""
    return [sys.executable, "-m", "app", *arguments]


def environment_of(settings: Mapping[str, str]) -> dict[str, str]:
    """Give the whole environment of a service: of this machine's, only what measures coverage."""
    measuring = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT), **measuring, **settings}


def free_port() -> int:
    """Give a port of the loopback that nobody listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@asynccontextmanager
async def serving(
    directory: Path, *options: str, settings: Mapping[str, str], port: int | None = None
) -> AsyncIterator[Server]:
    """Serve from a directory until the block ends, and leave no process behind then."""
    port = port or free_port()
    log = directory / f"log-{uuid4().hex}.txt"
    with log.open("wb") as output:
        process = await open_process(
            command("serve", "--port", str(port), *options),
            cwd=directory,
            env=environment_of(settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Workers are in the same session as their parent, and end with it.
            start_new_session=True,
        )
    server = Server(f"http://127.0.0.1:{port}", process, log)
    async with process:
        try:
            async with server.client() as client:
                await server.eventually(partial(answers, client))
            yield server
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


async def answers(client: httpx.AsyncClient) -> bool:
    """Whether the service is there."""
    with suppress(httpx.TransportError):
        return (await client.get("/livez")).is_success
    return False
