"""Who may read the metrics, and what of a request they hold."""

import httpx
import pytest
from starlette.types import ASGIApp

from app.adapters.http.metrics import Metrics, metrics_app
from tests.unit.http.api import refusal
from tests.unit.http.conftest import Stage

TOKEN = "a token of sixteen or more"


async def write(accepted: str) -> tuple[bytes, str]:
    return f"all is well for {accepted}".encode(), "text/plain; version=0.0.4"


@pytest.fixture
def stage(stage: Stage) -> Stage:
    stage.metrics = Metrics(write, TOKEN)
    return stage


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_whoever_has_the_token_reads_the_metrics(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics", headers=bearing(TOKEN) | {"Accept": "text/html"})
    assert (answer.status_code, answer.text) == (200, "all is well for text/html")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4"
    assert answer.headers["cache-control"] == "no-store"


async def test_nobody_else_does(client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    wrong = [
        httpx.Headers(headers)
        for headers in ({}, admin, bearing(TOKEN[:-1]), {"Authorization": f"Basic {TOKEN}"})
    ]
    wrong.append(httpx.Headers({b"Authorization": b"Bearer \xff\xfe"}))
    answers = [await client.get("/metrics", headers=headers) for headers in wrong]
    assert {refusal(answer) for answer in answers} == {(401, "invalid_metrics_token")}
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}


@pytest.mark.parametrize("metrics", [None, Metrics(write, None)])
async def test_without_a_token_there_are_none_on_the_port_of_the_api(
    stage: Stage, client: httpx.AsyncClient, metrics: Metrics | None
) -> None:
    stage.app.state.metrics = metrics
    assert refusal(await client.get("/metrics")) == (404, "no_metrics")


async def asked(app: ASGIApp, headers: dict[str, str]) -> tuple[int, str]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://metrics.test") as client:
        answer = await client.get("/metrics", headers=headers)
    return answer.status_code, answer.text


async def test_on_a_port_of_their_own_they_need_a_token_where_one_is_set() -> None:
    open_to_all, guarded = metrics_app(Metrics(write, None)), metrics_app(Metrics(write, TOKEN))
    assert await asked(open_to_all, {"Accept": "x"}) == (200, "all is well for x")
    assert await asked(guarded, bearing(TOKEN) | {"Accept": "x"}) == (200, "all is well for x")
    assert (await asked(guarded, bearing("wrong")))[0] == 401


async def test_a_request_is_told_in_words_of_which_there_are_only_so_many(
    stage: Stage, client: httpx.AsyncClient, user: dict[str, str], market: str
) -> None:
    stage.told.clear()
    for price in ("5003", "nonsense"):
        await client.get(f"{market}/prices/{price}", headers=user)
    await client.get("/made/up", headers=user)
    await client.request("MADE-UP", "/livez")
    price = "/v1/exchanges/{exchange}/markets/{quote}/{target}/prices/{price}"
    told = [(each.method, each.route, each.status) for each in stage.told]
    assert told[:3] == [("GET", price, 200), ("GET", price, 422), ("GET", None, 404)]
    assert (told[3][0], told[3][2]) == ("OTHER", 405)
    assert min(each.seconds for each in stage.told) > 0
