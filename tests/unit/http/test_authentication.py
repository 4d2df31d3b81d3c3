from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from app.adapters.http.access import ACCESS, Access
from tests.application import ACCESS_TOKEN_LIFETIME, MemoryApplication
from tests.unit.http.api import GUARDED, JSON, OPEN, OPERATIONS, Chunks, Operation, refusal, send

ME = "/v1/users/me"
SESSION = Access.SESSION

MARKET_UNITS = "/v1/exchanges/{exchange}/markets/{quote}/{target}/range-units"
FOR_USERS = {
    "POST /v1/auth/logout",
    "GET /v1/auth/sessions",
    "DELETE /v1/auth/sessions",
    "DELETE /v1/auth/sessions/{session_id}",
    "GET /v1/users/me",
    "POST /v1/users/me/password",
    "GET /v1/users/me/login-log",
    "POST /v1/api-keys",
    "GET /v1/api-keys",
    "POST /v1/api-keys/{key_id}/rotate",
    "DELETE /v1/api-keys/{key_id}",
    "GET /v1/users/me/mfa",
    "POST /v1/users/me/mfa",
    "POST /v1/users/me/mfa/confirm",
    "POST /v1/users/me/mfa/recovery-codes",
    "POST /v1/users/me/mfa/remove",
    "GET /v1/range-units/changes",
    "GET /v1/range-units/changes/stream",
    "GET /v1/exchanges",
    "GET /v1/exchanges/{exchange}/markets",
    "GET /v1/exchanges/{exchange}/markets/{quote}/{target}/range-units",
    f"GET {MARKET_UNITS}/history",
    f"GET {MARKET_UNITS}/diff",
    "GET /v1/range-units/revisions/{revision_id}",
    "GET /v1/exchanges/{exchange}/markets/{quote}/{target}/prices/{price}",
    "POST /v1/exchanges/{exchange}/markets/{quote}/{target}/prices/check",
    "POST /v1/exchanges/{exchange}/markets/{quote}/{target}/prices/round",
    "POST /v1/exchanges/{exchange}/markets/{quote}/{target}/prices/step",
    "GET /v1/exchanges/{exchange}/markets/{quote}/{target}/ticks",
    "GET /v1/exchanges/{exchange}/markets/{quote}/{target}/ladder",
    "GET /v1/jobs",
    "GET /v1/jobs/{job_id}",
}
SCOPES = {
    "POST /v1/users": "users:admin",
    "GET /v1/users": "users:admin",
    "GET /v1/users/{user_id}": "users:admin",
    "POST /v1/users/{user_id}/reset": "users:admin",
    "PATCH /v1/users/{user_id}": "users:admin",
    "DELETE /v1/users/{user_id}/sessions": "users:admin",
    "DELETE /v1/users/{user_id}/mfa": "users:admin",
    "GET /v1/login-log": "login-log:read",
    "GET /v1/login-log/export": "login-log:read",
    "GET /v1/login-log/findings": "login-log:read",
    "PUT /v1/exchanges/{exchange}": "range-units:write",
    "POST /v1/exchanges/{exchange}/range-units/ingest": "range-units:write",
    "PUT /v1/exchanges/{exchange}/markets/{quote}/{target}/range-units": "range-units:write",
    f"DELETE {MARKET_UNITS}/scheduled/{{revision_id}}": "range-units:write",
    "POST /v1/exchanges/{exchange}/range-units/sync": "range-units:write",
    "GET /v1/exchanges/{exchange}/range-units/quarantine": "range-units:write",
    "GET /v1/exchanges/{exchange}/range-units/quarantine/{payload_id}": "range-units:write",
    "POST /v1/jobs/{job_id}/cancel": "range-units:write",
    "POST /v1/jobs/{job_id}/resume": "range-units:write",
}
FOR_SESSIONS = {
    "POST /v1/auth/logout",
    "GET /v1/auth/sessions",
    "DELETE /v1/auth/sessions",
    "DELETE /v1/auth/sessions/{session_id}",
    "POST /v1/users/me/password",
    "POST /v1/api-keys",
    "POST /v1/api-keys/{key_id}/rotate",
    "DELETE /v1/api-keys/{key_id}",
    "GET /v1/users/me/mfa",
    "POST /v1/users/me/mfa",
    "POST /v1/users/me/mfa/confirm",
    "POST /v1/users/me/mfa/recovery-codes",
    "POST /v1/users/me/mfa/remove",
}
NEVER_ISSUED = [
    *(b"garbage", b"a b", b"\xff\xfe", b"x" * 10_000, b"null", b"a.b.c", b"plain.1", b'"', b"tg_a")
]


# -- every operation -------------------------------------------------------------------------


def test_what_is_open_to_everyone_is_on_a_list_that_has_nothing_else() -> None:
    assert set(map(str, OPERATIONS)) >= OPEN


def test_every_other_operation_is_for_users_or_needs_a_scope() -> None:
    assert set(map(str, GUARDED)) == FOR_USERS | SCOPES.keys()


def test_every_operation_is_declared_in_the_one_place_and_nothing_else_is() -> None:
    served = {(each.method, each.path) for each in OPERATIONS if each.method != "HEAD"}
    assert served == ACCESS.keys()


def test_what_changes_who_may_act_is_for_those_who_have_logged_in() -> None:
    declared = {f"{each[0]} {each[1]}" for each, access in ACCESS.items() if access is SESSION}
    assert declared == FOR_SESSIONS


async def test_what_is_open_to_everyone_asks_for_no_token(client: httpx.AsyncClient) -> None:
    # The metrics have a token of their own, which is nobody's.
    answers = {each: await client.request(*each.split()) for each in OPEN - {"GET /metrics"}}
    assert {each for each, answer in answers.items() if answer.status_code in {401, 403}} == set()


@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        ({}, "Bearer"),
        ({"Authorization": "Bearer garbage"}, 'Bearer error="invalid_token"'),
    ],
)
async def test_every_challenge_names_an_error_only_where_a_token_was_sent(
    client: httpx.AsyncClient, headers: dict[str, str], challenge: str
) -> None:
    told = {}
    for each in GUARDED:
        answer = await client.request(each.method, each.url(), headers=headers)
        told[each] = (answer.status_code, answer.headers["WWW-Authenticate"])
    assert told == dict.fromkeys(GUARDED, (401, challenge))


@pytest.mark.parametrize("operation", [op for op in GUARDED if str(op) in SCOPES], ids=str)
async def test_who_has_the_scope_is_let_in(
    client: httpx.AsyncClient, admin: dict[str, str], operation: Operation
) -> None:
    answer = await client.request(operation.method, operation.url(), headers=admin)
    assert answer.status_code not in {401, 403}


async def test_nothing_is_answered_without_a_token(client: httpx.AsyncClient) -> None:
    answers = {each: await client.request(each.method, each.url()) for each in GUARDED}
    refused = {each: refusal(answer) for each, answer in answers.items()}
    assert refused == dict.fromkeys(GUARDED, (401, "missing_token"))


async def test_nothing_of_a_body_is_read_without_a_token(client: httpx.AsyncClient) -> None:
    bodies = {operation: Chunks(b"{") for operation in GUARDED}
    for operation, body in bodies.items():
        await send(client, operation.method, operation.url(), body)
    assert {operation for operation, body in bodies.items() if body.read} == set()


async def test_a_user_without_the_scope_is_told_which_one_is_missing(
    client: httpx.AsyncClient, user: dict[str, str]
) -> None:
    told = {}
    for operation in GUARDED:
        if str(operation) in SCOPES:
            answer = await client.request(operation.method, operation.url(), headers=user)
            told[str(operation)] = (*refusal(answer), answer.headers["WWW-Authenticate"])
    assert told == {
        operation: (
            403,
            "insufficient_scope",
            f'Bearer error="insufficient_scope", scope="{scope}"',
        )
        for operation, scope in SCOPES.items()
    }


@pytest.mark.parametrize("operation", [op for op in GUARDED if str(op) in FOR_USERS], ids=str)
async def test_a_user_may_read_range_units_and_manage_themselves(
    application: MemoryApplication,
    client: httpx.AsyncClient,
    user: dict[str, str],
    operation: Operation,
) -> None:
    application.feed.end()  # in process, an answer is waited for to its end
    answer = await client.request(operation.method, operation.url(), headers=user)
    assert answer.status_code not in {401, 403}


async def test_a_user_without_the_scope_learns_nothing_about_the_body(
    client: httpx.AsyncClient, user: dict[str, str]
) -> None:
    answer = await client.post("/v1/users", content=b"{", headers=user | JSON)
    assert refusal(answer) == (403, "insufficient_scope")


# -- the header ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Token abc", "Bearerabc", "\t"]
)
async def test_a_header_without_a_bearer_token_is_as_good_as_none(
    client: httpx.AsyncClient, header: str
) -> None:
    answer = await client.get(ME, headers={"Authorization": header})
    assert refusal(answer) == (401, "missing_token")


async def test_a_token_that_was_never_issued_is_refused(client: httpx.AsyncClient) -> None:
    answers = {
        token: await client.get(ME, headers=[(b"Authorization", b"Bearer " + token)])
        for token in NEVER_ISSUED
    }
    refused = {token: refusal(answer) for token, answer in answers.items()}
    assert refused == dict.fromkeys(NEVER_ISSUED, (401, "invalid_token"))


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer"])
async def test_the_scheme_is_read_in_either_case(
    client: httpx.AsyncClient, user: dict[str, str], scheme: str
) -> None:
    token = user["Authorization"].split()[1]
    answer = await client.get(ME, headers={"Authorization": f"{scheme} {token}"})
    assert answer.status_code == 200


async def test_a_token_in_the_query_is_not_looked_at(
    client: httpx.AsyncClient, user: dict[str, str]
) -> None:
    token = user["Authorization"].split()[1]
    answer = await client.get(ME, params={"access_token": token})
    assert refusal(answer) == (401, "missing_token")


async def test_who_sent_no_token_is_challenged_without_an_error(client: httpx.AsyncClient) -> None:
    answer = await client.get(ME)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_who_sent_a_bad_token_is_told_so_in_the_challenge(client: httpx.AsyncClient) -> None:
    """RFC 6750, section 3: a client tells from it that a new token is needed."""
    answer = await client.get(ME, headers={"Authorization": "Bearer garbage"})
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


# -- sessions that are over ------------------------------------------------------------------


async def test_a_token_is_good_until_just_before_it_expires(
    application: MemoryApplication, client: httpx.AsyncClient, user: dict[str, str]
) -> None:
    application.clock.advance(ACCESS_TOKEN_LIFETIME - timedelta(seconds=1))
    assert (await client.get(ME, headers=user)).status_code == 200


async def test_a_token_expires(
    application: MemoryApplication, client: httpx.AsyncClient, user: dict[str, str]
) -> None:
    application.clock.advance(ACCESS_TOKEN_LIFETIME + timedelta(seconds=1))  # told in whole ones
    assert refusal(await client.get(ME, headers=user)) == (401, "invalid_token")


async def test_a_token_is_over_with_its_session(
    client: httpx.AsyncClient, user: dict[str, str]
) -> None:
    await client.post("/v1/auth/logout", headers=user)
    assert refusal(await client.get(ME, headers=user)) == (401, "invalid_token")


async def test_a_token_of_a_disabled_user_is_refused(
    application: MemoryApplication, client: httpx.AsyncClient, user: dict[str, str]
) -> None:
    user_id = UUID((await client.get(ME, headers=user)).json()["id"])
    await application.users.set_disabled(user_id=user_id, disabled=True)
    assert refusal(await client.get(ME, headers=user)) == (401, "invalid_token")


async def test_a_token_stays_refused_when_its_user_is_enabled_again(
    application: MemoryApplication, client: httpx.AsyncClient, user: dict[str, str]
) -> None:
    user_id = UUID((await client.get(ME, headers=user)).json()["id"])
    await application.users.set_disabled(user_id=user_id, disabled=True)
    await application.users.set_disabled(user_id=user_id, disabled=False)
    assert refusal(await client.get(ME, headers=user)) == (401, "invalid_token")
