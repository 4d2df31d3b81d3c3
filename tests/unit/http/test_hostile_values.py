"""Every field, query parameter and path parameter, given what nobody who is honest sends.

What is asked for and what may be sent is read off the OpenAPI document, so that a new operation
is under fire from its first day on.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

from tests.application import PASSWORD, MemoryApplication
from tests.unit.http.api import OPERATIONS, Chunks, Operation, send

DOCUMENT: Final = MemoryApplication().http().openapi()


@pytest.fixture(scope="session", params=["asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """What is made of a value does not depend on the event loop, and these are thousands."""
    backend: str = request.param
    return backend


# JSON text, as some of it is nothing that a JSON writer would write.
TEXTS: Final = {
    "NUL": r'"a\u0000b"',
    "lone surrogate": r'"\ud800"',
    "a megabyte": '"' + "x" * 1_000_000 + '"',
    "CR and LF": r'"a\r\nSet-Cookie: b"',
    "terminal escape": r'"\u001b[2J\u001b]0;x\u0007"',
    "right to left": r'"\u202eabc"',
    "emoji": '"👩‍👩‍👧‍👦🏴‍☠️"',
    "a ligature of eighteen letters": '"' + "ﷺ" * 64 + '"',
    "SQL": '"\'; DROP TABLE users; --"',
    "path": '"../../../etc/passwd"',
    "empty": '""',
    "null": "null",
    "true": "true",
    "negative": "-1",
    "fraction": "0.1",
    "integer of 65 bits": "18446744073709551616",
    "integer of 5000 digits": "9" * 5000,
    "beyond a float": "1e400",
    "NaN": "NaN",
    "list": '["x", null, 1]',
    "object": '{"$ref": "#", "__proto__": {"a": 1}, "\\ud800": 1}',
    "deep list": "[" * 500 + "]" * 500,
}
# As they stand in a URL.
WORDS: Final = [
    *("%00", "%ED%A0%80", "%FF", "%0D%0ASet-Cookie:%20b", "%1B[2J", "%F0%9F%91%A9", "", "%20"),
    *("..%2F..%2Fetc%2Fpasswd", "%25s", "'%20OR%201=1--", "-1", "1e999999", "9" * 5000, "[]"),
    *("x" * 60_000, "*", "00000000-0000-0000-0000-000000000000"),
]
WORDS_OF_A_QUERY: Final = [
    *WORDS,
    *("0001-01-01T00:00:00-23:59", "9999-12-31T23:59:59-00:01", "9999-12-31T23:59:59.999999Z"),
    *("::1", "::ffff:192.0.2.1", "fe80::1%251", "null", "true"),
]

BODIES: Final[dict[str, dict[str, Any]]] = {
    "LoginRequest": {"username": "admin", "password": PASSWORD},
    "RefreshRequest": {"refresh_token": "secret"},
    "PasswordChange": {"current_password": PASSWORD, "new_password": PASSWORD[::-1]},
    "NewUser": {"username": "bob", "email": "b@example.org", "password": PASSWORD, "role": "user"},
    "ExchangeToPut": {"name": "Coinone", "time_zone": "Asia/Seoul"},
    "RangeUnitsToPut": {
        "range_units": [{"range_min": "0", "next_range_min": "5", "price_unit": "1"}],
        "boundary": "lower_inclusive",
        "anchor": "zero",
        "top": "5",
        "top_rule": "exclusive",
        "min_price": "1",
        "max_price": "4",
        "effective_from": "2026-02-01T00:00:00Z",
        "source": "a notice",
    },
    "PricesToCheck": {"prices": ["1"], "as_of": "2026-01-01T00:00:00Z"},
    "PricesToRound": {
        "prices": ["1"],
        "direction": "nearest",
        "ties": "even",
        "side": "buy",
        "intent": "passive",
        "as_of": "2026-01-01T00:00:00Z",
    },
    "Step": {"price": "1", "ticks": 1, "as_of": "2026-01-01T00:00:00Z"},
}
QUERY: Final = {"from": "1", "to": "2", "price": "1", "quote": "KRW", "target": "BTC"}


def parts(operation: Operation) -> dict[str, Any]:
    path: dict[str, dict[str, Any]] = DOCUMENT["paths"].get(operation.path, {})
    return path.get(operation.method.lower(), {})


def schema_of_body(operation: Operation) -> str:
    """Give the name of what an operation reads, if that has a schema."""
    content = parts(operation).get("requestBody", {}).get("content", {})
    reference: str = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    return reference.rpartition("/")[2]


def parameters(operation: Operation, where: str) -> list[str]:
    return [one["name"] for one in parts(operation).get("parameters", []) if one["in"] == where]


def with_hole(value: object) -> Iterator[object]:
    """Give copies of a body, each with a hole in place of something in it."""
    yield "@hole"
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from (value | {name: holed} for holed in with_hole(inner))
    if isinstance(value, list):
        for place, inner in enumerate(value):
            holes = with_hole(inner)
            yield from ([*value[:place], holed, *value[place + 1 :]] for holed in holes)


def is_answered(answer: httpx.Response) -> bool:
    """Say whether an answer is a success, or a problem that is the client's."""
    if answer.is_success:
        return True
    is_problem = answer.headers.get("Content-Type") == "application/problem+json"
    return answer.is_client_error and is_problem


WITH_BODY: Final = [operation for operation in OPERATIONS if schema_of_body(operation)]
WITH_QUERY: Final = [operation for operation in OPERATIONS if parameters(operation, "query")]
WITH_PATH: Final = [operation for operation in OPERATIONS if parameters(operation, "path")]


def test_an_example_of_every_body_has_every_field() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    documented = {
        name: schemas[name]["properties"].keys() for name in map(schema_of_body, WITH_BODY)
    }
    assert {name: body.keys() for name, body in BODIES.items()} == documented


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize("operation", WITH_BODY, ids=str)
async def test_nothing_in_a_body_makes_a_defect(
    client: httpx.AsyncClient, admin: dict[str, str], operation: Operation
) -> None:
    found = []
    for holed in with_hole(BODIES[schema_of_body(operation)]):
        for name, text in TEXTS.items():
            body = Chunks(json.dumps(holed).replace('"@hole"', text).encode())
            answer = await send(client, operation.method, operation.url(), body, admin)
            if not is_answered(answer):
                found.append((holed, name, answer.status_code))
    assert found == []


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize("operation", WITH_QUERY, ids=str)
async def test_nothing_in_a_query_makes_a_defect(
    client: httpx.AsyncClient, admin: dict[str, str], operation: Operation
) -> None:
    names = parameters(operation, "query")
    found = []
    for name in names:
        others = "&".join(
            f"{other}={QUERY[other]}" for other in names if other in QUERY.keys() - {name}
        )
        for word in WORDS_OF_A_QUERY:
            url = f"{operation.url()}?{others}&{name}={word}"
            answer = await client.request(operation.method, url, headers=admin)
            if not is_answered(answer):
                found.append((name, word[:50], answer.status_code))
    assert found == []


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize("operation", WITH_PATH, ids=str)
async def test_nothing_in_a_path_makes_a_defect(
    client: httpx.AsyncClient, admin: dict[str, str], operation: Operation
) -> None:
    body = BODIES.get(schema_of_body(operation))
    found = []
    for name in parameters(operation, "path"):
        for word in WORDS:
            url = operation.url(**{name: word})
            answer = await client.request(operation.method, url, headers=admin, json=body)
            if not is_answered(answer):
                found.append((name, word[:50], answer.status_code))
    assert found == []


async def test_nothing_in_an_unknown_path_makes_a_defect(client: httpx.AsyncClient) -> None:
    answers = [(word[:50], await client.get(f"/v1/{word}")) for word in WORDS]
    assert [word for word, answer in answers if not is_answered(answer)] == []


@pytest.mark.usefixtures("market")
async def test_nothing_in_the_reply_of_an_exchange_makes_a_defect(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    reply = {
        "result": "success",
        "error_code": "0",
        "range_price_units": [{"range_min": 0, "next_range_min": 5, "price_unit": 1}],
    }
    url = "/v1/exchanges/coinone/range-units/ingest?quote=KRW&target=BTC"
    found = []
    for holed in with_hole(reply):
        for name, text in TEXTS.items():
            body = Chunks(json.dumps(holed).replace('"@hole"', text).encode())
            answer = await send(client, "POST", url, body, admin)
            if not is_answered(answer):
                found.append((holed, name, answer.status_code))
    assert found == []
