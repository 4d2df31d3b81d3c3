from typing import Final

import httpx
import pytest

from app.domain.identity.throttle import Kind
from app.domain.identity.users import User
from tests.application import LIMITS, PASSWORD, MemoryApplication
from tests.unit.http.api import refusal

LOGIN: Final = "/v1/auth/login"


@pytest.fixture
async def alice(application: MemoryApplication) -> User:
    return await application.users.create_user(username="Alice", password=PASSWORD)


async def test_a_login_gives_tokens_of_a_new_session(
    application: MemoryApplication, client: httpx.AsyncClient, alice: User
) -> None:
    body = {"username": "Alice", "password": PASSWORD}
    answer = await client.post(LOGIN, json=body)
    [session] = application.identity_store.committed.sessions.values()
    assert answer.status_code == 200
    assert session.user_id == alice.id
    assert answer.json() == {
        "access_token": answer.json()["access_token"],
        "token_type": "Bearer",
        "expires_in": 300,
        "refresh_token": answer.json()["refresh_token"],
        "session_id": str(session.id),
    }


async def test_tokens_are_not_to_be_kept_by_anyone_between(
    client: httpx.AsyncClient, alice: User
) -> None:
    body = {"username": alice.username, "password": PASSWORD}
    answer = await client.post(LOGIN, json=body)
    assert answer.headers["Cache-Control"] == "no-store"


async def test_the_access_token_speaks_for_the_user(client: httpx.AsyncClient, alice: User) -> None:
    body = {"username": "Alice", "password": PASSWORD}
    token = (await client.post(LOGIN, json=body)).json()["access_token"]
    answer = await client.get("/v1/users/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.json()["id"] == str(alice.id)


@pytest.mark.parametrize("username", ["alice", "ALICE", "Ａｌｉｃｅ"])  # noqa: RUF001 - full width
async def test_a_username_is_read_in_any_case_and_width(
    client: httpx.AsyncClient, alice: User, username: str
) -> None:
    answer = await client.post(LOGIN, json={"username": username, "password": PASSWORD})
    assert (answer.status_code, alice.username) == (200, "Alice")


@pytest.mark.parametrize(
    "password",
    [PASSWORD + " ", " " + PASSWORD, PASSWORD.upper(), PASSWORD[:-1], PASSWORD + "\0", "x" * 1024],
    ids=["blank after", "blank before", "upper case", "cut", "NUL after", "longest"],
)
async def test_a_password_is_checked_exactly_as_it_is_received(
    client: httpx.AsyncClient, alice: User, password: str
) -> None:
    answer = await client.post(LOGIN, json={"username": alice.username, "password": password})
    assert refusal(answer) == (401, "invalid_credentials")


@pytest.mark.parametrize("tail", ["a", "b"])
async def test_passwords_that_share_72_bytes_are_two_passwords(
    application: MemoryApplication, client: httpx.AsyncClient, tail: str
) -> None:
    shared = "0123456789ab" * 6
    await application.users.create_user(username="bob", password=shared + "a")
    answer = await client.post(LOGIN, json={"username": "bob", "password": shared + tail})
    assert answer.status_code == (200 if tail == "a" else 401)


@pytest.mark.parametrize("why", ["unknown user", "disabled user", "disabled, and mistyped"])
async def test_every_refusal_of_credentials_looks_like_a_mistyped_password(
    application: MemoryApplication, client: httpx.AsyncClient, alice: User, why: str
) -> None:
    headers = {"X-Request-ID": "order-1"}
    right, wrong = ({"username": "Alice", "password": text} for text in (PASSWORD, "wrong"))
    mistyped = await client.post(LOGIN, json=wrong, headers=headers)
    application.clock.advance(LIMITS[Kind.PAIR].window)  # or one attempt less would be left
    await application.users.set_disabled(user_id=alice.id, disabled=True)
    attempt = {
        "unknown user": right | {"username": "Alicf"},
        "disabled user": right,
        "disabled, and mistyped": wrong,
    }[why]
    answer = await client.post(LOGIN, json=attempt, headers=headers)
    assert (answer.status_code, answer.content) == (mistyped.status_code, mistyped.content)
    assert answer.headers == mistyped.headers


async def test_a_refusal_of_credentials_is_a_problem_with_a_challenge(
    client: httpx.AsyncClient, alice: User
) -> None:
    answer = await client.post(LOGIN, json={"username": alice.username, "password": "wrong"})
    assert refusal(answer) == (401, "invalid_credentials")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_every_refusal_of_credentials_costs_one_hash(
    application: MemoryApplication, client: httpx.AsyncClient, alice: User
) -> None:
    await application.users.set_disabled(user_id=alice.id, disabled=True)
    await client.post(LOGIN, json={"username": "nobody", "password": PASSWORD})
    await client.post(LOGIN, json={"username": "Alice", "password": PASSWORD})
    assert application.hasher.spent == 2


async def test_logins_that_the_hasher_has_no_room_for_may_be_tried_again(
    application: MemoryApplication, client: httpx.AsyncClient, alice: User
) -> None:
    application.hasher.busy = True
    answer = await client.post(LOGIN, json={"username": alice.username, "password": PASSWORD})
    assert (*refusal(answer), answer.headers["Retry-After"]) == (503, "busy", "1")
