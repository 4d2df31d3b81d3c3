"""Every place of every operation, given what nobody who is honest sends."""

from itertools import islice
from typing import Final

import httpx
import pytest

from tests.application import MemoryApplication
from tests.sweeps.hostile import BODIES, WORDS, ApiDocument, Attack, with_hole
from tests.unit.http import api
from tests.unit.http.api import JSON, NOBODY, Operation, refusal

DOCUMENT: Final = ApiDocument(api.DOCUMENT)
WITH_BODY: Final = [each for each in DOCUMENT.operations if DOCUMENT.bodies_of(each)]
WITH_SCHEMA: Final = [each for each in WITH_BODY if DOCUMENT.bodies_of(each) is not BODIES[""]]
# Refresh tokens, challenges and codes are good once, and secret: none can be written down here.
STREAM: Final = Operation("GET", "/v1/range-units/changes/stream")
SECRET: Final = {"refresh_token", "challenge", "code"}
HONEST: Final = [
    each for each in WITH_BODY if not any(SECRET & {*body} for body in DOCUMENT.bodies_of(each))
]


@pytest.mark.parametrize("operation", WITH_SCHEMA, ids=str)
def test_the_honest_bodies_have_every_field_at_every_depth(operation: Operation) -> None:
    bodies = DOCUMENT.bodies_of(operation)
    fields = {field for body in bodies for field, _ in with_hole(body)}
    assert fields == DOCUMENT.fields_of_body(operation)


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize("operation", HONEST, ids=str)
async def test_honest_bodies_are_taken(
    client: httpx.AsyncClient,
    admin: dict[str, str],
    user: dict[str, str],
    operation: Operation,
) -> None:
    me = (await client.get("/v1/users/me", headers=user)).json()["id"]
    url = next(DOCUMENT.attacks(operation)).url.replace(NOBODY, me)
    for body in DOCUMENT.bodies_of(operation):
        answer = await client.request(operation.method, url, json=body, headers=admin | JSON)
        assert answer.is_success


@pytest.mark.usefixtures("market", "user")
@pytest.mark.parametrize("operation", DOCUMENT.operations, ids=str)
async def test_nothing_hostile_gets_an_answer_that_is_not_documented(
    application: MemoryApplication,
    client: httpx.AsyncClient,
    admin: dict[str, str],
    operation: Operation,
    anyio_backend_name: str,
) -> None:
    application.feed.end()  # in process, an answer is waited for to its end
    found = []
    # There are thousands, and what is made of one does not depend on the loop: each takes half.
    turn = ("asyncio", "trio").index(anyio_backend_name)
    for attack in islice(DOCUMENT.attacks(operation), turn, None, 2):
        answer = await client.send(attack.request(client.base_url, admin))
        if operation == STREAM and refusal(answer) == (503, "busy"):
            continue  # what was sent has been taken: there would be a stream now
        if fault := DOCUMENT.fault_of(attack, answer):
            found.append((attack.what, fault))  # pragma: no cover - a failure
    assert found == []


async def test_nothing_in_an_unknown_path_gets_an_answer_that_is_not_documented(
    client: httpx.AsyncClient,
) -> None:
    found = []
    for word in WORDS:
        attack = Attack(Operation("GET", "/v1/{word}"), word[:50], f"/v1/{word}")
        answer = await client.send(attack.request(client.base_url, {}))
        if fault := DOCUMENT.fault_of(attack, answer):
            found.append((attack.what, fault))  # pragma: no cover - a failure
    assert found == []
