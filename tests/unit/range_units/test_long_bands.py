"""A long reply is read a part at a time where it is usual, and as a whole where it is not."""

import json
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Final

import pytest

from app.adapters.exchanges.coinone import CoinoneFormat
from app.adapters.exchanges.long_bands import LONG, LongBands
from app.domain.range_units.errors import PayloadRejected
from app.domain.range_units.numbers import MAX_INTEGER_DIGITS
from app.domain.range_units.revisions import Market
from app.domain.range_units.table import RangeUnitTable, Row, WrittenBands, table_of
from tests.builders import at

MANY: Final = 5_000
KRW_BTC: Final = Market("coinone", "KRW", "BTC")
BANDS: Final = LongBands("range_price_units", "range_min", "price_unit", "next_range_min")


def bands(count: int = MANY) -> list[dict[str, object]]:
    return [{"range_min": n, "next_range_min": n + 1, "price_unit": 1} for n in range(count)]


def reply(listed: Sequence[object], **fields: object) -> bytes:
    return json.dumps({"result": "success", "range_price_units": listed, **fields}).encode()


def with_band(place: int, **fields: object) -> bytes:
    listed = bands()
    listed[place] |= fields
    return reply(listed)


def read(payload: bytes) -> RangeUnitTable:
    reading = CoinoneFormat().read(
        payload=payload, market=KRW_BTC, observed_at=at(), source="a test"
    )
    [observation] = reading.observations
    return observation.table


def faults(payload: bytes) -> list[str]:
    with pytest.raises(PayloadRejected) as caught:
        read(payload)
    return [str(fault).removeprefix("coinone KRW/BTC: ") for fault in caught.value.faults]


def test_a_long_reply_makes_the_table_that_its_bands_make() -> None:
    starts = ["0", "1e-7", "0.50", "1", "1.0E+3", *map(str, range(2_000, 2_000 + MANY))]
    rows = [(low, end, f"0.{place % 9 + 1}0") for place, (low, end) in enumerate(pairwise(starts))]
    expected = table_of([Row(Decimal(low), Decimal(unit), Decimal(end)) for low, end, unit in rows])
    texts = {
        "as published": '{"range_min":%s,"next_range_min":%s,"price_unit":%s}',
        "in another order": '{"next_range_min":%s,"price_unit":%s,"range_min":%s}',
        "spaced": '\t{\r\n "range_min" : %s ,"next_range_min": %s, "price_unit":%s }\n ',
    }
    found = {}
    for name, text in texts.items():
        order = (1, 2, 0) if name == "in another order" else (0, 1, 2)
        listed = ",".join(text % tuple(row[place] for place in order) for row in rows)
        payload = (
            f' {{"말": "원", "result":"success","range_price_units" : [{listed} ] , "at":{{}}}}'
        )
        found[name] = read(payload.encode())
    assert found == dict.fromkeys(texts, expected)
    assert {table.digest for table in found.values()} == {expected.digest}
    assert {type(table.bands) for table in found.values()} == {WrittenBands}


def test_a_reply_that_is_not_long_is_read_as_a_whole() -> None:
    payload = reply(bands(10))
    assert BANDS.read(payload) is None
    assert BANDS.read(payload + b" " * LONG) is not None


def test_what_is_wrong_beside_a_long_list_is_told_as_ever() -> None:
    assert faults(reply(bands(), result="maintenance")) == [
        'result: is the string "maintenance", not "success"'
    ]


def test_what_is_wrong_in_a_long_list_is_told_at_its_place() -> None:
    for place in (0, 1, 4_000, MANY - 1):
        path = f"range_price_units[{place}]"
        cases: Mapping[str, bytes] = {
            f'{path}.price_unit: is the string "1", not a number': with_band(place, price_unit="1"),
            f"{path}.price_unit: is true or false, not a number": with_band(place, price_unit=True),
            f"{path}.price_unit: is null, not a number": with_band(place, price_unit=None),
            f"{path}.price_unit: is not above zero": with_band(place, price_unit=0),
            f"{path}.odd: is no field of a band": with_band(place, odd=1),
            f"{path}.range_min: is negative, as no price is": with_band(place, range_min=-1),
        }
        for fault, payload in cases.items():
            assert fault in faults(payload), (place, fault)


def test_bands_of_a_long_list_in_any_order_make_the_same_table() -> None:
    listed = bands()
    assert read(reply(listed[::-1])) == read(reply(listed))


def test_what_is_unusual_is_left_to_be_read_as_a_whole() -> None:
    usual = reply(bands())
    band = b'{"range_min": 4500, "next_range_min": 4501, "price_unit": 1}'
    assert band in usual
    instead: Mapping[str, bytes] = {
        "a key twice": band[:-1] + b', "price_unit": 1}',
        "a key twice for another": b'{"range_min": 4500, "range_min": 4500, "price_unit": 1}',
        "two keys swapped": b'{"next_range_min": 4501, "range_min": 4500, "price_unit": 1}',
        "a list of pairs": b'[["range_min", 4500], ["next_range_min", 4501], ["price_unit", 1]]',
        "no field": b"{}",
        "no object": b"4500",
        "nothing": b"",
        "another key": band.replace(b"next", b"last"),
        "another key for two": band.replace(b"next_", b""),
        "a constant": band.replace(b": 1}", b": NaN}"),
        "a gap": band.replace(b"4500", b"4500.5"),
        "an end too far": band.replace(b"4501", b"4501.5"),
        "a negative unit": band.replace(b": 1}", b": -1}"),
        "a number beyond bounds": band.replace(b": 1}", b": 1e99}"),
        "a whole number beyond bounds": band.replace(b": 1}", b": 1%b}" % (b"0" * 40)),
        "a number beyond reading": band.replace(b": 1}", b": 1%b}" % (b"0" * 5_000)),
        "a leading zero": band.replace(b": 1}", b": 01}"),
        "two without a comma": band + b" " + band,
        "two commas": band + b",",
        "a bracket": band + b"]",
        "odd space": band + b"\x0b",
        "not UTF-8": band.replace(b"min", b"m\xff"),
        "too deep": b"[" * 10_000,
    }
    for name, text in instead.items():
        assert BANDS.read(usual.replace(band, text)) is None, name


def test_a_reply_of_unusual_shape_is_left_to_be_read_as_a_whole() -> None:
    usual = reply(bands())
    change: Mapping[str, Callable[[bytes], bytes]] = {
        "a byte order mark": lambda text: b"\xef\xbb\xbf" + text,
        "breaking off": lambda text: text[:-2],
        "nothing but the list": lambda text: text[text.index(b"[") :],
        "another list": lambda text: text[:-1] + b', "other": []}',
        "the list twice": lambda text: text[:-1] + b', "range_price_units": 1}',
        "an object before it": lambda text: text.replace(b"{", b'{"of": {}, ', 1),
        "the list in an object": lambda text: b'{"data": ' + text + b"}",
        "a name that ends alike": lambda text: text.replace(
            b'"range_price', b'"a\\"range_price', 1
        ),
        "a comma at the end": lambda text: text[:-2] + b", ]}",
        "something behind": lambda text: text + b"1",
        "no list": lambda _: b'{"range_price_units": "' + b"]" * LONG + b'"}',
        "an empty list": lambda _: reply([]) + b" " * LONG,
    }
    for name, changed in change.items():
        assert BANDS.read(changed(usual)) is None, name


def test_a_brace_within_a_text_at_the_end_of_a_part_cuts_nothing() -> None:
    text = "}," * LONG
    assert faults(with_band(3, range_min=text))[0].startswith("range_price_units[3].range_min: is")


def test_a_whole_number_within_the_bounds_is_taken_with_all_its_digits() -> None:
    listed = bands()
    listed[-1]["next_range_min"] = 10**MAX_INTEGER_DIGITS - 1
    assert read(reply(listed)).top == Decimal("9" * MAX_INTEGER_DIGITS)


def test_twice_the_bands_take_little_more_memory() -> None:
    def peak(count: int) -> int:
        payload = reply(bands(count))
        tracemalloc.start()
        try:
            read(payload)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(4 * MANY) - peak(2 * MANY) < 2 * MANY * 20
