import re
from datetime import UTC, datetime
from typing import ClassVar

import pytest

from app.domain.range_units.errors import PayloadRejected
from app.domain.range_units.revisions import Market, Observation, Reading, ScalarTick
from app.ports.range_units.formats import PayloadFormat

OBSERVED_AT = datetime(2026, 1, 5, 9, 30, 15, 123456, tzinfo=UTC)
SOURCE = "https://exchange.example/reply"

NO_REPLY = [
    pytest.param(b"", id="nothing"),
    pytest.param(b" \n", id="blanks"),
    pytest.param(b"<!doctype html><title>Maintenance</title>", id="html"),
    pytest.param(b"null", id="null"),
    pytest.param(b"true", id="a-boolean"),
    pytest.param(b"1", id="a-number"),
    pytest.param(b'"text"', id="a-string"),
    pytest.param(b"[]", id="an-empty-list"),
    pytest.param(b"{}", id="an-empty-object"),
    pytest.param(b'[{"unexpected": []}]', id="a-list-of-something-else"),
    pytest.param(b'{"unexpected": []}', id="another-object"),
    pytest.param(b"\xff\xfe\xfa", id="no-text"),
    pytest.param(b'{"a": "\xed\xa0\x80"}', id="an-encoded-surrogate"),
    pytest.param(b"\0", id="a-nul"),
    pytest.param(b"[" * 200_000, id="nested-too-deep"),
    pytest.param(b'{"a":' * 200_000, id="objects-nested-too-deep"),
    pytest.param(b"9" * 1_000_000, id="a-number-of-a-million-digits"),
]

NO_NUMBERS = [
    pytest.param(b"NaN", id="nan"),
    pytest.param(b"Infinity", id="infinity"),
    pytest.param(b"-Infinity", id="minus-infinity"),
    pytest.param(b"-1", id="below-zero"),
    pytest.param(b"1e999999", id="a-huge-exponent"),
    pytest.param(b"9" * 10_000, id="ten-thousand-digits"),
    pytest.param(b"0x10", id="hexadecimal"),
    pytest.param(b"1_000", id="grouped"),
    pytest.param(b"null", id="null"),
    pytest.param(b"[]", id="a-list"),
]

NUMBER = re.compile(rb"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def reading(payload_format: PayloadFormat, payload: bytes, market: Market) -> Reading:
    return payload_format.read(
        payload=payload, market=market, observed_at=OBSERVED_AT, source=SOURCE
    )


def observed(
    payload_format: PayloadFormat, payload: bytes, market: Market
) -> tuple[Observation, ...]:
    return reading(payload_format, payload, market).observations


def said(
    payload_format: PayloadFormat, payload: bytes, market: Market
) -> tuple[Observation | ScalarTick, ...]:
    found = reading(payload_format, payload, market)
    return (*found.observations, *found.ticks)


def refusal(payload_format: PayloadFormat, payload: bytes, market: Market) -> PayloadRejected:
    with pytest.raises(PayloadRejected) as raised:
        observed(payload_format, payload, market)
    return raised.value


class PayloadFormatContract:
    """Takes a reply that is good, and the market that was asked about to get it."""

    port: ClassVar[type] = PayloadFormat

    def test_a_good_reply_says_something(
        self, payload_format: PayloadFormat, good_payload: bytes, market: Market
    ) -> None:
        assert said(payload_format, good_payload, market)

    def test_nothing_of_a_good_reply_is_rejected(
        self, payload_format: PayloadFormat, good_payload: bytes, market: Market
    ) -> None:
        assert reading(payload_format, good_payload, market).rejections == ()

    def test_a_market_is_observed_once(
        self, payload_format: PayloadFormat, good_payload: bytes, market: Market
    ) -> None:
        markets = [one.market for one in said(payload_format, good_payload, market)]
        assert len(set(markets)) == len(markets)

    def test_what_is_observed_is_of_the_exchange_that_was_asked(
        self, payload_format: PayloadFormat, good_payload: bytes, market: Market
    ) -> None:
        exchanges = {one.market.exchange for one in said(payload_format, good_payload, market)}
        assert exchanges == {market.exchange}

    def test_a_table_says_where_it_is_from_and_is_in_force_from_when_the_reply_was_got(
        self, payload_format: PayloadFormat, good_payload: bytes, market: Market
    ) -> None:
        tables = observed(payload_format, good_payload, market)
        assert {(one.source, one.effective_from) for one in tables} <= {(SOURCE, OBSERVED_AT)}

    def test_the_same_reply_is_the_same_reading(
        self, payload_format: PayloadFormat, good_payload: bytes, market: Market
    ) -> None:
        once, again = (reading(payload_format, good_payload, market) for _ in range(2))
        assert once == again

    def test_blanks_around_a_reply_mean_nothing(
        self, payload_format: PayloadFormat, good_payload: bytes, market: Market
    ) -> None:
        spaced = b"\r\n " + good_payload + b" \r\n"
        assert reading(payload_format, spaced, market) == reading(
            payload_format, good_payload, market
        )

    @pytest.mark.parametrize("payload", NO_REPLY)
    def test_what_is_no_reply_is_rejected(
        self, payload_format: PayloadFormat, market: Market, payload: bytes
    ) -> None:
        assert refusal(payload_format, payload, market).faults

    @pytest.mark.parametrize("share", [1, 5, 9])
    def test_a_reply_that_broke_off_is_rejected(
        self, payload_format: PayloadFormat, good_payload: bytes, market: Market, share: int
    ) -> None:
        whole = good_payload.strip()
        assert refusal(payload_format, whole[: len(whole) * share // 10], market).faults

    def test_a_reply_without_its_last_byte_is_rejected(
        self, payload_format: PayloadFormat, good_payload: bytes, market: Market
    ) -> None:
        assert refusal(payload_format, good_payload.strip()[:-1], market).faults

    def test_two_replies_in_one_are_rejected(
        self, payload_format: PayloadFormat, good_payload: bytes, market: Market
    ) -> None:
        assert refusal(payload_format, good_payload + good_payload, market).faults

    @pytest.mark.parametrize("instead", NO_NUMBERS)
    def test_a_reply_with_anything_but_numbers_for_its_numbers_is_rejected(
        self, payload_format: PayloadFormat, good_payload: bytes, market: Market, instead: bytes
    ) -> None:
        assert refusal(payload_format, NUMBER.sub(instead, good_payload), market).faults

    @pytest.mark.parametrize("payload", NO_REPLY)
    def test_a_fault_names_the_market_it_is_about_or_its_place(
        self, payload_format: PayloadFormat, market: Market, payload: bytes
    ) -> None:
        [about] = {fault.about for fault in refusal(payload_format, payload, market).faults}
        assert about in {str(market), f"{market.exchange} [0]"}
