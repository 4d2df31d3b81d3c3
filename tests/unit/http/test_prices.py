from datetime import timedelta
from typing import Final

import pytest

from tests.application import MemoryApplication
from tests.unit.http.api import MarketClient, faults, refusal

BY: Final = {"effective_from": None, "age_seconds": 0}


# -- one price -------------------------------------------------------------------------------


async def test_a_valid_price_is_answered_in_full(btc: MarketClient) -> None:
    answer = await btc.get("prices/5005.00")
    assert answer.status_code == 200
    assert answer.json() == BY | {
        "price": "5005",
        "valid": True,
        "reason": None,
        "floor": "5005",
        "ceil": "5005",
        "next_down": "5000",
        "next_up": "5010",
        "price_unit": "5",
        "range_min": "5000",
        "next_range_min": "10000",
        "grandfathered": None,
        "revision_id": answer.json()["revision_id"],
    }


async def test_a_refused_price_is_answered_in_full(btc: MarketClient) -> None:
    answer = await btc.get("prices/0")
    assert answer.status_code == 200
    assert answer.json() == BY | {
        "price": "0",
        "valid": False,
        "reason": "not_positive",
        "floor": None,
        "ceil": "0.0001",
        "next_down": None,
        "next_up": "0.0001",
        "price_unit": None,
        "range_min": None,
        "next_range_min": None,
        "grandfathered": None,
        "revision_id": answer.json()["revision_id"],
    }


async def test_an_answer_names_the_revision_that_it_goes_by(btc: MarketClient) -> None:
    units = (await btc.get("range-units")).json()
    answer = (await btc.get("prices/1")).json()
    assert answer["revision_id"] == units["revision_id"]


async def test_an_answer_tells_how_old_what_is_known_is(
    application: MemoryApplication, btc: MarketClient
) -> None:
    application.clock.advance(timedelta(seconds=90, microseconds=1))
    answer = await btc.get("prices/1")
    assert answer.json()["age_seconds"] == 90


@pytest.mark.parametrize("price", ["5E3", "5e+3", "5000.0", "50000e-1"])
async def test_a_price_may_be_written_with_an_exponent(btc: MarketClient, price: str) -> None:
    answer = await btc.get(f"prices/{price}")
    assert answer.json()["price"] == "5000"


@pytest.mark.parametrize("question", ["prices/1", "ticks?from=1&to=2", "ladder?price=1"])
async def test_prices_of_an_unknown_market_are_unknown_too(
    btc: MarketClient, question: str
) -> None:
    eth = btc._replace(path=btc.path.replace("BTC", "ETH"))
    answer = await eth.get(question)
    assert refusal(answer) == (404, "unknown_market")


# -- many prices -----------------------------------------------------------------------------


async def test_many_prices_are_checked_as_one_is(btc: MarketClient) -> None:
    prices = ["5003", "0.3", "10000000000", "5003"]
    singles = [(await btc.get(f"prices/{price}")).json() for price in prices]
    by = {name: singles[0][name] for name in ("revision_id", "effective_from", "age_seconds")}
    results = [{name: one[name] for name in one.keys() - by} for one in singles]
    answer = await btc.post("prices/check", prices=prices)
    assert (answer.status_code, answer.json()) == (200, by | {"results": results})


async def test_prices_are_rounded_in_the_order_asked(btc: MarketClient) -> None:
    prices = ["5003", "5005.0", "0"]
    answer = await btc.post("prices/round", prices=prices, direction="down")
    assert answer.status_code == 200
    assert answer.json() == BY | {
        "revision_id": answer.json()["revision_id"],
        "results": [
            {"price": "5003", "rounded": "5000", "changed": True, "reason": "off_tick"},
            {"price": "5005", "rounded": "5005", "changed": False, "reason": None},
            {"price": "0", "rounded": None, "changed": True, "reason": "not_positive"},
        ],
    }


@pytest.mark.parametrize(
    ("side", "intent", "rounded"),
    [
        ("buy", "passive", "5000"),
        ("buy", "aggressive", "5005"),
        ("sell", "passive", "5005"),
        ("sell", "aggressive", "5000"),
    ],
)
async def test_the_price_of_an_order_gives_way_as_it_is_meant(
    btc: MarketClient,
    side: str,
    intent: str,
    rounded: str,
) -> None:
    order = {"prices": ["5001"], "side": side, "intent": intent}
    answer = await btc.post("prices/round", **order)
    assert answer.json()["results"][0]["rounded"] == rounded


@pytest.mark.parametrize(
    ("ties", "rounded"),
    [
        ({}, "1001"),
        ({"ties": "up"}, "1001"),
        ({"ties": "down"}, "1000"),
        ({"ties": "even"}, "1000"),
    ],
    ids=str,
)
async def test_a_price_half_way_goes_up_unless_it_is_said(
    btc: MarketClient,
    ties: dict[str, str],
    rounded: str,
) -> None:
    asked = {"prices": ["1000.5"], "direction": "nearest"} | ties
    answer = await btc.post("prices/round", **asked)
    assert answer.json()["results"][0]["rounded"] == rounded


async def test_where_to_round_must_be_said_once(btc: MarketClient) -> None:
    wrong: list[dict[str, str]] = [
        {},
        {"side": "buy"},
        {"intent": "passive"},
        {"direction": "down", "side": "buy", "intent": "passive"},
        {"direction": "down", "side": "buy"},
        {"direction": "down", "ties": "up"},
        {"side": "buy", "intent": "passive", "ties": "up"},
        {"direction": "sideways"},
        {"direction": "DOWN"},
        {"direction": "nearest", "ties": "odd"},
    ]
    for where in wrong:
        answer = await btc.post("prices/round", prices=["1"], **where)
        assert refusal(answer) == (422, "invalid_request"), where


@pytest.mark.parametrize(
    ("question", "count", "status"),
    [
        ("check", 0, 422),
        ("check", 1, 200),
        ("check", 10_001, 422),
        ("round", 0, 422),
        ("round", 10_000, 200),
        ("round", 10_001, 422),
    ],
)
async def test_up_to_ten_thousand_prices_are_answered_at_once(
    btc: MarketClient,
    question: str,
    count: int,
    status: int,
) -> None:
    where = {"direction": "down"} if question == "round" else {}
    body = {"prices": ["116455500"] * count} | where
    answer = await btc.post(f"prices/{question}", **body)
    found = len(answer.json()["results"] if status == 200 else faults(answer))
    assert (answer.status_code, found) == (status, count if status == 200 else 1)


async def test_a_rounding_is_explained_by_what_a_check_says_of_the_price(btc: MarketClient) -> None:
    prices = ["999.95", "1000", "0"]
    checked = (await btc.post("prices/check", prices=prices)).json()["results"]
    asked = {"prices": prices, "direction": "down"}
    plain = (await btc.post("prices/round", **asked)).json()
    explained = (await btc.post("prices/round", **asked, explain=True)).json()
    for each in checked:
        del each["grandfathered"]
    assert [each.pop("facts") for each in explained["results"]] == checked
    assert explained == plain
