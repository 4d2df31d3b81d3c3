from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import httpx
import pytest

from app.domain.identity.users import User
from tests.application import PASSWORD, SESSION_IDLE_LIFETIME, SESSION_LIFETIME, MemoryApplication
from tests.unit.http.api import refusal

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
