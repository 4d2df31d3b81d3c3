"""The examples of the document are of the form that it documents, and are all there."""

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from openapi_schema_validator import OAS31Validator
from pydantic import TypeAdapter

from tests.application import MemoryApplication
from tests.unit.http.api import DOCUMENT, OPERATIONS, Operation

JSON: Final = "application/json"
INGEST: Final = Operation("POST", "/v1/exchanges/{exchange}/range-units/ingest")
DOCUMENTED: Final = [
    each
    for each in OPERATIONS
    if each.method.lower() in DOCUMENT["paths"].get(each.path, {})  # not: the head of a page
]
PROBLEMS: Final = {
    name: example["value"] for name, example in DOCUMENT["components"]["examples"].items()
}


@cache
def routes() -> dict[Operation, APIRoute]:
    found = {}
    for context in iter_route_contexts(MemoryApplication().http().routes):
        if isinstance(context.original_route, APIRoute):
            for method in context.methods or ():
                found[Operation(method, str(context.path))] = context.original_route
    return found


def described(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][operation.path][operation.method.lower()]
    return found


def sent() -> Iterator[tuple[Operation, dict[str, Any]]]:
    for operation in DOCUMENTED:
        if "requestBody" in described(operation):
            yield operation, described(operation)["requestBody"]["content"][JSON]


def answered() -> Iterator[tuple[Operation, str, dict[str, Any]]]:
    for operation in DOCUMENTED:
        for status, response in described(operation)["responses"].items():
            if status < "400":
                for media, content in response.get("content", {}).items():
                    yield operation, media, content


def test_every_body_has_an_example() -> None:
    bodies = [(str(operation), "sent", content) for operation, content in sent()]
    bodies += [(str(operation), media, content) for operation, media, content in answered()]
    assert [body[:2] for body in bodies if "example" not in body[2]] == []


def test_every_example_of_a_request_is_taken_by_its_model() -> None:
    taken = []
    for operation, content in sent():
        field = routes()[operation].body_field
        if field is not None and field.field_info.annotation is not None:
            example = json.dumps(content["example"])
            TypeAdapter(field.field_info.annotation).validate_json(example)
            taken.append(operation)
    # An ingest has no model: it takes whatever an exchange replies.
    assert [operation for operation, _ in sent() if operation not in taken] == [INGEST]


@cache
def strict_components() -> dict[str, Any]:
    """Give the document's components, whose objects have nothing beyond what is documented."""
    schemas = {
        name: schema | ({"additionalProperties": False} if "properties" in schema else {})
        for name, schema in DOCUMENT["components"]["schemas"].items()
    }
    return {"schemas": schemas}


def faults_of(schema: dict[str, Any], example: object) -> list[str]:
    """Say where an example is not as its schema says; none has more than is documented."""
    faults = OAS31Validator(schema | {"components": strict_components()}).iter_errors(example)
    return [f"{fault.json_path}: {fault.message}" for fault in faults]


def test_every_example_of_an_answer_is_of_its_schema() -> None:
    odd = {
        f"{operation} {media}": faults
        for operation, media, content in answered()
        if (faults := faults_of(content["schema"], content["example"]))
    }
    assert odd == {}


def test_every_example_of_a_problem_is_of_its_schema() -> None:
    schema = {"$ref": "#/components/schemas/Problem"}
    odd = {
        name: faults for name, example in PROBLEMS.items() if (faults := faults_of(schema, example))
    }
    assert odd == {}


@pytest.mark.parametrize("kind", ["operations", "problems"])
def test_there_are_no_examples_of_what_is_not_there(kind: str) -> None:
    written = json.loads((files("app.adapters.http") / "examples.json").read_bytes())
    there = {"operations": {str(each) for each in DOCUMENTED}, "problems": set(PROBLEMS)}
    assert written[kind].keys() - there[kind] == set()


def test_every_refusal_that_is_documented_names_its_codes() -> None:
    silent = [
        f"{operation}: {status}"
        for operation in DOCUMENTED
        for status, response in described(operation)["responses"].items()
        if status >= "400" and not response["content"]["application/problem+json"]["examples"]
    ]
    assert silent == []


def test_every_code_is_shown_with_its_own_status() -> None:
    odd = [
        f"{operation}: {status} {code}"
        for operation in DOCUMENTED
        for status, response in described(operation)["responses"].items()
        if status >= "400"
        for code in response["content"]["application/problem+json"]["examples"]
        if (PROBLEMS[f"{status}.{code}"]["status"], PROBLEMS[f"{status}.{code}"]["code"])
        != (int(status), code)
    ]
    assert odd == []


def test_every_code_is_in_the_table_of_codes() -> None:
    page = (Path(__file__).parents[3] / "docs" / "http-api.md").read_text()
    listed = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", page, re.MULTILINE)
    of_no_route = {
        ("400", "malformed_http"),
        ("404", "not_found"),
        ("405", "method_not_allowed"),
        ("431", "headers_too_large"),
        ("500", "internal_error"),
    }
    assert {f"{status}.{code}" for status, code in {*listed} - of_no_route} == set(PROBLEMS)
