"""Wherever a number is taken: plain decimal text, or nothing (number 22 of the golden cases)."""

import json
from contextlib import suppress
from typing import Final
from urllib.parse import quote

import httpx
import pytest
from pydantic import ValidationError

from app.adapters.http.range_units.price_bodies import PricesToCheck
from tests.rules.source import ROOT
from tests.unit.http.api import MARKET, MarketClient, faults, refusal

TEXTS: Final = [
    *("NaN", "sNaN", "Infinity", "-Infinity", " 5 ", "5 ", "\t5", "1_000", "１２", "1,000", "0x10"),  # noqa: RUF001 - digits of another script
    *("+5", ".5", "5.", "05", "--5", "5e", "1e999999", "1e-999999", "1e41", "1e-41", "five", ""),
    *("1" * 41, "1" * 10_000, "0." + "0" * 98 + "1", "5\0", "5\n", "²", "1e9" + "9" * 90, "1,5"),
]
NO_TEXTS: Final[list[object]] = [True, False, None, [], ["5"], {}, 5, 0, 0.3, 10**400]
NUMBERS: Final = [*TEXTS, *NO_TEXTS]
LIMITS: Final = ["top", "min_price", "max_price"]


@pytest.mark.parametrize("question", ["prices/check", "prices/round"])
async def test_each_hostile_price_in_a_list_is_refused_at_its_place(
    btc: MarketClient, question: str
) -> None:
    where = {"direction": "up"} if question == "prices/round" else {}
    answer = await btc.post(question, prices=["5", *NUMBERS, "5"], **where)
    assert refusal(answer) == (422, "invalid_request")
    assert list(faults(answer)) == [f"prices[{place + 1}]" for place in range(len(NUMBERS))]


def test_a_hostile_price_is_refused_however_quickly_the_others_are_read() -> None:
    taken = []
    for number in NUMBERS:
        with suppress(ValidationError):
            taken.append(PricesToCheck.model_validate({"prices": ["5", number, "5"]}))
    assert taken == []


async def test_a_hostile_price_to_step_from_is_refused(btc: MarketClient) -> None:
    taken = []
    for number in NUMBERS:
        answer = await btc.post("prices/step", price=number, ticks=1)
        if answer.status_code != 422 or list(faults(answer)) != ["price"]:
            taken.append(number)  # pragma: no cover - a failure
    assert taken == []


@pytest.mark.parametrize("field", ["range_min", "price_unit", "next_range_min"])
async def test_each_hostile_number_of_a_band_is_refused_at_its_place(
    client: httpx.AsyncClient, coinone: dict[str, str], field: str
) -> None:
    numbers = [number for number in NUMBERS if number is not None or field != "next_range_min"]
    good = {"range_min": "0", "price_unit": "1"}
    body = {"range_units": [good | {field: number} for number in numbers], "source": "a notice"}
    answer = await client.put(f"{MARKET}/range-units", json=body, headers=coinone)
    assert refusal(answer) == (422, "invalid_request")
    assert list(faults(answer)) == [f"range_units[{at}].{field}" for at in range(len(numbers))]


async def test_a_hostile_limit_of_a_table_is_refused_by_name(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    good = {"range_units": [{"range_min": "0", "price_unit": "1"}], "source": "a notice"}
    taken = []
    for number in NUMBERS:
        body = good | dict.fromkeys(LIMITS, number)
        answer = await client.put(f"{MARKET}/range-units", json=body, headers=coinone)
        if answer.status_code != 422 or list(faults(answer)) != LIMITS:
            taken.append(number)
    assert taken == [None]


@pytest.mark.parametrize(
    ("question", "query", "parameter"),
    [
        ("ticks", {"to": "5"}, "from"),
        ("ticks", {"from": "5"}, "to"),
        ("ladder", {}, "price"),
    ],
)
async def test_a_hostile_number_in_a_query_is_refused_by_name(
    btc: MarketClient, question: str, query: dict[str, str], parameter: str
) -> None:
    taken = []
    for text in TEXTS:
        answer = await btc.get(question, query | {parameter: text})
        if answer.status_code != 422 or list(faults(answer)) != [parameter]:
            taken.append(text)  # pragma: no cover - a failure
    assert taken == []


async def test_a_hostile_number_in_a_path_is_refused(btc: MarketClient) -> None:
    taken = []
    for text in filter(None, TEXTS):
        answer = await btc.get(f"prices/{quote(text)}")
        if answer.status_code != 422 or list(faults(answer)) != ["price"]:
            taken.append(text)  # pragma: no cover - a failure
    assert taken == []


async def test_what_the_published_vectors_refuse_is_refused(btc: MarketClient) -> None:
    document = json.loads((ROOT / "docs" / "vectors.json").read_text("utf-8"))
    answer = await btc.post("prices/check", prices=document["refused"])
    assert list(faults(answer)) == [f"prices[{place}]" for place in range(len(document["refused"]))]
