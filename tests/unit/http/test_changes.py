"""The feed of changes, in pages and as server-sent events."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import datetime, timedelta
from typing import Any, Protocol

import httpx
import pytest
from anyio.lowlevel import checkpoint

from app.adapters.background import repeated
from app.domain.range_units.changes import PlacedChange
from app.domain.range_units.revisions import Exchange, Market
from app.services.range_units.change_feed import ChangeFeed
from tests.application import ACCESS_TOKEN_LIFETIME, MOST_STREAMS, MemoryApplication
from tests.builders import a_change, a_table
from tests.unit.http.api import refusal
from tests.unit.http.conftest import Stage
from tests.unit.http.streams import Streamed, streamed

FEED = "/v1/range-units/changes"
UNITS = ["1", "2", "3", "5", "10", "20", "50", "100"]


class Follow(Protocol):
    def __call__(
        self, query: str = "", **headers: str
    ) -> AbstractAsyncContextManager[Streamed]: ...


@pytest.fixture(autouse=True)
async def exchanges(application: MemoryApplication) -> None:
    for code in ("coinone", "upbit"):
        await application.range_units.put_exchange(exchange=Exchange(code, code))


@pytest.fixture
async def follow(client: httpx.AsyncClient, stage: Stage, user: dict[str, str]) -> Follow:
    """Give what asks for a stream of the application that serves."""
    assert client is not None
    return lambda query="", **headers: streamed(
        stage.app, f"{FEED}/stream{query}", {**user, **headers}
    )


async def state(
    application: MemoryApplication,
    unit: str,
    *,
    exchange: str = "coinone",
    effective_from: datetime | None = None,
) -> str:
    """State range units, and give the id of their revision."""
    application.clock.advance(timedelta(microseconds=1))
    units, _ = await application.range_units.put_range_units(
        market=Market(exchange, "KRW", "BTC"),
        table=a_table(("0", unit)),
        source="a notice",
        effective_from=effective_from,
    )
    return str(units.revision.id)


async def page(client: httpx.AsyncClient, user: dict[str, str], **query: str) -> dict[str, Any]:
    answer = await client.get(FEED, params=query, headers=user)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def told(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [(item["kind"], item["revision_id"]) for item in document["items"]]


# -- pages -----------------------------------------------------------------------------------------


async def test_a_change_says_everything_about_its_revision(
    application: MemoryApplication, client: httpx.AsyncClient, user: dict[str, str]
) -> None:
    revision_id = await state(application, "1")
    document = await page(client, user)
    at = application.clock.now().isoformat().replace("+00:00", "Z")
    assert document["items"] == [
        {
            "position": document["position"],
            "at": at,
            "kind": "recorded",
            "exchange": "coinone",
            "quote_currency": "KRW",
            "target_currency": "BTC",
            "revision_id": revision_id,
            "effective_from": at,
            "source": "a notice",
            "digest": a_table(("0", "1")).digest,
        }
    ]


async def test_an_amendment_is_told_as_what_goes_and_what_comes(
    application: MemoryApplication, client: httpx.AsyncClient, user: dict[str, str]
) -> None:
    tomorrow = application.clock.now() + timedelta(days=1)
    old = await state(application, "1", effective_from=tomorrow)
    new = await state(application, "2", effective_from=tomorrow)
    assert told(await page(client, user)) == [
        ("recorded", old),
        ("superseded", old),
        ("recorded", new),
    ]


async def test_a_confirmation_is_no_change(
    application: MemoryApplication, client: httpx.AsyncClient, user: dict[str, str]
) -> None:
    await state(application, "1")
    await state(application, "1")
    assert len((await page(client, user))["items"]) == 1


async def test_pages_follow_one_another_to_the_end_by_cursor_and_by_position(
    application: MemoryApplication, client: httpx.AsyncClient, user: dict[str, str]
) -> None:
    ids = [await state(application, unit) for unit in UNITS]
    by_cursor, by_position, query, since = [], [], {"limit": "3"}, "0"
    while True:
        document = await page(client, user, **query)
        by_cursor += [revision_id for _, revision_id in told(document)]
        assert len(document["items"]) <= 3
        assert (await page(client, user, since=since, limit="3"))["items"] == document["items"]
        by_position += told(document)
        since = str(document["position"])
        if document["next_cursor"] is None:
            break
        query["cursor"] = document["next_cursor"]
    assert by_cursor == ids
    assert (await page(client, user, since=since)) == {
        "items": [],
        "next_cursor": None,
        "position": int(since),
    }


async def test_latest_gives_nothing_but_from_where_on_all_is_new(
    application: MemoryApplication, client: httpx.AsyncClient, user: dict[str, str]
) -> None:
    await state(application, "1")
    start = await page(client, user, since="latest")
    assert start["items"] == []
    new = await state(application, "2")
    assert told(await page(client, user, since=str(start["position"]))) == [("recorded", new)]


async def test_a_page_of_one_exchange_moves_on_past_the_others(
    application: MemoryApplication, client: httpx.AsyncClient, user: dict[str, str]
) -> None:
    await state(application, "1")
    document = await page(client, user, exchange="UPBIT")
    assert document["items"] == []
    assert document["position"] == (await page(client, user, since="latest"))["position"]


@pytest.mark.parametrize("path", [FEED, f"{FEED}/stream"])
async def test_what_cannot_be_followed_is_refused(
    client: httpx.AsyncClient, user: dict[str, str], path: str
) -> None:
    refused = {
        "exchange=nowhere": (404, "unknown_exchange"),
        "since=latest&exchange=nowhere": (404, "unknown_exchange"),
        "exchange=%20": (422, "invalid_code"),
        "since=1": (422, "unknown_position"),
        **dict.fromkeys(
            ["since=-1", "since=", "since=1.5", "since=%D9%A3", "since=9999999999999999999", "x=1"],
            (422, "invalid_request"),
        ),
    }
    answers = {
        query: refusal(await client.get(f"{path}?{query}", headers=user)) for query in refused
    }
    assert answers == refused


async def test_a_cursor_that_is_none_is_refused(
    client: httpx.AsyncClient, user: dict[str, str]
) -> None:
    for cursor in ("bGF0ZXN0", "LTE", "!", "MTIKMw"):
        answer = await client.get(FEED, params={"cursor": cursor}, headers=user)
        assert refusal(answer) == (422, "invalid_cursor")


# -- streams ---------------------------------------------------------------------------------------


async def test_a_stream_gives_what_was_missed_and_then_what_comes(
    application: MemoryApplication, follow: Follow
) -> None:
    missed = await state(application, "1")
    async with follow() as stream:
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert await stream.block() == "retry: 3000\nid: 0"
        await application.feed.look()
        assert (await stream.change())["revision_id"] == missed
        new = await state(application, "2")
        await application.feed.look()
        assert (await stream.change())["revision_id"] == new


async def test_a_stream_tells_the_same_as_the_pages(
    application: MemoryApplication,
    client: httpx.AsyncClient,
    user: dict[str, str],
    follow: Follow,
) -> None:
    await state(application, "1")
    async with follow() as stream:
        await application.feed.look()
        assert [await stream.change()] == (await page(client, user))["items"]


async def test_a_stream_begins_behind_the_last_event_that_was_seen(
    application: MemoryApplication, client: httpx.AsyncClient, user: dict[str, str], follow: Follow
) -> None:
    await state(application, "1")
    seen = (await page(client, user))["position"]
    new = await state(application, "2")
    for query, headers in (
        ("?since=0", {"Last-Event-ID": str(seen)}),
        (f"?since={seen}", {}),
        (f"?since={seen}", {"Last-Event-ID": ""}),
    ):
        async with follow(query, **headers) as stream:
            await application.feed.look()
            assert (await stream.change())["revision_id"] == new


async def test_a_stream_from_the_latest_on_says_where_that_is(
    application: MemoryApplication, client: httpx.AsyncClient, user: dict[str, str], follow: Follow
) -> None:
    await state(application, "1")
    latest = (await page(client, user))["position"]
    async with follow("?since=latest") as stream:
        assert await stream.block() == f"retry: 3000\nid: {latest}"
        new = await state(application, "2")
        await application.feed.look()
        assert (await stream.change())["revision_id"] == new


async def test_a_stream_of_one_exchange_leaves_the_others_out(
    application: MemoryApplication, follow: Follow
) -> None:
    async with follow("?exchange=upbit") as stream:
        await application.feed.look()
        await state(application, "1")
        new = await state(application, "2", exchange="upbit")
        await application.feed.look()
        assert (await stream.change())["revision_id"] == new


async def test_a_change_of_this_process_wakes_its_streams_at_once(
    application: MemoryApplication, follow: Follow
) -> None:
    feed = application.feed  # which looks by itself only every hour
    async with repeated(feed.look, wait=feed.wait), follow() as stream:
        for unit in UNITS:
            new = await state(application, unit)
            assert (await stream.change())["revision_id"] == new


async def test_streams_that_keep_up_are_served_by_the_one_look_at_the_store(
    application: MemoryApplication, follow: Follow
) -> None:
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(follow()) for _ in range(MOST_STREAMS)]
        await application.feed.look()
        for stream in streams:
            assert await stream.block() is not None
        new = await state(application, "1")
        await application.feed.look()
        application.range_units_store.down = True
        assert [(await stream.change())["revision_id"] for stream in streams] == [new] * 3


async def test_a_stream_that_has_fallen_behind_misses_nothing(
    application: MemoryApplication, follow: Follow
) -> None:
    async with follow() as stream:
        ids = []
        for unit in UNITS:  # more than the feed keeps
            ids.append(await state(application, unit))
            await application.feed.look()
        assert [(await stream.change())["revision_id"] for _ in UNITS] == ids


class HurriedFeed(ChangeFeed):
    """Lets something happen once when a follower has read, and does not know of it yet."""

    then: Callable[[], Awaitable[object]] = staticmethod(checkpoint)

    async def read(self, *, since: int, exchange: str | None, limit: int) -> list[PlacedChange]:
        found = await super().read(since=since, exchange=exchange, limit=limit)
        then, self.then = self.then, checkpoint
        await then()
        return found


async def test_a_change_that_comes_while_a_stream_catches_up_is_not_lost(
    application: MemoryApplication, stage: Stage, follow: Follow
) -> None:
    ids = [await state(application, "1")]
    feed = HurriedFeed(reading=application.works.range_units_reading, most_followers=1, every=3600)

    async def meanwhile() -> None:
        ids.append(await state(application, "2"))
        await feed.look()

    feed.then = meanwhile
    application.feed = feed
    async with stage.app.router.lifespan_context(stage.app), follow() as stream:
        await feed.look()
        assert [(await stream.change())["revision_id"] for _ in range(2)] == ids


async def test_a_long_backlog_is_told_to_its_end(
    application: MemoryApplication, follow: Follow
) -> None:
    missed = [a_change() for _ in range(250)]  # more than are read at once
    async with application.works.range_units() as uow:
        await uow.changes.append(changes=missed)
        await uow.commit()
    async with follow() as stream:
        await application.feed.look()
        told = [(await stream.change())["revision_id"] for _ in missed]
    assert told == [str(change.revision_id) for change in missed]


async def test_a_stream_beyond_the_bound_is_refused_until_another_ends(
    client: httpx.AsyncClient,
    user: dict[str, str],
    follow: Follow,
) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(MOST_STREAMS):
            await stack.enter_async_context(follow())
        busy = await client.get(f"{FEED}/stream", headers=user)
        assert (refusal(busy), busy.headers["Retry-After"]) == ((503, "busy"), "5")
    async with follow() as stream:
        assert stream.status == 200


async def test_a_stream_shows_that_it_is_alive_and_where_it_is(
    stage: Stage, application: MemoryApplication, user: dict[str, str]
) -> None:
    application.heartbeat = 0
    stage.application = application
    await state(application, "1")
    async with (
        stage.app.router.lifespan_context(stage.app),
        streamed(stage.app, f"{FEED}/stream?since=latest", user) as stream,
    ):
        await stream.block()
        beat = await stream.block()
        assert beat is not None
        assert beat.startswith(": ")
        assert beat.endswith(f"\nid: {max(application.range_units_store.committed.changes)}")


@pytest.mark.parametrize("end", ["the token expires", "the session ends", "the store is away"])
async def test_a_stream_ends_when_its_caller_may_no_longer_read(
    stage: Stage, application: MemoryApplication, user: dict[str, str], end: str
) -> None:
    application.heartbeat = 0
    stage.application = application
    async with (
        stage.app.router.lifespan_context(stage.app),
        streamed(stage.app, f"{FEED}/stream", user) as stream,
    ):
        await stream.block()
        if end == "the token expires":
            application.clock.advance(ACCESS_TOKEN_LIFETIME + timedelta(seconds=1))
        elif end == "the session ends":
            token = user["Authorization"].removeprefix("Bearer ")
            principal = await application.auth.authenticate_token(token=token)
            assert principal.session_id is not None
            await application.auth.log_out(principal=principal)
        else:
            application.identity_store.down = True
            application.clock.advance(timedelta(seconds=1))  # so long a caller is known
        # A beat or two may be on their way.
        assert None in [await stream.block() for _ in range(4)]


async def test_streams_end_when_the_feed_does_and_no_more_begin(
    application: MemoryApplication, client: httpx.AsyncClient, user: dict[str, str], follow: Follow
) -> None:
    async with follow() as stream:
        await stream.block()
        application.feed.end()
        assert await stream.block() is None
    assert refusal(await client.get(f"{FEED}/stream", headers=user)) == (503, "busy")
