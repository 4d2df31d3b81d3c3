from decimal import Decimal

import pytest

from app.adapters.exchanges.literal_json import UnreadableJson, parse
from app.adapters.exchanges.refusal import OutOfBounds, described


def refusal(payload: bytes) -> str:
    with pytest.raises(UnreadableJson) as caught:
        parse(payload)
    return str(caught.value)


def test_every_kind_of_value_is_read() -> None:
    payload = '{"list": [1, "원", true, null], "object": {}}'.encode()
    assert parse(payload) == {"list": [Decimal(1), "원", True, None], "object": {}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1", "0.1"),
        ("1.0E-4", "0.0001"),
        ("10000000000", "10000000000"),
        ("1e10", "10000000000"),
        ("12345678901234567890.1234567890123456789", "12345678901234567890.1234567890123456789"),
        ("-5", "-5"),
        ("-0", "0"),
    ],
)
def test_a_number_is_exactly_what_is_written(text: str, value: str) -> None:
    assert parse(text.encode()) == Decimal(value)


def test_whole_numbers_are_decimals_too() -> None:
    assert isinstance(parse(b"5000"), Decimal)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "is empty"),
        (b" \r\n", "is empty"),
        (b"<!DOCTYPE html><title>Not found</title>", "is HTML, not JSON"),
        (b"\n  <html></html>", "is HTML, not JSON"),
        (b'<?xml version="1.0"?><Error/>', "is XML, not JSON"),
        (b'\xef\xbb\xbf{"a": 1}', "begins with a byte order mark"),
        (b'["\xff"]', "is not UTF-8 at byte 2"),
        ('["원"]'.encode("euc-kr"), "is not UTF-8 at byte 2"),
        (b"not found", "is not JSON at line 1, column 1"),
        (b"{'a': 1}", "is not JSON at line 1, column 2"),
        (b'{"a": 1}\n{"a": 2}', "is not JSON at line 2, column 1"),
        (b"[1,]", "is not JSON at line 1, column 4"),
        (b"[01]", "is not JSON at line 1, column 3"),
        (b'{"a": [1, 2', "is JSON that breaks off"),
        (b'{"a": [1, 2\n', "is JSON that breaks off"),
        (b'{"a": ', "is JSON that breaks off"),
        (b'{"a": "b', "is JSON that breaks off"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'{"a":' * 100_000, "is nested too deeply"),
    ],
)
def test_what_is_not_json_is_refused_and_says_what_it_is(payload: bytes, reason: str) -> None:
    assert refusal(payload) == reason


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_a_constant_that_json_lacks_is_refused(constant: str) -> None:
    assert refusal(f'{{"price": {constant}}}'.encode()) == f"has {constant}, which is no number"


def test_equal_keys_in_one_object_are_refused() -> None:
    payload = b'{"price_unit": 1, "range_min": 0, "price_unit": 2}'
    assert refusal(payload) == "has the key price_unit more than once in one object"


def test_equal_keys_in_different_objects_are_none_of_that() -> None:
    assert parse(b'[{"a": 1}, {"a": {"a": 2}}]') == [{"a": 1}, {"a": {"a": 2}}]


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("1e999", "has more than 40 digits before the decimal point"),
        ("1e-999999", "has more than 40 digits after the decimal point"),
        ("1e-41", "has more than 40 digits after the decimal point"),
        ("1" * 41, "has more than 40 digits before the decimal point"),
    ],
)
def test_a_number_out_of_bounds_is_only_refused_by_who_wants_it(number: str, reason: str) -> None:
    assert parse(f'[{number}, "0.1"]'.encode()) == [OutOfBounds(number, reason), "0.1"]


def test_a_number_of_ten_thousand_digits_is_quoted_in_part() -> None:
    digits = b"9" * 10_000
    expected = f"the number {'9' * 99}…, which is longer than 100 characters"
    assert described(parse(digits)) == expected


def test_a_key_that_is_quoted_does_nothing_to_a_terminal() -> None:
    payload = rb'{"\u001b[2J\ud800\u202e": 1, "\u001b[2J\ud800\u202e": 2}'
    assert refusal(payload) == r"has the key \x1b[2J\ud800\u202e more than once in one object"
