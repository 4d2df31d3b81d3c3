from typing import Any, Final

import httpx
import pytest

from app.domain.range_units.revisions import Market
from tests.application import MemoryApplication
from tests.builders import a_table
from tests.unit.http.api import faults, refusal

EXCHANGES: Final = "/v1/exchanges"
MARKETS: Final = "/v1/exchanges/coinone/markets"


async def put(
    client: httpx.AsyncClient, admin: dict[str, str], code: str, **fields: Any
) -> httpx.Response:
    return await client.put(f"{EXCHANGES}/{code}", json=fields, headers=admin)


# -- exchanges -------------------------------------------------------------------------------


async def test_an_exchange_is_added(client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    answer = await put(client, admin, "upbit", name="Upbit", time_zone="Asia/Seoul")
    assert answer.status_code == 201
    assert answer.json() == {"exchange": "upbit", "name": "Upbit", "time_zone": "Asia/Seoul"}


async def test_an_exchange_is_in_utc_unless_it_is_said(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    answer = await put(client, admin, "okx", name="OKX")
    assert answer.json()["time_zone"] == "UTC"


async def test_an_exchange_is_renamed(client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    await put(client, admin, "upbit", name="Up")
    answer = await put(client, admin, "UPBIT", name="업비트", time_zone="Asia/Seoul")
    assert answer.status_code == 200
    assert answer.json() == {"exchange": "upbit", "name": "업비트", "time_zone": "Asia/Seoul"}


async def test_pages_of_exchanges_have_every_exchange_once(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    codes = ["a", "b", "c", "d", "e"]
    for code in codes:
        await put(client, admin, code, name=code)
    listed: list[str] = []
    part: dict[str, str] = {"limit": "2"}
    while part:
        page = (await client.get(EXCHANGES, params=part, headers=admin)).json()
        listed += [item["exchange"] for item in page["items"]]
        part = {"limit": "2", "cursor": page["next_cursor"]} if page["next_cursor"] else {}
    assert listed == codes


async def test_exchanges_are_listed_by_code(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    for code in ("upbit", "okx"):
        await put(client, admin, code, name=code.upper())
    answer = await client.get(EXCHANGES, headers=admin)
    assert answer.status_code == 200
    assert answer.json() == {
        "items": [
            {"exchange": "okx", "name": "OKX", "time_zone": "UTC"},
            {"exchange": "upbit", "name": "UPBIT", "time_zone": "UTC"},
        ],
        "next_cursor": None,
    }


async def test_an_exchange_has_a_code_that_is_spelled_like_one(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    for code in ("-upbit", "up bit", "a" * 33, "업비트", "u.b", "%00", "\u017f"):
        answer = await put(client, admin, code, name="Upbit")
        assert (*refusal(answer), *faults(answer)) == (422, "invalid_code", "exchange"), code


async def test_an_exchange_has_a_name(client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    for name in ("", "x" * 101, None, 1, ["Upbit"]):
        answer = await put(client, admin, "upbit", name=name)
        assert (*refusal(answer), *faults(answer)) == (422, "invalid_request", "name"), name


async def test_a_time_zone_is_one_of_the_iana_database(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    no_zone = {"time_zone": "is not a time zone of the IANA database"}
    for name in ("", "Nowhere/City", "KST+9", "Asia", "../UTC", "/UTC", "Asia/Seoul\0", "서울"):
        answer = await put(client, admin, "upbit", name="Upbit", time_zone=name)
        assert (refusal(answer), faults(answer)) == ((422, "invalid_request"), no_zone), name


# -- markets ---------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
@pytest.mark.usefixtures("market")
async def test_markets_are_listed_by_quote_and_target(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str], limit: int
) -> None:
    for quote, target in (("KRW", "ETH"), ("BTC", "XRP"), ("KRW", "*")):
        await application.range_units.put_range_units(
            market=Market("coinone", quote, target), table=a_table(), source="a notice"
        )
    listed, query = [], {"limit": str(limit)}
    while True:
        page = (await client.get(MARKETS, params=query, headers=admin)).json()
        listed += [(one["quote_currency"], one["target_currency"]) for one in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert listed == [("BTC", "XRP"), ("KRW", "*"), ("KRW", "BTC"), ("KRW", "ETH")]


@pytest.mark.usefixtures("market")
async def test_a_market_is_shown_in_full(client: httpx.AsyncClient, user: dict[str, str]) -> None:
    answer = await client.get(MARKETS, headers=user)
    assert answer.json() == {
        "items": [{"quote_currency": "KRW", "target_currency": "BTC"}],
        "next_cursor": None,
    }


@pytest.mark.parametrize(
    ("exchange", "refused"),
    [("upbit", (404, "unknown_exchange")), ("up bit", (422, "invalid_code"))],
)
async def test_an_exchange_that_is_not_there_has_no_markets(
    client: httpx.AsyncClient, user: dict[str, str], exchange: str, refused: tuple[int, str]
) -> None:
    answer = await client.get(f"{EXCHANGES}/{exchange}/markets", headers=user)
    assert refusal(answer) == refused
