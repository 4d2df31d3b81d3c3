from http import HTTPStatus
from typing import Any, Final

import httpx
import pytest

from tests.application import BODY_LIMIT, PASSWORD, MemoryApplication
from tests.unit.http.api import GUARDED, JSON, MARKET, OPERATIONS, faults, refusal

UNKNOWN_USER: Final = "/v1/users/00000000-0000-0000-0000-00000000ffff"
LOGIN: Final = "/v1/auth/login"
NEW_USER: Final = {"username": "grid-bot-7", "password": PASSWORD}

REFUSALS: Final[dict[str, tuple[int, str, str, dict[str, Any]]]] = {
    "no token": (401, "GET", "/v1/users/me", {"headers": {"Authorization": ""}}),
    "wrong current password": (
        403,
        "POST",
        "/v1/users/me/password",
        {"json": {"current_password": "wrong", "new_password": f"another {PASSWORD}"}},
    ),
    "unknown user": (404, "GET", UNKNOWN_USER, {}),
    "unknown path": (404, "GET", "/v2/users", {}),
    "unknown method": (405, "DELETE", "/livez", {}),
    "taken username": (409, "POST", "/v1/users", {"json": NEW_USER | {"username": "admin"}}),
    "wrong field": (422, "POST", "/v1/users", {"json": NEW_USER | {"role": "root"}}),
    "broken rule": (422, "POST", "/v1/users", {"json": NEW_USER | {"password": "short"}}),
}

BODIES: Final[dict[str, dict[str, Any]]] = {
    "POST /v1/auth/login": {"username": "admin", "password": PASSWORD},
    "POST /v1/auth/refresh": {"refresh_token": "secret"},
    "POST /v1/users": NEW_USER,
    "POST /v1/users/me/password": {"current_password": PASSWORD, "new_password": PASSWORD * 2},
    "PUT /v1/exchanges/upbit": {"name": "Upbit"},
    f"PUT {MARKET}/range-units": {
        "range_units": [{"range_min": "0", "price_unit": "1"}],
        "source": "a notice",
    },
    f"POST {MARKET}/prices/check": {"prices": ["1"]},
    f"POST {MARKET}/prices/round": {"prices": ["1"], "direction": "down"},
    f"POST {MARKET}/prices/step": {"price": "1", "ticks": 1},
}


# -- the form of a problem -------------------------------------------------------------------


async def test_a_problem_has_every_documented_member(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    answer = await client.get(UNKNOWN_USER, headers=admin | {"X-Request-ID": "order-1"})
    assert answer.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is no user 00000000-0000-0000-0000-00000000ffff.",
        "instance": UNKNOWN_USER,
        "code": "unknown_user",
        "request_id": "order-1",
    }


@pytest.mark.parametrize("refused", REFUSALS)
async def test_every_refusal_is_a_problem(
    client: httpx.AsyncClient, admin: dict[str, str], refused: str
) -> None:
    status, method, path, sent = REFUSALS[refused]
    headers = admin | {"X-Request-ID": "order-1"} | sent.get("headers", {})
    answer = await client.request(method, path, headers=headers, json=sent.get("json"))
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.status_code == status
    assert {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "instance": path,
        "request_id": "order-1",
    }.items() <= answer.json().items()


async def test_an_unknown_path_is_not_found(client: httpx.AsyncClient) -> None:
    assert refusal(await client.get("/v1/nothing")) == (404, "not_found")


async def test_a_method_that_a_path_does_not_have_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/livez")
    assert refusal(answer) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/v1/users/", "/livez/"])
async def test_a_path_with_a_slash_too_many_is_another_path(
    client: httpx.AsyncClient, admin: dict[str, str], path: str
) -> None:
    """Not a redirect: it would name the scheme and host of this hop, not the client's."""
    assert refusal(await client.get(path, headers=admin)) == (404, "not_found")


@pytest.mark.parametrize("path", ["/%00", "/caf%C3%A9", "/a%20b"])
async def test_the_instance_is_a_uri_reference(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).json()["instance"] == path


async def test_a_problem_says_when_to_try_again(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    application.hasher.busy = True
    answer = await client.post("/v1/users", json=NEW_USER, headers=admin)
    assert refusal(answer) == (503, "busy")
    assert (answer.json()["retry_after"], answer.headers["Retry-After"]) == (1, "1")


# -- what is not of the documented form ------------------------------------------------------


MALFORMED: Final = [
    b"",
    b"{",
    b"not JSON",
    b'{"username":"a",}',
    b"[]",
    b"null",
    b'"text"',
    b"\xff\xfe",
    b'{"username":"\xff"}',
    b'{"username":"\xed\xa0\x80"}',
    b"[" * (BODY_LIMIT - 1),
    b'{"username":' + b"9" * 5000 + b"}",
]


async def test_a_malformed_body_is_refused(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    answers = {
        body: await client.post("/v1/users", content=body, headers=admin | JSON)
        for body in MALFORMED
    }
    refused = {body[:20]: refusal(answer) for body, answer in answers.items()}
    assert refused == dict.fromkeys(refused, (422, "invalid_request"))


async def test_what_is_no_json_is_a_fault_of_the_body(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    answer = await client.post("/v1/users", content=b'{"username": }', headers=admin | JSON)
    assert list(faults(answer)) == ["body"]


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "x"])
async def test_a_body_of_another_media_type_is_refused(
    client: httpx.AsyncClient, admin: dict[str, str], media_type: str
) -> None:
    headers = admin | {"Content-Type": media_type}
    answer = await client.post("/v1/users", content=b"{}", headers=headers)
    assert refusal(answer) == (422, "invalid_request")


async def test_a_field_that_is_not_documented_is_refused_by_name(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    refused = {}
    for operation, body in BODIES.items():
        method, _, path = operation.partition(" ")
        answer = await client.request(method, path, json=body | {"misspelt": None}, headers=admin)
        refused[operation] = (*refusal(answer), *faults(answer))
    assert refused == dict.fromkeys(BODIES, (422, "invalid_request", "misspelt"))


async def test_every_query_parameter_that_is_not_documented_is_refused_by_name(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    """A misspelt `as_of`, or one on the wrong side of the question mark, changes an answer."""
    taken = []
    for operation in OPERATIONS:
        if operation in GUARDED or operation.path.startswith("/v1/auth/"):
            url = operation.url() + "?misspelt=1"
            answer = await client.request(operation.method, url, headers=admin)
            if answer.status_code != 422 or "misspelt" not in faults(answer):
                taken.append(str(operation))  # pragma: no cover - a failure
    assert taken == []


async def test_each_fault_is_at_its_path(client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    bands = [{"range_min": "0", "price_unit": "1"}, {"range_min": 1, "unit": "1"}]
    body = {"range_units": bands, "source": ""}
    answer = await client.put(f"{MARKET}/range-units", json=body, headers=admin)
    assert list(faults(answer)) == [
        "range_units[1].range_min",
        "range_units[1].price_unit",
        "range_units[1].unit",
        "source",
    ]


async def test_no_more_than_a_hundred_faults_are_listed(
    client: httpx.AsyncClient, admin: dict[str, str], market: str
) -> None:
    answer = await client.post(f"{market}/prices/check", json={"prices": [1] * 101}, headers=admin)
    assert len(faults(answer)) == 100


async def test_what_was_sent_is_not_repeated(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    body = {"current_password": [PASSWORD], "new_password": {"new": PASSWORD}}
    answer = await client.post("/v1/users/me/password", json=body, headers=admin)
    assert PASSWORD not in answer.text


# -- defects, and stores that are down -------------------------------------------------------


async def test_a_defect_tells_nothing_but_that_it_is_one(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str], market: str
) -> None:
    application.range_units_store.committed.tables.clear()
    headers = admin | {"X-Request-ID": "order-1"}
    answer = await client.get(f"{market}/range-units", headers=headers)
    assert answer.headers["X-Request-ID"] == "order-1"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "detail": "This is a defect of the service.",
        "instance": f"{market}/range-units",
        "code": "internal_error",
        "request_id": "order-1",
    }


@pytest.mark.parametrize("path", ["/v1/users/me", "/v1/users", "/v1/login-log", "/v1/exchanges"])
async def test_a_store_that_is_down_is_a_problem_while_it_is(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str], path: str
) -> None:
    application.identity_store.down = application.range_units_store.down = True
    refused = refusal(await client.get(path, headers=admin))
    application.identity_store.down = application.range_units_store.down = False
    recovered = (await client.get(path, headers=admin)).status_code
    assert (refused, recovered) == ((503, "store_unavailable"), 200)


async def test_logins_work_while_range_units_are_unavailable(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    application.range_units_store.down = True
    body = {"username": "admin", "password": PASSWORD}
    answer = await client.post(LOGIN, json=body, headers=admin)
    assert answer.status_code == 200
