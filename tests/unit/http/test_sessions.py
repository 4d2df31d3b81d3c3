from copy import copy
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import httpx
import pytest

from app.domain.identity.users import User
from tests.application import PASSWORD, SESSION_IDLE_LIFETIME, SESSION_LIFETIME, MemoryApplication
from tests.unit.http.api import NOBODY, refusal

LOGIN: Final = "/v1/auth/login"
REFRESH: Final = "/v1/auth/refresh"
LOGOUT: Final = "/v1/auth/logout"
GRACE: Final = timedelta(seconds=10)


@pytest.fixture
async def alice(application: MemoryApplication) -> User:
    return await application.users.create_user(username="Alice", password=PASSWORD)


@pytest.fixture
async def tokens(client: httpx.AsyncClient, alice: User) -> dict[str, Any]:
    """Log Alice in."""
    body = {"username": alice.username, "password": PASSWORD}
    answer: dict[str, Any] = (await client.post(LOGIN, json=body)).json()
    return answer


async def refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post(REFRESH, json={"refresh_token": token})


async def is_in(client: httpx.AsyncClient, tokens: dict[str, Any]) -> bool:
    headers = {"Authorization": f"{tokens['token_type']} {tokens['access_token']}"}
    return (await client.get("/v1/users/me", headers=headers)).status_code == 200


# -- refreshing ------------------------------------------------------------------------------


async def test_a_refresh_gives_new_tokens_of_the_same_session(
    client: httpx.AsyncClient, tokens: dict[str, Any]
) -> None:
    answer = await refresh(client, tokens["refresh_token"])
    renewed = answer.json()
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert {name for name in tokens if renewed[name] != tokens[name]} == {
        "access_token",
        "refresh_token",
    }
    assert await is_in(client, renewed)


@pytest.mark.parametrize("after", [timedelta(0), GRACE])
async def test_a_refresh_token_used_again_at_once_is_taken_for_a_lost_answer(
    application: MemoryApplication,
    client: httpx.AsyncClient,
    tokens: dict[str, Any],
    after: timedelta,
) -> None:
    await refresh(client, tokens["refresh_token"])
    application.clock.advance(after)
    answer = await refresh(client, tokens["refresh_token"])
    assert (*refusal(answer), answer.headers["Retry-After"]) == (409, "refresh_in_progress", "1")


async def test_the_session_survives_a_lost_answer(
    client: httpx.AsyncClient, tokens: dict[str, Any]
) -> None:
    successor = (await refresh(client, tokens["refresh_token"])).json()
    await refresh(client, tokens["refresh_token"])
    assert await is_in(client, tokens)
    assert (await refresh(client, successor["refresh_token"])).status_code == 200


async def test_a_refresh_token_used_again_later_is_refused(
    application: MemoryApplication, client: httpx.AsyncClient, tokens: dict[str, Any]
) -> None:
    await refresh(client, tokens["refresh_token"])
    application.clock.advance(GRACE + timedelta(microseconds=1))
    answer = await refresh(client, tokens["refresh_token"])
    assert refusal(answer) == (401, "invalid_token")


async def test_the_session_is_over_for_the_thief_and_for_the_robbed(
    application: MemoryApplication, client: httpx.AsyncClient, tokens: dict[str, Any]
) -> None:
    successor = (await refresh(client, tokens["refresh_token"])).json()
    application.clock.advance(timedelta(hours=1))
    await refresh(client, tokens["refresh_token"])
    assert not await is_in(client, successor)
    answer = await refresh(client, successor["refresh_token"])
    assert refusal(answer) == (401, "invalid_token")


@pytest.mark.parametrize("lifetime", [SESSION_IDLE_LIFETIME, SESSION_LIFETIME])
async def test_a_session_that_was_not_refreshed_in_time_is_over(
    application: MemoryApplication,
    client: httpx.AsyncClient,
    tokens: dict[str, Any],
    lifetime: timedelta,
) -> None:
    application.clock.advance(lifetime)
    answer = await refresh(client, tokens["refresh_token"])
    assert refusal(answer) == (401, "invalid_token")


async def test_refreshing_keeps_a_session_open(
    application: MemoryApplication, client: httpx.AsyncClient, tokens: dict[str, Any]
) -> None:
    for _ in range(3):
        application.clock.advance(SESSION_IDLE_LIFETIME - timedelta(seconds=1))
        tokens = (await refresh(client, tokens["refresh_token"])).json()
    assert await is_in(client, tokens)


@pytest.mark.parametrize("token", ["", "unknown", "x" * 1024, "plain.1", "a\0b", "비밀"])
async def test_a_refresh_token_that_was_never_issued_is_refused(
    client: httpx.AsyncClient, token: str
) -> None:
    assert refusal(await refresh(client, token)) == (401, "invalid_token")


async def test_an_access_token_refreshes_nothing(
    client: httpx.AsyncClient, tokens: dict[str, Any]
) -> None:
    answer = await refresh(client, tokens["access_token"])
    assert refusal(answer) == (401, "invalid_token")


async def test_a_disabled_user_is_not_refreshed(
    application: MemoryApplication, client: httpx.AsyncClient, alice: User, tokens: dict[str, Any]
) -> None:
    await application.users.set_disabled(user_id=alice.id, disabled=True)
    answer = await refresh(client, tokens["refresh_token"])
    assert refusal(answer) == (401, "invalid_token")


# -- logging out -----------------------------------------------------------------------------


async def test_logging_out_answers_with_nothing(
    client: httpx.AsyncClient, user: dict[str, str]
) -> None:
    answer = await client.post(LOGOUT, headers=user)
    assert (answer.status_code, answer.content) == (204, b"")


async def test_a_session_that_was_logged_out_is_not_refreshed(
    client: httpx.AsyncClient, tokens: dict[str, Any]
) -> None:
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    await client.post(LOGOUT, headers=headers)
    answer = await refresh(client, tokens["refresh_token"])
    assert refusal(answer) == (401, "invalid_token")


async def test_logging_out_ends_no_other_session(
    application: MemoryApplication, client: httpx.AsyncClient, tokens: dict[str, Any]
) -> None:
    body = {"username": "Alice", "password": PASSWORD}
    other = (await client.post(LOGIN, json=body)).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    await client.post(LOGOUT, headers=headers)
    ended = application.identity_store.committed.sessions[UUID(tokens["session_id"])].ended_at
    assert (ended, await is_in(client, other)) == (application.clock.now(), True)


# -- what is open ----------------------------------------------------------------------------


SESSIONS: Final = "/v1/auth/sessions"


async def logged_in(client: httpx.AsyncClient, agent: str = "grid-bot/1.0") -> dict[str, Any]:
    body = {"username": "alice", "password": PASSWORD}
    answer: dict[str, Any] = (
        await client.post(LOGIN, json=body, headers={"User-Agent": agent})
    ).json()
    return answer


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def open_sessions(
    client: httpx.AsyncClient, tokens: dict[str, Any], **query: str
) -> dict[str, Any]:
    answer = await client.get(SESSIONS, params=query, headers=bearer(tokens))
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def test_a_session_is_shown_with_where_it_was_opened(
    client: httpx.AsyncClient, tokens: dict[str, Any]
) -> None:
    mine = await logged_in(client, "ccxt/4.5")
    [shown, other] = (await open_sessions(client, mine))["items"]
    assert shown == {
        "id": mine["session_id"],
        "created_at": "2026-01-02T03:04:05.678901Z",
        "last_used_at": "2026-01-02T03:04:05.678901Z",
        "idle_expires_at": "2026-01-16T03:04:05.678901Z",
        "expires_at": "2026-04-02T03:04:05.678901Z",
        "ip": "203.0.113.7",
        "user_agent": "ccxt/4.5",
        "current": True,
    }
    assert (other["id"], other["current"]) == (tokens["session_id"], False)


async def test_sessions_are_listed_in_pages_newest_first(
    client: httpx.AsyncClient, tokens: dict[str, Any]
) -> None:
    opened = [tokens, *[await logged_in(client) for _ in range(4)]]
    seen: list[str] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        page = await open_sessions(client, tokens, **query)
        seen += [session["id"] for session in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == [login["session_id"] for login in reversed(opened)]


@pytest.mark.parametrize("lifetime", [SESSION_IDLE_LIFETIME, SESSION_LIFETIME])
async def test_a_session_that_is_over_is_not_listed(
    application: MemoryApplication,
    client: httpx.AsyncClient,
    tokens: dict[str, Any],  # noqa: ARG001 - the one that is over
    lifetime: timedelta,
) -> None:
    application.clock.advance(lifetime)
    mine = await logged_in(client)
    listed = (await open_sessions(client, mine))["items"]
    assert [session["id"] for session in listed] == [mine["session_id"]]


async def test_a_session_that_is_ended_is_out_at_once_and_listed_no_more(
    client: httpx.AsyncClient, tokens: dict[str, Any]
) -> None:
    mine = await logged_in(client)
    answer = await client.delete(f"{SESSIONS}/{tokens['session_id']}", headers=bearer(mine))
    assert (answer.status_code, answer.content) == (204, b"")
    assert not await is_in(client, tokens)
    assert refusal(await refresh(client, tokens["refresh_token"])) == (401, "invalid_token")
    assert len((await open_sessions(client, mine))["items"]) == 1


async def test_a_session_ends_itself(client: httpx.AsyncClient, tokens: dict[str, Any]) -> None:
    await client.delete(f"{SESSIONS}/{tokens['session_id']}", headers=bearer(tokens))
    assert not await is_in(client, tokens)


async def test_a_session_that_is_over_cannot_be_ended(
    application: MemoryApplication, client: httpx.AsyncClient, tokens: dict[str, Any]
) -> None:
    url = f"{SESSIONS}/{tokens['session_id']}"
    mine = await logged_in(client)
    await client.delete(url, headers=bearer(mine))
    again = await client.delete(url, headers=bearer(mine))
    expiring = await logged_in(client)
    application.clock.advance(SESSION_IDLE_LIFETIME)
    late = await client.delete(
        f"{SESSIONS}/{expiring['session_id']}", headers=bearer(await logged_in(client))
    )
    assert [refusal(again), refusal(late)] == [(404, "unknown_session")] * 2


async def test_all_sessions_end_but_the_one_that_asks(
    application: MemoryApplication, client: httpx.AsyncClient, tokens: dict[str, Any]
) -> None:
    await application.users.create_user(username="bob", password=PASSWORD)
    body = {"username": "bob", "password": PASSWORD}
    bobs = (await client.post(LOGIN, json=body)).json()
    mine = await logged_in(client)
    answer = await client.delete(SESSIONS, headers=bearer(mine))
    assert answer.status_code == 204
    assert [await is_in(client, each) for each in (tokens, mine, bobs)] == [False, True, True]


async def test_an_administrator_ends_all_sessions_of_a_user(
    client: httpx.AsyncClient, admin: dict[str, str], alice: User, tokens: dict[str, Any]
) -> None:
    answer = await client.delete(f"/v1/users/{alice.id}/sessions", headers=admin)
    assert answer.status_code == 204
    assert not await is_in(client, tokens)
    assert (await client.get("/v1/users/me", headers=admin)).status_code == 200


async def test_sessions_of_nobody_are_not_ended(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    answer = await client.delete(f"/v1/users/{NOBODY}/sessions", headers=admin)
    assert refusal(answer) == (404, "unknown_user")


async def test_a_refresh_that_is_refused_consumes_nothing(
    application: MemoryApplication, client: httpx.AsyncClient, alice: User, tokens: dict[str, Any]
) -> None:
    """A user who is enabled again within their session's life may go on with it."""
    store = application.identity_store
    disabled = replace(store.committed.users[alice.id], disabled=True)
    store.committed.users[alice.id] = disabled
    before = copy(store.committed)
    answer = await refresh(client, tokens["refresh_token"])
    assert (refusal(answer), store.committed) == ((401, "invalid_token"), before)


# -- keys ------------------------------------------------------------------------------------


async def test_keys_are_published_for_anyone_to_keep_for_a_while(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/.well-known/jwks.json")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "public, max-age=300")
    [key] = answer.json()["keys"]
    assert key == {
        "kty": "OKP",
        "crv": "Ed25519",
        "use": "sig",
        "alg": "EdDSA",
        "kid": "plain",
        "x": "A" * 43,
    }
