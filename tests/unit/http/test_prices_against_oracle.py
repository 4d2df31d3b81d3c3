"""The API answers what the oracle works out; `strength.oracle` asks a thousand times as much."""

from random import Random

import httpx
import pytest

from tests.oracle_questions import hear
from tests.random_tables import KINDS, drawn


@pytest.mark.parametrize("kind", KINDS)
async def test_every_answer_about_prices_is_that_of_the_oracle(
    client: httpx.AsyncClient, coinone: dict[str, str], kind: str
) -> None:
    client.headers.update(coinone)
    chance = Random(kind)  # noqa: S311 - the same each time, no secret
    market = "/v1/exchanges/coinone/markets/KRW/BTC"
    heard = await hear(client, market, drawn(chance, kind=kind, prices=4), chance)
    assert heard.faults == []
    assert heard.answers.total() > 40
