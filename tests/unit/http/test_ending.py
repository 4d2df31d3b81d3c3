"""What clients see of a process that has been told to stop."""

from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import httpx
import pytest
from anyio import Event, create_task_group, fail_after
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from app.adapters.http.ending import Ending
from tests.application import MemoryApplication, client_of
from tests.unit.http.api import refusal


class Slow:
    """An API with a request that takes for ever, and an answer that never ends."""

    def __init__(self) -> None:
        self.app: FastAPI = MemoryApplication().http()
        self.ending: Ending = self.app.state.ending
        self.has_begun = Event()
        self.app.get("/slow")(self._never)
        self.app.get("/endless")(self._endless)

    async def _never(self) -> None:
        self.has_begun.set()
        await Event().wait()

    async def _endless(self) -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            yield "first\n"
            await self._never()

        return StreamingResponse(lines())


@pytest.fixture
def slow() -> Slow:
    return Slow()


async def test_a_process_that_was_told_to_stop_is_alive_and_not_ready(slow: Slow) -> None:
    async with client_of(slow.app) as client:
        for path in ("/livez", "/readyz"):
            assert (await client.head(path)).status_code == 200
        slow.ending.tell()
        answer = await client.get("/readyz")
        assert refusal(answer) == (503, "stopping")
        assert answer.headers["Retry-After"] == "1"
        assert (await client.head("/readyz")).status_code == 503
        assert (await client.head("/livez")).status_code == 200


async def test_once_told_to_stop_it_asks_its_clients_to_connect_anew(slow: Slow) -> None:
    async with client_of(slow.app) as client:
        before = await client.get("/livez")
        slow.ending.tell()
        after = await client.get("/livez")
    assert ("Connection" in before.headers, after.headers["Connection"]) == (False, "close")


async def test_what_is_not_answered_in_time_is_told_to_come_again(slow: Slow) -> None:
    answers: list[httpx.Response] = []

    async def ask() -> None:
        answers.append(await client.get("/slow"))

    async with client_of(slow.app) as client:
        async with create_task_group() as tasks:
            tasks.start_soon(ask)
            await slow.has_begun.wait()
            slow.ending.tell()
            assert answers == []
            slow.ending.hurry()
        answers.append(await client.get("/slow"))
    assert [refusal(answer) for answer in answers] == [(503, "stopping")] * 2
    assert [answer.headers["Retry-After"] for answer in answers] == ["1", "1"]


async def test_an_answer_that_has_begun_breaks_off_rather_than_seem_whole(slow: Slow) -> None:
    sent: list[str] = []

    async def receive() -> MutableMapping[str, Any]:
        await Event().wait()
        raise NotImplementedError

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(f"{message['type']} {message.get('more_body')}")
        if message.get("body"):
            slow.ending.hurry()

    scope = {"type": "http", "method": "GET", "path": "/endless", "headers": []}
    async with client_of(slow.app):
        with fail_after(5):
            await slow.app({**scope, "query_string": b""}, receive, send)
    assert sent == ["http.response.start None", "http.response.body True"]
