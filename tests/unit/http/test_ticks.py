from typing import Final

import httpx
import pytest

from app.domain.range_units.grid import Reason
from tests.unit.http.api import MarketClient, faults, refusal

BY: Final = {"effective_from": None, "age_seconds": 0}


# -- ticks -----------------------------------------------------------------------------------


async def test_a_step_goes_a_number_of_ticks(btc: MarketClient) -> None:
    steps = [
        ("999.9", 3, "1002"),
        ("1001", -3, "999.8"),
        ("1000", 0, "1000"),
        ("0.0001", -1, Reason.NOT_POSITIVE),
        ("9999999000", 1, Reason.ABOVE_LAST_BAND),
        ("1", 10**30, Reason.ABOVE_LAST_BAND),
        ("1", -(10**30), Reason.NOT_POSITIVE),
    ]
    for price, ticks, end in steps:
        ends = isinstance(end, Reason)
        stepped, reason = (None, end) if ends else (end, None)
        answer = await btc.post("prices/step", price=price, ticks=ticks)
        by = {"revision_id": answer.json()["revision_id"]} | BY
        assert answer.status_code == 200
        assert answer.json() == by | {
            "price": price,
            "ticks": ticks,
            "stepped": stepped,
            "reason": reason,
            **await band_of(btc, stepped),
        }


async def band_of(market: MarketClient, price: str | None) -> dict[str, str | None]:
    names = ("price_unit", "range_min", "next_range_min")
    facts = {} if price is None else (await market.get(f"prices/{price}")).json()
    return {name: facts.get(name) for name in names}


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


async def test_a_price_that_is_refused_as_off_the_grid_comes_with_all_that_is_known_of_it(
    btc: MarketClient,
) -> None:
    checked = (await btc.get("prices/999.95")).json()
    for answer in (
        await btc.post("prices/step", price="999.95", ticks=1),
        await btc.get("ticks?from=1001&to=999.95"),
    ):
        told = answer.json()["refused_price"]
        names = {"valid", "next_down", "next_up", "grandfathered"}
        expected = {name: value for name, value in checked.items() if name not in names}
        assert told == expected


async def test_a_step_below_or_above_limits_tells_of_the_limits(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    bands = [{"range_min": "1", "price_unit": "1"}]
    cases = {
        ("1", -1): ({}, "below_first_band"),
        ("2", -1): ({"min_price": "2"}, "below_min"),
        ("8", 1): ({"max_price": "8"}, "above_max"),
        ("9", 1): ({"top": "9", "top_rule": "inclusive"}, "above_max"),
    }
    told = {}
    for number, ((price, ticks), (limits, _)) in enumerate(cases.items()):
        market = f"/v1/exchanges/coinone/markets/KRW/T{number}"
        body = {"range_units": bands, "source": "a notice", **limits}
        await client.put(f"{market}/range-units", json=body, headers=coinone)
        answer = await client.post(
            f"{market}/prices/step", json={"price": price, "ticks": ticks}, headers=coinone
        )
        told[price, ticks] = answer.json()["reason"]
    assert told == {asked: reason for asked, (_, reason) in cases.items()}


# -- the ladder ------------------------------------------------------------------------------


async def test_the_ladder_shows_what_is_next_to_a_price(btc: MarketClient) -> None:
    answer = await btc.get("ladder?price=1000.0&levels=2")
    facts = (await btc.get("prices/1000")).json()
    del facts["grandfathered"]
    assert answer.status_code == 200
    assert answer.json() == facts | {"below": ["999.9", "999.8"], "above": ["1001", "1002"]}


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
