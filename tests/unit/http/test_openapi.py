import re
from collections.abc import Iterator
from typing import Any, Final

import httpx
import openapi_spec_validator
import pytest

from app.adapters.http.access import ACCESS, BEFORE_ENROLMENT, Access
from app.domain.principal import Scope
from tests.unit.http.api import DOCUMENT, GUARDED, OPERATIONS, Operation

PROBLEM: Final = "application/problem+json"
OF_THE_DOCUMENT_ITSELF: Final = {"/openapi.json", "/docs", "/redoc", "/docs/files/{name}"}
DOCUMENTED: Final = [
    each
    for each in OPERATIONS
    if each.path not in OF_THE_DOCUMENT_ITSELF and each.method != "HEAD"  # as GET, with no body
]
OF_VERSION_1: Final = [each for each in DOCUMENTED if each.path.startswith("/v1/")]


def described(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][operation.path][operation.method.lower()]
    return found


def scopes(operation: Operation) -> list[str]:
    """Give the scope that the document has to name: what it is to be, `ACCESS` alone says."""
    access = ACCESS[operation.method, operation.path]
    return [access.value] if isinstance(access, Scope) else []


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        yield from [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        node = list(node.values())
    if isinstance(node, list):
        for part in node:
            yield from references(part)


async def test_the_document_is_served_to_everyone(client: httpx.AsyncClient) -> None:
    answer = await client.get("/openapi.json")
    assert (answer.status_code, answer.json()) == (200, DOCUMENT)


def test_the_document_says_what_it_is_of() -> None:
    assert (DOCUMENT["info"]["title"], DOCUMENT["info"]["version"]) == ("Tickgate", "1.2.3")


def test_all_that_is_referred_to_is_there() -> None:
    there = {
        f"#/components/{kind}/{name}"
        for kind, components in DOCUMENT["components"].items()
        for name in components
    }
    assert set(references(DOCUMENT)) - there == set()


def test_every_operation_has_an_id_of_its_own() -> None:
    ids = [described(operation)["operationId"] for operation in DOCUMENTED]
    assert len(set(ids)) == len(DOCUMENTED)


@pytest.mark.parametrize("part", ["summary", "description", "tags"])
def test_every_operation_says_what_it_does(part: str) -> None:
    assert [str(each) for each in DOCUMENTED if not described(each).get(part)] == []


def test_every_guarded_operation_asks_for_a_bearer_token() -> None:
    schemes = dict(DOCUMENT["components"]["securitySchemes"])
    assert schemes.pop("MetricsToken")["scheme"] == "bearer"  # which opens nothing but /metrics
    [(name, scheme)] = schemes.items()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    asked = {str(each): described(each)["security"] for each in GUARDED}
    assert asked == {str(each): [{name: scopes(each)}] for each in GUARDED}


def expected(operation: Operation) -> Iterator[str]:
    """Tell which refusals an operation can give, by what it takes."""
    yield "503"
    if operation in GUARDED:
        yield "401"
    if "requestBody" in described(operation):
        yield "413"
    if "requestBody" in described(operation) or "parameters" in described(operation):
        yield "422"
    if re.search(r"{(user_id|key_id|quote|price)}|/markets|ingest", operation.path):
        yield "404"


def test_every_operation_documents_the_problems_that_it_can_give() -> None:
    missing = [
        f"{operation}: {status}"
        for operation in OF_VERSION_1
        for status in expected(operation)
        if status not in described(operation)["responses"]
    ]
    assert missing == []


def test_what_may_be_forbidden_documents_it_and_nothing_else_does() -> None:
    always = {
        str(each)
        for each in GUARDED
        if ACCESS[each.method, each.path] is not Access.OWN or each not in BEFORE_ENROLMENT
    }
    documented = {str(each) for each in DOCUMENTED if "403" in described(each)["responses"]}
    assert documented == always


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ("POST /v1/auth/refresh", "409"),
        ("POST /v1/users", "409"),
        ("POST /v1/api-keys", "409"),
        ("POST /v1/api-keys/{key_id}/rotate", "409"),
        ("PUT /v1/exchanges/{exchange}/markets/{quote}/{target}/range-units", "409"),
        ("PUT /v1/exchanges/{exchange}/markets/{quote}/{target}/range-units", "201"),
        ("PUT /v1/exchanges/{exchange}", "201"),
        ("GET /readyz", "503"),
    ],
)
def test_what_only_some_operations_answer_is_documented_there(operation: str, status: str) -> None:
    [found] = [each for each in DOCUMENTED if str(each) == operation]
    assert status in described(found)["responses"]


def test_a_problem_is_documented_under_its_own_media_type() -> None:
    otherwise = {
        f"{operation}: {status}"
        for operation in DOCUMENTED
        for status, answer in described(operation)["responses"].items()
        if status >= "400"
        and (list(answer["content"]), answer["content"].get(PROBLEM, {}).get("schema"))
        != ([PROBLEM], {"$ref": "#/components/schemas/Problem"})
    }
    assert otherwise == set()


def test_the_document_is_valid() -> None:
    openapi_spec_validator.validate(DOCUMENT)


def test_every_tag_is_described() -> None:
    used = {tag for operation in DOCUMENTED for tag in described(operation)["tags"]}
    assert used == {tag["name"] for tag in DOCUMENT["tags"]}


def test_what_is_open_to_everyone_says_so() -> None:
    asking = {
        str(each) for each in DOCUMENTED if each not in GUARDED and described(each)["security"]
    }
    assert asking == {"GET /metrics"}  # whose token is nobody's


def test_a_price_is_a_string_in_every_schema() -> None:
    numeric = [
        f"{name}.{field}"
        for name, schema in DOCUMENT["components"]["schemas"].items()
        for field, value in schema.get("properties", {}).items()
        if "number" in str(value)
    ]
    assert numeric == []


def test_nothing_in_the_document_looks_like_an_api_key() -> None:
    assert re.findall(r"tg_\w+", str(DOCUMENT)) == []
