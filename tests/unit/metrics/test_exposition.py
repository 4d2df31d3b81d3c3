"""The page of the metrics, read as Prometheus reads it."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from anyio import create_task_group, sleep_forever
from anyio.abc import TaskGroup
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from app.adapters.metrics.exposition import Exposition, forget_the_dead
from app.adapters.metrics.instruments import Instruments
from app.domain.errors import StoreUnavailable
from app.domain.range_units.revisions import Market
from app.services.range_units.overview_service import ExchangeStanding
from tests.application import MemoryApplication
from tests.builders import a_table, an_exchange

Look = Callable[[], Awaitable[Sequence[ExchangeStanding]]]
DOCUMENT = Path(__file__).parents[3] / "docs" / "observability.md"


@pytest.fixture
async def tasks() -> AsyncIterator[TaskGroup]:
    async with create_task_group() as tasks:
        yield tasks
        tasks.cancel_scope.cancel()


@pytest.fixture
def application() -> MemoryApplication:
    return MemoryApplication()


async def do(work: Callable[[], Awaitable[None]]) -> None:
    await work()


def exposition_of(
    look: Look, tasks: TaskGroup, instruments: Instruments | None = None, patience: int = 30
) -> Exposition:
    return Exposition(
        registry=(instruments or Instruments()).registry,
        look=look,
        begin=lambda work: tasks.start_soon(do, work),
        patience=patience,
        version="1.2.3",
    )


def used() -> Instruments:
    """Give instruments that have measured something of each kind."""
    instruments = Instruments()
    instruments.answered("GET", "/livez", 200, 0.004)
    instruments.answered("OTHER", None, None, 100)
    instruments.logged_in("failed", "bad_password")
    instruments.logged_in("success", None)
    instruments.hash_waits.observe(0.2)
    instruments.ingested("coinone", "taken", {"inserted": 3, "rejected": 1})
    return instruments


async def read(exposition: Exposition) -> dict[str, Metric]:
    page, _ = await exposition.page("")
    return {metric.name: metric for metric in parsed(page)}


def parsed(page: bytes) -> list[Metric]:
    return list(text_string_to_metric_families(page.decode()))


def values(metric: Metric) -> dict[tuple[str, ...], float]:
    return {(*sample.labels.values(),): sample.value for sample in metric.samples}


async def test_a_reader_gets_the_format_that_it_accepts(
    application: MemoryApplication, tasks: TaskGroup
) -> None:
    exposition = exposition_of(application.overview.standings, tasks, used())
    plain, plain_type = await exposition.page("*/*")
    newer, newer_type = await exposition.page("application/openmetrics-text; version=1.0.0")
    assert plain_type.startswith("text/plain; version=0.0.4")
    assert newer_type.startswith("application/openmetrics-text; version=1.0.0")
    found = openmetrics.text_string_to_metric_families(newer.decode())  # type: ignore[no-untyped-call] # theirs
    assert {metric.name for metric in found} == {metric.name for metric in parsed(plain)}


async def test_every_metric_says_what_it_is_and_is_documented(
    application: MemoryApplication, tasks: TaskGroup
) -> None:
    await application.range_units.put_exchange(exchange=an_exchange())
    market = Market("coinone", "KRW", "BTC")
    await application.range_units.put_range_units(market=market, table=a_table(), source="x")
    found = await read(exposition_of(application.overview.standings, tasks, used()))
    told = {
        f"{name}_total" if metric.type == "counter" else name: (
            metric.type,
            ", ".join(f"`{label}`" for label in sorted(set().union(*map(_labels, metric.samples)))),
        )
        for name, metric in found.items()
    }
    rows = [row.split("|") for row in DOCUMENT.read_text().splitlines() if "| `tickgate_" in row]
    documented = {
        cells[1].strip(" `"): (
            cells[2].strip(),
            ", ".join(sorted(filter(None, map(str.strip, cells[3].split(","))))),
        )
        for cells in rows
    }
    assert [name for name, metric in found.items() if not metric.documentation] == []
    assert documented == told


def _labels(sample: object) -> set[str]:
    labels: dict[str, str] = sample.labels  # type: ignore[attr-defined] # a named tuple, untyped
    return set(labels) - {"le"}


async def test_the_age_of_the_data_and_the_jobs_of_each_exchange_are_read_from_the_store(
    application: MemoryApplication, tasks: TaskGroup
) -> None:
    await application.range_units.put_exchange(exchange=an_exchange())
    await application.range_units.put_exchange(exchange=an_exchange(code="korbit"))
    market = Market("coinone", "KRW", "BTC")
    await application.range_units.put_range_units(market=market, table=a_table(), source="x")
    await application.sync.start(exchange="coinone", requested_by="trader")
    application.clock.advance(timedelta(seconds=90))
    found = await read(exposition_of(application.overview.standings, tasks))
    jobs = values(found["tickgate_sync_jobs"])
    assert values(found["tickgate_exchange_data_age_seconds"]) == {("coinone",): 90}
    assert (jobs["coinone", "queued"], jobs["coinone", "done"], jobs["korbit", "queued"]) == (
        1,
        0,
        0,
    )
    assert values(found["tickgate_database_up"]) == {(): 1}


async def test_a_store_that_hangs_is_asked_once_and_keeps_nothing_else_from_being_read(
    tasks: TaskGroup,
) -> None:
    asked = []

    async def hang() -> Sequence[ExchangeStanding]:
        asked.append(1)
        await sleep_forever()
        raise NotImplementedError

    exposition = exposition_of(hang, tasks, used(), patience=0)
    for _ in range(2):
        found = await read(exposition)
        assert values(found["tickgate_database_up"]) == {(): 0}
        assert values(found["tickgate_logins"])["success", "none"] == 1
    assert asked == [1]


async def test_a_store_that_is_away_is_asked_again_at_the_next_reading(
    application: MemoryApplication, tasks: TaskGroup
) -> None:
    answers: list[Look] = [application.overview.standings, away]

    async def look() -> Sequence[ExchangeStanding]:
        return await answers.pop()()

    exposition = exposition_of(look, tasks)
    ups = [values((await read(exposition))["tickgate_database_up"]) for _ in range(2)]
    assert ups == [{(): 0}, {(): 1}]


async def away() -> Sequence[ExchangeStanding]:
    raise StoreUnavailable("It is away.")


def test_the_gauges_of_a_process_that_has_died_are_forgotten(tmp_path: Path) -> None:
    died = subprocess.Popen([sys.executable, "-c", ""])
    died.wait()
    names = [
        f"gauge_livesum_{died.pid}.db",
        f"gauge_livesum_{os.getpid()}.db",
        f"counter_{died.pid}.db",
    ]
    for name in names:
        (tmp_path / name).touch()
    forget_the_dead(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(names[1:])
