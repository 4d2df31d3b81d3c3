from typing import Final

import pytest

from tests.unit.http.api import MarketClient, faults, refusal

BY: Final = {"effective_from": None, "age_seconds": 0}


# -- ticks -----------------------------------------------------------------------------------


async def test_a_step_goes_a_number_of_ticks(btc: MarketClient) -> None:
    steps = [
        ("999.9", 3, "1002"),
        ("1001", -3, "999.8"),
        ("1000", 0, "1000"),
        ("0.0001", -1, None),
        ("9999999000", 1, None),
        ("1", 10**30, None),
        ("1", -(10**30), None),
    ]
    for price, ticks, stepped in steps:
        answer = await btc.post("prices/step", price=price, ticks=ticks)
        by = {"revision_id": answer.json()["revision_id"]} | BY
        assert answer.status_code == 200
        assert answer.json() == by | {"price": price, "ticks": ticks, "stepped": stepped}


async def test_ticks_are_a_whole_number_within_bounds(btc: MarketClient) -> None:
    hostile: list[object] = ["1", 1.0, 1.5, True, None, [], 10**30 + 1, -(10**31)]
    for ticks in hostile:
        answer = await btc.post("prices/step", price="1", ticks=ticks)
        assert (*refusal(answer), *faults(answer)) == (422, "invalid_request", "ticks"), ticks


@pytest.mark.parametrize(
    ("start", "end", "ticks"),
    [("999.9", "1001", 2), ("1001", "999.9", -2), ("0.0001", "1000000", 51999), ("1", "1", 0)],
)
async def test_ticks_are_counted(btc: MarketClient, start: str, end: str, ticks: int) -> None:
    query = {"from": start, "to": end}
    answer = await btc.get("ticks", query)
    by = {"revision_id": answer.json()["revision_id"]} | BY
    assert (answer.status_code, answer.json()) == (200, by | query | {"ticks": ticks})


@pytest.mark.parametrize("query", ["from=999.95&to=1001", "from=1001&to=999.95", "from=0&to=1"])
async def test_ticks_are_not_counted_off_the_grid(btc: MarketClient, query: str) -> None:
    answer = await btc.get(f"ticks?{query}")
    assert refusal(answer) == (422, "price_off_grid")


async def test_no_step_starts_off_the_grid(btc: MarketClient) -> None:
    answer = await btc.post("prices/step", price="999.95", ticks=1)
    assert refusal(answer) == (422, "price_off_grid")


# -- the ladder ------------------------------------------------------------------------------


async def test_the_ladder_shows_what_is_next_to_a_price(btc: MarketClient) -> None:
    answer = await btc.get("ladder?price=1000.0&levels=2")
    by = {"revision_id": answer.json()["revision_id"]} | BY
    assert answer.status_code == 200
    assert answer.json() == by | {
        "price": "1000",
        "below": ["999.9", "999.8"],
        "above": ["1001", "1002"],
    }


@pytest.mark.parametrize(("query", "levels"), [("", 10), ("&levels=1", 1), ("&levels=1000", 1000)])
async def test_the_ladder_has_ten_levels_unless_it_is_said(
    btc: MarketClient, query: str, levels: int
) -> None:
    answer = (await btc.get(f"ladder?price=1000000{query}")).json()
    assert (len(answer["below"]), len(answer["above"])) == (levels, levels)


@pytest.mark.parametrize("levels", ["0", "1001", "-1", "many", ""])
async def test_the_ladder_has_between_one_and_a_thousand_levels(
    btc: MarketClient, levels: str
) -> None:
    query = {"price": "1", "levels": levels}
    answer = await btc.get("ladder", query)
    assert (refusal(answer), list(faults(answer))) == ((422, "invalid_request"), ["levels"])
