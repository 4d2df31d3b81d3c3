"""What the service's own log says of a request, and what it never says."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.bootstrap.logs import formatter
from app.settings import LogFormat
from tests.application import PASSWORD, MemoryApplication

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Lines(logging.Handler):
    """Keeps what is logged, as it would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(formatter(LogFormat.JSON))
        self.written: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.written.append(self.format(record))

    def requests(self) -> list[dict[str, Any]]:
        return [line for line in map(json.loads, self.written) if line["event"] == "request"]


@pytest.fixture
def lines() -> Iterator[Lines]:
    logger, handler = logging.getLogger("tickgate"), Lines()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
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
    assert line.pop("principal") is not None
    assert line == {
        "event": "request",
        "level": "info",
        "logger": "tickgate.request",
        "request_id": "order-1",
        "method": "GET",
        "route": "/v1/exchanges/{exchange}/markets/{quote}/{target}/prices/{price}",
        "status": 200,
        "client": "203.0.113.7",
    }


async def test_the_trace_of_a_request_is_carried_into_its_line(
    client: httpx.AsyncClient, lines: Lines
) -> None:
    sent = (
        f"00-{TRACE}-b7ad6b7169203331-01",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"ff-{TRACE}-b7ad6b7169203331-01",
        f"00-{TRACE}\n-b7ad6b7169203331-01",
    )
    for traceparent in sent:
        await client.get("/livez", headers={b"traceparent": traceparent.encode()})
    assert [line.get("trace_id") for line in lines.requests()] == [TRACE, None, None, None]


async def test_a_line_holds_nothing_that_a_client_made_up(
    client: httpx.AsyncClient, lines: Lines
) -> None:
    headers = {"User-Agent": "evil", "X-Request-ID": "evil\u001b[2J", "Referer": "evil"}
    await client.request("EVIL", "/evil/%0Aevil?evil=evil", headers=headers, content=b"evil")
    assert [line for line in lines.written if "evil" in line.lower()] == []


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


def a_record(message: str, **fields: object) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": message, "levelname": "INFO", "name": "any", **fields})


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_no_message_and_no_field_breaks_its_line(log_format: LogFormat) -> None:
    hostile = "first\r\nsecond\x1b[2J\u2028third\x00\ud800"
    line = formatter(log_format).format(a_record(hostile, field=hostile))
    assert line.isprintable()
