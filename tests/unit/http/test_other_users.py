"""What belongs to another user is, to a user, exactly like what is not there."""

import json
import re
from copy import copy
from typing import Any, Final

import httpx
import pytest

from app.domain.identity.api_keys import WantedKey
from app.domain.identity.login_log import Client
from app.domain.identity.users import User
from app.domain.principal import Scope
from tests.application import PASSWORD, MemoryApplication
from tests.sweeps.hostile import ApiDocument
from tests.unit.http.api import DOCUMENT, GUARDED, NOBODY, Operation

SHARED: Final = {"exchange", "quote", "target", "price", "revision_id", "job_id", "payload_id"}
"""What a path names that is nobody's own."""
API: Final = ApiDocument(DOCUMENT)


def ids_of(operation: Operation) -> list[str]:
    """Give the parameters of path and query that name something of somebody."""
    in_path = set(re.findall(r"{(\w+)}", operation.path)) - SHARED
    methods = DOCUMENT["paths"].get(operation.path, {})
    parameters = methods.get(operation.method.lower(), {}).get("parameters", [])
    in_query = {one["name"] for one in parameters if one["in"] == "query"}
    return sorted(in_path | {name for name in in_query if name.endswith("id")})


WITH_IDS: Final = [operation for operation in GUARDED if ids_of(operation)]


@pytest.fixture
async def alice(application: MemoryApplication) -> User:
    return await application.users.create_user(username="alice", password=PASSWORD)


@pytest.fixture
async def hers(application: MemoryApplication, alice: User) -> dict[str, str]:
    """Give the id of something of Alice's by the name of the parameter: all that there are."""
    login = await application.auth.authenticate_user(
        username="alice", password=PASSWORD, client=Client()
    )
    wanted = WantedKey("hers", frozenset({Scope.RANGE_UNITS_READ}))
    issued = await application.api_keys.create(user_id=alice.id, wanted=wanted)
    return {
        "user_id": str(alice.id),
        "session_id": str(login.session_id),
        "key_id": str(issued.api_key.id),
    }


async def asked(
    client: httpx.AsyncClient, user: dict[str, str], operation: Operation, ids: dict[str, str]
) -> list[Any]:
    """Ask for something, and give all that the answers tell but what was asked for."""
    told: list[Any] = []
    in_query = {
        name: ids[name] for name in ids_of(operation) if f"{{{name}}}" not in operation.path
    }
    bodies: list[dict[str, Any] | None] = [*API.bodies_of(operation)]
    for body in bodies or [None]:
        answer = await client.request(
            operation.method, operation.url(**ids), params=in_query, json=body, headers=user
        )
        text = answer.text
        for one in ids.values():
            text = text.replace(one, "ID")
        content = json.loads(text or "null")
        content.pop("request_id", None)
        headers = {
            name: value
            for name, value in answer.headers.items()
            if name not in {"x-request-id", "content-length"}
        }
        told.append((answer.status_code, headers, content))
    return told


async def test_there_is_something_of_somebody_behind_every_id(hers: dict[str, str]) -> None:
    assert {name for operation in WITH_IDS for name in ids_of(operation)} == hers.keys()


@pytest.mark.parametrize("operation", WITH_IDS, ids=str)
async def test_what_is_anothers_is_like_what_is_not_there(
    application: MemoryApplication,
    client: httpx.AsyncClient,
    user: dict[str, str],
    hers: dict[str, str],
    operation: Operation,
) -> None:
    before = copy(application.identity_store.committed)
    about_hers = await asked(client, user, operation, hers)
    assert about_hers == await asked(client, user, operation, dict.fromkeys(hers, NOBODY))
    assert {status for status, _, _ in about_hers} <= {403, 404}
    assert application.identity_store.committed == before
