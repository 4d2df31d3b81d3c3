import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from app.adapters.exchanges.curated import bundled, read_table
from app.domain.range_units.errors import PayloadRejected
from app.domain.range_units.grid import PriceGrid
from app.domain.range_units.revisions import Market, Observation
from app.domain.range_units.table import Anchor, Band, Boundary, TopRule

NO_CODE = "is not 1 to 32 of the letters A-Z, digits, ., _ and -, beginning with no sign"


def table_file(*without: str, **fields: object) -> bytes:
    content: dict[str, object] = {
        "id": "coinone-krw",
        "exchange": "coinone",
        "market": "KRW/*",
        "boundary": "lower_inclusive",
        "anchor": "zero",
        "top": None,
        "top_rule": "open",
        "effective_from": None,
        "source": "a notice",
        "note": "",
        "bands": [{"range_min": "0", "price_unit": "1"}],
        **fields,
    }
    return json.dumps({k: v for k, v in content.items() if k not in without}).encode()


def faults(payload: bytes) -> list[str]:
    with pytest.raises(PayloadRejected) as caught:
        read_table(payload)
    return [str(fault) for fault in caught.value.faults]


# -- what comes along ----------------------------------------------------------------------


def ladder(market: Market, start: datetime | None) -> Observation:
    _, observations = bundled()
    [found] = [o for o in observations if (o.market, o.effective_from) == (market, start)]
    return found


def test_nine_exchanges_and_fourteen_ladders_come_along() -> None:
    exchanges, observations = bundled()
    assert (len(exchanges), len(observations)) == (9, 14)


def test_every_bundled_ladder_names_its_source() -> None:
    _, observations = bundled()
    assert [o.market for o in observations if len(o.source) < len("KRX notice")] == []


def test_every_bundled_ladder_belongs_to_an_exchange_that_comes_along() -> None:
    exchanges, observations = bundled()
    assert {o.market.exchange for o in observations} <= {exchange.code for exchange in exchanges}


def test_no_two_bundled_ladders_of_a_market_begin_at_the_same_time() -> None:
    _, observations = bundled()
    starts = Counter((o.market, o.effective_from) for o in observations)
    assert [start for start, times in starts.items() if times > 1] == []


def test_every_exchange_has_the_time_zone_of_its_notices() -> None:
    exchanges, _ = bundled()
    assert {exchange.code: ZoneInfo(exchange.time_zone).key for exchange in exchanges} == {
        "binance": "UTC",
        "bithumb": "Asia/Seoul",
        "bybit": "UTC",
        "coinone": "Asia/Seoul",
        "korbit": "Asia/Seoul",
        "krx": "Asia/Seoul",
        "okx": "UTC",
        "tse": "Asia/Tokyo",
        "upbit": "Asia/Seoul",
    }


def test_a_ladder_starts_at_midnight_of_its_exchange_and_is_kept_in_utc() -> None:
    midnight_in_seoul = datetime(2024, 9, 29, 15, tzinfo=UTC)
    krw = ladder(Market("coinone", "KRW", "*"), midnight_in_seoul)
    assert krw.effective_from is not None
    assert krw.effective_from.tzinfo is UTC


@pytest.mark.parametrize(
    ("start", "price", "valid"),
    [
        (None, "7003", False),
        (datetime(2024, 1, 28, 15, tzinfo=UTC), "7003", True),
        (datetime(2025, 7, 30, 15, tzinfo=UTC), "7003", False),
        (None, "1234500", True),
        (datetime(2024, 1, 28, 15, tzinfo=UTC), "1234500", True),
        (datetime(2025, 7, 30, 15, tzinfo=UTC), "1234500", False),
    ],
)
def test_the_ladders_of_upbit_say_what_was_valid_when(
    start: datetime | None, price: str, *, valid: bool
) -> None:
    grid = PriceGrid(ladder(Market("upbit", "KRW", "*"), start).table)
    assert grid.is_valid(Decimal(price)) is valid


def test_rows_that_change_nothing_are_kept_as_published() -> None:
    bands = ladder(Market("upbit", "KRW", "*"), datetime(2025, 7, 30, 15, tzinfo=UTC)).table.bands
    assert bands[-2:] == (
        Band(Decimal(1_000_000), Decimal(1000)),
        Band(Decimal(2_000_000), Decimal(1000)),
    )


def test_a_price_on_a_boundary_belongs_to_the_band_below_in_tokyo() -> None:
    topix = ladder(Market("tse", "JPY", "*"), datetime(2014, 1, 13, 15, tzinfo=UTC))
    assert topix.table.boundary is Boundary.UPPER_INCLUSIVE


@pytest.mark.parametrize(
    ("market", "top"),
    [
        (Market("okx", "EVENTS", "*"), (Decimal("0.999"), TopRule.INCLUSIVE)),
        (Market("binance", "SAMPLE", "*"), (Decimal(100_000), TopRule.INCLUSIVE)),
        (Market("coinone", "KRW", "BTC"), (Decimal(10_000_000_000), TopRule.EXCLUSIVE)),
        (Market("korbit", "KRW", "BTC"), (None, TopRule.OPEN)),
    ],
)
def test_a_bundled_ladder_ends_as_published(
    market: Market, top: tuple[Decimal | None, TopRule]
) -> None:
    table = ladder(market, None).table
    assert (table.top, table.top_rule) == top


# -- one file ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("market", "expected"),
    [
        ("KRW/*", Market("coinone", "KRW", "*")),
        ("KRW/BTC", Market("coinone", "KRW", "BTC")),
        ("krw/btc", Market("coinone", "KRW", "BTC")),
        ("EVENTS", Market("coinone", "EVENTS", "*")),
        ("sample", Market("coinone", "SAMPLE", "*")),
    ],
)
def test_a_market_without_a_slash_is_a_family_of_markets(market: str, expected: Market) -> None:
    assert read_table(table_file(market=market)).market == expected


@pytest.mark.parametrize(
    ("text", "start"),
    [
        (None, None),
        ("2024-09-30T00:00:00+09:00", datetime(2024, 9, 29, 15, tzinfo=UTC)),
        ("2024-09-30T00:00:00Z", datetime(2024, 9, 30, tzinfo=UTC)),
        ("2024-09-30T00:00:00.25-03:30", datetime(2024, 9, 30, 3, 30, 0, 250_000, tzinfo=UTC)),
    ],
)
def test_a_start_is_read_with_its_offset(text: str | None, start: datetime | None) -> None:
    assert read_table(table_file(effective_from=text)).effective_from == start


def test_how_bands_are_to_be_read_is_taken_from_the_file() -> None:
    payload = table_file(
        boundary="upper_inclusive",
        anchor="range_min",
        top="100",
        top_rule="inclusive",
    )
    table = read_table(payload).table
    assert (table.boundary, table.anchor, table.top, table.top_rule) == (
        Boundary.UPPER_INCLUSIVE,
        Anchor.RANGE_MIN,
        Decimal(100),
        TopRule.INCLUSIVE,
    )


def test_limits_are_taken_from_the_file() -> None:
    table = read_table(table_file(min_price="0.5", max_price="99.5")).table
    assert (table.min_price, table.max_price) == (Decimal("0.5"), Decimal("99.5"))


def test_bands_in_any_order_make_the_same_table() -> None:
    bands = [{"range_min": "0", "price_unit": "1"}, {"range_min": "10", "price_unit": "5"}]
    ascending, descending = (read_table(table_file(bands=b)).table for b in (bands, bands[::-1]))
    assert ascending.digest == descending.digest


def test_id_note_and_limits_need_not_be_there() -> None:
    payload = table_file("id", "note", "top")
    assert read_table(payload).source == "a notice"


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", "the file is empty"),
        (b"<html>", "the file is HTML, not JSON"),
        (b"[]", "the file is a list, not an object"),
        (table_file("exchange"), "exchange: is missing"),
        (table_file("market"), "market: is missing"),
        (table_file("source"), "source: is missing"),
        (table_file("boundary"), "boundary: is missing"),
        (table_file("anchor"), "anchor: is missing"),
        (table_file("top_rule"), "top_rule: is missing"),
        (table_file("effective_from"), "effective_from: is missing"),
        (table_file("bands"), "bands: is missing"),
        (table_file(source=" "), "source: is blank"),
        (table_file(source=None), "source: is null, not a string"),
        (table_file(min_pirce="5"), "min_pirce: is no field of this format"),
        (table_file(boundary="lower"), "boundary: is none of lower_inclusive, upper_inclusive"),
        (table_file(anchor="one"), "anchor: is none of zero, range_min"),
        (table_file(top_rule="closed"), "top_rule: is none of open, exclusive, inclusive"),
        (table_file(top_rule="inclusive"), "top: is needed when top_rule says inclusive"),
        (table_file(top="5"), "top: is given although top_rule says open"),
        (
            table_file(top="x", top_rule="exclusive"),
            "top: is not a decimal number in plain or exponent notation",
        ),
        (table_file(min_price=5), "min_price: is a number, not a string"),
        (table_file(min_price="5", max_price="4"), "min_price: is above max_price"),
        (
            table_file(exchange="코인원"),
            "exchange: is not 1 to 32 of the letters a-z, digits, _ and -, beginning with no sign",
        ),
        (
            table_file(market="KRW/"),
            f"market: its target {NO_CODE}",
        ),
        (
            table_file(market="*/BTC"),
            f"market: its quote {NO_CODE}",
        ),
        (table_file(bands=None), "bands: is null, not a list"),
        (table_file(bands=[]), "bands: is empty"),
        (table_file(bands=["0"]), 'bands[0]: is the string "0", not an object'),
        (table_file(bands=[{"range_min": "0"}]), "bands[0].price_unit: is missing"),
        (
            table_file(bands=[{"range_min": 0, "price_unit": "1"}]),
            "bands[0].range_min: is a number, not a string",
        ),
        (
            table_file(bands=[{"range_min": "0", "price_unit": "NaN"}]),
            "bands[0].price_unit: is not a decimal number in plain or exponent notation",
        ),
        (
            table_file(bands=[{"range_min": "0", "price_unit": "1", "next_range_min": "5"}]),
            "bands[0].next_range_min: is no field of this format",
        ),
        (
            table_file(bands=[{"range_min": "0", "price_unit": "0"}]),
            "bands[0].price_unit: is not above zero",
        ),
        (
            table_file(bands=[{"range_min": "0", "price_unit": "1"}] * 2),
            "bands[1].range_min: duplicate: 0 is also that of bands[0]",
        ),
    ],
)
def test_a_file_is_rejected_with_the_reason(payload: bytes, expected: str) -> None:
    assert faults(payload) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "2024-09-30",
        "2024-09-30T00:00:00",
        "2024-W40-1T00:00:00Z",
        "2024-09-31T00:00:00Z",
        "2024-09-30T24:30:00Z",
        "0001-01-01T00:00:00+09:00",
        "\uff12024-09-30T00:00:00Z",
        "tomorrow",
    ],
)
def test_a_start_that_is_no_instant_is_rejected(text: str) -> None:
    assert faults(table_file(effective_from=text)) == [
        "effective_from: is not an RFC 3339 date and time with its offset"
    ]


def test_everything_that_is_wrong_with_a_file_is_said_at_once() -> None:
    bands = [{"range_min": "0", "price_unit": "0"}, {"range_min": "0", "price_unit": "1"}]
    payload = table_file("source", exchange="?", market="?", effective_from="?", bands=bands)
    assert [fault.partition(":")[0] for fault in faults(payload)] == [
        "exchange",
        "market",
        "source",
        "effective_from",
        "bands[0].price_unit",
        "bands[1].range_min",
    ]
