from datetime import timedelta

import httpx
import pytest

from app.services.range_units.price_service import MANY_BANDS
from tests.application import MemoryApplication
from tests.unit.http.api import faults, refusal, table_file
from tests.unit.http.stating import BANDS, COARSER, NOW, SHOWN, put, units


async def test_a_new_revision_is_shown_in_full(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    answer = await put(client, coinone)
    assert answer.status_code == 201
    assert answer.json() == {
        "exchange": "coinone",
        "quote_currency": "KRW",
        "target_currency": "BTC",
        "revision_id": answer.json()["revision_id"],
        "effective_from": NOW,
        "recorded_at": NOW,
        "last_seen": NOW,
        "source": "a notice",
        "digest": answer.json()["digest"],
        "payload_digest": None,
        "boundary": "lower_inclusive",
        "anchor": "zero",
        "top": None,
        "top_rule": "open",
        "min_price": None,
        "max_price": None,
        "range_units": SHOWN,
        "lint": [],
    }


async def test_every_attribute_of_a_table_is_kept(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    attributes = {
        "boundary": "upper_inclusive",
        "anchor": "range_min",
        "top": "20000",
        "top_rule": "inclusive",
        "min_price": "0.5",
        "max_price": "19999",
    }
    stated = await put(client, coinone, **attributes)
    assert attributes.items() <= stated.json().items()
    assert await units(client, coinone) == stated.json()


async def test_codes_are_read_in_either_case(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    await put(client, coinone, "/v1/exchanges/CoinOne/markets/krw/btc/range-units")
    assert (await units(client, coinone))["target_currency"] == "BTC"


async def test_the_same_range_units_again_are_only_confirmed(
    application: MemoryApplication, client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    first = (await put(client, coinone)).json()
    application.clock.advance(timedelta(minutes=1))
    answer = await put(client, coinone, range_units=BANDS[::-1], source="another notice")
    again = await units(client, coinone)
    assert (answer.status_code, answer.json()["revision_id"]) == (200, first["revision_id"])
    assert again == first | {"last_seen": "2026-01-02T03:05:05.678901Z"}


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
async def test_what_is_stated_from_any_instant_on_is_shown_as_it_was_answered(
    client: httpx.AsyncClient, coinone: dict[str, str], instant: str
) -> None:
    stated = await put(client, coinone, effective_from=instant)
    shown = await units(client, coinone, as_of=instant)
    assert (stated.status_code, shown) == (201, stated.json())


async def test_a_scheduled_revision_is_not_yet_in_force(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    await put(client, coinone)
    later = await put(
        client, coinone, range_units=COARSER, effective_from="2026-02-01T09:00:00+09:00"
    )
    before = await units(client, coinone, as_of="2026-01-31T23:59:59.999999Z")
    after = await units(client, coinone, as_of="2026-02-01T00:00:00Z")
    assert (later.status_code, later.json()["effective_from"]) == (201, "2026-02-01T00:00:00Z")
    assert (before["range_units"], after) == (SHOWN, later.json())


async def test_a_scheduled_revision_is_amended(
    application: MemoryApplication, client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    await put(client, coinone, range_units=COARSER, effective_from="2026-02-01T00:00:00Z")
    known_before = application.clock.now().isoformat()
    application.clock.advance(timedelta(minutes=1))
    amended = await put(client, coinone, effective_from="2026-02-01T00:00:00Z")
    as_of = "2026-02-02T00:00:00Z"
    known_then = await units(client, coinone, as_of=as_of, known_at=known_before)
    assert (amended.status_code, known_then["range_units"][0]["price_unit"]) == (201, "5")
    assert await units(client, coinone, as_of=as_of) == amended.json()


async def test_what_is_in_force_already_is_history(
    application: MemoryApplication, client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    start = "2026-01-02T12:05:00+09:00"
    await put(client, coinone, effective_from=start)
    application.clock.advance(timedelta(minutes=2))
    answer = await put(client, coinone, range_units=COARSER, effective_from=start)
    assert refusal(answer) == (409, "revision_in_force")
    assert (await units(client, coinone))["range_units"] == SHOWN


async def test_range_units_of_an_unknown_exchange_are_not_taken(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    assert refusal(await put(client, admin)) == (404, "unknown_exchange")


@pytest.mark.parametrize(
    ("bands", "wrong"),
    [
        ([], "range_units"),
        ([("0", None, "0")], "range_units[0].price_unit"),
        ([("0", None, "-1")], "range_units[0].price_unit"),
        ([("0", "0", "1"), ("5", None, "1")], "range_units[0].next_range_min"),
        ([("0", "10", "1"), ("20", None, "1")], "range_units[1].range_min"),
        ([("0", "20", "1"), ("10", None, "1")], "range_units[1].range_min"),
        ([("5", None, "1"), ("0", None, "1"), ("5", None, "2")], "range_units[2].range_min"),
    ],
    ids=["empty", "zero unit", "negative unit", "no room", "gap", "overlap", "duplicate"],
)
async def test_bands_that_make_no_table_are_refused_at_their_place(
    client: httpx.AsyncClient,
    coinone: dict[str, str],
    bands: list[tuple[str, str | None, str]],
    wrong: str,
) -> None:
    rows = [dict(zip(("range_min", "next_range_min", "price_unit"), b, strict=True)) for b in bands]
    answer = await put(client, coinone, range_units=rows)
    assert refusal(answer) == (422, "invalid_range_units")
    assert list(faults(answer)) == [wrong]


async def test_a_table_of_many_bands_is_refused_as_one_of_a_few_is(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    bad: list[dict[str, object]] = [
        {"range_min": 0, "price_unit": "x"},
        {"range_min": "0", "unit": "1"},
    ]
    many = [{"range_min": str(place), "price_unit": "1"} for place in range(1, MANY_BANDS)]
    for wrong in ({}, {"source": "", "top": "high", "motto": "x"}, {"effective_from": "soon"}):
        few_refused = await put(client, coinone, **wrong, range_units=bad)
        refused = await put(client, coinone, **wrong, range_units=[*bad, *many])
        assert refused.status_code == few_refused.status_code == 422
        assert faults(refused)
        assert faults(refused) == faults(few_refused)


async def test_many_bands_that_make_no_table_are_refused_at_their_place(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    many = [{"range_min": str(place), "price_unit": "1"} for place in range(MANY_BANDS)]
    refused = await put(client, coinone, range_units=[*many, {"range_min": "7", "price_unit": "0"}])
    assert faults(refused) == {
        f"range_units[{MANY_BANDS}].price_unit": "is not above zero",
        f"range_units[{MANY_BANDS}].range_min": "duplicate: 7 is also that of range_units[7]",
    }


async def test_many_bands_are_shown_as_they_were_answered(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    many = [{"range_min": str(place), "price_unit": "1"} for place in range(MANY_BANDS)]
    stated = await put(client, coinone, range_units=many)
    assert len(stated.json()["range_units"]) == MANY_BANDS
    assert await units(client, coinone) == stated.json()


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"top": "5", "top_rule": "exclusive"}, "top"),
        ({"top": "5000", "top_rule": "open"}, "top"),
        ({"top_rule": "inclusive"}, "top"),
        ({"min_price": "2", "max_price": "1"}, "min_price"),
    ],
    ids=lambda fields: ascii(fields)[:30],
)
async def test_limits_that_fit_no_table_are_refused_by_name(
    client: httpx.AsyncClient, coinone: dict[str, str], fields: dict[str, str], wrong: str
) -> None:
    answer = await put(client, coinone, **fields)
    assert refusal(answer) == (422, "invalid_range_units")
    assert list(faults(answer)) == [wrong]


@pytest.mark.parametrize(
    "name", ["coinone-krw-documented", "binance-sample", "tse-topix500", "okx-events"]
)
async def test_a_bundled_table_comes_back_as_it_was_stated(
    client: httpx.AsyncClient, coinone: dict[str, str], name: str
) -> None:
    stated = table_file(name) | {"effective_from": "2020-01-01T00:00:00Z"}
    shown = (await put(client, coinone, **stated)).json()
    bands = [band | {"next_range_min": None} for band in stated.pop("range_units")]
    for band, after in zip(bands, [*bands[1:], {"range_min": stated["top"]}], strict=True):
        band["next_range_min"] = after["range_min"]
    assert stated.items() <= shown.items()
    assert shown["range_units"] == bands


async def test_what_is_odd_about_a_table_is_said_whenever_it_is_shown(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    bands = [{"range_min": "0", "price_unit": "3"}, {"range_min": "10", "price_unit": "1"}]
    stated = (await put(client, coinone, range_units=bands)).json()["lint"]
    assert [(finding["code"], finding["position"]) for finding in stated] == [
        ("not_nested", 1),
        ("finer_above", 1),
    ]
    assert (await units(client, coinone))["lint"] == stated
