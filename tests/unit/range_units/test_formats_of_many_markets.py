"""The formats of the exchanges whose replies name their markets."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest

from app.adapters.exchanges.binance import BinanceFormat
from app.adapters.exchanges.bybit import BybitFormat
from app.adapters.exchanges.korbit import KorbitFormat
from app.adapters.exchanges.okx import OkxFormat
from app.adapters.exchanges.upbit import UpbitFormat
from app.domain.range_units.grid import PriceGrid
from app.domain.range_units.numbers import plain
from app.domain.range_units.revisions import Market, Reading
from app.domain.range_units.table import RangeUnitTable, TopRule
from app.ports.range_units.formats import PayloadFormat
from tests.contracts.payload_format import PayloadFormatContract, reading, refusal
from tests.unit.range_units.ladders import ladder

PAYLOADS = Path(__file__).parents[2] / "payloads"
D = Decimal
NINE_AND_EIGHTEEN_DECIMALS = "123456789.000000000000000001"


def saved(name: str) -> bytes:
    return (PAYLOADS / f"{name}.json").read_bytes()


class Asked(PayloadFormatContract):
    """Each reads its saved reply."""

    reply: ClassVar[str]
    asked: ClassVar[Market]

    @pytest.fixture
    def payload_format(self) -> PayloadFormat:
        made: PayloadFormat = self.adapter()
        return made

    @pytest.fixture
    def good_payload(self) -> bytes:
        return saved(self.reply)

    @pytest.fixture
    def market(self) -> Market:
        return self.asked

    adapter: ClassVar[type]


class TestKorbitFormat(Asked):
    adapter: ClassVar[type] = KorbitFormat
    reply = "korbit_tickSizePolicy_btc_krw"
    asked = Market("korbit", "KRW", "BTC")


class TestOkxFormat(Asked):
    adapter: ClassVar[type] = OkxFormat
    reply = "okx_instrument_tick_bands"
    asked = Market("okx", "USD", "BTC")


class TestBinanceFormat(Asked):
    adapter: ClassVar[type] = BinanceFormat
    reply = "binance_exchangeInfo"
    asked = Market("binance", "BTC", "ETH")


class TestBybitFormat(Asked):
    adapter: ClassVar[type] = BybitFormat
    reply = "bybit_instruments_info"
    asked = Market("bybit", "USDT", "DOGE")


class TestUpbitFormat(Asked):
    adapter: ClassVar[type] = UpbitFormat
    reply = "upbit_orderbook_instruments"
    asked = Market("upbit", "KRW", "BTC")


KORBIT = (KorbitFormat(), TestKorbitFormat.asked)
OKX = (OkxFormat(), TestOkxFormat.asked)
BINANCE = (BinanceFormat(), TestBinanceFormat.asked)
BYBIT = (BybitFormat(), TestBybitFormat.asked)
Exchange = tuple[PayloadFormat, Market]


def korbit(symbol: object, *bands: object, **fields: object) -> dict[str, Any]:
    return {"symbol": symbol, "tickSizePolicy": bands, **fields}


def okx(family: object, *bands: object, **fields: object) -> dict[str, Any]:
    return {"instType": "OPTION", "instFamily": family, "tickBand": bands, **fields}


def binance(base: object, quote: object, *filters: object, **fields: object) -> dict[str, Any]:
    return {"baseAsset": base, "quoteAsset": quote, "filters": filters, **fields}


def bybit(symbol: object, base: object, quote: object, price_filter: object) -> dict[str, Any]:
    return {"symbol": symbol, "baseCoin": base, "quoteCoin": quote, "priceFilter": price_filter}


def gte(start: object, unit: object, **fields: object) -> dict[str, object]:
    return {"priceGte": start, "tickSize": unit, **fields}


def px(start: object, end: object, unit: object, **fields: object) -> dict[str, object]:
    return {"minPx": start, "maxPx": end, "tickSz": unit, **fields}


def limits(low: object, high: object, unit: object, **fields: object) -> dict[str, object]:
    return {"minPrice": low, "maxPrice": high, "tickSize": unit, **fields}


def price_filter(low: object, high: object, unit: object, **fields: object) -> dict[str, object]:
    return {"filterType": "PRICE_FILTER", **limits(low, high, unit), **fields}


def reply(exchange: Exchange, *entries: object) -> bytes:
    envelopes: dict[str, object] = {
        "korbit": {"success": True, "data": entries},
        "okx": {"code": "0", "msg": "", "data": entries},
        "binance": {"timezone": "UTC", "symbols": entries},
        "bybit": {"retCode": 0, "retMsg": "OK", "result": {"list": entries}},
    }
    return json.dumps(envelopes[exchange[1].exchange]).encode()


def read(exchange: Exchange, *entries: object) -> Reading:
    payload_format, asked = exchange
    return reading(payload_format, reply(exchange, *entries), asked)


def tables(exchange: Exchange, payload: bytes) -> dict[str, RangeUnitTable]:
    payload_format, asked = exchange
    read = reading(payload_format, payload, asked)
    return {str(one.market): one.table for one in read.observations}


def table(exchange: Exchange, entry: object) -> RangeUnitTable:
    [one] = tables(exchange, reply(exchange, entry)).values()
    return one


def rejections(exchange: Exchange, entry: object) -> list[str]:
    """Give why an entry is rejected beside one that is good."""
    read_ = read(exchange, GOOD[exchange[1].exchange], entry)
    assert len(read_.observations) == 1
    return [str(fault) for fault in read_.rejections]


GOOD: dict[str, dict[str, Any]] = {
    "korbit": korbit("xrp_krw", gte("0", "1")),
    "okx": okx("XRP-USD", px("0", "1", "0.1")),
    "binance": binance("XRP", "BTC", price_filter("0", "0", "1")),
    "bybit": bybit("XRPUSDT", "XRP", "USDT", limits("1", "9", "1")),
}
EXCHANGES = (KORBIT, OKX, BINANCE, BYBIT)


def test_a_policy_of_korbit_is_its_ladder_with_an_open_top() -> None:
    found = tables(KORBIT, saved(TestKorbitFormat.reply))
    assert found == {"korbit KRW/BTC": ladder("korbit-krw-btc").table}


def test_tick_bands_of_okx_end_at_a_price() -> None:
    [(market, found)] = tables(OKX, saved(TestOkxFormat.reply)).items()
    assert market == "okx USD/BTC"
    assert (found.top, found.top_rule) == (D(10_000), TopRule.INCLUSIVE)
    assert [(plain(b.range_min), plain(b.price_unit)) for b in found.bands] == [
        ("0", "0.1"),
        ("100", "1"),
    ]


def test_the_ladder_of_a_family_of_okx_is_the_one_that_comes_along() -> None:
    bands = [
        px("0.96", "0.999", "0.001"),
        px("0.001", "0.04", "0.001"),
        px("0.04", "0.96", "0.01"),
    ]
    found = tables(OKX, reply(OKX, okx("EVENTS", *bands)))
    assert found == {"okx EVENTS/*": ladder("okx-events").table}


def test_a_price_filter_of_binance_answers_as_the_golden_cases_say() -> None:
    found = tables(BINANCE, saved(TestBinanceFormat.reply))
    grid = PriceGrid(found["binance BTC/ETH"])
    reasons = [
        grid.answer(D(price)).reason
        for price in ("0.0000005", "0.000001", "100000", "100000.000001", "0.0000015")
    ]
    assert reasons == ["below_min", None, None, "above_max", "off_tick"]


def test_a_tick_size_of_zero_at_binance_is_no_tick_rule_and_a_limit_of_zero_no_limit() -> None:
    unlimited = tables(BINANCE, saved(TestBinanceFormat.reply))["binance LIMIT/NO"]
    assert unlimited == RangeUnitTable(())
    below = table(BINANCE, binance("A", "B", price_filter("0.5", "0.0", "0e3")))
    assert below == RangeUnitTable((), min_price=D("0.5"))
    ruled = table(BINANCE, binance("A", "B", price_filter("0", "7", "2")))
    assert [ruled.min_price, ruled.max_price, PriceGrid(ruled).floor(D(7))] == [None, 7, 6]


def test_prices_of_a_filter_are_counted_from_zero_not_from_the_least() -> None:
    for exchange, entry in {
        BINANCE: binance("A", "B", price_filter("3", "11", "2")),
        BYBIT: bybit("AB", "A", "B", limits("3", "11", "2")),
    }.items():
        grid = PriceGrid(table(exchange, entry))
        assert (grid.ceil(D(3)), grid.floor(D(11))) == (D(4), D(10))


def test_a_price_filter_of_bybit_limits_prices_and_a_spot_market_has_no_limits() -> None:
    found = tables(BYBIT, saved(TestBybitFormat.reply))["bybit USDT/DOGE"]
    assert (found.min_price, found.max_price) == (D("0.00001"), D("199.99998"))
    spot = table(BYBIT, bybit("BTCUSDT", "BTC", "USDT", {"tickSize": "0.01"}))
    assert (spot.min_price, spot.max_price, spot.bands[0].price_unit) == (None, None, D("0.01"))


def test_instruments_of_the_same_pair_at_bybit_are_markets_of_their_own() -> None:
    entries = [
        bybit(symbol, "BTC", quote, limits("1", "9", "1"))
        for symbol, quote in {
            "BTCUSDT": "USDT",
            "BTCUSDT-27MAR26": "USDT",
            "BTCPERP": "USDC",
            "BTC-27MAR26": "USDC",
        }.items()
    ]
    assert list(tables(BYBIT, reply(BYBIT, *entries))) == [
        "bybit USDT/BTC",
        "bybit USDT/BTCUSDT-27MAR26",
        "bybit USDC/BTC",
        "bybit USDC/BTC-27MAR26",
    ]


def test_every_number_is_exact_however_it_is_written() -> None:
    long, unit = NINE_AND_EIGHTEEN_DECIMALS, "1.0E-18"
    cases: list[tuple[Exchange, object]] = [
        (KORBIT, korbit("btc_krw", gte(long, unit))),
        (OKX, okx("A-B", px(long, "1e9", unit))),
    ]
    for exchange, entry in cases:
        [band] = table(exchange, entry).bands
        assert (band.range_min, band.price_unit) == (D(long), D("1E-18"))
    for exchange, entry in (
        (BINANCE, binance("A", "B", price_filter(long, "0", unit))),
        (BYBIT, bybit("AB", "A", "B", limits(long, "1E+9", unit))),
    ):
        found = table(exchange, entry)
        assert (found.min_price, found.bands[0].price_unit) == (D(long), D("1E-18"))


def test_markets_that_do_not_trade_and_fields_beside_are_read_past() -> None:
    lot = {"filterType": "LOT_SIZE", "minQty": "x"}
    for exchange, entry in {
        KORBIT: korbit("btc_krw", gte("0", "1"), orderbookLevels=None),
        OKX: okx("A-B", px("0", "1", "1"), state="suspend"),
        BINANCE: binance("A", "B", lot, None, price_filter("0", "0", "1"), status="BREAK"),
        BYBIT: bybit("AB", "A", "B", limits("1", "9", "1")) | {"status": "Closed"},
    }.items():
        assert len(read(exchange, entry).observations) == 1


def test_a_market_that_cannot_be_read_is_rejected_beside_the_others() -> None:
    good = gte("0", "1")
    cases: list[tuple[Exchange, object, str]] = [
        (KORBIT, korbit("btc_krw"), "korbit KRW/BTC: data[1].tickSizePolicy: is empty"),
        (KORBIT, {"symbol": "btc_krw"}, "korbit KRW/BTC: data[1].tickSizePolicy: is missing"),
        (
            KORBIT,
            korbit("btc_krw") | {"tickSizePolicy": {}},
            "korbit KRW/BTC: data[1].tickSizePolicy: is an object, not a list",
        ),
        (
            KORBIT,
            korbit("btc_krw", gte(0, "1")),
            "korbit KRW/BTC: data[1].tickSizePolicy[0].priceGte: is a number, not a string",
        ),
        (
            KORBIT,
            korbit("btc_krw", gte("0", " 5 ")),
            (
                'korbit KRW/BTC: data[1].tickSizePolicy[0].tickSize: is the string " 5 ", which is '
                "not a decimal number in plain or exponent notation"
            ),
        ),
        (
            KORBIT,
            korbit("btc_krw", good, gte("0.0", "2")),
            (
                "korbit KRW/BTC: data[1].tickSizePolicy[1].priceGte: duplicate: 0 is also that of "
                "data[1].tickSizePolicy[0]"
            ),
        ),
        (
            KORBIT,
            korbit("btc_krw", gte("0", "0")),
            "korbit KRW/BTC: data[1].tickSizePolicy[0].tickSize: is not above zero",
        ),
        (
            KORBIT,
            korbit("btc_krw", gte("-1", "1")),
            "korbit KRW/BTC: data[1].tickSizePolicy[0].priceGte: is negative, as no price is",
        ),
        (
            KORBIT,
            korbit("btc_krw", good | {"priceLt": "5"}),
            "korbit KRW/BTC: data[1].tickSizePolicy[0].priceLt: is no field of a band",
        ),
        (
            OKX,
            okx("A-B", px("0", "1", "1"), px("2", "3", "1")),
            "okx B/A: data[1].tickBand[1].minPx: gap: no band covers 1 to 2",
        ),
        (
            OKX,
            okx("A-B", px("5", "1", "1")),
            "okx B/A: data[1].tickBand[0].maxPx: is not above range_min",
        ),
        (OKX, okx("A-B", None), "okx B/A: data[1].tickBand[0]: is null, not an object"),
        (OKX, {"instFamily": "A-B"}, "okx B/A: data[1].tickBand: is missing"),
        (
            BINANCE,
            binance("A", "B"),
            "binance B/A: symbols[1].filters: has no PRICE_FILTER, not one",
        ),
        (
            BINANCE,
            binance("A", "B", price_filter("0", "0", "1"), price_filter("0", "0", "1")),
            "binance B/A: symbols[1].filters: has 2 PRICE_FILTER, not one",
        ),
        (
            BINANCE,
            {"baseAsset": "A", "quoteAsset": "B"},
            "binance B/A: symbols[1].filters: is missing",
        ),
        (
            BINANCE,
            binance("A", "B", {}, price_filter("9", "1", "1")),
            "binance B/A: symbols[1].filters[1].minPrice: is above the greatest price, 1",
        ),
        (
            BINANCE,
            binance("A", "B", price_filter("0", "0", "-1")),
            "binance B/A: symbols[1].filters[0].tickSize: is negative",
        ),
        (
            BINANCE,
            binance("A", "B", price_filter("0", "0", "1", step="x")),
            "binance B/A: symbols[1].filters[0].step: is no field of a price filter",
        ),
        (
            BYBIT,
            bybit("AB", "A", "B", None),
            "bybit B/A: result.list[1].priceFilter: is null, not an object",
        ),
        (
            BYBIT,
            bybit("AB", "A", "B", {"tickSize": "1", "minPrice": "1"}),
            "bybit B/A: result.list[1].priceFilter.maxPrice: is missing",
        ),
        (
            BYBIT,
            bybit("AB", "A", "B", limits("1", "2", "0.0")),
            "bybit B/A: result.list[1].priceFilter.tickSize: is not above zero",
        ),
    ]
    for exchange, entry, expected in cases:
        assert rejections(exchange, entry) == [expected]


def test_a_market_without_a_readable_name_is_rejected_by_its_place() -> None:
    cases: list[tuple[Exchange, object, str]] = [
        *((exchange, None, "is null, not an object") for exchange in EXCHANGES),
        *(
            (KORBIT, korbit(name), "not such as btc_krw")
            for name in ("btc", "_krw", "a_b_c", "a_*")
        ),
        (KORBIT, korbit(7), "data[1].symbol: is a number, not a name"),
        (KORBIT, korbit("b c_krw"), 'data[1]: is about "krw/b c", whose target is not 1 to 32'),
        (OKX, okx(""), 'data[1].instFamily: is the string "", not a name'),
        (OKX, okx("가-USD"), "whose target is not 1 to 32"),
        (OKX, okx("*-USD"), "whose quote is not 1 to 32"),
        (BINANCE, binance("*", "B"), 'symbols[1].baseAsset: is the string "*", not a name'),
        (BINANCE, {"baseAsset": "A"}, "symbols[1].quoteAsset: is missing"),
        (BINANCE, binance("币安人生", "USDT"), "whose target is not 1 to 32"),
        (BYBIT, bybit("X" * 33, "A", "B", {}), "whose target is not 1 to 32"),
        (BYBIT, bybit(None, "A", "B", {}), "result.list[1].symbol: is null, not a name"),
    ]
    for exchange, entry, expected in cases:
        [rejection] = rejections(exchange, entry)
        assert expected in rejection
        assert rejection.split(":")[0].endswith("[1]"), rejection


def test_a_reply_without_any_market_that_can_be_read_is_refused_with_every_fault() -> None:
    for payload_format, asked in EXCHANGES:
        payload = reply((payload_format, asked), None, {}, 7)
        refused = refusal(payload_format, payload, asked)
        assert refused.detail == f"The reply about {asked} has no market that can be read."
        assert refused.particulars()["attempted"] == 3


def test_a_reply_that_is_wrong_as_a_whole_is_refused_although_markets_are_good() -> None:
    korbit_error = b'{"success": false, "error": {"message": "NOT_FOUND"}}'
    cases: list[tuple[Exchange, bytes, str]] = [
        *((exchange, reply(exchange), "has no markets") for exchange in EXCHANGES),
        (KORBIT, korbit_error, "is an error: NOT_FOUND"),
        (KORBIT, b'{"success": false}', "is an error: it does not say which"),
        (KORBIT, b'{"success": 1, "data": []}', "is not shaped like range units"),
        (OKX, b'{"code": "51000", "msg": "Parameter"}', "is an error: 51000, Parameter"),
        (OKX, b'{"code": 0, "data": []}', "is not shaped like range units"),
        (OKX, b'{"code": "0", "data": {}}', "is not shaped like range units"),
        (BINANCE, b'{"code": -1121, "msg": "Invalid symbol."}', "an error: -1121, Invalid symbol."),
        (BYBIT, b'{"retCode": 10001, "retMsg": "bad"}', "is an error: 10001, bad"),
        (BYBIT, b'{"retCode": "0", "result": {"list": []}}', "is not shaped like range units"),
        (BYBIT, b'{"retCode": false, "result": {"list": []}}', "is not shaped like range units"),
        (BYBIT, b'{"retCode": 0, "result": []}', "is not shaped like range units"),
    ]
    for (payload_format, asked), payload, expected in cases:
        refused = refusal(payload_format, payload, asked)
        assert (
            refused.detail == f"The reply about {asked} {expected}." or expected in refused.detail
        )
        assert {fault.about for fault in refused.faults} == {str(asked)}


def test_a_market_that_is_named_twice_is_believed_if_both_say_the_same() -> None:
    for payload_format, asked in EXCHANGES:
        good = GOOD[asked.exchange]
        shouted = {key: v.upper() if isinstance(v, str) else v for key, v in good.items()}
        read_ = read((payload_format, asked), good, shouted | {"status": "other"})
        assert (len(read_.observations), read_.rejections) == (1, ())


def test_of_a_market_that_is_named_twice_otherwise_neither_is_believed_and_the_others_are() -> None:
    other: list[tuple[Exchange, object, object]] = [
        (KORBIT, korbit("btc_krw", gte("0", "1")), korbit("btc_krw", gte("0", "2"))),
        (OKX, okx("A-B", px("0", "1", "0.1")), okx("A-B", px("0", "1", "0.2"))),
        (
            BINANCE,
            binance("A", "B", price_filter("0", "0", "1")),
            binance("A", "B", price_filter("0", "0", "-1")),
        ),
        (
            BYBIT,
            bybit("AB", "A", "B", limits("1", "9", "1")),
            bybit("AB", "A", "B", limits("1", "8", "1")),
        ),
    ]
    for exchange, one, another in other:
        read_ = read(exchange, one, GOOD[exchange[1].exchange], another)
        [observation], [rejection] = read_.observations, read_.rejections
        assert observation.market.target == "XRP"
        assert rejection.about != str(observation.market)
    [told] = read(BYBIT, *(e for _, *both in other[-1:] for e in both), GOOD["bybit"]).rejections
    assert str(told) == (
        "bybit B/A: result.list: names it 2 times, and not with the same content: "
        "result.list[0], result.list[1]"
    )


def test_numbers_that_are_none_of_our_business_refuse_nothing() -> None:
    for payload_format, asked in EXCHANGES:
        whole = reply((payload_format, asked), GOOD[asked.exchange] | {"volume": 7777})
        payload = whole.replace(b"7777", b"1e-50").replace(b"{", b'{"time": 1e999, ', 1)
        assert len(reading(payload_format, payload, asked).observations) == 1


def test_the_replies_of_other_exchanges_are_refused() -> None:
    names = [
        "binance_exchangeInfo",
        "bybit_instruments_info",
        "coinone_range_units_KRW_BTC",
        "korbit_tickSizePolicy_btc_krw",
        "okx_instrument_tick_bands",
        "upbit_orderbook_instruments",
    ]
    for payload_format, asked in EXCHANGES:
        for name in names:
            if not name.startswith(asked.exchange):
                assert refusal(payload_format, saved(name), asked).faults
