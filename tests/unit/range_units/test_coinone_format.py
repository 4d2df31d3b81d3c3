import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import pytest

from app.adapters.exchanges.coinone import CoinoneFormat
from app.domain.errors import Fault
from app.domain.range_units.errors import PayloadRejected
from app.domain.range_units.numbers import plain
from app.domain.range_units.revisions import Market, Observation
from app.domain.range_units.table import Band, TopRule
from app.ports.range_units.formats import PayloadFormat
from tests.contracts.payload_format import PayloadFormatContract

PAYLOADS = Path(__file__).parents[2] / "payloads"
KRW_BTC = Market("coinone", "KRW", "BTC")
OBSERVED_AT = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
SOURCE = "https://api.coinone.co.kr/public/v2/range_units/KRW/BTC"


def read(payload: bytes) -> Observation:
    reading = CoinoneFormat().read(
        payload=payload, market=KRW_BTC, observed_at=OBSERVED_AT, source=SOURCE
    )
    [observation] = reading.observations
    return observation


def saved(name: str) -> bytes:
    return (PAYLOADS / name).read_bytes()


def rejection(payload: bytes) -> PayloadRejected:
    with pytest.raises(PayloadRejected) as caught:
        read(payload)
    return caught.value


def faults(payload: bytes) -> list[str]:
    """Give what is wrong, without the market that each field begins with."""
    texts = [str(fault) for fault in rejection(payload).faults]
    return [text.removeprefix("coinone KRW/BTC: ") for text in texts]


def band(range_min: object, next_range_min: object, price_unit: object) -> dict[str, object]:
    return {"range_min": range_min, "next_range_min": next_range_min, "price_unit": price_unit}


def reply(*bands: object, **fields: object) -> bytes:
    envelope = {"result": "success", "error_code": "0", "range_price_units": bands, **fields}
    return json.dumps(envelope).encode()


class TestCoinoneFormat(PayloadFormatContract):
    adapter: ClassVar[type] = CoinoneFormat

    @pytest.fixture
    def payload_format(self) -> PayloadFormat:
        return CoinoneFormat()

    @pytest.fixture(params=["coinone_range_units_KRW_BTC.json", "coinone_exponents.json"])
    def good_payload(self, request: pytest.FixtureRequest) -> bytes:
        return saved(request.param)

    @pytest.fixture
    def market(self) -> Market:
        return KRW_BTC


def test_a_reply_is_one_observation_of_the_market_that_was_asked_about() -> None:
    assert read(saved("coinone_range_units_KRW_BTC.json")).market == KRW_BTC


def test_what_is_observed_is_in_force_from_that_moment_on() -> None:
    observation = read(saved("coinone_range_units_KRW_BTC.json"))
    assert (observation.effective_from, observation.source) == (OBSERVED_AT, SOURCE)


def test_all_bands_are_read() -> None:
    table = read(saved("coinone_range_units_KRW_BTC.json")).table
    assert [(plain(band.range_min), plain(band.price_unit)) for band in table.bands] == [
        ("0", "0.0001"),
        ("1", "0.001"),
        ("10", "0.01"),
        ("100", "0.1"),
        ("1000", "1"),
        ("5000", "5"),
        ("10000", "10"),
        ("50000", "50"),
        ("100000", "100"),
        ("500000", "500"),
        ("1000000", "1000"),
    ]


def test_where_the_last_band_ends_is_the_top_and_no_price() -> None:
    table = read(saved("coinone_range_units_KRW_BTC.json")).table
    assert (table.top, table.top_rule) == (Decimal(10_000_000_000), TopRule.EXCLUSIVE)


def test_numbers_in_exponent_notation_are_exact() -> None:
    assert read(saved("coinone_exponents.json")).table.bands == (
        Band(Decimal(0), Decimal("0.0001")),
        Band(Decimal(1), Decimal("0.001")),
    )


def test_a_long_decimal_keeps_every_digit() -> None:
    unit = "0.1234567890123456789012345678901234567891"
    payload = reply(band(0, 1, 1)).replace(b'"price_unit": 1', f'"price_unit": {unit}'.encode())
    assert read(payload).table.bands == (Band(Decimal(0), Decimal(unit)),)


def test_bands_out_of_order_are_sorted() -> None:
    table = read(reply(band(10, 20, 2), band(0, 5, 1), band(5, 10, 5))).table
    assert [band.range_min for band in table.bands] == [0, 5, 10]


def test_the_order_of_bands_and_the_notation_of_numbers_do_not_change_the_digest() -> None:
    turned = json.loads(saved("coinone_exponents.json"))
    turned["range_price_units"].reverse()
    payload = json.dumps(turned).encode()
    assert read(payload).table.digest == read(saved("coinone_exponents.json")).table.digest


def test_fields_beside_the_bands_may_be_added_by_the_exchange() -> None:
    assert read(reply(band(0, 1, 1), server_time=1700000000000)).market == KRW_BTC


def test_an_error_is_rejected_although_it_came_with_status_200() -> None:
    assert faults(saved("coinone_error.json")) == [
        "the reply is an error: 108, Unknown CryptoCurrency"
    ]


def test_a_rejection_says_in_one_sentence_which_market_and_why() -> None:
    assert rejection(saved("coinone_error.json")).detail == (
        "The reply about coinone KRW/BTC is an error: 108, Unknown CryptoCurrency."
    )


def test_every_fault_names_the_market() -> None:
    assert rejection(reply(band(0, 1, 0), "band")).faults == (
        Fault(
            "range_price_units[1]",
            'is the string "band", not an object',
            about="coinone KRW/BTC",
        ),
    )


def test_an_error_that_comes_with_bands_is_an_error() -> None:
    payload = reply(band(0, 1, 1), result="error", error_code="4", error_msg="Blocked")
    assert faults(payload) == ["the reply is an error: 4, Blocked"]


def test_the_words_of_an_error_are_bounded_and_do_nothing() -> None:
    payload = reply(result="error", error_code="\x1b[2J", error_msg="\ud800\0" + "가" * 10_000)
    assert faults(payload) == [
        rf"the reply is an error: \x1b[2J, \ud800\x00{'가' * 89}…",
    ]


def test_an_error_without_words_is_one_nevertheless() -> None:
    assert faults(b'{"result": "error", "error_msg": ["?"]}') == [
        "the reply is an error: it does not say which"
    ]


def test_no_bands_are_the_answer_about_an_unknown_quote_currency() -> None:
    assert faults(saved("coinone_empty.json")) == [
        "range_price_units: is empty, which is the answer about an unknown quote currency"
    ]


def test_the_page_of_an_unknown_path_is_rejected_as_html() -> None:
    assert faults(b"<!doctype html><html></html>") == ["the reply is HTML, not JSON"]


def test_a_reply_that_breaks_off_is_rejected() -> None:
    payload = saved("coinone_range_units_KRW_BTC.json")[:-30]
    assert faults(payload) == ["the reply is JSON that breaks off"]


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("binance_exchangeInfo.json", "result: is missing"),
        ("bybit_instruments_info.json", 'result: is an object, not "success"'),
        ("korbit_tickSizePolicy_btc_krw.json", "result: is missing"),
        ("okx_instrument_tick_bands.json", "result: is missing"),
    ],
)
def test_the_reply_of_another_exchange_is_rejected(name: str, result: str) -> None:
    assert faults(saved(name)) == [result, "range_price_units: is missing"]


def test_a_reply_that_is_a_list_is_rejected() -> None:
    assert faults(saved("upbit_orderbook_instruments.json")) == [
        "the reply is a list, not an object"
    ]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (reply(band(0, 1, 1), result="ok"), 'result: is the string "ok", not "success"'),
        (reply(band(0, 1, 1), result=True), 'result: is true or false, not "success"'),
        (reply(band(0, 1, 1), error_code="108"), 'error_code: is the string "108", not "0"'),
        (reply(range_price_units=None), "range_price_units: is null, not a list"),
        (reply(range_price_units={}), "range_price_units: is an object, not a list"),
        (reply(None), "range_price_units[0]: is null, not an object"),
        (reply([0, 1, 1]), "range_price_units[0]: is a list, not an object"),
        (
            reply({**band(0, 1, 1), "side": "buy"}),
            "range_price_units[0].side: is no field of a band",
        ),
        (
            reply({"range_min": 0, "price_unit": 1}),
            "range_price_units[0].next_range_min: is missing",
        ),
        (reply(band(0, None, 1)), "range_price_units[0].next_range_min: is null, not a number"),
        (reply(band("0", 1, 1)), 'range_price_units[0].range_min: is the string "0", not a number'),
        (
            reply(band(False, 1, 1)),
            "range_price_units[0].range_min: is true or false, not a number",
        ),
        (
            reply(band(0, 1, True)),
            "range_price_units[0].price_unit: is true or false, not a number",
        ),
    ],
)
def test_another_shape_is_rejected_where_it_differs(payload: bytes, expected: str) -> None:
    assert faults(payload) == [expected]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (
            reply(band(0, 1, 1), band(5, 9, 1)),
            "range_price_units[1].range_min: gap: no band covers 1 to 5",
        ),
        (
            reply(band(0, 6, 1), band(5, 9, 1)),
            "range_price_units[1].range_min: overlap: range_price_units[0] already covers up to 6",
        ),
        (
            reply(band(0, 5, 1), band(0, 5, 2)),
            "range_price_units[1].range_min: duplicate: 0 is also that of range_price_units[0]",
        ),
        (reply(band(0, 1, 0)), "range_price_units[0].price_unit: is not above zero"),
        (reply(band(0, 1, -1)), "range_price_units[0].price_unit: is not above zero"),
        (reply(band(5, 5, 1)), "range_price_units[0].next_range_min: is not above range_min"),
        (reply(band(5, 0, 1)), "range_price_units[0].next_range_min: is not above range_min"),
        (
            reply(band(-1, 5, 1)),
            "range_price_units[0].range_min: is negative, as no price is",
        ),
    ],
)
def test_bands_that_make_no_table_are_rejected_with_the_reason(
    payload: bytes, expected: str
) -> None:
    assert faults(payload) == [expected]


def test_a_number_out_of_bounds_is_rejected_with_the_reason() -> None:
    payload = reply(band(0, 1, 1)).replace(b'"price_unit": 1', b'"price_unit": 1e999')
    assert faults(payload) == [
        (
            "range_price_units[0].price_unit: is the number 1e999, "
            "which has more than 40 digits before the decimal point"
        )
    ]


def test_everything_that_is_wrong_with_the_shape_is_said_at_once() -> None:
    assert faults(reply({"range_min": "0", "price_unit": None}, band(1, 2, 1), 7)) == [
        'range_price_units[0].range_min: is the string "0", not a number',
        "range_price_units[0].next_range_min: is missing",
        "range_price_units[0].price_unit: is null, not a number",
        "range_price_units[2]: is a number, not an object",
    ]


def test_everything_that_is_wrong_with_the_bands_is_said_at_once() -> None:
    assert faults(reply(band(-5, 1, 0), band(2, 4, 1), band(3, 9, 1))) == [
        "range_price_units[0].range_min: is negative, as no price is",
        "range_price_units[0].price_unit: is not above zero",
        "range_price_units[1].range_min: gap: no band covers 1 to 2",
        "range_price_units[2].range_min: overlap: range_price_units[1] already covers up to 4",
    ]


def test_of_very_many_faults_the_first_fifty_and_the_number_of_others_are_said() -> None:
    found = rejection(reply(*(band(n, n + 1, 0) for n in range(1000)))).faults
    assert (len(found), found[49], found[50]) == (
        51,
        Fault("range_price_units[49].price_unit", "is not above zero", about="coinone KRW/BTC"),
        Fault("", "950 more faults are not listed", about="coinone KRW/BTC"),
    )


def test_fifty_faults_are_all_said() -> None:
    assert faults(reply(*(band(n, n + 1, 0) for n in range(50))))[-1] == (
        "range_price_units[49].price_unit: is not above zero"
    )


def test_a_reply_speaks_for_no_whole_quote_currency() -> None:
    ladder = KRW_BTC.ladder
    with pytest.raises(PayloadRejected) as caught:
        CoinoneFormat().read(
            payload=saved("coinone_range_units_KRW_BTC.json"),
            market=ladder,
            observed_at=OBSERVED_AT,
            source=SOURCE,
        )
    assert "whole quote currency" in caught.value.detail
