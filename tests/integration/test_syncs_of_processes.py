"""Syncs of a service in processes of its own, each ended half way: the next one goes on."""

import json
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import anyio
import httpx
import pytest

from app.adapters.sql.range_units.unit_of_work import SqlRangeUnitsUnitOfWork
from app.bootstrap.database import opened
from app.domain.principal import Role
from app.domain.range_units.jobs import ORPHANED_AFTER, Counts, JobState, Progress
from app.services.range_units.sync_service import JobReport
from app.services.range_units.sync_worker import AT_ONCE
from app.settings import Settings
from tests.application import PASSWORD
from tests.integration.server import Server, eventually, is_quiet, log_in, rows_of, serving
from tests.integration.stub_exchange import Canned, StubExchange, stub_exchange
from tests.integration.test_server_process import STATUS_OF_SIGTERM, Place, new_place

MARKETS: Final = [f"C{number:02}" for number in range(40)]
BANDS: Final = 5
SYNC: Final = "/v1/exchanges/coinone/range-units/sync"
UNITS: Final = "/public/v2/range_units/KRW/"


def reply_about(target: str) -> bytes:
    """Give a ladder that is this market's alone."""
    unit = MARKETS.index(target) + 1
    bands = [
        {"range_min": low, "next_range_min": low + 1000, "price_unit": unit}
        for low in range(0, 1000 * BANDS, 1000)
    ]
    reply = {"result": "success", "error_code": "0", "range_price_units": bands}
    return json.dumps(reply).encode()


def answers() -> dict[str, list[Canned]]:
    markets = [{"quote_currency": "KRW", "target_currency": target} for target in MARKETS]
    listed = {"result": "success", "error_code": "0", "markets": markets}
    told = {UNITS + target: [Canned(reply_about(target))] for target in MARKETS}
    return told | {"/public/v2/markets/KRW": [Canned(json.dumps(listed).encode())]}


@dataclass
class Gate:
    """Lets so many questions about markets through, and holds the others back until it opens."""

    places: int = 0
    held: int = 0
    opening: anyio.Event = field(default_factory=anyio.Event)

    def let_through(self, places: int) -> None:
        self.places, self.held, self.opening = places, 0, anyio.Event()

    async def pass_through(self, target: str) -> None:
        if not target.startswith(UNITS):
            return
        if self.places:
            self.places -= 1
            return
        self.held += 1
        await self.opening.wait()

    async def has_held(self, count: int) -> bool:
        return self.held >= count


@dataclass(frozen=True)
class Kept:
    """What is in the database: bands by market, and the markets whose parts have succeeded."""

    bands: dict[str, list[int]]
    revisions: Counter[str]
    taken: set[str]


@dataclass
class Journey:
    """One job: killed, cancelled, terminated, and done at last, with what was seen on the way."""

    place: Place
    stub: StubExchange
    options: tuple[str, ...]
    gate: Gate = field(default_factory=Gate)
    kept: list[Kept] = field(default_factory=list)
    asked: list[list[str]] = field(default_factory=list)
    refused: dict[str, Any] = field(init=False)
    asked_to_stop: dict[str, Any] = field(init=False)
    stopped: dict[str, Any] = field(init=False)
    streams: list[str] = field(default_factory=lambda: ["", ""])
    status: int = field(init=False)
    last_words: str = field(init=False)
    terminated: JobReport = field(init=False)
    done: JobReport = field(init=False)
    later: list[str] = field(init=False)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[tuple[Server, httpx.AsyncClient]]:
        settings = self.place.settings | {"TICKGATE_EXCHANGE_URLS": f"coinone={self.stub.url}"}
        async with (
            serving(self.place.directory, *self.options, settings=settings) as server,
            server.client() as client,
        ):
            login = (await log_in(client)).json()
            client.headers["Authorization"] = f"Bearer {login['access_token']}"
            yield server, client

    async def look(self) -> None:
        """Note what was asked for since the last look, and what is in the database."""
        self.asked.append(
            [target.removeprefix(UNITS) for target in self.stub.asked if target.startswith(UNITS)]
        )
        self.stub.asked.clear()
        bands: dict[str, list[int]] = {}
        query = """
            SELECT target, CAST(price_unit AS INTEGER) FROM range_unit_revisions
            JOIN range_unit_bands ON revision_id = id
            WHERE exchange = 'coinone' AND target LIKE 'C__'
        """
        for target, unit in await rows_of(self.place.database, query):
            bands.setdefault(target, []).append(unit)
        revisions = await rows_of(
            self.place.database,
            "SELECT target FROM range_unit_revisions WHERE exchange = 'coinone'"
            " AND target LIKE 'C__'",
        )
        taken = await rows_of(
            self.place.database,
            "SELECT part FROM sync_job_parts WHERE tried AND failure IS NULL",
        )
        self.kept.append(
            Kept(
                bands,
                Counter(target for (target,) in revisions),
                {part.removeprefix("KRW/") for (part,) in taken},
            )
        )

    async def sync_until_killed(self) -> str:
        """Kill the process when some replies have come and may be anywhere on their way."""
        self.gate.let_through(12)
        async with self.served() as (server, client):
            url: str = (await client.post(SYNC)).headers["Location"]
            await server.eventually(partial(self.gate.has_held, 1))
            await server.ends(signal.SIGKILL)
        await eventually(self.is_let_go)
        await self.look()
        return url

    async def is_let_go(self) -> bool:
        """Whether the database has noticed that the process is dead."""
        if self.place.database.url.get_backend_name() == "sqlite":
            return True
        locks = """
            SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database
            WHERE datname = current_database() AND locktype = 'advisory'
        """
        return await is_quiet(self.place.database) and not await rows_of(self.place.database, locks)

    async def let_time_pass(self, url: str) -> None:
        """Set the job's sign of life back, as if its process had been dead for long."""
        job_id = job_id_of(url)
        async with SqlRangeUnitsUnitOfWork(self.place.database.sessions) as uow:
            job = await uow.jobs.hold(job_id=job_id)
            assert job is not None
            heartbeat = job.heartbeat - ORPHANED_AFTER - timedelta(seconds=1)
            await uow.jobs.put(job=replace(job, heartbeat=heartbeat))
            await uow.commit()

    async def resume_until_cancelled(
        self, server: Server, client: httpx.AsyncClient, url: str
    ) -> None:
        self.refused = (await client.post(f"{url}/resume")).json()
        await self.let_time_pass(url)
        self.gate.let_through(8)
        assert (await client.post(f"{url}/resume")).status_code == 202
        await server.eventually(partial(self.gate.has_held, AT_ONCE))
        self.asked_to_stop = (await client.post(f"{url}/cancel")).json()
        self.gate.opening.set()
        await server.eventually(partial(self.has_ended, client, url))
        self.stopped = (await client.get(url)).json()
        await self.look()

    async def has_ended(self, client: httpx.AsyncClient, url: str) -> bool:
        return (await client.get(url)).json()["ended_at"] is not None

    async def resume_until_terminated(
        self, server: Server, client: httpx.AsyncClient, url: str
    ) -> None:
        self.gate.let_through(4)
        assert (await client.post(f"{url}/resume")).status_code == 202
        await server.eventually(partial(self.gate.has_held, AT_ONCE))
        async with anyio.create_task_group() as tasks:
            for number in range(len(self.streams)):
                tasks.start_soon(self.follow, client, number)
            await server.eventually(self.all_follow)
            with anyio.fail_after(Settings().shutdown_seconds):
                self.status = await server.ends(signal.SIGTERM)
        self.last_words = server.said()
        await self.look()

    async def follow(self, client: httpx.AsyncClient, number: int) -> None:
        """Read a stream to its end: one that breaks off would be an error here."""
        url = "/v1/range-units/changes/stream?exchange=coinone&since=0"
        async with client.stream("GET", url) as answer:
            async for text in answer.aiter_text():
                self.streams[number] += text

    async def all_follow(self) -> bool:
        return all("data: " in stream for stream in self.streams)

    async def resume_until_done(self, url: str) -> None:
        """Go on in this process: starting another one would show nothing new, and take long."""
        self.gate.let_through(len(MARKETS))
        job_id = job_id_of(url)
        urls = {"coinone": self.stub.url}
        settings = self.place.settings_here().model_copy(update={"exchange_urls": urls})
        async with opened(settings) as application:
            self.terminated = await application.sync.job(job_id=job_id)
            job = await application.sync.resume(job_id=job_id)
            await application.sync_worker.run(job=job)
            self.done = await application.sync.job(job_id=job_id)
            page = await application.changes.changes(
                since=ids_in(self.streams[0])[-1], exchange="coinone", limit=500
            )
            self.later = [placed.change.market.target for placed in page.changes]
        await self.look()


def job_id_of(url: str) -> UUID:
    return UUID(url.rpartition("/")[2])


def ids_in(stream: str) -> list[int]:
    return [int(line.removeprefix("id: ")) for line in stream.splitlines() if line[:4] == "id: "]


def targets_in(stream: str) -> list[str]:
    events = (line.removeprefix("data: ") for line in stream.splitlines() if line[:6] == "data: ")
    return [json.loads(event)["target_currency"] for event in events]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("sqlite",), marks=pytest.mark.thorough, id="sqlite"),
        pytest.param(("postgres",), id="postgres"),
        pytest.param(
            ("postgres", "--workers", "2"), marks=pytest.mark.thorough, id="postgres-two-workers"
        ),
    ],
)
async def journey(
    anyio_backend: str,  # noqa: ARG001 - asked for first, so that all share one event loop
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server_url: str,
) -> AsyncIterator[Journey]:
    directory: Path = tmp_path_factory.mktemp("syncs")
    kind, *options = request.param
    async with (
        new_place(kind, directory, postgres_server_url) as place,
        stub_exchange() as stub,
    ):
        async with opened(place.settings_here(), makes=True) as application:
            await application.prepare()
            await application.users.create_user(username="boss", password=PASSWORD, role=Role.ADMIN)
        journey = Journey(place, stub, tuple(options))
        stub.answers, stub.on_ask = answers(), journey.gate.pass_through
        url = await journey.sync_until_killed()
        async with journey.served() as (server, client):
            await journey.resume_until_cancelled(server, client, url)
            await journey.resume_until_terminated(server, client, url)
        await journey.resume_until_done(url)
        yield journey


def test_no_market_is_ever_stored_half(journey: Journey) -> None:
    for kept in journey.kept:
        assert kept.bands == {
            target: [MARKETS.index(target) + 1] * BANDS for target in kept.revisions
        }


def test_what_a_killed_sync_has_recorded_is_stored(journey: Journey) -> None:
    killed = journey.kept[0]
    assert killed.taken <= killed.revisions.keys() <= set(journey.asked[0])
    assert len(journey.asked[0]) < len(MARKETS)


def test_a_job_whose_process_may_live_is_not_resumed(journey: Journey) -> None:
    assert journey.refused["code"] == "sync_in_progress"


def test_a_resumption_asks_for_what_has_not_succeeded_and_once(journey: Journey) -> None:
    for before, asked, after in zip(
        journey.kept, journey.asked[1:], journey.kept[1:], strict=False
    ):
        assert len(asked) == len(set(asked))
        assert not before.taken & set(asked)
        assert after.taken - before.taken <= set(asked)


def test_a_cancelled_sync_keeps_what_was_at_hand_and_stops(journey: Journey) -> None:
    assert journey.asked_to_stop["state"] == "cancelling"
    assert journey.stopped["state"] == "cancelled"
    assert journey.kept[1].taken == journey.kept[0].taken | set(journey.asked[1])
    assert len(journey.asked[1]) == 8 + AT_ONCE


def test_a_sync_that_is_terminated_says_so_and_keeps_what_it_has_taken(journey: Journey) -> None:
    job, progress = journey.terminated.job, journey.terminated.progress
    assert (job.state, job.reason) == (JobState.CANCELLED, "Its process was stopped.")
    assert progress.parts_done == len(journey.kept[1].taken) + 4
    assert progress.parts_failed == 0


def test_a_process_that_syncs_and_streams_ends_in_its_grace(journey: Journey) -> None:
    assert journey.status in (0, STATUS_OF_SIGTERM)
    assert "Application shutdown complete." in journey.last_words
    assert "Traceback" not in journey.last_words


def test_in_the_end_every_market_was_taken_once(journey: Journey) -> None:
    progress = journey.done.progress
    unrecorded = len(journey.kept[0].revisions.keys() - journey.kept[0].taken)
    counts = Counts(40, inserted=40 - unrecorded, unchanged=unrecorded)
    assert journey.done.job.state is JobState.DONE
    assert progress == Progress(counts, parts=40, parts_done=40)
    assert journey.kept[-1].revisions == Counter(MARKETS)


def test_who_goes_on_where_a_stream_ended_is_told_of_every_market_once(journey: Journey) -> None:
    told = Counter([*targets_in(journey.streams[0]), *journey.later])
    assert {target: told[target] for target in MARKETS} == dict.fromkeys(MARKETS, 1)
    assert targets_in(journey.streams[0]) == targets_in(journey.streams[1])
