"""Every attempt to log in is in the login log, as it was; seen by an administrator."""

from datetime import timedelta
from typing import Any, Final

import httpx
import pytest

from app.domain.identity.users import User
from tests.application import BODY_LIMIT, PASSWORD, MemoryApplication
from tests.unit.http.api import Chunks, send

LOGIN: Final = "/v1/auth/login"


@pytest.fixture
async def alice(application: MemoryApplication) -> User:
    return await application.users.create_user(username="Alice", password=PASSWORD)


async def rows(client: httpx.AsyncClient, admin: dict[str, str]) -> list[dict[str, Any]]:
    """Give all rows but that of the administrator's own login, newest first."""
    items: list[dict[str, Any]] = (await client.get("/v1/login-log", headers=admin)).json()["items"]
    return [row for row in items if row["username"] != "admin"]


async def row(client: httpx.AsyncClient, admin: dict[str, str]) -> dict[str, Any]:
    """Give the only row."""
    [only] = await rows(client, admin)
    return only


async def test_a_success_is_recorded_with_all_that_is_known_of_it(
    client: httpx.AsyncClient, admin: dict[str, str], alice: User
) -> None:
    headers = {"User-Agent": "grid-bot/7", "X-Request-ID": "order-1"}
    body = {"username": "ALICE", "password": PASSWORD}
    answer = await client.post(LOGIN, json=body, headers=headers)
    recorded = await row(client, admin)
    assert recorded == {
        "id": recorded["id"],
        "at": "2026-01-02T03:04:05.678901Z",
        "username": "ALICE",
        "user_id": str(alice.id),
        "ip": "203.0.113.7",
        "network": "203.0.113.7",
        "user_agent": "grid-bot/7",
        "device_type": "UNKNOWN",
        "os": None,
        "client": None,
        "outcome": "success",
        "fail_reason": None,
        "error_code": None,
        "session_id": answer.json()["session_id"],
        "request_id": "order-1",
        "duration_ms": 0,
        "new_network": True,
        "new_client": None,
    }


@pytest.mark.parametrize(
    ("username", "password", "disabled", "reason", "error_code"),
    [
        ("Alice", "wrong", False, "bad_password", "E401"),
        ("Alicf", PASSWORD, False, "unknown_user", "E401"),
        ("Alice", PASSWORD, True, "disabled", "E403"),
        ("Alice", "wrong", True, "disabled", "E403"),
    ],
)
async def test_a_refusal_is_recorded_with_its_true_reason(  # noqa: PLR0913 - a table of cases
    application: MemoryApplication,
    client: httpx.AsyncClient,
    admin: dict[str, str],
    alice: User,
    *,
    username: str,
    password: str,
    disabled: bool,
    reason: str,
    error_code: str,
) -> None:
    await application.users.set_disabled(user_id=alice.id, disabled=disabled)
    await client.post(LOGIN, json={"username": username, "password": password})
    recorded = await row(client, admin)
    told = (recorded["outcome"], recorded["fail_reason"], recorded["error_code"])
    assert told == ("failed", reason, error_code)
    assert recorded["session_id"] is None


async def test_an_attempt_of_an_unknown_user_has_no_user(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    await client.post(LOGIN, json={"username": "nobody", "password": PASSWORD})
    assert (await row(client, admin))["user_id"] is None


@pytest.mark.usefixtures("alice")
async def test_a_login_that_found_no_room_is_recorded(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    application.hasher.busy = True
    await client.post(LOGIN, json={"username": "Alice", "password": PASSWORD})
    recorded = await row(client, admin)
    assert (recorded["fail_reason"], recorded["error_code"]) == ("busy", "E503")


@pytest.mark.usefixtures("alice")
async def test_a_stolen_refresh_token_is_recorded(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    body = {"username": "Alice", "password": PASSWORD}
    tokens = (await client.post(LOGIN, json=body)).json()
    used = {"refresh_token": tokens["refresh_token"]}
    await client.post("/v1/auth/refresh", json=used)
    application.clock.advance(timedelta(seconds=11))
    await client.post("/v1/auth/refresh", json=used)
    theft, _ = await rows(client, admin)
    assert (theft["fail_reason"], theft["error_code"]) == ("refresh_reuse", "E401")
    assert (theft["username"], theft["session_id"]) == ("Alice", tokens["session_id"])


@pytest.mark.usefixtures("alice")
async def test_there_is_no_success_without_a_row(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    application.identity_store.down = True
    answer = await client.post(LOGIN, json={"username": "Alice", "password": PASSWORD})
    application.identity_store.down = False
    assert (answer.status_code, await rows(client, admin)) == (503, [])


# -- what is not even a request --------------------------------------------------------------


MALFORMED: Final[dict[str, tuple[bytes, str]]] = {
    "empty": (b"", ""),
    "broken-off": (b"{", ""),
    "a-list": (b"[]", ""),
    "null": (b"null", ""),
    "no-UTF-8": (b"\xff", ""),
    "deeply-nested": (b"[" * 50_000, ""),
    "too-large": (b" " * (BODY_LIMIT + 1), ""),
    "no-password": (b'{"username": "mallory"}', "mallory"),
    "no-username": (b'{"password": "secret of mallory"}', ""),
    "unknown-field": (b'{"username": "mallory", "password": "x", "otp": true}', "mallory"),
    "number-as-password": (b'{"username": "mallory", "password": 1}', "mallory"),
    "empty-password": (b'{"username": "mallory", "password": ""}', "mallory"),
    "long-password": (b'{"username": "mallory", "password": "%b"}' % (b"x" * 10_000), "mallory"),
    "list-as-username": (b'{"username": ["mallory"], "password": "x"}', ""),
    "null-as-username": (b'{"username": null, "password": "x"}', ""),
    "long-username": (b'{"username": "%b", "password": "x"}' % (b"m" * 1025), "m" * 63 + "…"),
}


async def test_a_malformed_request_to_log_in_is_an_attempt(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    for name, (body, _) in MALFORMED.items():
        await send(client, "POST", LOGIN, Chunks(body), {"X-Request-ID": name})
    columns = ("outcome", "fail_reason", "error_code", "username")
    recorded = {
        row["request_id"]: tuple(row[column] for column in columns)
        for row in await rows(client, admin)
    }
    assert recorded == {
        name: ("failed", "malformed", "E400", username) for name, (_, username) in MALFORMED.items()
    }


async def test_a_request_to_log_in_of_another_media_type_is_an_attempt(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    await client.post(LOGIN, data={"username": "mallory", "password": PASSWORD})
    assert (await row(client, admin))["fail_reason"] == "malformed"


async def test_a_malformed_attempt_that_cannot_be_recorded_is_refused_as_unavailable(
    application: MemoryApplication, client: httpx.AsyncClient
) -> None:
    application.identity_store.down = True
    assert (await client.post(LOGIN, json={})).status_code == 503


# -- what strangers type ---------------------------------------------------------------------


HARMLESS: Final = {
    "a\r\nb": r"a\r\nb",
    "\x1b[31mred": r"\x1b[31mred",
    "nul\0": r"nul\x00",
    "\u202eevil": r"\u202eevil",
    "back\\slash": r"back\\slash",
    "알리스 🙂": "알리스 🙂",
    "": "",
    "x" * 64: "x" * 64,
    "x" * 65: "x" * 63 + "…",
    "\n" * 32: r"\n" * 32,
}


async def test_a_username_is_recorded_as_one_harmless_line(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    for typed in HARMLESS:
        await client.post(LOGIN, json={"username": typed, "password": "x"})
    newest_first = [row["username"] for row in await rows(client, admin)]
    assert dict(zip(HARMLESS, newest_first[::-1], strict=True)) == HARMLESS


async def test_a_lone_surrogate_in_a_username_is_refused_and_recorded_escaped(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    body = Chunks(rb'{"username": "\ud800", "password": "x"}')
    answer = await send(client, "POST", LOGIN, body)
    assert (answer.status_code, (await row(client, admin))["username"]) == (422, r"\ud800")


async def test_a_user_agent_is_recorded_as_one_harmless_line(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    harmless = {
        b"x" * 512: "x" * 512,
        b"x" * 513: "x" * 511 + "…",
        b"\x1b[31m": r"\x1b[31m",
        b"\xe4\x00": "ä\\x00",
        b"": "",
    }
    body = {"username": "mallory", "password": "x"}
    for sent in harmless:
        await client.post(LOGIN, json=body, headers=[(b"User-Agent", sent)])
    newest_first = [row["user_agent"] for row in await rows(client, admin)]
    assert dict(zip(harmless, newest_first[::-1], strict=True)) == harmless


async def test_the_address_is_that_of_the_peer_whatever_was_forwarded(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    forged = {"X-Forwarded-For": "198.51.100.1", "Forwarded": "for=198.51.100.1"}
    await client.post(LOGIN, json={"username": "mallory", "password": "x"}, headers=forged)
    assert (await row(client, admin))["ip"] == "203.0.113.7"
