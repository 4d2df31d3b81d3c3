from datetime import timedelta
from typing import Any, Final

import httpx
import pytest
from starlette.types import Message

from app.adapters.http.access import ACCESS, Access
from app.domain.identity.api_keys import MOST_LIVE_KEYS
from app.domain.principal import Role, Scope
from tests.application import MemoryApplication
from tests.builders import an_api_key
from tests.unit.http.api import GUARDED, faults, refusal
from tests.unit.http.conftest import Stage, logged_in

KEYS: Final = "/v1/api-keys"
ME: Final = "/v1/users/me"
BODY: Final[dict[str, Any]] = {"name": "grid bot", "scopes": ["range-units:read"]}
FOR_LOGINS: Final = [each for each in GUARDED if ACCESS[each[:2]] is Access.SESSION]
NOW: Final = "2026-01-02T03:04:05.678901Z"

Headers = dict[str, str]


async def made(client: httpx.AsyncClient, headers: Headers, **fields: object) -> dict[str, Any]:
    answer = await client.post(KEYS, json=BODY | fields, headers=headers)
    assert answer.status_code == 201
    document: dict[str, Any] = answer.json()
    return document


def bearer(key: str) -> Headers:
    return {"Authorization": f"Bearer {key}"}


async def status(client: httpx.AsyncClient, key: str) -> int:
    return (await client.get(ME, headers=bearer(key))).status_code


# -- making ----------------------------------------------------------------------------------


async def test_a_key_is_told_once_with_all_there_is_to_know(
    client: httpx.AsyncClient, user: Headers
) -> None:
    body = BODY | {
        "expires_at": "2027-01-01T09:00:00+09:00",
        "allowed_networks": ["203.0.113.7", "2001:DB8::/32"],
    }
    answer = await client.post(KEYS, json=body, headers=user)
    document = answer.json()
    key, key_id = document.pop("key"), document.pop("id")
    assert (answer.status_code, key[:3], len(key)) == (201, "tg_", 74)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Location"] == f"{KEYS}/{key_id}"
    assert document == {
        "name": "grid bot",
        "scopes": ["range-units:read"],
        "created_at": NOW,
        "expires_at": "2027-01-01T00:00:00Z",
        "allowed_networks": ["203.0.113.7/32", "2001:db8::/32"],
        "last_used_at": None,
        "last_used_ip": None,
        "retires_at": None,
        "revoked_at": None,
    }


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": ""}, {"name"}),
        ({"name": "x" * 65}, {"name"}),
        ({"name": "a\nb"}, {"name"}),
        ({"scopes": []}, {"scopes"}),
        ({"scopes": ["users:admin"]}, {"scopes"}),
        ({"expires_at": "2026-01-01T00:00:00Z"}, {"expires_at"}),
        ({"allowed_networks": ["10.0.0.0/8", "10.0.0.1/8"]}, {"allowed_networks[1]"}),
    ],
)
async def test_a_key_against_the_rules_is_refused_with_what_is_wrong(
    client: httpx.AsyncClient, user: Headers, fields: dict[str, Any], named: set[str]
) -> None:
    answer = await client.post(KEYS, json=BODY | fields, headers=user)
    assert (refusal(answer), set(faults(answer))) == ((422, "invalid_api_key"), named)


@pytest.mark.parametrize(
    "fields",
    [
        {"scopes": ["root"]},
        {"scopes": "range-units:read"},
        {"expires_at": "tomorrow"},
        {"allowed_networks": ["10.0.0.0/8"] * 33},
        {"allowed_networks": ["x" * 65]},
        {"key": "tg_mine"},
    ],
)
async def test_a_request_that_is_not_of_the_form_is_refused(
    client: httpx.AsyncClient, user: Headers, fields: dict[str, Any]
) -> None:
    answer = await client.post(KEYS, json=BODY | fields, headers=user)
    assert refusal(answer) == (422, "invalid_request")


async def test_the_hundred_and_first_key_is_refused(
    application: MemoryApplication, client: httpx.AsyncClient, user: Headers
) -> None:
    [user_id] = application.identity_store.committed.users
    for _ in range(MOST_LIVE_KEYS):
        api_key = an_api_key(user_id=user_id)
        application.identity_store.committed.api_keys[api_key.id] = api_key
    answer = await client.post(KEYS, json=BODY, headers=user)
    assert refusal(answer) == (409, "too_many_api_keys")


# -- using -----------------------------------------------------------------------------------


async def test_a_key_is_taken_where_an_access_token_is(
    client: httpx.AsyncClient, user: Headers, market: str
) -> None:
    headers = bearer((await made(client, user))["key"])
    me = await client.get(ME, headers=headers)
    price = await client.get(f"{market}/prices/5003", headers=headers)
    assert (me.json()["username"], price.status_code) == ("user", 200)


async def test_the_scheme_and_the_blanks_around_a_key_are_as_with_a_token(
    client: httpx.AsyncClient, user: Headers
) -> None:
    key = (await made(client, user))["key"]
    answer = await client.get(ME, headers={"Authorization": f"bearer  {key}"})
    assert answer.status_code == 200


async def test_what_changes_who_may_act_is_not_for_keys(
    client: httpx.AsyncClient, admin: Headers
) -> None:
    headers = bearer((await made(client, admin, scopes=[*Scope]))["key"])
    answers = {
        each: await client.request(each[0], each.url(), headers=headers) for each in FOR_LOGINS
    }
    refused = {str(each): refusal(answer) for each, answer in answers.items()}
    assert refused == {str(each): (403, "session_required") for each in FOR_LOGINS}
    assert len(refused) >= 5


async def test_a_key_may_do_what_it_was_made_for_only(
    client: httpx.AsyncClient, admin: Headers
) -> None:
    headers = bearer((await made(client, admin))["key"])
    answer = await client.get("/v1/users", headers=headers)
    assert refusal(answer) == (403, "insufficient_scope")


@pytest.mark.parametrize("name", ["access_token", "api_key"])
async def test_a_key_in_the_query_is_refused_with_a_token_and_without_one(
    client: httpx.AsyncClient, user: Headers, name: str
) -> None:
    query = {name: (await made(client, user))["key"]}
    alone = await client.get(ME, params=query)
    beside = await client.get(ME, params=query, headers=user)
    assert refusal(alone) == (401, "missing_token")
    assert refusal(beside) == (422, "invalid_request")


async def test_every_key_that_is_no_good_is_refused_alike(
    application: MemoryApplication, client: httpx.AsyncClient, user: Headers
) -> None:
    good, revoked, expired, elsewhere = [
        await made(client, user),
        await made(client, user),
        await made(client, user, expires_at="2026-01-02T04:00:00Z"),
        await made(client, user, allowed_networks=["198.51.100.0/24"]),
    ]
    await client.delete(f"{KEYS}/{revoked['id']}", headers=user)
    application.clock.advance(timedelta(hours=2))
    key = good["key"].encode()
    bad = [
        *(one["key"].encode() for one in (revoked, expired, elsewhere)),
        *(key[:-1], key + b"0", key.swapcase(), key[:30] + b"\xc3\xa9" + key[32:]),
        *(b"tg_", b"tg_" + b"x" * 10_000, good["id"].encode()),
        revoked["key"].encode()[:25] + key[25:],
    ]
    seen = set()
    for token in bad:
        answer = await client.get(ME, headers=[(b"Authorization", b"Bearer " + token)])
        problem = answer.json()
        problem.pop("request_id")
        seen.add((*refusal(answer), str(problem), answer.headers["WWW-Authenticate"]))
    assert len(seen) == 1
    assert next(iter(seen))[:2] == (401, "invalid_token")
    assert await status(client, good["key"]) == 200


async def test_nothing_of_a_key_is_in_a_refusal(client: httpx.AsyncClient, user: Headers) -> None:
    key = (await made(client, user))["key"]
    answer = await client.get("/v1/users", headers=bearer(key))
    misspelt = await client.get(ME, headers=bearer(key[:-1]))
    assert key[25:60] not in answer.text + misspelt.text


@pytest.mark.parametrize("path", [ME, "/v1/users", "/v1/api-keys?limit=0"])
async def test_a_use_is_noted_whatever_it_is_answered(
    application: MemoryApplication, client: httpx.AsyncClient, user: Headers, path: str
) -> None:
    await client.get(path, headers=bearer((await made(client, user))["key"]))
    [api_key] = application.identity_store.committed.api_keys.values()
    assert (api_key.last_used_at, api_key.last_used_ip) == (application.clock.now(), "203.0.113.7")


async def test_a_use_that_cannot_be_noted_is_answered_all_the_same(
    application: MemoryApplication, client: httpx.AsyncClient, stage: Stage, user: Headers
) -> None:
    """A defect after the answer would reach no client, but the log of the server."""
    key = (await made(client, user))["key"]
    application.identity_store.fail_after = 4  # after the key and the user were read
    transport = httpx.ASGITransport(stage.app)  # which raises what the application does
    async with httpx.AsyncClient(transport=transport, base_url="http://t.test") as strict:
        assert await status(strict, key) == 200
    [api_key] = application.identity_store.committed.api_keys.values()
    has_failed = application.identity_store.fail_after is None
    assert (has_failed, api_key.last_used_at) == (True, None)


async def test_a_use_is_noted_when_the_answer_is_out(
    application: MemoryApplication, client: httpx.AsyncClient, stage: Stage, user: Headers
) -> None:
    key = (await made(client, user))["key"]
    [api_key_id] = application.identity_store.committed.api_keys
    noted = []

    async def send(_message: Message) -> None:
        noted.append(application.identity_store.committed.api_keys[api_key_id].last_used_at)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    headers = [(b"authorization", f"Bearer {key}".encode())]
    scope = {"type": "http", "method": "GET", "path": ME, "query_string": b"", "headers": headers}
    await stage.app(scope, receive, send)
    noted.append(application.identity_store.committed.api_keys[api_key_id].last_used_at)
    assert noted == [None, None, application.clock.now()]


# -- listing ---------------------------------------------------------------------------------


async def test_one_lists_ones_own_keys_newest_first_without_what_they_are_sent_as(
    application: MemoryApplication, client: httpx.AsyncClient, user: Headers
) -> None:
    other = await logged_in(application, Role.ADMIN)
    await made(client, other)
    keys = [await made(client, user, name=f"bot {number}") for number in range(3)]
    secrets = [key.pop("key") for key in keys]
    answer = await client.get(KEYS, headers=user)
    assert answer.json() == {"items": keys[::-1], "next_cursor": None}
    assert [secret for secret in secrets if secret[25:] in answer.text] == []


async def test_pages_have_every_key_once(client: httpx.AsyncClient, user: Headers) -> None:
    keys = [(await made(client, user))["id"] for _ in range(3)]
    first = (await client.get(KEYS, params={"limit": 2}, headers=user)).json()
    query = {"limit": 2, "cursor": first["next_cursor"]}
    second = (await client.get(KEYS, params=query, headers=user)).json()
    assert [item["id"] for item in first["items"] + second["items"]] == keys[::-1]
    assert second["next_cursor"] is None


async def test_a_key_lists_those_of_its_owner_and_when_it_was_used(
    client: httpx.AsyncClient, user: Headers
) -> None:
    key = (await made(client, user))["key"]
    await client.get(ME, headers=bearer(key))
    [item] = (await client.get(KEYS, headers=bearer(key))).json()["items"]
    assert (item["last_used_at"], item["last_used_ip"]) == (NOW, "203.0.113.7")


# -- rotating and revoking -------------------------------------------------------------------


async def test_rotating_gives_a_new_key_while_the_old_one_goes_on(
    application: MemoryApplication, client: httpx.AsyncClient, user: Headers
) -> None:
    old = await made(client, user)
    answer = await client.post(f"{KEYS}/{old['id']}/rotate", headers=user)
    new = answer.json()
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    assert {name for name in new if new[name] != old[name]} == {"id", "key"}
    at_first = [await status(client, each["key"]) for each in (old, new)]
    application.clock.advance(timedelta(hours=24))
    at_last = [await status(client, each["key"]) for each in (old, new)]
    assert (at_first, at_last) == ([200, 200], [401, 200])


async def test_the_overlap_is_as_it_is_asked_for(client: httpx.AsyncClient, user: Headers) -> None:
    old = await made(client, user)
    url = f"{KEYS}/{old['id']}/rotate"
    await client.post(url, params={"overlap_seconds": 60}, headers=user)
    items = (await client.get(KEYS, headers=user)).json()["items"]
    assert [item["retires_at"] for item in items] == [None, "2026-01-02T03:05:05.678901Z"]


@pytest.mark.parametrize("overlap", ["-1", "2592001", "1.5", "", "1e3", "9" * 5000])
async def test_an_overlap_that_is_none_is_refused(
    client: httpx.AsyncClient, user: Headers, overlap: str
) -> None:
    url = f"{KEYS}/{(await made(client, user))['id']}/rotate"
    answer = await client.post(url, params={"overlap_seconds": overlap}, headers=user)
    assert refusal(answer) == (422, "invalid_request")


async def test_a_revoked_key_is_refused_at_once_and_not_rotated(
    client: httpx.AsyncClient, user: Headers
) -> None:
    key = await made(client, user)
    url = f"{KEYS}/{key['id']}"
    ended = [(await client.delete(url, headers=user)).status_code for _ in range(2)]
    assert (ended, await status(client, key["key"])) == ([204, 204], 401)
    assert refusal(await client.post(f"{url}/rotate", headers=user)) == (409, "api_key_over")


async def test_a_key_of_another_is_as_unknown_as_one_of_nobody(
    application: MemoryApplication, client: httpx.AsyncClient, user: Headers
) -> None:
    admin = await logged_in(application, Role.ADMIN)
    key = await made(client, user)
    told = set()
    for key_id in (key["id"], "00000000-0000-0000-0000-00000000ffff"):
        for method, path in (("DELETE", ""), ("POST", "/rotate")):
            answer = await client.request(method, f"{KEYS}/{key_id}{path}", headers=admin)
            told.add((*refusal(answer), answer.json()["detail"].replace(key_id, "…")))
    assert told == {(404, "unknown_api_key", "There is no API key ….")}
    assert await status(client, key["key"]) == 200
