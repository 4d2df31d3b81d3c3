import json
from decimal import Decimal
from pathlib import Path

import pytest

from app.adapters.exchanges.upbit import read_scalar_ticks
from app.domain.range_units.cross_check import ScalarTick, disagreement
from app.domain.range_units.errors import PayloadRejected
from app.domain.range_units.lint import Finding, Oddity
from app.domain.range_units.revisions import Market
from tests.unit.range_units.ladders import ladder

REPLY = Path(__file__).parents[2] / "payloads" / "upbit_orderbook_instruments.json"
ASKED = Market("upbit", "KRW", "BTC")
TABLE = ladder("upbit-krw-2025-07-31").table


def entry(market: str, tick: object, quote: str = "KRW") -> dict[str, object]:
    return {"market": market, "quote_currency": quote, "tick_size": tick, "supported_levels": []}


def refusal(payload: bytes) -> list[str]:
    with pytest.raises(PayloadRejected) as refused:
        read_scalar_ticks(payload, asked=ASKED)
    return [str(fault) for fault in refused.value.faults]


def test_a_reply_has_one_tick_size_per_market() -> None:
    assert read_scalar_ticks(REPLY.read_bytes(), asked=ASKED) == (
        (
            ScalarTick(Market("upbit", "KRW", "BTC"), Decimal(1000)),
            ScalarTick(Market("upbit", "KRW", "XRP"), Decimal(1)),
        ),
        (),
    )


def test_one_bad_market_does_not_stop_the_others() -> None:
    entries = [
        entry("KRW-BTC", "1000"),
        entry("KRW-XRP", 1),
        entry("KRW-ETH", "0"),
        entry("KRW-", "1"),
        entry("BTC-ETH", "1"),
        entry("KRW-*", "1"),
        None,
    ]
    ticks, rejections = read_scalar_ticks(json.dumps(entries).encode(), asked=ASKED)
    assert [str(tick.market) for tick in ticks] == ["upbit KRW/BTC"]
    assert [fault.about for fault in rejections] == [
        "upbit [3]",
        "upbit [4]",
        "upbit [5]",
        "upbit [6]",
        "upbit KRW/XRP",
        "upbit KRW/ETH",
    ]


def test_a_reply_that_is_wrong_as_a_whole_is_refused() -> None:
    twice = json.dumps([entry("KRW-BTC", "1"), entry("KRW-btc", "1")]).encode()
    cases = {
        b'{"error": {"name": 404, "message": "Code not found"}}': "an error: 404, Code not found",
        b"[]": "is empty",
        b"{}": "is an object, not a list",
        b'"text"': "not a list",
        b"<html>": "is HTML, not JSON",
        twice: "names upbit KRW/BTC 2 times",
        b"[null]": "[0]: is null, not an object",
    }
    for payload, message in cases.items():
        [fault] = refusal(payload)
        assert fault.endswith(message), payload


def test_a_tick_size_that_the_ladder_has_agrees_with_it() -> None:
    for price, tick in {"999": "1", "1000": "1", "5000": "5", "1e6": "1e3", "4e9": "1e3"}.items():
        assert disagreement(TABLE, Decimal(tick), price=Decimal(price)) is None
        assert disagreement(TABLE, Decimal(tick)) is None


def test_a_tick_size_that_is_no_unit_of_the_ladder_is_a_finding() -> None:
    message = "the exchange states the tick size 2, which is the unit of no band"
    expected = Finding(Oddity.SCALAR_DISAGREES, 0, message)
    assert disagreement(TABLE, Decimal(2)) == expected
    assert disagreement(TABLE, Decimal(2), price=Decimal(5000)) == expected


def test_a_tick_size_of_another_price_is_a_finding_at_the_band_of_the_price() -> None:
    message = "the exchange states the tick size 1 at 7003, where the unit is 5"
    found = disagreement(TABLE, Decimal(1), price=Decimal(7003))
    assert found == Finding(Oddity.SCALAR_DISAGREES, 10, message)


def test_a_price_in_no_band_has_no_tick_size_that_could_agree() -> None:
    found = disagreement(TABLE, Decimal(1), price=Decimal(0))
    assert found is not None
    assert found.message.endswith("at 0, which is in no band")
