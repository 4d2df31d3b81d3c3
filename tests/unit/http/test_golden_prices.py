"""Prices whose answers are known, asked over HTTP on tables that were stated over HTTP.

Each row begins with its number in the list of golden cases.
"""

from typing import Any, Final

import httpx
import pytest

from tests.unit.http.api import MARKET, table_file

START: Final = {"effective_from": "2020-01-01T00:00:00+09:00"}
CD: Final = "coinone-krw-documented"


async def stated(
    client: httpx.AsyncClient, coinone: dict[str, str], name: str, **fields: Any
) -> None:
    body = table_file(name) | fields
    answer = await client.put(f"{MARKET}/range-units", json=body, headers=coinone)
    assert answer.status_code == 201


CASES: Final[list[tuple[int, str, str, dict[str, object]]]] = [
    (1, CD, "0.3", {"valid": True, "next_down": "0.2999", "next_up": "0.3001"}),
    (2, CD, "5003", {"valid": False, "floor": "5000", "ceil": "5005"}),
    (4, CD, "116455500", {"floor": "116455000", "ceil": "116456000"}),
    (
        5,
        "coinone-krw-2024-09-30",
        "116455000",
        {"valid": False, "floor": "116450000", "ceil": "116460000"},
    ),
    (6, "coinone-krw-2024-09-30", "5.003", {"floor": "5", "ceil": "5.005"}),
    (7, CD, "1000", {"next_down": "999.9", "next_up": "1001"}),
    (8, CD, "999.95", {"floor": "999.9", "ceil": "1000"}),
    (10, "upbit-krw-2025-07-31", "1000", {"next_down": "999", "next_up": "1001"}),
    (13, "tse-topix500", "1000", {"next_down": "999.9", "next_up": "1000.5"}),
    (13, "tse-topix500", "1000.1", {"valid": False, "floor": "1000", "ceil": "1000.5"}),
    (
        14,
        "okx-events",
        "0.0005",
        {"reason": "below_first_band", "floor": None, "ceil": "0.001"},
    ),
    (15, "okx-events", "0.9995", {"valid": False, "floor": "0.999", "ceil": None}),
    (16, CD, "-0", {"price": "0", "reason": "not_positive", "ceil": "0.0001"}),
    (17, CD, "10000000000", {"reason": "above_last_band", "floor": "9999999000"}),
    (18, "binance-sample", "0.0000005", {"reason": "below_min", "ceil": "0.000001"}),
    (18, "binance-sample", "0.000001", {"valid": True, "reason": None}),
    (18, "binance-sample", "100000", {"valid": True, "reason": None}),
    (18, "binance-sample", "100000.000001", {"reason": "above_max", "floor": "100000"}),
]


@pytest.mark.parametrize("table", sorted({table for _, table, _, _ in CASES}))
async def test_a_price_of_a_bundled_table_is_answered(
    client: httpx.AsyncClient, coinone: dict[str, str], table: str
) -> None:
    await stated(client, coinone, table, **START)
    for case, of, price, expected in CASES:
        if of == table:
            answer = (await client.get(f"{MARKET}/prices/{price}", headers=coinone)).json()
            assert {name: answer[name] for name in expected} == expected, case


async def test_a_published_top_that_is_a_sentinel_can_be_left_open(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    await stated(client, coinone, CD, top=None, top_rule="open", **START)
    answer = await client.get(f"{MARKET}/prices/10000000000", headers=coinone)
    assert answer.json()["valid"] is True


async def test_what_is_valid_changes_when_the_exchange_changes_its_units(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    await stated(client, coinone, "upbit-krw-before-2024-01-29", **START)
    for name in ("upbit-krw-2024-01-29", "upbit-krw-2025-07-31"):
        await stated(client, coinone, name)
    cases = [
        (23, "7003", "2024-01-28T23:59:59+09:00", False),
        (23, "7003", "2024-01-29T00:00:00+09:00", True),
        (23, "7003", "2025-07-30T23:59:59+09:00", True),
        (23, "7003", "2025-07-31T00:00:00+09:00", False),
        (24, "1234500", "2024-01-28T23:59:59+09:00", True),
        (24, "1234500", "2024-01-29T00:00:00+09:00", True),
        (24, "1234500", "2025-07-30T23:59:59+09:00", True),
        (24, "1234500", "2025-07-31T00:00:00+09:00", False),
    ]
    for case, price, as_of, valid in cases:
        url = f"{MARKET}/prices/{price}"
        unescaped = await client.get(f"{url}?as_of={as_of}", headers=coinone)
        escaped = await client.get(url, params={"as_of": as_of}, headers=coinone)
        sent = {"prices": [price], "as_of": as_of}
        checked = await client.post(f"{MARKET}/prices/check", json=sent, headers=coinone)
        answers = [unescaped.json(), escaped.json(), *checked.json()["results"]]
        assert [answer["valid"] for answer in answers] == [valid] * 3, (case, as_of)
