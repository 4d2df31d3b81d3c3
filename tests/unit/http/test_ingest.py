from datetime import timedelta
from typing import Any, Final

import httpx
import pytest

from tests.application import MemoryApplication
from tests.unit.http.api import INGEST, MARKET, faults, refusal


def reply(*bands: tuple[str, str, str]) -> bytes:
    """Write what Coinone replies; numbers are not strings there."""
    shown = ",".join(
        f'{{"range_min":{low},"next_range_min":{high},"price_unit":{unit}}}'
        for low, high, unit in bands
    )
    return f'{{"result":"success","error_code":"0","range_price_units":[{shown}]}}'.encode()


GOOD: Final = reply(("0", "1000", "0.1"), ("1000", "10000000000", "1"))
FINER: Final = reply(("0", "1000", "1.0E-2"), ("1000", "10000000000", "1"))


async def ingest(
    client: httpx.AsyncClient, admin: dict[str, str], payload: bytes, url: str = INGEST
) -> httpx.Response:
    return await client.post(url, content=payload, headers=admin)


async def served(client: httpx.AsyncClient, admin: dict[str, str]) -> dict[str, Any]:
    answer: dict[str, Any] = (await client.get(f"{MARKET}/range-units", headers=admin)).json()
    return answer


SENTINEL: Final = {
    "market": "coinone KRW/BTC",
    "code": "sentinel_top",
    "position": 1,
    "message": "top 10000000000 looks like a sentinel for no end",
}


def counts(**counted: int) -> dict[str, Any]:
    none = {"attempted": 1, "inserted": 0, "updated": 0, "unchanged": 0, "rejected": 0}
    return none | {"checked": 0, "rejections": [], "lint": [SENTINEL]} | counted


async def test_what_becomes_of_each_reply_is_counted(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    answers = [await ingest(client, coinone, payload) for payload in (GOOD, GOOD, FINER)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert [answer.json() for answer in answers] == [
        counts(inserted=1),
        counts(unchanged=1),
        counts(updated=1),
    ]


async def test_a_reply_is_in_force_from_now_on(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    await ingest(client, coinone, GOOD)
    units = await served(client, coinone)
    assert units["effective_from"] == "2026-01-02T03:04:05.678901Z"
    assert units["source"] == "a reply handed in by admin"
    assert units["range_units"] == [
        {"range_min": "0", "next_range_min": "1000", "price_unit": "0.1"},
        {"range_min": "1000", "next_range_min": "10000000000", "price_unit": "1"},
    ]


async def test_a_late_reply_is_handed_in_with_when_it_was_got(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    await ingest(client, coinone, GOOD)
    before = await served(client, coinone)
    late = f"{INGEST}&observed_at=2026-01-02T00:00:00%2B09:00"
    assert (await ingest(client, coinone, FINER, late)).json() == counts(inserted=1)
    assert await served(client, coinone) == before
    then = await client.get(f"{MARKET}/range-units?as_of=2026-01-02T01:00:00Z", headers=coinone)
    assert then.json()["effective_from"] == "2026-01-01T15:00:00Z"
    for instant, code in {
        "2026-01-02T03:04:05.678902Z": "observed_in_future",
        "2026-01-02": "invalid_request",
    }.items():
        answer = await ingest(client, coinone, GOOD, f"{INGEST}&observed_at={instant}")
        assert refusal(answer) == (422, code)


async def test_the_same_reply_again_only_confirms(
    application: MemoryApplication, client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    await ingest(client, coinone, GOOD)
    before = await served(client, coinone)
    application.clock.advance(timedelta(minutes=1))
    await ingest(client, coinone, GOOD)
    after = await served(client, coinone)
    assert after == before | {"last_seen": "2026-01-02T03:05:05.678901Z"}


REJECTED: Final = {
    "an error": b'{"result":"error","error_code":"108","error_msg":"Unknown CryptoCurrency"}',
    "no bands": reply(),
    "HTML": b"<html></html>",
    "nothing": b"",
    "no JSON": b'{"result"',
    "no UTF-8": b"\xff",
    "NaN": reply(("0", "1000", "NaN")),
    "strings": reply(("0", "1000", '"0.1"')),
    "deeply nested": b"[" * 100_000,
    "a huge number": reply(("0", "9" * 5000, "1")),
    "lone surrogates": rb'{"result":"error","error_msg":"\ud800","\ud800":1}',
    "a gap": reply(("0", "10", "1"), ("20", "30", "1")),
    "an overlap": reply(("0", "20", "1"), ("10", "30", "1")),
    "a duplicate": reply(("0", "10", "1"), ("0", "10", "1")),
    "a unit of zero": reply(("0", "10", "0")),
}


async def test_a_reply_without_a_trustworthy_table_is_rejected_with_its_reasons(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    for name, payload in REJECTED.items():
        answer = await ingest(client, coinone, payload)
        problem = answer.json()
        assert refusal(answer) == (422, "payload_rejected"), name
        assert (problem["attempted"], problem["rejected"]) == (1, 1), name
        rejections = problem["rejections"]
        assert {rejection["market"] for rejection in rejections} == {"coinone KRW/BTC"}, name
        assert all(rejection["reason"] for rejection in rejections), name


async def test_every_fault_of_a_reply_is_listed_at_its_place(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    answer = await ingest(client, coinone, reply(("0", "10", "0"), ("20", "30", "-1")))
    reasons = [rejection["reason"] for rejection in answer.json()["rejections"]]
    assert [reason.partition(":")[0] for reason in reasons] == list(faults(answer))
    assert list(faults(answer)) == [
        "range_price_units[0].price_unit",
        "range_price_units[1].price_unit",
        "range_price_units[1].range_min",
    ]


async def test_a_rejected_reply_leaves_the_last_good_revision(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    await ingest(client, coinone, GOOD)
    before = await served(client, coinone)
    await ingest(client, coinone, REJECTED["a gap"])
    assert await served(client, coinone) == before


async def test_a_reply_about_an_unknown_exchange_is_not_taken(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    assert refusal(await ingest(client, admin, GOOD)) == (404, "unknown_exchange")


async def test_a_reply_of_an_exchange_whose_form_is_not_known_is_not_taken(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    await client.put("/v1/exchanges/bithumb", json={"name": "Bithumb"}, headers=admin)
    answer = await ingest(client, admin, GOOD, INGEST.replace("coinone", "bithumb"))
    assert refusal(answer) == (404, "no_payload_format")


@pytest.mark.parametrize(
    ("query", "code", "wrong"),
    [
        ("", "invalid_request", ["quote", "target"]),
        ("?quote=KRW", "invalid_request", ["target"]),
        ("?quote=KRW&target=B%2FC", "invalid_code", ["target"]),
        ("?quote=*&target=%00", "invalid_code", ["quote", "target"]),
    ],
)
async def test_a_reply_needs_the_market_that_was_asked_about(
    client: httpx.AsyncClient, coinone: dict[str, str], query: str, code: str, wrong: list[str]
) -> None:
    answer = await ingest(client, coinone, GOOD, INGEST.partition("?")[0] + query)
    assert (refusal(answer), list(faults(answer))) == ((422, code), wrong)


async def test_a_reply_is_taken_under_any_media_type(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    headers = coinone | {"Content-Type": "text/plain"}
    assert (await ingest(client, headers, GOOD)).json() == counts(inserted=1)


BINANCE: Final = "/v1/exchanges/binance"
SEVERAL: Final = b"""{"symbols": [
    {"baseAsset": "ETH", "quoteAsset": "BTC", "filters": [{"filterType": "PRICE_FILTER",
        "minPrice": "0.10", "maxPrice": "2.0", "tickSize": "0.000"}]},
    {"baseAsset": "ETH", "quoteAsset": "USDT", "filters": []},
    {"baseAsset": "BTC", "quoteAsset": "USDT", "filters": [{"filterType": "PRICE_FILTER",
        "minPrice": "-1", "maxPrice": "x", "tickSize": "1"}]}
]}"""


async def test_one_bad_market_of_a_reply_does_not_stop_the_others(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    await client.put(BINANCE, json={"name": "Binance"}, headers=admin)
    url = f"{BINANCE}/range-units/ingest?quote=BTC&target=ETH"
    answer = (await ingest(client, admin, SEVERAL, url)).json()
    rejections = answer.pop("rejections")
    assert answer == {
        "attempted": 3,
        "inserted": 1,
        "updated": 0,
        "unchanged": 0,
        "rejected": 2,
        "checked": 0,
        "lint": [],
    }
    assert [rejection["market"] for rejection in rejections] == [
        "binance USDT/ETH",
        "binance USDT/BTC",
    ]
    markets = (await client.get(f"{BINANCE}/markets", headers=admin)).json()["items"]
    assert markets == [{"quote_currency": "BTC", "target_currency": "ETH"}]


async def test_a_market_without_a_tick_rule_answers_by_its_limits_alone(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    await client.put(BINANCE, json={"name": "Binance"}, headers=admin)
    await ingest(client, admin, SEVERAL, f"{BINANCE}/range-units/ingest?quote=BTC&target=ETH")
    market = f"{BINANCE}/markets/BTC/ETH"
    units = (await client.get(f"{market}/range-units", headers=admin)).json()
    assert (units["range_units"], units["min_price"], units["max_price"]) == ([], "0.1", "2")
    answers = {}
    for price in ("0.123456789", "0.09", "2.5", "0"):
        answer = (await client.get(f"{market}/prices/{price}", headers=admin)).json()
        names = ("valid", "reason", "floor", "ceil", "next_up")
        answers[price] = [answer[name] for name in names]
    assert answers == {
        "0.123456789": [True, "no_tick_rule", "0.123456789", "0.123456789", None],
        "0.09": [False, "below_min", None, "0.1", None],
        "2.5": [False, "above_max", "2", None, None],
        "0": [False, "not_positive", None, "0.1", None],
    }
    body = {"prices": ["1.2345"], "direction": "nearest"}
    rounded = await client.post(f"{market}/prices/round", json=body, headers=admin)
    [result] = rounded.json()["results"]
    assert (result["rounded"], result["changed"], result["reason"]) == ("1.2345", False, None)
    step = await client.post(
        f"{market}/prices/step", json={"price": "1", "ticks": 1}, headers=admin
    )
    assert refusal(step) == (422, "price_off_grid")
    assert step.json()["refused_price"]["reason"] == "no_tick_rule"
