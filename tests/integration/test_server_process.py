"""The service as a process of its own: started, restarted, terminated, killed."""

import json
import re
import shutil
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import anyio
import httpx
import pytest
from anyio import create_task_group, run_process
from pydantic import SecretStr

from app.adapters.sql.database import AsyncDatabase
from app.bootstrap.database import DatabaseApplication, opened
from app.domain.range_units.revisions import Market
from app.settings import Settings
from tests.integration.server import (
    PATIENCE,
    Server,
    command,
    contents_of,
    environment_of,
    eventually,
    free_port,
    is_quiet,
    new_postgres_database,
    opened_database,
    rows_of,
    serving,
)

BTC: Final = Market("coinone", "KRW", "BTC")
STATUS_OF_SIGTERM: Final = 128 + signal.SIGTERM
STATUS_OF_SIGKILL: Final = 128 + signal.SIGKILL
REPLY: Final = Path(__file__).parents[1] / "payloads" / "coinone_range_units_KRW_BTC.json"
LARGE: Final = 40_000
SMALL: Final = 100
NUMBERS: Final = count()
COST_OF_A_MOMENT: Final = 12  # a hash takes long enough to do something meanwhile
COST_OF_A_WHILE: Final = 14
METRICS_TOKEN: Final = "for-prometheus-alone"  # and for nobody else
METRICS_PORT: Final = "TICKGATE_METRICS_PORT"


@dataclass(frozen=True)
class Place:
    """Where a service is run, and what it is told; `database` looks at its database."""

    directory: Path
    settings: dict[str, str]
    database: AsyncDatabase

    def settings_here(self) -> Settings:
        """What the service reads, for use in this process."""
        url = self.database.url.render_as_string(hide_password=False)
        return Settings(
            database_url=SecretStr(url), data_dir=self.directory / "data", bcrypt_cost=4
        )


@asynccontextmanager
async def new_place(kind: str, directory: Path, postgres_server_url: str) -> AsyncIterator[Place]:
    settings = {"TICKGATE_BCRYPT_COST": "4"}
    if kind == "sqlite":
        url = f"sqlite+aiosqlite:///{directory / 'data' / 'tickgate.db'}"
        async with opened_database(url) as database:
            yield Place(directory, settings, database)
    else:
        async with (
            new_postgres_database(postgres_server_url) as url,
            opened_database(url) as database,
        ):
            yield Place(directory, settings | {"TICKGATE_DATABASE_URL": url}, database)


@dataclass(frozen=True)
class History:
    """A first start, its end while it checks a password, and a second start, which goes on."""

    place: Place
    first_words: str
    login: httpx.Response
    status: int
    last_words: str
    files_left: list[str]
    rows_left: dict[str, list[str]]
    server: Server
    rows_found: dict[str, list[str]]

    def lines_to_paste(self) -> list[str]:
        return re.findall(r"^(?:TOKEN=|curl ).*$", self.first_words, re.MULTILINE)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
async def history(
    anyio_backend: str,  # noqa: ARG001 - asked for first, so that all share one event loop
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server_url: str,
) -> AsyncIterator[History]:
    directory = tmp_path_factory.mktemp("place")
    async with new_place(request.param, directory, postgres_server_url) as place:
        settings = place.settings | {
            "TICKGATE_BCRYPT_COST": str(COST_OF_A_MOMENT),
            "TICKGATE_METRICS_TOKEN": METRICS_TOKEN,
            METRICS_PORT: str(free_port()),
        }
        start = partial(serving, directory, settings=settings, port=free_port())
        async with start("--init") as server:
            first_words = server.said()
            login, status = await terminated_in_a_login(server, place, passwords_in(first_words))
            last_words = server.said()
        files = sorted(path.name for path in (directory / "data").iterdir())
        rows = await contents_of(place.database)
        async with start("--init", "--workers", "2") as server:
            await server.eventually(partial(has_started, server, 2))
            found = await contents_of(place.database)
            yield History(
                replace(place, settings=settings),
                first_words,
                login,
                status,
                last_words,
                files,
                rows,
                server,
                found,
            )


def passwords_in(words: str) -> list[str]:
    return re.findall(r"^ *password: (\S+)$", words, re.MULTILINE)


async def terminated_in_a_login(
    server: Server, place: Place, passwords: list[str]
) -> tuple[httpx.Response, int]:
    """Ask the server to terminate while it checks a password; its answer, and its exit status."""
    answers: list[httpx.Response] = []

    async def log_in() -> None:
        answers.append(await log_in_as_admin(client, passwords[0]))

    async with server.client() as client, create_task_group() as tasks:
        tasks.start_soon(log_in)
        await server.eventually(partial(attempts, place, "pending"))
        await place.database.dispose()  # or SQLite's files were open when the server lets them go
        status = await server.ends(signal.SIGTERM)
    return answers[0], status


async def log_in_as_admin(client: httpx.AsyncClient, password: str) -> httpx.Response:
    body = {"username": "admin", "password": password}
    return await client.post("/v1/auth/login", json=body)


async def attempts(place: Place, outcome: str) -> list[Any]:
    query = "SELECT id FROM login_attempts WHERE outcome = :outcome"
    return await rows_of(place.database, query, outcome=outcome)


async def has_started(server: Server, workers: int) -> bool:
    return server.said().count("Application startup complete.") == workers


def test_the_first_start_shows_one_password(history: History) -> None:
    assert [len(password) for password in passwords_in(history.first_words)] == [43]


def test_the_first_start_shows_three_lines_to_paste(history: History) -> None:
    assert len(history.lines_to_paste()) == 3


# What the lines need of curl, for machines that have none.
STAND_IN: Final = """
import argparse, sys, urllib.request as web
asked = argparse.ArgumentParser()
asked.add_argument("-s", action="store_true")
asked.add_argument("-H", action="append", default=[])
asked.add_argument("-d")
asked.add_argument("url")
asked = asked.parse_args()
headers = dict(header.split(": ", 1) for header in asked.H)
request = web.Request(asked.url, asked.d and asked.d.encode(), headers)
sys.stdout.write(web.build_opener(web.ProxyHandler({})).open(request).read().decode())
"""
SHELLS: Final = {
    "curl": "",
    "a stand-in for curl": 'curl() { "$PYTHON" -c "$STAND_IN" "$@"; }\n',
}


@pytest.mark.parametrize("shell", list(SHELLS) if shutil.which("curl") else list(SHELLS)[1:])
async def test_those_lines_work_as_pasted(history: History, shell: str) -> None:
    lines = "\n".join(history.lines_to_paste())
    pasted = await run_process(
        ["bash"],
        input=f"{SHELLS[shell]}{lines}\n".encode(),
        env=environment_of({"PYTHON": sys.executable, "STAND_IN": STAND_IN}),
    )
    me, _, price = pasted.stdout.decode().partition("}")
    assert json.loads(me + "}")["username"] == "admin"
    assert json.loads(price)["price"] == "1234500"


def test_the_second_start_shows_no_password(history: History) -> None:
    assert "password" not in history.server.said()


def test_the_second_start_changes_nothing(history: History) -> None:
    assert history.rows_found == history.rows_left


def test_the_first_start_makes_an_administrator_and_range_units(history: History) -> None:
    assert len(history.rows_left["users"]) == 1
    assert len(history.rows_left["range_unit_bands"]) > 1


def test_asked_to_terminate_it_answers_the_login_at_hand(history: History) -> None:
    assert history.login.status_code == 200


async def test_asked_to_terminate_it_records_the_login_at_hand(history: History) -> None:
    assert await attempts(history.place, "pending") == []


def test_asked_to_terminate_it_ends_after_all_is_tidied_up(history: History) -> None:
    assert history.status in (0, STATUS_OF_SIGTERM)
    assert "Application shutdown complete." in history.last_words
    assert "Traceback" not in history.last_words


async def test_several_workers_know_of_each_others_sessions(history: History) -> None:
    async with history.server.client() as client:
        [password] = passwords_in(history.first_words)
        login = await log_in_as_admin(client, password)
        headers = {
            "Authorization": f"Bearer {login.json()['access_token']}",
            "Connection": "close",  # and so the next request may go to another worker
        }
        answers = [await client.get("/v1/users/me", headers=headers) for _ in range(20)]
    assert Counter(answer.status_code for answer in answers) == {200: 20}


@pytest.mark.parametrize("history", ["sqlite"], indirect=True)
def test_asked_to_terminate_it_leaves_the_database_in_one_file(history: History) -> None:
    assert history.files_left == ["keys", "tickgate.db"]


async def test_the_metrics_tell_of_all_workers_wherever_they_are_read(history: History) -> None:
    own_port = history.place.settings[METRICS_PORT]
    headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    async with history.server.client() as client:
        for url in ("/metrics", f"http://127.0.0.1:{own_port}/metrics"):
            page = (await client.get(url, headers=headers)).text
            # Each worker has ten connections, and as many more at peaks.
            assert "\ntickgate_database_pool_size 40.0\n" in page
            assert re.search(r'\ntickgate_http_requests_total{.*route="/livez".*} [1-9]', page)


def test_nobody_else_can_read_what_it_keeps(history: History) -> None:
    kept = history.place.directory / "data"
    assert oct(kept.stat().st_mode & 0o077) == "0o0"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TICKGATE_DATABASE_URL", "mysql://tickgate:hunter2@127.0.0.1/tickgate"),
        ("TICKGATE_TOKEN_KEYS", "a-file"),
    ],
)
async def test_a_wrong_setting_is_told_in_one_line_that_names_it(
    tmp_path: Path, variable: str, value: str
) -> None:
    (tmp_path / "a-file").write_text("no directory of keys")
    ended = await run_process(
        command("serve", "--port", str(free_port())),
        cwd=tmp_path,
        env=environment_of({variable: value}),
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert re.fullmatch(rf"tickgate: {variable}: [^\n]+\n", ended.stderr.decode())
    assert b"hunter2" not in ended.stderr


@dataclass(frozen=True)
class Prepared:
    """A place with an administrator, and with range units of Coinone's KRW-BTC."""

    place: Place
    password: str
    digest: str

    @asynccontextmanager
    async def application(self) -> AsyncIterator[DatabaseApplication]:
        """Give the application on the same database, in this process."""
        async with opened(self.place.settings_here(), makes=True) as application:
            yield application

    def served(self, *options: str, cost: int = 4) -> AbstractAsyncContextManager[Server]:
        settings = self.place.settings | {
            "TICKGATE_BCRYPT_COST": str(cost),
            # Logins whose process was killed keep their slots for a while.
            "TICKGATE_LOGIN_LIMIT_PAIR": "off",
            "TICKGATE_LOGIN_LIMIT_USER": "off",
        }
        return serving(self.place.directory, *options, settings=settings)


@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.thorough), "postgres"])
async def prepared(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_server_url: str
) -> AsyncIterator[Prepared]:
    async with new_place(request.param, tmp_path, postgres_server_url) as place:
        async with opened(place.settings_here(), makes=True) as application:
            made = await application.prepare()
            assert made is not None
            await application.range_units.ingest(
                market=BTC, payload=REPLY.read_bytes(), source="a reply"
            )
            units = await application.range_units.current(market=BTC)
        yield Prepared(place, made[1], units.revision.digest)


async def test_killed_while_a_password_is_checked_it_leaves_the_attempt_pending(
    prepared: Prepared,
) -> None:
    async with (
        prepared.served(cost=COST_OF_A_WHILE) as server,
        server.client() as client,
        create_task_group() as tasks,
    ):
        login = partial(log_in_as_admin, client, prepared.password)
        tasks.start_soon(ask_the_dying, login)
        await server.eventually(partial(attempts, prepared.place, "pending"))
        assert await server.ends(signal.SIGKILL) == STATUS_OF_SIGKILL
    assert len(await attempts(prepared.place, "pending")) == 1


async def ask_the_dying(request: Callable[[], Awaitable[object]]) -> None:
    with suppress(httpx.TransportError):
        await request()


@cache
def reply_of(count: int) -> bytes:
    bands = [{"range_min": low, "next_range_min": low + 1, "price_unit": 1} for low in range(count)]
    reply = {"result": "success", "error_code": "0", "range_price_units": bands}
    return json.dumps(reply).encode()


async def is_being_written(prepared: Prepared) -> bool:
    """Whether some of the bands have reached the database, and are not committed yet."""
    if prepared.place.database.url.get_backend_name() == "sqlite":
        log = anyio.Path(prepared.place.directory / "data" / "tickgate.db-wal")
        return (await log.stat()).st_size > 1_000_000
    writing = """
        SELECT pid FROM pg_stat_activity WHERE datname = current_database()
        AND query LIKE 'INSERT INTO range_unit_bands%' AND state <> 'idle'
    """
    return bool(await rows_of(prepared.place.database, writing))


async def is_kept(prepared: Prepared) -> bool:
    """Whether the last of the bands can be seen."""
    last = f"SELECT revision_id FROM range_unit_bands WHERE position = {LARGE - 1}"  # noqa: S608 - our own number
    return bool(await rows_of(prepared.place.database, last))


async def count_bands(prepared: Prepared) -> int:
    [[count]] = await rows_of(prepared.place.database, "SELECT count(*) FROM range_unit_bands")
    return int(count)


@pytest.mark.parametrize("moment", [is_being_written, is_kept])
async def test_killed_in_an_ingest_it_leaves_the_old_range_units_or_the_new_ones(
    prepared: Prepared, moment: Callable[[Prepared], Awaitable[bool]]
) -> None:
    before = await count_bands(prepared)
    async with prepared.served() as server, server.client() as client:
        login = await log_in_as_admin(client, prepared.password)
        request = partial(
            client.post,
            "/v1/exchanges/coinone/range-units/ingest",
            params={"quote": "KRW", "target": "BTC"},
            content=reply_of(LARGE),
            headers={"Authorization": f"Bearer {login.json()['access_token']}"},
        )
        async with create_task_group() as tasks:
            tasks.start_soon(ask_the_dying, request)
            await server.eventually(partial(moment, prepared))
            await server.ends(signal.SIGKILL)
    await eventually(partial(is_quiet, prepared.place.database))
    after = before + LARGE if await is_kept(prepared) else before
    assert await count_bands(prepared) == after
    async with prepared.application() as application:
        units = await application.range_units.current(market=BTC)
        again = await application.range_units.ingest(
            market=BTC, payload=reply_of(1), source="a reply"
        )
    assert units.table.digest == units.revision.digest
    assert (units.revision.digest == prepared.digest) == (after == before)
    assert again.updated == 1


@dataclass
class Acknowledged:
    """What a service has said that it did: the answers to logins, and the markets of ingests."""

    logins: list[dict[str, Any]] = field(default_factory=list)
    markets: list[str] = field(default_factory=list)
    news: anyio.Event = field(default_factory=anyio.Event)

    def is_said(self) -> None:
        self.news.set()
        self.news = anyio.Event()

    async def grow(self, *, logins: int, ingests: int) -> None:
        """Wait for so many more of them, and not a moment longer."""
        logins += len(self.logins)
        ingests += len(self.markets)
        with anyio.fail_after(PATIENCE):
            while len(self.logins) < logins or len(self.markets) < ingests:
                await self.news.wait()


async def go_on_logging_in(
    client: httpx.AsyncClient, prepared: Prepared, acknowledged: Acknowledged
) -> None:
    while True:
        login = await log_in_as_admin(client, prepared.password)
        assert login.status_code == 200
        acknowledged.logins.append(login.json())
        acknowledged.is_said()


async def go_on_ingesting(
    client: httpx.AsyncClient, prepared: Prepared, acknowledged: Acknowledged
) -> None:
    login = await log_in_as_admin(client, prepared.password)
    headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
    while True:
        market = f"M{next(NUMBERS)}"
        answer = await client.post(
            "/v1/exchanges/coinone/range-units/ingest",
            params={"quote": "KRW", "target": market},
            content=reply_of(SMALL),
            headers=headers,
        )
        assert answer.status_code == 200
        acknowledged.markets.append(market)
        acknowledged.is_said()


async def killed_in_a_stream(
    prepared: Prepared, acknowledged: Acknowledged, *, logins: int, ingests: int
) -> None:
    """Start, see that the last login holds, and kill when so many more were acknowledged."""
    async with prepared.served() as server, server.client() as client:
        for login in acknowledged.logins[-1:]:
            headers = {"Authorization": f"Bearer {login['access_token']}"}
            assert (await client.get("/v1/users/me", headers=headers)).status_code == 200
        async with create_task_group() as tasks:
            for go_on in (go_on_logging_in, go_on_logging_in, go_on_ingesting, go_on_ingesting):
                request = partial(go_on, client, prepared, acknowledged)
                tasks.start_soon(ask_the_dying, request)
            await acknowledged.grow(logins=logins, ingests=ingests)
            assert await server.ends(signal.SIGKILL) == STATUS_OF_SIGKILL
    await eventually(partial(is_quiet, prepared.place.database))


BANDS_OF_MARKETS: Final = """
    SELECT markets.target AS market, count(position) AS bands FROM markets
    LEFT JOIN range_unit_revisions AS revision ON revision.target = markets.target
    AND revision.exchange = markets.exchange AND revision.quote = markets.quote
    LEFT JOIN range_unit_bands ON revision_id = revision.id
    WHERE markets.target LIKE 'M%' AND markets.exchange = 'coinone'
    GROUP BY markets.target
"""


async def test_killed_again_and_again_it_has_lost_nothing_that_it_acknowledged(
    prepared: Prepared,
) -> None:
    acknowledged = Acknowledged()
    for logins, ingests in ((1, 1), (10, 10)):
        await killed_in_a_stream(prepared, acknowledged, logins=logins, ingests=ingests)
        opened = await rows_of(prepared.place.database, "SELECT id FROM sessions")
        settled = await rows_of(
            prepared.place.database,
            "SELECT session_id FROM login_attempts WHERE outcome = 'success'",
        )
        sessions = {UUID(str(row.id)) for row in opened}
        assert sessions == {UUID(str(row.session_id)) for row in settled}
        assert {UUID(login["session_id"]) for login in acknowledged.logins} <= sessions
        kept = await rows_of(prepared.place.database, BANDS_OF_MARKETS)
        assert {row.bands for row in kept} <= {SMALL}
        assert set(acknowledged.markets) <= {row.market for row in kept}


@pytest.mark.parametrize("arguments", [("serve", "--init", "--port", "0"), ("user", "list")])
async def test_a_database_that_is_not_there_is_told_in_one_line(
    tmp_path: Path, postgres_server_url: str, arguments: tuple[str, ...]
) -> None:
    url = f"{postgres_server_url.rpartition('/')[0]}/nowhere"
    ended = await run_process(
        command(*arguments),
        cwd=tmp_path,
        env=environment_of({"TICKGATE_DATABASE_URL": url}),
        check=False,
    )
    assert ended.returncode == 3
    assert re.fullmatch(r"tickgate: [^\n]*nowhere[^\n]*\n", ended.stderr.decode())
