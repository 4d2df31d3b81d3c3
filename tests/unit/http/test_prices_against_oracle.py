"""The API answers what the oracle works out; `strength.oracle` asks a thousand times as much."""

from collections.abc import Iterator
from random import Random
from typing import Any

import httpx
import pytest

from tests.oracle_questions import body_of, hear, questions, wrong
from tests.random_tables import KINDS, drawn

BTC = "/v1/exchanges/coinone/markets/KRW/BTC"


@pytest.mark.parametrize("kind", KINDS)
async def test_every_answer_about_prices_is_that_of_the_oracle(
    client: httpx.AsyncClient, coinone: dict[str, str], kind: str
) -> None:
    client.headers.update(coinone)
    chance = Random(kind)  # noqa: S311 - the same each time, no secret
    heard = await hear(client, BTC, drawn(chance, kind=kind, prices=4), chance)
    assert heard.faults == []
    assert heard.answers.total() > 40


JUDGED = {
    *("price", "valid", "reason", "floor", "ceil", "next_down", "next_up", "price_unit"),
    *("range_min", "next_range_min", "grandfathered", "rounded", "changed", "stepped", "ticks"),
    *("from", "to", "below", "above", "code", "revision_id", "results", "refused_price"),
}


def altered(answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give an answer with each of its facts changed in turn."""
    for name in answer.keys() & JUDGED:
        match answer[name]:
            case [{} as first, *others]:
                yield from ({**answer, name: [each, *others]} for each in altered(first))
            case {} as inner:
                yield from ({**answer, name: each} for each in altered(inner))
            case _:
                yield {**answer, name: "0.123456789"}


async def test_no_altered_answer_goes_unnoticed(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    client.headers.update(coinone)
    chance = Random(5)  # noqa: S311 - the same each time, no secret
    table = drawn(chance, kind="filter", prices=3)
    stated = (await client.put(f"{BTC}/range-units", json=body_of(table.table, "drawn"))).json()
    names = set()
    for ask in questions(table, chance):
        question = ask()
        url = f"{BTC}/{question.path}"
        answer = await client.request(question.method, url, json=question.body)
        assert [*wrong(question, answer, stated["revision_id"])] == []
        names.add(question.name)
        for each in altered(answer.json()):
            other = httpx.Response(question.status, json=each)
            assert [*wrong(question, other, stated["revision_id"])] != [], (question, each)
        assert [*wrong(question, httpx.Response(500), stated["revision_id"])] != []
    assert "off the grid" in names


async def test_a_table_that_is_refused_is_a_fault(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    client.headers.update(coinone)
    chance = Random(5)  # noqa: S311 - the same each time, no secret
    elsewhere = BTC.replace("coinone", "elsewhere")
    heard = await hear(client, elsewhere, drawn(chance, kind="small", prices=2), chance)
    assert [fault for fault in heard.faults if "unknown_exchange" in fault] != []


async def test_a_fault_comes_with_what_was_asked_and_of_which_table(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    async def forget(answer: httpx.Response) -> None:
        answer._content = (await answer.aread()).replace(b'"floor"', b'"lost"')

    client.headers.update(coinone)
    client.event_hooks["response"] = [forget]
    chance = Random(5)  # noqa: S311 - the same each time, no secret
    table = drawn(chance, kind="filter", prices=3)
    heard = await hear(client, BTC, table, chance, most=1)
    assert heard.faults != []
    assert all("POST prices/check" in fault and "price_unit" in fault for fault in heard.faults)
