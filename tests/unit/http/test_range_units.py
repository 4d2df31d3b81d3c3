from typing import Any, Final

import httpx
import pytest

from tests.unit.http.api import faults, refusal
from tests.unit.http.stating import COINONE, UNITS, put, units


async def test_a_market_without_its_own_answers_by_its_quote_currency(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    stated = await put(client, coinone, f"{COINONE}/markets/KRW/*/range-units")
    shown = await units(client, coinone)
    assert (shown, shown["target_currency"]) == (stated.json(), "*")


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        ("/v1/exchanges/nowhere/markets/KRW/BTC/range-units", (404, "unknown_exchange")),
        (f"{COINONE}/markets/KRW/ETH/range-units", (404, "unknown_market")),
        (f"{UNITS}?as_of=2020-01-01T00:00:00Z", (404, "unknown_history")),
        (f"{UNITS}?known_at=2020-01-01T00:00:00Z", (404, "unknown_history")),
        (f"{COINONE}/markets/*/BTC/range-units", (422, "invalid_code")),
        (f"{COINONE}/markets/KRW/B%20C/range-units", (422, "invalid_code")),
        (f"{COINONE}/markets/KRW/B%00C/range-units", (422, "invalid_code")),
    ],
)
async def test_what_is_not_known_is_refused_as_what_it_is(
    client: httpx.AsyncClient, coinone: dict[str, str], path: str, refused: tuple[int, str]
) -> None:
    await put(client, coinone)
    assert refusal(await client.get(path, headers=coinone)) == refused


QUESTIONS: Final[list[tuple[str, dict[str, Any] | None]]] = [
    ("range-units", None),
    ("prices/5", None),
    ("ticks?from=5&to=10", None),
    ("ladder?price=5", None),
    ("prices/check", {"prices": ["5"]}),
    ("prices/round", {"prices": ["5"], "direction": "up"}),
    ("prices/step", {"price": "5", "ticks": 1}),
]


@pytest.mark.parametrize(("question", "body"), QUESTIONS, ids=[each[0] for each in QUESTIONS])
async def test_every_question_about_a_market_may_be_asked_of_another_time(
    client: httpx.AsyncClient, coinone: dict[str, str], question: str, body: dict[str, Any] | None
) -> None:
    await put(client, coinone, effective_from="2020-01-01T00:00:00Z")
    path, _, query = question.partition("?")
    statuses = []
    for instant in ("2019-12-31T23:59:59Z", "2020-01-01T00:00:00Z"):
        url = f"{UNITS.removesuffix('range-units')}{path}"
        if body is None:
            answer = await client.get(f"{url}?{query}&as_of={instant}", headers=coinone)
        else:
            answer = await client.post(url, json=body | {"as_of": instant}, headers=coinone)
        statuses.append(answer.status_code)
    assert statuses == [404, 200]


@pytest.mark.parametrize("plus", ["+", "%2B"])
@pytest.mark.parametrize("parameter", ["as_of", "known_at"])
async def test_the_plus_of_an_offset_need_not_be_escaped(
    client: httpx.AsyncClient, coinone: dict[str, str], parameter: str, plus: str
) -> None:
    await put(client, coinone)
    just_now = f"{UNITS}?{parameter}=2026-01-02T12:04:05.678901{plus}09:00"
    just_before = f"{UNITS}?{parameter}=2026-01-02T12:04:05.678900{plus}09:00"
    statuses = [
        (await client.get(url, headers=coinone)).status_code for url in (just_now, just_before)
    ]
    assert statuses == [200, 404]


NO_INSTANTS: Final = [
    *("", "now", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02T25:00:00Z", "1767323045"),
    *("2026-W01-1T00:00:00Z", "0001-01-01T00:00:00+00:01", "\uff12026-01-02T03:04:05Z", "\0"),
]


@pytest.mark.parametrize("parameter", ["as_of", "known_at"])
async def test_an_instant_has_a_date_a_time_and_an_offset(
    client: httpx.AsyncClient, user: dict[str, str], parameter: str
) -> None:
    answers = {
        text: await client.get(UNITS, params={parameter: text}, headers=user)
        for text in NO_INSTANTS
    }
    refused = {text: (*refusal(answer), *faults(answer)) for text, answer in answers.items()}
    assert refused == dict.fromkeys(NO_INSTANTS, (422, "invalid_request", parameter))
