"""What the service's own log says of a request, and what it never says."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import redirect_stderr
from io import BytesIO, TextIOWrapper
from itertools import cycle
from ssl import SSLCertVerificationError
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from anyio import CancelScope, sleep_forever
from starlette.types import Message, Receive, Scope, Send

from app.adapters.http.context import RequestContext
from app.adapters.http.request_log import Answered, RequestLog
from app.adapters.memory.system import SequentialIds
from app.bootstrap.logs import formatter, of_requests, requests_logged, suitable
from app.domain.errors import StoreUnavailable
from app.settings import LogFormat
from tests.application import PASSWORD, MemoryApplication
from tests.unit.http.api import OPERATIONS
from tests.unit.http.conftest import Stage

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


async def no_message() -> Message:
    raise NotImplementedError


async def no_matter(_message: Message) -> None:
    raise NotImplementedError


class Lines(logging.Handler):
    """Keeps what is logged, as it would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(formatter(LogFormat.JSON))
        self.written: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.written.append(self.format(record))

    def of_request(self, line: bytes) -> None:
        self.written.append(line.decode().removesuffix("\n"))

    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.written]

    def requests(self) -> list[dict[str, Any]]:
        return [line for line in self.all() if line["event"] == "request"]


@pytest.fixture
def lines(stage: Stage) -> Iterator[Lines]:
    logger, handler = logging.getLogger("tickgate"), Lines()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    write, stage.write = stage.write, handler.of_request
    yield handler
    stage.write = write
    logger.removeHandler(handler)
    logger.setLevel(level)


async def test_a_request_is_one_line_that_says_who_asked_for_what_and_what_came_of_it(
    client: httpx.AsyncClient, user: dict[str, str], market: str, lines: Lines
) -> None:
    headers = user | {"X-Request-ID": "order-1"}
    await client.get(f"{market}/prices/5003?as_of=2024-01-01T00:00:00Z", headers=headers)
    [line] = lines.requests()
    assert line.pop("duration_ms") >= 0
    assert line.pop("timestamp").endswith("Z")
    assert None not in {line.pop("principal"), line.pop("session")}
    assert line == {
        "event": "request",
        "level": "info",
        "logger": "tickgate.request",
        "request_id": "order-1",
        "method": "GET",
        "route": "/v1/exchanges/{exchange}/markets/{quote}/{target}/prices/{price}",
        "object": None,
        "api_key": None,
        "status": 200,
        "code": None,
        "cause": None,
        "client": "203.0.113.7",
    }


async def test_the_trace_of_a_request_is_carried_into_all_that_is_logged_of_it(
    application: MemoryApplication,
    client: httpx.AsyncClient,
    admin: dict[str, str],
    market: str,
    lines: Lines,
) -> None:
    application.range_units_store.committed.tables.clear()
    headers = admin | {"traceparent": f"00-{TRACE}-{SPAN}-01"}
    await client.get(f"{market}/range-units", headers=headers)
    told = [(line["event"], line["trace_id"], line["span_id"]) for line in lines.all()]
    assert told == [("defect", TRACE, SPAN), ("request", TRACE, SPAN)]


async def test_only_a_trace_of_the_form_of_w3c_is_carried(
    client: httpx.AsyncClient, lines: Lines
) -> None:
    good, none = f"{TRACE}-{SPAN}-01", "0" * 32
    sent = {
        f"00-{good}": TRACE,
        f"cc-{good}": TRACE,
        f"cc-{good}-what.the-future-holds": TRACE,
        f"00-{good}-more": None,
        f"ff-{good}": None,
        f"00-{none}-{SPAN}-01": None,
        f"00-{TRACE}-{none[:16]}-01": None,
        f"00-{TRACE.upper()}-{SPAN}-01": None,
        f"00-{TRACE}\n-{SPAN}-01": None,
    }
    for traceparent in sent:
        await client.get("/livez", headers={b"traceparent": traceparent.encode()})
    twice = [(b"traceparent", f"00-{good}".encode())] * 2
    await client.get("/livez", headers=twice)
    assert [line.get("trace_id") for line in lines.requests()] == [*sent.values(), None]


async def test_who_is_refused_is_in_the_line(
    client: httpx.AsyncClient, user: dict[str, str], lines: Lines
) -> None:
    me = (await client.get("/v1/users/me", headers=user)).json()["id"]
    await client.get("/v1/users", headers=user)
    line = lines.requests()[-1]
    assert (line["status"], line["principal"]) == (403, me)


async def test_a_line_says_by_which_session_or_key_one_asked(
    client: httpx.AsyncClient, user: dict[str, str], lines: Lines
) -> None:
    wanted = {"name": "bot", "scopes": ["range-units:read"]}
    made = (await client.post("/v1/api-keys", json=wanted, headers=user)).json()
    [session] = (await client.get("/v1/auth/sessions", headers=user)).json()["items"]
    await client.get("/v1/exchanges", headers={"Authorization": f"Bearer {made['key']}"})
    told = [(line["session"], line["api_key"]) for line in lines.requests()]
    assert told == [(session["id"], None), (session["id"], None), (None, made["id"])]


async def test_every_refusal_is_in_its_line_with_its_code(
    application: MemoryApplication,
    client: httpx.AsyncClient,
    admin: dict[str, str],
    user: dict[str, str],
    lines: Lines,
) -> None:
    login = "/v1/auth/login"
    wrong = {"username": "nobody", "password": "wrong"}
    await client.get("/v1/users")
    await client.get("/v1/users", headers={"Authorization": "Bearer made.up.one"})
    await client.get("/v1/users", headers=user)
    await client.get("/v1/users?limit=none", headers=admin)
    await client.get("/made/up")
    for _ in range(6):
        answer = await client.post(login, json=wrong)
    application.identity_store.down = True
    await client.get("/v1/users", headers=admin)
    told = [(line["status"], line["code"]) for line in lines.requests()]
    assert answer.status_code == 429
    assert told == [
        (401, "missing_token"),
        (401, "invalid_token"),
        (403, "insufficient_scope"),
        (422, "invalid_request"),
        (404, "not_found"),
        *[(401, "invalid_credentials")] * 5,
        (429, "too_many_attempts"),
        (503, "store_unavailable"),
    ]


async def test_why_the_database_cannot_be_used_is_in_the_line_by_the_kind_of_error(
    application: MemoryApplication, client: httpx.AsyncClient, lines: Lines
) -> None:
    application.not_ready = StoreUnavailable("The database does not answer.")
    application.not_ready.__cause__ = ConnectionError("hunter2")
    application.not_ready.__cause__.__cause__ = SSLCertVerificationError("hunter2")
    await client.get("/readyz")
    [line] = lines.requests()
    assert (line["code"], line["cause"]) == ("store_unavailable", "SSLCertVerificationError")
    assert "hunter2" not in lines.written[0]


async def test_whom_an_administrator_changes_is_in_the_line(
    client: httpx.AsyncClient, admin: dict[str, str], user: dict[str, str], lines: Lines
) -> None:
    me = (await client.get("/v1/users/me", headers=user)).json()["id"]
    for spelled in (me, me.upper(), f"{me} or another"):
        await client.delete(f"/v1/users/{spelled}/sessions", headers=admin)
    told = [(line["status"], line["object"]) for line in lines.requests()]
    assert told == [(200, None), (204, me), (204, me), (422, None)]


async def test_what_fails_after_an_answer_is_logged_with_the_id_of_its_request(
    lines: Lines,
) -> None:
    async def served(scope: Scope, _receive: Receive, _send: Send) -> None:
        async def fail() -> None:
            raise LookupError

        scope["state"]["left"].append(fail)

    around = RequestContext(served, ids=SequentialIds(), body_limit=1, payload_limit=1)
    headers = [(b"x-request-id", b"order-1")]
    scope = {"type": "http", "path": "/", "headers": headers}
    await around(scope, no_message, no_matter)
    [line] = lines.all()
    assert (line["request_id"], "LookupError" in line["exception"]) == ("order-1", True)


async def test_a_request_that_is_broken_off_has_no_status(lines: Lines, stage: Stage) -> None:
    told: list[Answered] = []

    async def hangs(_scope: Scope, _receive: Receive, _send: Send) -> None:
        scope.cancel()
        await sleep_forever()

    request = {"type": "http", "method": "GET", "headers": [], "app": stage.app}
    with CancelScope() as scope:
        asked = request | {"state": {"request_id": "order-1"}}
        log = requests_logged(LogFormat.JSON, lines.of_request)
        await RequestLog(hangs, log=log, tell=told.append)(asked, no_message, no_matter)
    assert [line["status"] for line in lines.requests()] == [None] == [one.status for one in told]


async def test_a_line_holds_nothing_that_a_client_made_up(
    client: httpx.AsyncClient, lines: Lines
) -> None:
    headers = {"User-Agent": "evil", "X-Request-ID": "evil\u001b[2J", "Referer": "evil"}
    await client.request("EVIL", "/evil/%0Aevil?evil=evil", headers=headers, content=b"evil")
    assert [line for line in lines.written if "evil" in line.lower()] == []


async def test_no_operation_logs_anything_that_it_is_sent(
    application: MemoryApplication, client: httpx.AsyncClient, lines: Lines
) -> None:
    application.feed.end()
    secret = "hunter2-\r\n\x1b[31m-hunter2"
    everywhere = dict.fromkeys(("name", "price", "user_id", "key_id", "exchange", "quote"), secret)
    sent = {"username": secret, "password": secret, "refresh_token": secret, "code": secret}
    headers = {"User-Agent": "hunter2", "X-Request-ID": "hunter2!", "Cookie": "hunter2"}
    bearing = cycle(("Bearer hunter2", "Bearer tg_hunter2", "Basic hunter2"))
    for operation, authorization in zip(OPERATIONS, bearing, strict=False):
        await client.request(
            operation.method,
            quote(operation.url(**everywhere)),
            params={"cursor": secret},
            json=sent,
            headers=headers | {"Authorization": authorization},
        )
    assert len(lines.requests()) == len(OPERATIONS)
    assert [line for line in lines.written if "hunter2" in line] == []


async def test_neither_password_nor_token_is_ever_logged(
    application: MemoryApplication, client: httpx.AsyncClient, lines: Lines
) -> None:
    await application.users.create_user(username="trader", password=PASSWORD)
    login = await client.post("/v1/auth/login", json={"username": "trader", "password": PASSWORD})
    tokens = login.json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    wanted = {"name": "bot", "scopes": ["range-units:read"]}
    key = (await client.post("/v1/api-keys", json=wanted, headers=headers)).json()["key"]
    await client.get(f"/v1/users/{key}", headers={"Authorization": f"Bearer {key}"})
    await client.post("/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    secrets = [PASSWORD, tokens["access_token"], tokens["refresh_token"], key]
    assert len(lines.written) == 4
    assert [line for line in lines.written if any(secret in line for secret in secrets)] == []


async def test_a_defect_is_logged_in_full_with_the_id_that_its_client_was_told(
    application: MemoryApplication,
    client: httpx.AsyncClient,
    admin: dict[str, str],
    market: str,
    lines: Lines,
) -> None:
    application.range_units_store.committed.tables.clear()
    answer = await client.get(f"{market}/range-units", headers=admin)
    defect, request = map(json.loads, lines.written)
    assert "LookupError" in defect["exception"]
    assert defect["request_id"] == request["request_id"] == answer.json()["request_id"]
    assert (request["status"], request["code"]) == (500, answer.json()["code"])


def raised(message: str) -> tuple[type[BaseException], BaseException, None]:
    return LookupError, LookupError(message), None


def a_record(message: str, **fields: object) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": message, "levelname": "INFO", "name": "any", **fields})


HOSTILE = "first\r\nsecond\x1b[2J\u2028third\x00\ud800"


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_no_message_and_no_field_breaks_its_line(log_format: LogFormat) -> None:
    line = formatter(log_format).format(a_record(HOSTILE, field=HOSTILE))
    assert line.isprintable()


def test_the_log_is_for_programs_unless_a_person_reads_it_at_a_terminal() -> None:
    reader, terminal = os.openpty()
    with os.fdopen(reader), os.fdopen(terminal, "w") as screen, redirect_stderr(screen):
        assert suitable(None) is LogFormat.CONSOLE
        assert suitable(LogFormat.JSON) is LogFormat.JSON
    written = BytesIO()
    with TextIOWrapper(written) as pipe, redirect_stderr(pipe):
        of_requests(None).info("request", status=200)
        assert suitable(LogFormat.CONSOLE) is LogFormat.CONSOLE
        line = written.getvalue()
    assert json.loads(line)["status"] == 200


def test_a_request_looks_on_a_console_like_all_else_that_is_logged() -> None:
    written: list[bytes] = []
    log = requests_logged(LogFormat.CONSOLE, written.append)
    log.info("request", route=HOSTILE, status=200)
    record = a_record("request", route=HOSTILE, status=200)
    record.name = "tickgate.request"
    other = formatter(LogFormat.CONSOLE).format(record)
    [line] = [each.decode() for each in written]
    stamp = len("2026-01-01T00:00:00.000000Z")
    assert (line[-1:], sorted(line[stamp:].split())) == ("\n", sorted(other[stamp:].split()))


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_no_error_makes_up_a_line_of_its_own(log_format: LogFormat) -> None:
    line = formatter(log_format).format(a_record("defect", exc_info=raised(HOSTILE)))
    first, *more = line.split("\n")
    assert line.replace("\n", "").isprintable()
    assert "defect" in first
    assert [each for each in more if not each.startswith("  ")] == []


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_no_error_tells_a_secret(log_format: LogFormat) -> None:
    secrets = {
        "no host in postgresql+asyncpg://tickgate:{}@db.internal/tickgate": "p4ss/w0rd",
        "no such token: {}": "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "no such key: {}": "tg_0000000000000000000000001aGVsbG8td29ybGQtaGVsbG8td29ybGQ",
        "null value\nDETAIL:  Failing row contains (1, {}).\n[SQL: INSERT]": "$2b$12$\nabc",
    }
    for text, secret in secrets.items():
        message = text.format(secret)
        written = formatter(log_format).format(a_record(message, exc_info=raised(message)))
        assert not any(part in written for part in secret.split("\n"))
        assert text.partition("{}")[0].partition("\n")[0].split("://")[0] in written


def test_what_opentelemetry_complains_of_is_not_repeated() -> None:
    record = a_record("Header format invalid! api-key: hunter2", name="opentelemetry.util.re")
    written = formatter(LogFormat.JSON).format(record)
    assert "hunter2" not in written
    assert "OpenTelemetry complains" in written
