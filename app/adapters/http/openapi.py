"""The OpenAPI document, beyond what FastAPI reads off the routes.

Each refusal names its codes, each body has an example, and what linters ask for is there. The
examples are what a service answered; a test holds them to their schemas.
"""

import json
from collections.abc import Callable, Iterator
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final

from fastapi import FastAPI

from app.adapters.http.access import ACCESS, BEFORE_ENROLMENT, Access
from app.adapters.http.errors import OWN_CODES, PROBLEM, Problem
from app.domain.principal import Scope

TAGS: Final = {
    "health": "Whether the service lives, and can serve.",
    "logins": "Logging in, staying in, logging out; the keys of access tokens.",
    "sessions": "Who is logged in, and ending that.",
    "users": "Registered, changed and disabled by administrators; seen by themselves.",
    "API keys": "What bots send instead of logging in.",
    "second factor": "Codes of a device, and recovery codes.",
    "login log": "Every attempt to log in.",
    "exchanges": "Exchanges, their markets, and what they replied.",
    "range units": "Tables of price bands, their history, and announced changes.",
    "prices": "Whether a price is valid, and which valid prices are near.",
    "changes": "What became different about range units, to follow.",
    "jobs": "Syncs of exchanges.",
}

_METHODS: Final = {"get", "put", "post", "patch", "delete"}
_JSON: Final = "application/json"
_SCHEMA: Final = "#/components/schemas/{model}"
_MISSING: Final = "No token was sent."
_INVALID: Final = "The token or key is malformed, expired or revoked, or its session is over."
_SCOPE: Final = "The role, or the API key, has not the scope that this needs."
_SESSION: Final = "An API key was sent, and this takes the token of a login."
_ENROL: Final = "A second factor has to be enrolled before anything else."
_STATES: Final[dict[int, dict[str, str]]] = {
    413: {"body_too_large": "The body is larger than this service takes."},
    422: {"invalid_request": "The request is not of the documented form; `errors` says where."},
    503: {"store_unavailable": "The database did not answer, or broke off."},
}
_WAIT: Final = {429: 27, 503: 30}


def complete(app: FastAPI) -> None:
    """Have the application describe itself in full."""
    describe: Callable[[], dict[str, Any]] = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(describe(), json.loads((files(__package__) / "examples.json").read_bytes()))
        return describe()

    app.openapi = described  # type: ignore[method-assign] # FastAPI's way to extend it


def _complete(document: dict[str, Any], examples: dict[str, Any]) -> None:
    document["info"]["license"] = {"name": "MIT", "identifier": "MIT"}
    document["info"]["description"] = (
        "Prices and units are strings, times are RFC 3339 with offset. Every refusal is a problem"
        " (RFC 9457) with a stable `code`."
    )
    # Wherever the document itself was read.
    document["servers"] = [{"url": "/"}]
    document["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
    problems: dict[str, Any] = {}
    for path, methods in document["paths"].items():
        for method in methods.keys() & _METHODS:
            operation = methods[method]
            operation.setdefault("security", [])
            for status, response in operation["responses"].items():
                if int(status) >= HTTPStatus.BAD_REQUEST:
                    _name_codes(response, (method.upper(), path), int(status), problems)
            _add_examples(operation, examples["operations"].get(f"{method.upper()} {path}", {}))
    schemas = document["components"]["schemas"] | _schemas_of_problems()
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    for name, problem in problems.items():
        problem["value"] |= examples["problems"].get(name, {})
    document["components"]["examples"] = dict(sorted(problems.items()))


def _name_codes(
    response: dict[str, Any], asked: tuple[str, str], status: int, problems: dict[str, Any]
) -> None:
    """Say in a response which codes there may be, with an example of each."""
    codes = dict(_codes_of_frame(asked, status)) | response.pop(OWN_CODES, {})
    response["description"] = f"{HTTPStatus(status).phrase}: {', '.join(f'`{c}`' for c in codes)}."
    named = {code: {"$ref": f"#/components/examples/{status}.{code}"} for code in codes}
    response["content"] = {PROBLEM: {"schema": {"$ref": _SCHEMA.format(model="Problem")}}}
    response["content"][PROBLEM]["examples"] = named
    for code, meaning in codes.items():
        problems.setdefault(f"{status}.{code}", _problem(status, code, meaning))


def _schemas_of_problems() -> dict[str, Any]:
    schema = Problem.model_json_schema(ref_template=_SCHEMA, mode="serialization")
    for member in schema["properties"].values():
        if "default" in member and member["default"] is None:
            del member["default"]  # what has no value is not there
    return {**schema.pop("$defs"), "Problem": schema}


def _codes_of_frame(asked: tuple[str, str], status: int) -> Iterator[tuple[str, str]]:
    """Give the codes that a route does not raise itself, with their meaning."""
    access = ACCESS.get(asked, Access.PUBLIC)  # what only tests have is not among them
    if status == HTTPStatus.UNAUTHORIZED and access is not Access.PUBLIC:
        yield "missing_token", _MISSING
        yield "invalid_token", _INVALID
    if status == HTTPStatus.FORBIDDEN:
        if isinstance(access, Scope):
            yield "insufficient_scope", _SCOPE
        if access is Access.SESSION:
            yield "session_required", _SESSION
        if asked not in BEFORE_ENROLMENT:
            yield "mfa_enrolment_required", _ENROL
    yield from _STATES.get(status, {}).items()


def _problem(status: int, code: str, meaning: str) -> dict[str, Any]:
    value: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": meaning,
        "instance": "/v1/exchanges",
        "code": code,
        "request_id": "01963f3a-7c2e-7d11-9a40-5b1f6d0c8e21",
    }
    if status in _WAIT:
        value["retry_after"] = _WAIT[status]
    return {"summary": meaning.partition(". ")[0].rstrip("."), "value": value}


def _add_examples(operation: dict[str, Any], examples: dict[str, Any]) -> None:
    """Put an example beside the schema of what is sent, and of what is answered."""
    if "sent" in examples:
        operation["requestBody"]["content"][_JSON]["example"] = examples["sent"]
    for status, response in operation["responses"].items():
        for media, content in response.get("content", {}).items():
            if int(status) < HTTPStatus.BAD_REQUEST and media in examples.get("answered", {}):
                content["example"] = examples["answered"][media]
