import tracemalloc
from datetime import timedelta
from uuid import uuid4

import httpx
from starlette.types import Message, Receive, Scope, Send

from app.adapters.http.ending import Ending
from app.adapters.http.shortcuts import LONGEST_PATH, REMEMBERED, Shortcuts
from app.domain.identity.api_keys import WantedKey
from app.domain.principal import Role
from app.domain.principal import Scope as KeyScope
from app.domain.range_units import storage
from app.domain.range_units.numbers import MAX_LENGTH
from tests.application import PASSWORD, MemoryApplication
from tests.unit.http.conftest import Stage
from tests.unit.http.stating import COINONE, UNITS, put

PRICES = UNITS.replace("range-units", "prices")


async def both(
    client: httpx.AsyncClient, application: MemoryApplication, path: str, headers: dict[str, str]
) -> list[tuple[int, bytes, dict[str, str]]]:
    """Ask by the shortcut, and by the route: that has a query, and nobody keeps what it says."""
    await client.get(path, headers=headers)  # so that what it needs is known
    now = application.clock.now().isoformat().replace("+00:00", "Z")
    answers = []
    for query in ("", f"?as_of={now}"):
        answer = await client.get(path + query, headers=headers | {"X-Request-ID": "the-same"})
        answers.append((answer.status_code, answer.content, dict(answer.headers)))
    return answers


async def test_a_shortcut_answers_what_its_route_does(
    client: httpx.AsyncClient, coinone: dict[str, str], application: MemoryApplication
) -> None:
    await put(client, coinone)
    etag = (await client.get(UNITS, headers=coinone)).headers["ETag"]
    reader = await application.users.create_user(
        username="reader", password=PASSWORD, role=Role.ADMIN
    )
    key = await application.api_keys.create(
        user_id=reader.id, wanted=WantedKey("logs", frozenset({KeyScope.LOGIN_LOG_READ}))
    )
    asked: list[tuple[str, dict[str, str]]] = [
        (UNITS, coinone),
        (UNITS.replace("coinone", "COINONE"), coinone),
        (UNITS, coinone | {"If-None-Match": etag}),
        (UNITS, coinone | {"If-None-Match": '"another"'}),
        (UNITS, coinone | {"If-None-Match": "*"}),
        (UNITS, {}),
        (UNITS, {"Authorization": "Bearer none"}),
        (UNITS, {"Authorization": f"Bearer {key.text}"}),
        (f"{COINONE}/markets/KRW/NONE/range-units", coinone),
        (f"{COINONE}/markets/K%00W/BTC/range-units", coinone),
        *((f"{PRICES}/{price}", coinone) for price in ("5", "5.000", "7.3", "0", "-1", "1e3")),
        *((f"{PRICES}/{price}", coinone) for price in ("five", "1e999", "%EF%BC%97")),
    ]
    for path, headers in asked:
        quick, slow = await both(client, application, path, headers)
        assert quick == slow, (path, headers)


async def answered_without_the_framework(
    client: httpx.AsyncClient, stage: Stage, path: str, headers: dict[str, str], ending: Ending
) -> bool:
    """Tell so of something that was asked a moment ago."""
    await client.get(path, headers=headers)
    passed_on: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        passed_on.append(scope)

    async def receive() -> Message:
        raise NotImplementedError

    async def send(_message: Message) -> None:
        pass

    token = [(b"authorization", value.encode()) for value in headers.values()]
    asked = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": token}
    await Shortcuts(app, ending=ending)(asked | {"app": stage.app, "state": {}}, receive, send)
    return not passed_on


async def test_what_was_asked_a_moment_ago_is_answered_without_the_framework(
    client: httpx.AsyncClient, coinone: dict[str, str], stage: Stage
) -> None:
    await put(client, coinone)
    for path in (UNITS, f"{PRICES}/5"):
        assert await answered_without_the_framework(client, stage, path, coinone, Ending()), path


async def test_once_the_process_has_been_told_to_stop_no_shortcut_is_taken(
    client: httpx.AsyncClient, coinone: dict[str, str], stage: Stage
) -> None:
    await put(client, coinone)
    ending = Ending()
    ending.tell()
    assert not await answered_without_the_framework(client, stage, UNITS, coinone, ending)


async def test_the_paths_of_strangers_fill_no_memory() -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        pass

    async def receive() -> Message:
        raise NotImplementedError

    async def send(_message: Message) -> None:
        raise NotImplementedError

    shortcuts = Shortcuts(app, ending=Ending())
    asked = {"type": "http", "method": "GET", "query_string": b"", "headers": []}
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(REMEMBERED):
        path = f"/{uuid4()}{'a' * 20_000}"
        await shortcuts(asked | {"path": path}, receive, send)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < REMEMBERED * 10_000


def test_every_market_and_every_price_has_a_path_that_is_short_enough() -> None:
    code, price = "a" * storage.CODE, "9" * MAX_LENGTH
    path = f"/v1/exchanges/{code}/markets/{code}/{code}/prices/{price}"
    assert len(path) <= LONGEST_PATH


async def test_a_shortcut_shows_the_age_of_now(
    client: httpx.AsyncClient, coinone: dict[str, str], application: MemoryApplication
) -> None:
    await put(client, coinone)
    ages = []
    for seconds in (0, 59, 1):
        application.clock.advance(timedelta(seconds=seconds))
        answer = (await client.get(f"{PRICES}/5", headers=coinone)).json()
        ages.append(answer["age_seconds"])
    assert ages == [0, 59, 60]


async def test_an_answer_about_a_price_is_asked_for_again_until_another_revision_gives_it(
    client: httpx.AsyncClient, coinone: dict[str, str], application: MemoryApplication
) -> None:
    await put(client, coinone)
    market = UNITS.removesuffix("range-units")
    for question in ("prices/5", "ladder?price=5", "ticks?from=5&to=10"):
        first = await client.get(market + question, headers=coinone)
        known = coinone | {"If-None-Match": first.headers["ETag"]}
        application.clock.advance(timedelta(seconds=9))
        again = await client.get(market + question, headers=known)
        assert (again.status_code, again.content) == (304, b""), question
        await put(client, coinone, range_units=[{"range_min": "0", "price_unit": "5"}])
        assert (await client.get(market + question, headers=known)).status_code == 200, question
        application.clock.advance(timedelta(seconds=9))
        await put(client, coinone)
