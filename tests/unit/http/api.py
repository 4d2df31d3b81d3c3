"""The API as its tests see it: what can be asked of it, and how it refuses."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, NamedTuple

import httpx
from fastapi.routing import iter_route_contexts

from tests.application import MemoryApplication
from tests.unit.range_units.ladders import FOLDER

MARKET: Final = "/v1/exchanges/coinone/markets/KRW/BTC"
INGEST: Final = "/v1/exchanges/coinone/range-units/ingest?quote=KRW&target=BTC"
JSON: Final = {"Content-Type": "application/json"}

NOBODY: Final = "00000000-0000-0000-0000-00000000ffff"
"""An id that nothing has."""

_IN_A_PATH: Final = {
    "exchange": "coinone",
    "quote": "KRW",
    "target": "BTC",
    "price": "1000",
    "key_id": NOBODY,
    "user_id": NOBODY,
    "session_id": NOBODY,
    "revision_id": NOBODY,
    "job_id": NOBODY,
    "payload_id": NOBODY,
}


class Operation(NamedTuple):
    """A method of a path, such as `GET /v1/users/{user_id}`."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def url(self, **other: str) -> str:
        """Fill the path's parameters in."""
        return re.sub(r"{(\w+)}", lambda name: (_IN_A_PATH | other)[name[1]], self.path)


_APP: Final = MemoryApplication().http()
DOCUMENT: Final = _APP.openapi()


def _operations() -> Iterator[Operation]:
    for route in iter_route_contexts(_APP.routes):
        # A route of no methods, such as a mounted application, must not escape the tests, either.
        for method in route.methods or {"GET"}:
            yield Operation(method, str(route.path))


OPERATIONS: Final = sorted(_operations())
OPEN: Final = {
    "GET /livez",
    "GET /readyz",
    "HEAD /livez",
    "HEAD /readyz",
    "GET /metrics",
    "GET /openapi.json",
    "HEAD /openapi.json",
    "GET /docs",
    "GET /redoc",
    "GET /docs/files/{name}",
    "GET /.well-known/jwks.json",
    "POST /v1/auth/login",
    "POST /v1/auth/mfa",
    "POST /v1/auth/refresh",
    "POST /v1/auth/reset",
}
GUARDED: Final = [operation for operation in OPERATIONS if str(operation) not in OPEN]


class MarketClient(NamedTuple):
    """A client that asks about one market, as a user who may."""

    client: httpx.AsyncClient
    user: dict[str, str]
    path: str

    async def get(self, question: str, query: dict[str, str] | None = None) -> httpx.Response:
        url = f"{self.path}/{question}"
        return await self.client.get(url, params=query, headers=self.user)

    async def post(self, question: str, **body: object) -> httpx.Response:
        return await self.client.post(f"{self.path}/{question}", json=body, headers=self.user)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Give the status and the code of an answer that is a problem."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def faults(answer: httpx.Response) -> dict[str, str]:
    """Give what a problem says is wrong, by the path of the field."""
    return {fault["field"]: fault["message"] for fault in answer.json()["errors"]}


def table_file(name: str) -> dict[str, Any]:
    """Give the body that states a bundled table."""
    content: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_bytes())
    taken = ("boundary", "anchor", "top", "top_rule", "effective_from", "source")
    return {"range_units": content["bands"], **{field: content[field] for field in taken}}


class Chunks(httpx.AsyncByteStream):
    """A body in pieces, which counts how many of them were asked for.

    It is no generator, as httpx makes one of every other body: Trio warns of a generator that is
    left half-way, and that is what becomes of a body that is refused for its size.
    """

    def __init__(self, *chunks: bytes) -> None:
        self.read = 0
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self.read == len(self._chunks):
            raise StopAsyncIteration
        self.read += 1
        return self._chunks[self.read - 1]


async def send(  # noqa: PLR0913 - a request
    client: httpx.AsyncClient,
    method: str,
    path: str,
    body: Chunks,
    headers: dict[str, str] | None = None,
    *,
    length: bytes | None = None,
) -> httpx.Response:
    """Send a body of JSON, whose length is announced only as it is said."""
    fields = [(b"Content-Type", b"application/json")]
    fields += [(name.encode(), text.encode()) for name, text in (headers or {}).items()]
    fields += [] if length is None else [(b"Content-Length", length)]
    url = client.base_url.join(path)
    return await client.send(httpx.Request(method, url, headers=fields, stream=body))
