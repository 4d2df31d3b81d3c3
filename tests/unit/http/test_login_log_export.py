import csv
import gc
import json
import sys
from io import StringIO
from typing import Any

import httpx
import pytest
from anyio import sleep_forever
from starlette.types import Message

from app.domain.identity.login_log import LoginAttempt, Outcome
from app.domain.identity.login_log_export import FIELDS
from app.services.identity.user_login_log_service import PAGE
from tests.application import MemoryApplication
from tests.builders import an_attempt, at
from tests.unit.http.conftest import Stage
from tests.unit.http.streams import streamed

EXPORT = "/v1/login-log/export"
FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\uff1d1",
    "\uff0b1",
    "\uff0d1",
    "\uff20a",
]


def keep(application: MemoryApplication, *attempts: LoginAttempt) -> None:
    application.identity_store.committed.attempts |= {one.id: one for one in attempts}


async def exported(client: httpx.AsyncClient, admin: dict[str, str], **asked: str) -> str:
    answer = await client.get(EXPORT, params=asked, headers=admin)
    assert answer.status_code == 200
    return answer.text


@pytest.fixture(autouse=True)
def emptied(application: MemoryApplication, admin: dict[str, str]) -> None:  # noqa: ARG001 - who logged in to be one
    application.identity_store.committed.attempts.clear()


async def test_an_export_has_every_attempt_once_newest_first(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    attempts = [an_attempt(at=at(number // 3)) for number in range(2 * PAGE + 1)]
    keep(application, *attempts)
    lines = (await exported(client, admin)).splitlines()
    assert [json.loads(line)["id"] for line in lines] == [str(one.id) for one in attempts[::-1]]


async def test_a_line_tells_all_that_the_log_knows(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    attempt = an_attempt(ip="2001:db8::1", outcome=Outcome.SUCCESS, new_network=True, duration_ms=7)
    keep(application, attempt)
    [line] = (await exported(client, admin)).splitlines()
    [cells] = csv.DictReader(StringIO(await exported(client, admin, format="csv"), newline=""))
    told: dict[str, Any] = json.loads(line)
    assert tuple(told) == tuple(cells) == FIELDS
    assert (told["network"], told["new_network"], told["os"]) == ("2001:db8::/64", True, None)
    assert (cells["network"], cells["new_network"], cells["os"]) == ("2001:db8::/64", "true", "")
    assert told["at"] == cells["at"] == "2026-01-05T09:30:15.123456Z"


async def test_csv_is_of_rfc_4180(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    keep(application, an_attempt(username='a "b", c'))
    text = await exported(client, admin, format="csv")
    assert text.startswith(",".join(FIELDS) + "\r\n")
    assert text.endswith("\r\n")
    assert ',"a ""b"", c",' in text


@pytest.mark.parametrize("formula", FORMULAS)
async def test_no_cell_is_a_formula(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str], formula: str
) -> None:
    keep(application, an_attempt(username=formula, user_agent=formula))
    text = await exported(client, admin, format="csv")
    [cells] = csv.DictReader(StringIO(text, newline=""))
    assert (cells["username"], cells["user_agent"]) == (f"'{formula}", f"'{formula}")


@pytest.mark.parametrize(
    ("how", "media"),
    [
        ("ndjson", "application/x-ndjson"),
        ("csv", "text/csv; charset=utf-8; header=present"),
    ],
)
async def test_an_export_is_a_file_of_its_media_type(
    client: httpx.AsyncClient, admin: dict[str, str], how: str, media: str
) -> None:
    answer = await client.get(EXPORT, params={"format": how}, headers=admin)
    assert answer.headers["Content-Type"] == media
    assert answer.headers["Content-Disposition"] == f'attachment; filename="login-log.{how}"'


async def test_an_export_is_filtered_like_a_search(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    one, other = an_attempt(ip="192.0.2.1"), an_attempt(ip="192.0.3.1", username="other")
    keep(application, one, other)
    for asked, found in (
        ({"ip": "192.0.2.0/24"}, one),
        ({"username": "OTHER"}, other),
        ({"ip": "192.0.3.1", "outcome": "failed"}, other),
    ):
        [line] = (await exported(client, admin, **asked)).splitlines()
        assert json.loads(line)["id"] == str(found.id)


@pytest.mark.parametrize("asked", [{"format": "xml"}, {"limit": "5"}, {"cursor": "x"}, {"ip": "x"}])
async def test_what_cannot_be_exported_is_refused(
    client: httpx.AsyncClient, admin: dict[str, str], asked: dict[str, str]
) -> None:
    answer = await client.get(EXPORT, params=asked, headers=admin)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_a_store_that_is_away_from_the_beginning_is_a_problem(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    application.identity_store.fail_after = 4  # two to read the token, entering included
    answer = await client.get(EXPORT, headers=admin)
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")


async def test_a_store_that_breaks_off_in_the_middle_leaves_no_proper_end(
    application: MemoryApplication, admin: dict[str, str]
) -> None:
    keep(application, *(an_attempt() for _ in range(PAGE + 1)))
    app = application.http()
    sent: list[Message] = []

    async def receive() -> Message:
        await sleep_forever()
        raise NotImplementedError

    async def send(message: Message) -> None:
        sent.append(message)
        if len(message.get("body", b"")) > PAGE:
            application.identity_store.down = True

    async with app.router.lifespan_context(app):
        scope = {
            "type": "http",
            "method": "GET",
            "path": EXPORT,
            "raw_path": EXPORT.encode(),
            "query_string": b"",
            "headers": [(b"authorization", admin["Authorization"].encode())],
            "client": ("203.0.113.7", 50000),
            "http_version": "1.1",
        }
        with pytest.raises(Exception, match=r".*"):
            await app(scope, receive, send)
    assert sent[0]["status"] == 200
    assert all(message.get("more_body", True) for message in sent)


async def test_an_export_whose_reader_leaves_leaves_nothing_to_the_garbage_collector(
    application: MemoryApplication,
    client: httpx.AsyncClient,
    stage: Stage,
    admin: dict[str, str],
) -> None:
    assert client is not None
    keep(application, *(an_attempt() for _ in range(3 * PAGE)))
    left: list[str] = []
    before = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(finalizer=lambda generator: left.append(repr(generator)))
    try:
        async with streamed(stage.app, EXPORT, admin) as answer:
            assert answer.status == 200
        gc.collect()
    finally:
        sys.set_asyncgen_hooks(*before)
    assert left == []
