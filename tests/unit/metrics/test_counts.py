"""What is counted, where it happens."""

import socket
from contextlib import suppress
from functools import partial
from threading import Event as ThreadEvent

import pytest
from anyio import create_task_group

from app.adapters.exchanges.registry import formats
from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.identity.unit_of_work import MemoryIdentityUnitOfWork
from app.adapters.memory.store import MemoryStore
from app.adapters.metrics.instruments import Instruments
from app.adapters.metrics.range_units import CountingChangeFeed, CountingRangeUnitsService
from app.adapters.security.passwords import BcryptHasher, Watch
from app.bootstrap.metrics import check_port, counted_logins
from app.domain.identity.errors import InvalidCredentials
from app.domain.identity.login_log import Client, Outcome
from app.domain.range_units.errors import PayloadRejected, TooManyFollowers, UnknownExchange
from app.domain.range_units.revisions import Market
from app.services.kept import Kept
from app.services.range_units.current_revisions import CurrentRevisions
from app.settings import Settings, WrongSetting
from tests.application import PASSWORD, FakedApplication, MemoryApplication, Works
from tests.builders import an_attempt, an_exchange
from tests.cancellation import until
from tests.feeds import a_reply


@pytest.fixture
def instruments() -> Instruments:
    return Instruments()


def counted(instruments: Instruments, name: str) -> dict[tuple[str, ...], float]:
    """Give the samples of one name, but those that are nought."""
    return {
        (*sample.labels.values(),): sample.value
        for metric in instruments.registry.collect()
        for sample in metric.samples
        if sample.name == name and sample.value
    }


async def test_logins_are_counted_by_outcome_and_true_reason(instruments: Instruments) -> None:
    work = counted_logins(
        partial(MemoryIdentityUnitOfWork, MemoryStore(IdentityState())), instruments
    )
    ranges = MemoryApplication().works.range_units
    application = FakedApplication(Works(work, work, ranges, ranges))
    await application.users.create_user(username="trader", password=PASSWORD)
    for username, password in (("trader", PASSWORD), ("trader", "wrong"), ("nobody", PASSWORD)):
        with suppress(InvalidCredentials):
            await application.auth.authenticate_user(
                username=username, password=password, client=Client()
            )
    assert counted(instruments, "tickgate_logins_total") == {
        ("success", "none"): 1,
        ("failed", "bad_password"): 1,
        ("failed", "unknown_user"): 1,
    }


async def test_an_attempt_is_counted_when_it_is_committed_and_has_ended(
    instruments: Instruments,
) -> None:
    work = counted_logins(
        partial(MemoryIdentityUnitOfWork, MemoryStore(IdentityState())), instruments
    )
    async with work() as uow:
        await uow.login_log.append(attempts=[an_attempt(outcome=Outcome.FAILED)])
    async with work() as uow:
        await uow.login_log.append(attempts=[an_attempt()])
        await uow.commit()
    assert counted(instruments, "tickgate_logins_total") == {}


async def test_replies_of_exchanges_are_counted_with_the_markets_in_them(
    instruments: Instruments,
) -> None:
    works = MemoryApplication()
    service = CountingRangeUnitsService(
        count=instruments.ingested,
        uow=works.works.range_units,
        reading=works.works.range_units,
        formats=formats(),
        clock=works.clock,
        ids=works.ids,
        feed=works.feed,
        current=CurrentRevisions(reading=works.works.range_units, kept=Kept(most=5)),
    )
    await service.put_exchange(exchange=an_exchange())
    reply = a_reply("0.1")
    for payload in (reply.payload, reply.payload, b"<html>"):
        with suppress(PayloadRejected):
            await service.ingest(market=reply.market, payload=payload, source=reply.source)
    with pytest.raises(UnknownExchange):
        await service.ingest(market=Market("made-up", "a", "b"), payload=b"", source="")
    assert counted(instruments, "tickgate_ingests_total") == {
        ("coinone", "taken"): 2,
        ("coinone", "rejected"): 1,
    }
    assert counted(instruments, "tickgate_ingested_markets_total") == {
        ("coinone", "inserted"): 1,
        ("coinone", "unchanged"): 1,
        ("coinone", "rejected"): 1,
    }


def test_the_streams_that_are_open_are_counted(instruments: Instruments) -> None:
    feed = CountingChangeFeed(
        count=instruments.streams.inc,
        reading=MemoryApplication().works.range_units,
        most_followers=1,
        every=3600,
    )
    name = "tickgate_change_streams_open"
    with feed.follower():
        with pytest.raises(TooManyFollowers), feed.follower():
            pass  # pragma: no cover - there is no place
        assert counted(instruments, name) == {(): 1}
    assert counted(instruments, name) == {}


async def test_the_queue_for_threads_that_hash_is_measured(instruments: Instruments) -> None:
    lengths: list[int] = []
    held, began = ThreadEvent(), ThreadEvent()

    def waited(seconds: float) -> None:
        instruments.hash_waits.observe(seconds)
        began.set()
        held.wait()

    watch = Watch(lengths.append, waited)
    hasher = BcryptHasher(cost=4, pepper=b"", threads=1, queue=2, watch=watch)
    async with create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(partial(hasher.hash, password=PASSWORD))
        await until(lambda: began.is_set() and len(lengths) == 3)
        held.set()
    assert lengths == [0, 1, 2, 1, 0, 0]
    assert counted(instruments, "tickgate_hash_wait_seconds_count") == {(): 3}


def test_a_port_for_metrics_that_is_taken_stops_the_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(WrongSetting, match=r"^TICKGATE_METRICS_PORT: .*in use"):
            check_port(Settings(metrics_port=port))
    check_port(Settings())
