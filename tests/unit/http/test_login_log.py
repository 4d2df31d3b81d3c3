from datetime import timedelta
from typing import Any, Final

import httpx
import pytest

from app.domain.identity.devices import DeviceType
from app.domain.identity.login_log import FailReason, Outcome
from tests.application import MemoryApplication
from tests.builders import a_user, an_attempt, at
from tests.unit.http.api import faults, refusal

LOG: Final = "/v1/login-log"
OWN: Final = "/v1/users/me/login-log"


def keep(application: MemoryApplication, **fields: Any) -> str:
    """Put an attempt into the log, and give its id."""
    attempt = an_attempt(**fields)
    application.identity_store.committed.attempts[attempt.id] = attempt
    return str(attempt.id)


async def ids(client: httpx.AsyncClient, admin: dict[str, str], **query: str) -> list[str]:
    answer = await client.get(LOG, params=query, headers=admin)
    return [item["id"] for item in answer.json()["items"]]


# -- what is shown ---------------------------------------------------------------------------


async def test_an_attempt_is_shown_in_full(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    somebody = a_user()
    attempt = an_attempt(
        at=at(),
        username="Trader",
        user_id=somebody.id,
        ip="2001:db8::7",
        user_agent="grid-bot/7",
        request_id="order-1",
        outcome=Outcome.THROTTLED,
        fail_reason=FailReason.THROTTLED_USER,
        duration_ms=12,
        device_type=DeviceType.LIBRARY,
        os="Linux",
        client="ccxt 4.2",
    )
    application.identity_store.committed.attempts[attempt.id] = attempt
    answer = await client.get(LOG, params={"reason": "throttled_user"}, headers=admin)
    assert answer.status_code == 200
    assert answer.json() == {
        "items": [
            {
                "id": str(attempt.id),
                "at": "2026-01-05T09:30:15.123456Z",
                "username": "Trader",
                "user_id": str(somebody.id),
                "ip": "2001:db8::7",
                "network": "2001:db8::/64",
                "user_agent": "grid-bot/7",
                "device_type": "LIBRARY",
                "os": "Linux",
                "client": "ccxt 4.2",
                "outcome": "throttled",
                "fail_reason": "throttled_user",
                "error_code": "E429",
                "session_id": None,
                "request_id": "order-1",
                "duration_ms": 12,
                "new_network": None,
                "new_client": None,
            }
        ],
        "next_cursor": None,
    }


async def test_attempts_are_shown_newest_first(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    middle, newest, oldest = (keep(application, at=at(minutes)) for minutes in (1, 2, 0))
    assert (await ids(client, admin))[:3] == [newest, middle, oldest]


async def test_users_see_their_own_attempts_only(
    application: MemoryApplication,
    client: httpx.AsyncClient,
    admin: dict[str, str],
    user: dict[str, str],
) -> None:
    await client.post("/v1/auth/login", json={"username": "USER", "password": "wrong"})
    keep(application, username="user")  # of somebody who was not known then
    answer = await client.get(OWN, headers=user)
    assert [item["username"] for item in answer.json()["items"]] == ["USER", "user"]
    assert len(await ids(client, admin)) == 4


@pytest.mark.parametrize("limit", [1, 2, 3, 6])
async def test_the_log_goes_on_where_its_cursor_says_though_times_are_equal(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str], limit: int
) -> None:
    kept = [keep(application, at=at(minutes), ip="192.0.2.1") for minutes in (0, 0, 0, 1, 1)]
    found, query = [], {"ip": "192.0.2.1", "limit": str(limit)}
    while True:
        page = (await client.get(LOG, params=query, headers=admin)).json()
        found += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert found == kept[::-1]


async def test_a_page_has_fifty_attempts_unless_it_is_said(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    for _ in range(51):
        keep(application)
    assert len(await ids(client, admin)) == 50


async def test_what_is_new_does_not_move_the_next_page(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    older, newer = (keep(application, at=at(minutes), ip="192.0.2.1") for minutes in (0, 1))
    query = {"ip": "192.0.2.1", "limit": "1"}
    first = (await client.get(LOG, params=query, headers=admin)).json()
    keep(application, at=at(2), ip="192.0.2.1")
    second = await ids(client, admin, **query, cursor=first["next_cursor"])
    assert (first["items"][0]["id"], second) == (newer, [older])


# -- what is asked for -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "fields", "other"),
    [
        ({"username": "TRADER"}, {"username": "Trader"}, {"username": "trader2"}),
        ({"username": "ＴＲＡＤＥＲ"}, {"username": "trader"}, {"username": "trade"}),  # noqa: RUF001 - full width
        ({"ip": "192.0.2.1"}, {"ip": "192.0.2.1"}, {"ip": "192.0.2.10"}),
        ({"ip": "2001:DB8:0::1"}, {"ip": "2001:db8::1"}, {"ip": None}),
        ({"outcome": "pending"}, {}, {"outcome": Outcome.FAILED}),
        (
            {"reason": "busy"},
            {"outcome": Outcome.FAILED, "fail_reason": FailReason.BUSY},
            {"outcome": Outcome.FAILED, "fail_reason": FailReason.DISABLED},
        ),
    ],
    ids=lambda fields: ascii(fields)[:30],
)
async def test_attempts_are_found_by_what_is_known_of_them(  # noqa: PLR0913 - a table of cases
    application: MemoryApplication,
    client: httpx.AsyncClient,
    admin: dict[str, str],
    *,
    query: dict[str, str],
    fields: dict[str, Any],
    other: dict[str, Any],
) -> None:
    keep(application, **other)
    wanted = keep(application, **fields)
    assert await ids(client, admin, **query) == [wanted]


async def test_attempts_are_found_by_user(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    somebody = a_user()
    wanted = keep(application, user_id=somebody.id)
    assert await ids(client, admin, user_id=str(somebody.id)) == [wanted]


async def test_a_pasted_username_is_found_as_it_was_kept(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    pasted = "a line\r\n\0" + "x" * 100
    await client.post("/v1/auth/login", json={"username": pasted, "password": "x"})
    assert len(await ids(client, admin, username=pasted)) == 1


async def test_attempts_are_found_from_an_instant_on_and_before_another(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    _, first, second, _ = (keep(application, at=at(minutes)) for minutes in range(4))
    found = await ids(client, admin, since=at(1).isoformat(), until=at(3).isoformat())
    assert found == [second, first]


@pytest.mark.parametrize("plus", ["+", "%2B"])
async def test_the_plus_of_an_offset_need_not_be_escaped(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str], plus: str
) -> None:
    keep(application, at=at() - timedelta(microseconds=1))
    wanted = keep(application, at=at())
    since = f"2026-01-05T18:30:15.123456{plus}09:00"
    answer = await client.get(f"{LOG}?since={since}", headers=admin)
    assert [item["id"] for item in answer.json()["items"]] == [wanted]


async def test_what_is_asked_for_must_all_be_true(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    keep(application, username="trader", ip="192.0.2.1")
    assert await ids(client, admin, username="trader", ip="192.0.2.2") == []


async def test_attempts_are_found_by_a_network_of_any_width(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    one, other = (keep(application, ip=ip) for ip in ("192.0.2.1", "192.0.2.200"))
    keep(application, ip="2001:db8::1")
    for ip, found in (
        ("192.0.2.1", [one]),
        ("::ffff:192.0.2.1", [one]),
        ("192.0.2.9/24", [other, one]),
        ("192.0.2.128/25", [other]),
    ):
        assert await ids(client, admin, ip=ip) == found, ip


async def test_what_cannot_be_asked_for_is_refused_by_name(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    unaskable = [
        ("user_id", "7"),
        ("ip", "192.0.2"),
        ("ip", "192.0.2.0/33"),
        ("outcome", "won"),
        ("reason", "bad luck"),
        ("since", "yesterday"),
        ("since", "2026-01-05"),
        ("until", "2026-01-05T09:30:15"),
        ("until", "2026-02-30T09:30:15Z"),
        ("until", "0001-01-01T00:00:00+09:00"),
        ("limit", "501"),
        ("username", "x" * 1025),
    ]
    for parameter, value in unaskable:
        answer = await client.get(LOG, params={parameter: value}, headers=admin)
        told = (*refusal(answer), *faults(answer))
        assert told == (422, "invalid_request", parameter), value
