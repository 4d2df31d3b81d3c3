"""How exchanges are asked, over HTTP on loopback; time is counted, and never spent."""

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import anyio
import pytest
from anyio.lowlevel import checkpoint
from httpx import AsyncClient, Limits

from app.adapters.exchanges.budget import Budget, RateBudget
from app.adapters.exchanges.client import (
    LONGEST_AWAY,
    Answer,
    ExchangeClient,
    Patience,
    Surroundings,
    shared_http,
)
from app.adapters.exchanges.registry import ASKED
from app.adapters.memory.system import SettableClock
from app.domain.range_units.errors import FeedRefused, FeedUnavailable
from tests.cancellation import PATIENCE, Mode, modes_of, sweep, until
from tests.integration.stub_exchange import Canned, Ending, StubExchange, stub_exchange

GOOD = Canned(b'{"good": 1}')
BAD = Canned(b"out of order", 500)
PLENTY = RateBudget(1000, burst=1000)

ALLOWED = {
    "binance": (300, 60),
    "bybit": (600, 5),
    "coinone": (1200 + 60 * 20, 60),
    "korbit": (50, 1),
    "okx": (5, 2),
    "upbit": (10, 1),
}
"""So many calls within so many seconds are what an exchange allows."""


class CountedTime:
    """Passes only by sleeping, and remembers each sleep; begins anywhere."""

    def __init__(self) -> None:
        self.time = 123_456.789
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await checkpoint()
        self.time += seconds


@pytest.fixture
def time() -> CountedTime:
    return CountedTime()


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
async def stub() -> AsyncIterator[StubExchange]:
    async with stub_exchange() as stub:
        yield stub


@pytest.fixture
async def http() -> AsyncIterator[AsyncClient]:
    async with shared_http(version="1.2") as http:
        yield http


class Asking:
    """A client, in surroundings that a test can look at."""

    def __init__(  # noqa: PLR0913 - each is one thing that a test may be about
        self,
        http: AsyncClient,
        stub: StubExchange,
        time: CountedTime,
        clock: SettableClock,
        *,
        rate: RateBudget = PLENTY,
        patience: Patience | None = None,
        chance: float = 1,
    ) -> None:
        self.client = ExchangeClient(
            http,
            exchange="any",
            url=stub.url,
            rate=rate,
            surroundings=Surroundings(clock, lambda: chance, time.now, time.sleep),
            patience=patience,
        )

    async def refused(self) -> FeedRefused:
        with pytest.raises(FeedRefused) as caught:
            await self.client.get("/x")
        return caught.value

    async def unavailable(self) -> FeedUnavailable:
        with pytest.raises(FeedUnavailable) as caught:
            await self.client.get("/x")
        return caught.value


@pytest.fixture
def asking(
    http: AsyncClient, stub: StubExchange, time: CountedTime, clock: SettableClock
) -> Asking:
    return Asking(http, stub, time, clock)


# -- one call ------------------------------------------------------------------------------------


async def test_an_answer_is_the_bytes_that_came_the_url_that_was_asked_and_when_all_had_come(
    asking: Asking, stub: StubExchange, clock: SettableClock
) -> None:
    async def answer_later(_target: str) -> None:
        await checkpoint()
        clock.advance(timedelta(seconds=7))

    stub.on_ask = answer_later
    stub.answers["/x?a=b%26c"] = [Canned(b"\xff\0<html>")]
    asked_at = clock.now()
    answer = await asking.client.get("/x", {"a": "b&c"})
    received_at = asked_at + timedelta(seconds=7)
    assert answer == Answer(b"\xff\0<html>", f"{stub.url}/x?a=b%26c", received_at)


async def test_the_exchange_is_told_who_asks_and_nothing_secret(
    asking: Asking, stub: StubExchange
) -> None:
    stub.always = GOOD
    await asking.client.get("/x")
    [headers] = stub.headers
    assert {name: headers.get(name) for name in ("user-agent", "accept-encoding", "accept")} == {
        "user-agent": "tickgate/1.2",
        "accept-encoding": "identity",
        "accept": "application/json",
    }
    assert not headers.keys() & {"cookie", "authorization", "referer"}


async def test_connections_are_kept_and_closed_with_the_pool(stub: StubExchange) -> None:
    stub.always = GOOD
    async with shared_http(version="0") as http:
        asking = Asking(http, stub, CountedTime(), SettableClock())
        for _ in range(3):
            await asking.client.get("/x")
    await until(lambda: stub.open == 0)
    assert stub.connections == 1


async def test_the_environment_changes_nothing_and_certificates_are_verified(
    http: AsyncClient,
) -> None:
    transport = http._transport
    context: ssl.SSLContext = transport._pool._ssl_context  # type: ignore[attr-defined]  # private
    assert (http.trust_env, http.follow_redirects) == (False, False)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


# -- what is refused at once -----------------------------------------------------------------------


async def test_what_trying_again_would_not_change_is_asked_for_once(
    http: AsyncClient, stub: StubExchange, time: CountedTime, clock: SettableClock
) -> None:
    asking = Asking(http, stub, time, clock, patience=Patience(most_bytes=1000))
    away = (("Location", f"{stub.url}/y"),)
    answers = {
        "204": Canned(b"", 204),
        "301": Canned(b"", 301, away),
        "302": Canned(b"", 302, away),
        "400": Canned(status=400),
        "403": Canned(status=403),
        "404": Canned(status=404),
        "451": Canned(status=451),
        "more than 1000 bytes": Canned(b"x" * 1001),
        "compressed": Canned(b"\x1f\x8b\x08", headers=(("Content-Encoding", "gzip"),)),
    }
    for word, canned in answers.items():
        stub.asked.clear()
        stub.always = canned
        refusal = await asking.refused()
        assert word in refusal.detail
        assert stub.asked == ["/x"], word
    assert time.slept == []


@pytest.mark.parametrize(
    "anyio_backend",
    ["asyncio"],  # on Trio, httpx's own generators warn that they were not read to their end
    indirect=True,
)
async def test_a_huge_body_is_not_read_to_its_end(
    http: AsyncClient, stub: StubExchange, time: CountedTime, clock: SettableClock
) -> None:
    asking = Asking(http, stub, time, clock, patience=Patience(most_bytes=1000))
    stub.always = Canned(b"x" * 30_000_000, declared=False)
    assert "more than 1000 bytes" in (await asking.refused()).detail
    await until(lambda: stub.open == 0)
    stub.always = Canned(b"x" * 1000, declared=False)
    assert len((await asking.client.get("/x")).payload) == 1000


async def test_a_body_has_a_bound_though_none_is_set(asking: Asking, stub: StubExchange) -> None:
    length = ("Content-Length", str(32 * 1024 * 1024 + 1))
    stub.always = Canned(headers=(length,), declared=False, ending=Ending.HEAD_ONLY)
    with anyio.fail_after(PATIENCE):
        assert f"more than {32 * 1024 * 1024} bytes" in (await asking.refused()).detail


# -- what is tried again ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failing",
    [
        pytest.param(BAD, id="5xx"),
        pytest.param(Canned(ending=Ending.RESET), id="reset"),
        pytest.param(Canned(ending=Ending.CUT), id="cut"),
        pytest.param(Canned(ending=Ending.SILENCE), id="silence"),
        pytest.param(Canned(ending=Ending.HEAD_ONLY), id="no-body"),
        pytest.param(Canned(status=429), id="429-that-says-no-more"),
    ],
)
async def test_a_failure_is_tried_again_until_it_is_none_or_too_often(
    http: AsyncClient,
    stub: StubExchange,
    time: CountedTime,
    clock: SettableClock,
    failing: Canned,
) -> None:
    waits = failing.ending in {Ending.SILENCE, Ending.HEAD_ONLY}
    # Long enough for the good answer at the end, on a machine that is busy with other things.
    patience = Patience(seconds=0.1 if waits else 60)
    asking = Asking(http, stub, time, clock, patience=patience)
    stub.answers["/x"] = [failing, failing, failing, GOOD]
    assert (await asking.client.get("/x")).payload == GOOD.body
    assert (len(stub.asked), time.slept) == (4, [0.5, 1, 2])
    stub.always = failing
    refusal = await asking.unavailable()
    assert (len(stub.asked), refusal.retry_after) == (8, None)


async def test_an_exchange_that_is_not_there_is_unavailable(
    http: AsyncClient, time: CountedTime, clock: SettableClock
) -> None:
    async with stub_exchange() as gone:
        pass
    refusal = await Asking(http, gone, time, clock).unavailable()
    assert "ConnectError" in refusal.detail
    assert len(time.slept) == 3


async def test_pauses_grow_to_a_bound_and_are_any_share_of_it(
    http: AsyncClient, stub: StubExchange, clock: SettableClock
) -> None:
    stub.always = BAD
    slept = {}
    for chance in (0, 0.25, 1):
        time = CountedTime()
        patience = Patience(tries=7, longest_pause=6)
        await Asking(http, stub, time, clock, chance=chance, patience=patience).unavailable()
        slept[chance] = time.slept
    whole = [0.5, 1, 2, 4, 6, 6]
    assert slept == {0: [0.0] * 6, 0.25: [pause / 4 for pause in whole], 1: whole}


# -- Retry-After -----------------------------------------------------------------------------------


async def test_an_exchange_that_says_when_is_asked_then(
    asking: Asking, stub: StubExchange, time: CountedTime, clock: SettableClock
) -> None:
    soon = clock.now().replace(microsecond=0) + timedelta(seconds=31)
    past = datetime(1999, 1, 1, tzinfo=UTC)
    spelled = {
        "0": 0.5,  # its own pause is the least
        "1": 1,
        "60": 60,
        format_datetime(soon, usegmt=True): 30.321099,
        format_datetime(soon.replace(tzinfo=None)): 30.321099,
        format_datetime(past, usegmt=True): 0.5,
    }
    for status in (418, 429, 503):
        for written, seconds in spelled.items():
            stub.answers["/x"] = [Canned(status=status, headers=(("Retry-After", written),)), GOOD]
            before = time.now()
            assert await asking.client.get("/x")
            assert time.now() - before == pytest.approx(seconds, abs=0.01), (status, written)


async def test_what_says_nothing_about_when_is_a_failure_like_others(
    asking: Asking, stub: StubExchange, time: CountedTime
) -> None:
    misspelt = (
        *("soon", "-1", "1.5", "\uff11", "", "Thu, 99 Foo 2026 00:00:00 GMT", "1e3"),
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2026 00:00:00 +99999999999999999999",
        "Mon, 01 Jan 2026 99999999999999999999:00:00 GMT",
    )
    for written in misspelt:
        headers = (("Retry-After", written),)
        stub.answers["/x"] = [Canned(status=429, headers=headers), GOOD]
        time.slept.clear()
        await asking.client.get("/x")
        assert time.slept == [0.5], written


async def test_everyone_waits_when_one_was_told_to(
    http: AsyncClient, stub: StubExchange, time: CountedTime, clock: SettableClock
) -> None:
    asking = Asking(http, stub, time, clock, rate=RateBudget(10, burst=10))
    told = Canned(status=429, headers=(("Retry-After", "7"),))
    stub.answers = {"/x": [told, GOOD], "/y": [GOOD]}
    before = time.now()
    async with anyio.create_task_group() as calls:
        calls.start_soon(asking.client.get, "/x")
        await until(lambda: time.slept != [])
        calls.start_soon(asking.client.get, "/y")
    # The pause, and then one call after another: a burst would be answered in the same way.
    assert time.now() - before == pytest.approx(7.1)


async def test_an_exchange_that_is_away_for_long_is_not_asked_until_it_is_back(
    asking: Asking, stub: StubExchange, time: CountedTime
) -> None:
    stub.always = Canned(status=429, headers=(("Retry-After", "61"),))
    assert (await asking.unavailable()).retry_after == 61
    time.time += 60.5
    assert (await asking.unavailable()).retry_after == 1
    assert len(stub.asked) == 1
    time.time += 0.5
    stub.always = GOOD
    assert await asking.client.get("/x")


async def test_a_pause_is_heeded_for_a_quarter_of_an_hour_at_most_and_told_until_when(
    asking: Asking, stub: StubExchange, time: CountedTime
) -> None:
    without_end = ("9" * 5000, "31536000", "901", "Fri, 31 Dec 9999 23:59:59 GMT")
    for written in without_end:
        stub.always = Canned(status=429, headers=(("Retry-After", written),))
        refusal = await asking.unavailable()
        assert refusal.retry_after == LONGEST_AWAY == 900, written
        assert refusal.detail == "any wants not to be asked before 2026-01-02T03:19:05Z."
        time.time += LONGEST_AWAY
    stub.always = GOOD
    assert await asking.client.get("/x")


async def test_an_exchange_that_keeps_asking_for_pauses_is_unavailable_for_one_more(
    asking: Asking, stub: StubExchange, time: CountedTime
) -> None:
    stub.always = Canned(status=429, headers=(("Retry-After", "2"),))
    assert (await asking.unavailable()).retry_after == 2
    assert len(stub.asked) == 4
    before = time.now()
    stub.always = GOOD
    await asking.client.get("/x")
    assert time.now() - before == pytest.approx(2)


# -- the rate budget -------------------------------------------------------------------------------


async def taken_at(rate: RateBudget, calls: int) -> list[float]:
    time = CountedTime()
    budget = Budget(rate, now=time.now, sleep=time.sleep)
    instants = []
    for _ in range(calls):
        await budget.take()
        instants.append(time.now())
    return instants


async def test_no_span_of_time_sees_more_calls_than_its_exchange_allows() -> None:
    for code, (calls, seconds) in ALLOWED.items():
        instants = await taken_at(ASKED[code].rate, calls * 2 + 1)
        spans = [last - first for first, last in zip(instants, instants[calls:], strict=False)]
        assert min(spans) >= seconds - 1e-6, code


def test_every_exchange_is_held_to_what_it_allows() -> None:
    assert ASKED.keys() == ALLOWED.keys()


async def test_all_markets_of_coinone_are_one_burst() -> None:
    first, *_, last = await taken_at(ASKED["coinone"].rate, 1200)
    assert last == first


async def test_a_budget_that_is_used_up_is_refilled_at_its_rate() -> None:
    instants = await taken_at(RateBudget(20, burst=3), 40)
    gaps = [later - earlier for earlier, later in pairwise(instants)]
    assert gaps[:2] == [0, 0]
    assert gaps[2:] == pytest.approx([0.05] * 37)


async def test_a_pause_refills_no_more_than_a_burst() -> None:
    time = CountedTime()
    budget = Budget(RateBudget(10, burst=2), now=time.now, sleep=time.sleep)
    for _ in range(2):
        time.time += 1000
        for _ in range(3):
            await budget.take()
    assert time.slept == pytest.approx([0.1, 0.1])


async def test_a_timer_that_rings_early_is_not_set_again() -> None:
    time = CountedTime()

    async def hardly(seconds: float) -> None:
        time.slept.append(seconds)
        await checkpoint()

    budget = Budget(RateBudget(10, burst=1), now=time.now, sleep=hardly)
    with anyio.fail_after(PATIENCE):
        for _ in range(3):
            await budget.take()
    assert time.slept == pytest.approx([0.1, 0.2])


async def test_callers_are_served_in_turn_within_the_budget() -> None:
    time = CountedTime()
    budget = Budget(RateBudget(10, burst=1), now=time.now, sleep=time.sleep)
    served = []

    async def call(name: int) -> None:
        await budget.take()
        served.append((name, round(time.now() - 123_456.789, 6)))

    async with anyio.create_task_group() as calls:
        for name in range(4):
            calls.start_soon(call, name)
    assert [instant for _, instant in served] == [0, 0.1, 0.2, 0.3]


async def test_who_is_cancelled_while_waiting_has_taken_nothing(anyio_backend: str) -> None:
    for mode in modes_of(anyio_backend):
        if mode is Mode.LATE:
            continue  # then it was taken, and the call is lost
        for cancelled in sweep(mode):
            time = CountedTime()
            budget = Budget(RateBudget(10, burst=1), now=time.now, sleep=time.sleep)
            await budget.take()
            run = await cancelled(budget.take())
            await budget.take()
            waited = time.now() - 123_456.789
            assert waited == pytest.approx(0.1 if run.cancelled else 0.2), cancelled


# -- many calls, and calls that are cancelled ------------------------------------------------------


async def test_a_slow_exchange_has_no_more_connections_than_its_share(
    http: AsyncClient, stub: StubExchange, time: CountedTime, clock: SettableClock
) -> None:
    asking = Asking(http, stub, time, clock, patience=Patience(at_once=2))
    stub.always = GOOD
    async with anyio.create_task_group() as calls:
        for _ in range(6):
            calls.start_soon(asking.client.get, "/x")
    assert (len(stub.asked), stub.connections) == (6, 2)


async def test_a_call_that_is_cancelled_anywhere_leaves_room_for_the_next(
    anyio_backend: str, stub: StubExchange
) -> None:
    stub.always = GOOD
    one = Patience(at_once=1, tries=1, seconds=PATIENCE)
    for mode in set(modes_of(anyio_backend)) - {Mode.DOUBLE}:
        async with AsyncClient(verify=False, limits=Limits(max_connections=1)) as http:  # noqa: S501 - plain HTTP
            asking = Asking(http, stub, CountedTime(), SettableClock(), patience=one)
            for cancelled in sweep(mode):
                run = await cancelled(asking.client.get("/x"))
                assert not run.swallowed, cancelled
                assert await asking.client.get("/x"), cancelled
        await until(lambda: stub.open == 0)
