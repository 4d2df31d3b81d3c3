"""Positions in lists, as strangers might make them up."""

import base64
from typing import Final

import httpx
import pytest

from app.domain.range_units.revisions import Exchange, Market
from tests.application import PASSWORD, MemoryApplication
from tests.builders import a_table
from tests.unit.http.api import refusal

LISTS: Final = {
    "users": "/v1/users",
    "markets": "/v1/exchanges/coinone/markets",
    "login log": "/v1/login-log",
    "own login log": "/v1/users/me/login-log",
}
AN_ID: Final = "00000000-0000-0000-0000-000000000001"


def written(*parts: str) -> str:
    return base64.urlsafe_b64encode("\n".join(parts).encode()).decode().rstrip("=")


@pytest.fixture
async def cursors(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str]
) -> dict[str, str]:
    """Give a cursor of each list, of which there is a second page."""
    await application.users.create_user(username="trader", password=PASSWORD)
    await client.post("/v1/auth/login", json={"username": "admin", "password": "wrong"})
    await application.range_units.put_exchange(exchange=Exchange("coinone", "Coinone"))
    for target in ("BTC", "ETH"):
        market = Market("coinone", "KRW", target)
        await application.range_units.put_range_units(market=market, table=a_table(), source="-")
    pages = {
        name: await client.get(path, params={"limit": "1"}, headers=admin)
        for name, path in LISTS.items()
    }
    return {name: page.json()["next_cursor"] for name, page in pages.items()}


@pytest.mark.parametrize("name", LISTS)
async def test_a_cursor_leads_to_what_the_page_before_did_not_show(
    client: httpx.AsyncClient, admin: dict[str, str], cursors: dict[str, str], name: str
) -> None:
    path = LISTS[name]
    everything = (await client.get(path, headers=admin)).json()
    rest = (await client.get(path, params={"cursor": cursors[name]}, headers=admin)).json()
    assert rest["items"] == everything["items"][1:]


NEVER_GIVEN: Final = [
    *("", "=", "x", "커서", "\0", "A" * 10_000),
    *(written("\0"), written("", ""), written("a", "b", "c"), written("KRW\0", "BTC")),
    *(written("2026-01-02T03:04:05+00:00", "7"), written("now", AN_ID)),
    written("9999-12-31T23:59:59-09:00", AN_ID),
]


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.usefixtures("market")
async def test_a_cursor_that_was_never_given_is_refused(
    client: httpx.AsyncClient, admin: dict[str, str], name: str
) -> None:
    answers = {
        cursor: await client.get(LISTS[name], params={"cursor": cursor}, headers=admin)
        for cursor in NEVER_GIVEN
    }
    refused = {cursor: refusal(answer) for cursor, answer in answers.items()}
    assert refused == dict.fromkeys(NEVER_GIVEN, (422, "invalid_cursor"))


@pytest.mark.parametrize(
    ("name", "other"),
    [
        (name, other)
        for name in LISTS
        for other in ("users", "markets", "login log")
        if other not in name  # one's own login log is a part of the whole one, in one order
    ],
)
async def test_a_cursor_of_another_list_is_refused(
    client: httpx.AsyncClient,
    admin: dict[str, str],
    cursors: dict[str, str],
    name: str,
    other: str,
) -> None:
    answer = await client.get(LISTS[name], params={"cursor": cursors[other]}, headers=admin)
    assert refusal(answer) == (422, "invalid_cursor")


@pytest.mark.parametrize("name", LISTS)
async def test_a_cursor_that_was_cut_is_refused_or_leads_somewhere(
    client: httpx.AsyncClient, admin: dict[str, str], cursors: dict[str, str], name: str
) -> None:
    cursor = cursors[name]
    statuses = set()
    for length in range(1, len(cursor), 5):
        query = {"cursor": cursor[:length]}
        statuses.add((await client.get(LISTS[name], params=query, headers=admin)).status_code)
    assert statuses <= {200, 422}


@pytest.mark.parametrize(("year", "shown"), [("0001", 0), ("9999", 2)])
@pytest.mark.usefixtures("cursors")
async def test_a_cursor_may_point_to_any_time(
    client: httpx.AsyncClient, admin: dict[str, str], year: str, shown: int
) -> None:
    query = {"cursor": written(f"{year}-12-31T23:59:59.999999+00:00", AN_ID)}
    answer = await client.get("/v1/login-log", params=query, headers=admin)
    assert (answer.status_code, len(answer.json()["items"])) == (200, shown)
