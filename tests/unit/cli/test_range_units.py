import json
from datetime import timedelta
from pathlib import Path

import pytest

from app.domain.range_units.revisions import Exchange, Market, market_of
from app.domain.range_units.table import RangeUnitTable
from tests.builders import a_table
from tests.unit.cli.program import Program

BTC = ("--exchange", "coinone", "--market", "KRW/BTC")
COARSE = a_table(("0", "5"))
REPLY = {
    "result": "success",
    "error_code": "0",
    "range_price_units": [
        {"range_min": 0, "next_range_min": 1000, "price_unit": 0.1},
        {"range_min": 1000, "next_range_min": 10000000000, "price_unit": 1},
    ],
}
SEVERAL = {
    "symbols": [
        {
            "symbol": "ETHBTC",
            "baseAsset": "ETH",
            "quoteAsset": "BTC",
            "filters": [
                {
                    "filterType": "PRICE_FILTER",
                    "minPrice": "0.1",
                    "maxPrice": "0.00",
                    "tickSize": "0.00",
                }
            ],
        },
        {"symbol": "ETHUSDT", "baseAsset": "ETH", "quoteAsset": "USDT", "filters": []},
    ]
}
CURATED = {
    "id": "coinone-krw",
    "exchange": "coinone",
    "market": "KRW/*",
    "boundary": "lower_inclusive",
    "anchor": "zero",
    "top": None,
    "top_rule": "open",
    "effective_from": "2024-09-30T00:00:00+09:00",
    "source": "a notice",
    "note": "",
    "bands": [{"range_min": "0", "price_unit": "0.1"}, {"range_min": "1000", "price_unit": "1"}],
}


@pytest.fixture(autouse=True)
def coinone(program: Program) -> None:
    put_exchange(program, Exchange("coinone", "Coinone", "Asia/Seoul"))


def put_exchange(program: Program, exchange: Exchange) -> None:
    program.with_range_units(lambda s: s.range_units.put_exchange(exchange=exchange))


def state(
    program: Program, table: RangeUnitTable, *, target: str = "BTC", source: str = "a notice"
) -> Market:
    market = market_of("coinone", "KRW", target)
    program.with_range_units(
        lambda s: s.range_units.put_range_units(market=market, table=table, source=source)
    )
    return market


def file_of(folder: Path, content: object) -> str:
    file = folder / "units.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return str(file)


def sources(program: Program) -> list[str]:
    return [found.source for found in program.range_units_store.committed.revisions.values()]


# -- withdrawing -----------------------------------------------------------------------------


def test_an_announced_revision_is_withdrawn_and_one_in_force_is_not(program: Program) -> None:
    market = state(program, a_table(("0", "1")))
    later = program.clock.now() + timedelta(days=1)
    program.with_range_units(
        lambda s: s.range_units.put_range_units(
            market=market, table=COARSE, source="a notice", effective_from=later
        )
    )
    history = program.run("range-units", "history", *BTC, "--json").document["items"]
    announced, in_force = (one["revision_id"] for one in history)
    ended = [
        program.run("range-units", "withdraw", revision, *BTC)
        for revision in (announced, announced, in_force, "none")
    ]
    assert [end.exit_code for end in ended] == [0, 1, 1, 2]
    assert ended[0].stdout == f"The revision {announced} of coinone KRW/BTC is withdrawn.\n"
    assert "[unknown_revision]" in ended[1].stderr
    assert "[revision_in_force]" in ended[2].stderr
    [gone, _] = program.run("range-units", "history", *BTC, "--json").document["items"]
    assert (gone["revision_id"], gone["superseded_at"] is None) == (announced, False)


def test_a_withdrawal_is_told_to_programs(program: Program) -> None:
    later = program.clock.now() + timedelta(days=1)
    market = market_of("coinone", "KRW", "*")
    units, _ = program.with_range_units(
        lambda s: s.range_units.put_range_units(
            market=market, table=COARSE, source="a notice", effective_from=later
        )
    )
    revision = str(units.revision.id)
    ladder = ("--exchange", "coinone", "--market", "KRW/*", "--json")
    ended = program.run("range-units", "withdraw", revision, *ladder)
    assert ended.document == {"revision_id": revision, "withdrawn": True}


# -- importing -------------------------------------------------------------------------------


def test_a_reply_of_the_exchange_is_counted(program: Program, tmp_path: Path) -> None:
    ended = program.run("range-units", "import", file_of(tmp_path, REPLY), *BTC)
    assert ended.exit_code == 0
    assert ended.stdout.splitlines() == [
        "1 attempted, 1 inserted, 0 updated, 0 unchanged, 0 rejected, 0 checked",
        (
            "odd: coinone KRW/BTC band 1: top 10000000000 looks like a sentinel for no end"
            " (sentinel_top)"
        ),
    ]


def test_a_late_reply_is_imported_with_when_it_was_got(program: Program, tmp_path: Path) -> None:
    begin = ("range-units", "import", file_of(tmp_path, REPLY), *BTC, "--observed-at")
    ended = program.run(*begin, "2026-01-01T00:00:00Z", "--json")
    assert ended.document["inserted"] == 1
    [revision] = program.run("range-units", "history", *BTC, "--json").document["items"]
    assert revision["effective_from"] == revision["last_seen"] == "2026-01-01T00:00:00Z"
    future = program.run(*begin, "2027-01-01T00:00:00Z")
    assert (future.exit_code, "[observed_in_future]" in future.stderr) == (1, True)
    curated = ("range-units", "import", file_of(tmp_path, CURATED), *BTC, "--observed-at")
    assert program.run(*curated, "2026-01-01T00:00:00Z").exit_code == 2


def test_the_same_reply_again_changes_nothing(program: Program, tmp_path: Path) -> None:
    file = file_of(tmp_path, REPLY)
    program.run("range-units", "import", file, *BTC)
    ended = program.run("range-units", "import", file, *BTC, "--json")
    assert ended.document == {
        "attempted": 1,
        "inserted": 0,
        "updated": 0,
        "unchanged": 1,
        "rejected": 0,
        "checked": 0,
        "rejections": [],
        "lint": [
            {
                "market": "coinone KRW/BTC",
                "code": "sentinel_top",
                "position": 1,
                "message": "top 10000000000 looks like a sentinel for no end",
            }
        ],
    }


def test_a_market_that_is_rejected_is_complained_of_beside_those_that_are_taken(
    program: Program, tmp_path: Path
) -> None:
    put_exchange(program, Exchange("binance", "Binance"))
    file = file_of(tmp_path, SEVERAL)
    place = ("--exchange", "binance", "--market", "BTC/ETH")
    ended = program.run("range-units", "import", file, *place)
    assert (ended.exit_code, ended.stdout) == (
        0,
        "2 attempted, 1 inserted, 0 updated, 0 unchanged, 1 rejected, 0 checked\n",
    )
    assert ended.stderr.splitlines() == [
        "tickgate: rejected: binance USDT/ETH: symbols[1].filters: has no PRICE_FILTER, not one"
    ]
    again = program.run("range-units", "import", file, *place, "--json").document
    assert again["rejections"] == [
        {
            "market": "binance USDT/ETH",
            "reason": "symbols[1].filters: has no PRICE_FILTER, not one",
        }
    ]


def test_a_market_without_a_tick_rule_is_shown_as_such(program: Program, tmp_path: Path) -> None:
    put_exchange(program, Exchange("binance", "Binance"))
    place = ("--exchange", "binance", "--market", "BTC/ETH")
    program.run("range-units", "import", file_of(tmp_path, SEVERAL), *place)
    shown = program.run("range-units", "show", *place).stdout
    assert shown.endswith("no tick rule: any positive price within the limits is valid\n")
    answer = program.run("range-units", "check", "0.123", *place, "--json").document["results"]
    assert (answer[0]["valid"], answer[0]["reason"]) == (True, "no_tick_rule")


def test_a_reply_is_kept_with_the_name_of_its_file_alone(program: Program, tmp_path: Path) -> None:
    program.run("range-units", "import", file_of(tmp_path, REPLY), *BTC)
    assert sources(program) == ["file units.json"]


def test_a_dash_reads_standard_input(program: Program) -> None:
    program.run("range-units", "import", "-", *BTC, stdin=json.dumps(REPLY))
    assert sources(program) == ["standard input"]


def test_a_curated_table_says_itself_from_when_on_it_holds(
    program: Program, tmp_path: Path
) -> None:
    ended = program.run("range-units", "import", file_of(tmp_path, CURATED), *BTC)
    line = "coinone KRW/BTC has new range units, in force from 2024-09-29T15:00:00Z.\n"
    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, line, "")


def test_a_curated_table_of_unknown_start_answers_for_any_time(
    program: Program, tmp_path: Path
) -> None:
    file = file_of(tmp_path, CURATED | {"effective_from": None})
    ended = program.run("range-units", "import", file, *BTC)
    assert "in force from a time not known" in ended.stdout
    long_ago = program.run("range-units", "check", "1", *BTC, "--as-of", "1001-01-01T00:00:00Z")
    assert long_ago.exit_code == 0


def test_a_curated_table_that_is_there_already_is_not_a_new_one(
    program: Program, tmp_path: Path
) -> None:
    file = file_of(tmp_path, CURATED)
    program.run("range-units", "import", file, *BTC)
    ended = program.run("range-units", "import", file, *BTC)
    assert ended.stdout.startswith("coinone KRW/BTC has these range units already")


def test_programs_are_told_what_holds_after_a_curated_table(
    program: Program, tmp_path: Path
) -> None:
    told = program.run("range-units", "import", file_of(tmp_path, CURATED), *BTC, "--json").document
    shown = program.run("range-units", "show", *BTC, "--json").document
    assert told == {"created": True, **shown}


def test_a_table_about_another_market_is_imported_as_told_with_a_warning(
    program: Program, tmp_path: Path
) -> None:
    file = file_of(tmp_path, CURATED | {"market": "USDT/*"})
    ended = program.run("range-units", "import", file, *BTC)
    line = (
        "tickgate: the file is about coinone USDT/*; it is imported for coinone KRW/BTC, as told\n"
    )
    assert (ended.exit_code, ended.stderr) == (0, line)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"\xff\xfe",
        b"[" * 100_000,
        b'["bands"]',
        b'{"result": "error", "error_code": "108"}',
        b'{"bands": []}',
        b'{"bands": [}',
    ],
)
def test_a_file_that_is_neither_is_refused_whole(program: Program, content: bytes) -> None:
    ended = program.run("range-units", "import", "-", *BTC, stdin=content)
    assert (ended.exit_code, "[payload_rejected]" in ended.stderr) == (1, True)
    assert sources(program) == []


def test_a_file_that_is_not_there_is_wrong_usage_that_names_it(
    program: Program, tmp_path: Path
) -> None:
    ended = program.run("range-units", "import", str(tmp_path / "none.json"), *BTC)
    assert (ended.exit_code, "none.json" in ended.stderr) == (2, True)


def test_a_folder_is_no_file(program: Program, tmp_path: Path) -> None:
    assert program.run("range-units", "import", str(tmp_path), *BTC).exit_code == 2


def test_an_exchange_that_is_not_known_is_refused(program: Program, tmp_path: Path) -> None:
    place = ("--exchange", "nowhere", "--market", "KRW/BTC")
    ended = program.run("range-units", "import", file_of(tmp_path, REPLY), *place)
    line = "tickgate: There is no exchange nowhere. [unknown_exchange]\n"
    assert (ended.exit_code, ended.stderr) == (1, line)


# -- showing ---------------------------------------------------------------------------------


def test_range_units_are_shown_with_what_says_how_to_read_them(program: Program) -> None:
    state(program, a_table(), source="a notice")
    assert program.run("range-units", "show", *BTC).rows[1:] == [
        ["payload", "-"],
        ["source", "a", "notice"],
        ["boundary", "lower_inclusive"],
        ["anchor", "zero"],
        ["top", "-"],
        ["top_rule", "open"],
        ["min_price", "-"],
        ["max_price", "-"],
        [],
        ["range_min", "next_range_min", "price_unit"],
        ["0", "1000", "0.1"],
        ["1000", "-", "1"],
    ]


def test_range_units_are_shown_with_where_they_come_from_and_how_old_they_are(
    program: Program,
) -> None:
    state(program, a_table(), target="*")
    program.clock.advance(timedelta(days=2, hours=3, seconds=4.5))
    said = "coinone KRW/*, in force from 2026-01-02T03:04:05Z, confirmed 2 days, 3:00:04 ago"
    assert program.run("range-units", "show", *BTC).stdout.startswith(said)


def test_programs_are_shown_range_units_with_numbers_as_text(program: Program) -> None:
    market = state(program, a_table())
    (revision,) = program.range_units_store.committed.of(market)
    assert program.run("range-units", "show", *BTC, "--json").document == {
        "exchange": "coinone",
        "quote_currency": "KRW",
        "target_currency": "BTC",
        "revision_id": str(revision.id),
        "effective_from": "2026-01-02T03:04:05.678901Z",
        "age_seconds": 0,
        "recorded_at": "2026-01-02T03:04:05.678901Z",
        "last_seen": "2026-01-02T03:04:05.678901Z",
        "source": "a notice",
        "digest": revision.digest,
        "payload_digest": None,
        "boundary": "lower_inclusive",
        "anchor": "zero",
        "top": None,
        "top_rule": "open",
        "min_price": None,
        "max_price": None,
        "range_units": [
            {"range_min": "0", "next_range_min": "1000", "price_unit": "0.1"},
            {"range_min": "1000", "next_range_min": None, "price_unit": "1"},
        ],
        "lint": [],
    }


def test_where_range_units_come_from_is_shown_and_does_nothing(program: Program) -> None:
    state(program, a_table(), source="[red]\x1b[2Ja notice")
    assert "source     [red]\\x1b[2Ja notice\n" in program.run("range-units", "show", *BTC).stdout


def test_codes_are_taken_in_either_case(program: Program) -> None:
    state(program, a_table())
    place = ("--exchange", "Coinone", "--market", "krw/btc")
    assert program.run("range-units", "show", *place).exit_code == 0


def test_an_earlier_time_is_answered_by_what_held_then(program: Program) -> None:
    state(program, a_table())
    program.clock.advance(timedelta(days=1))
    state(program, COARSE)
    then = ("--as-of", "2026-01-02T12:30:00+09:00")
    assert program.run("range-units", "show", *BTC, *then, "--json").document["range_units"][0] == {
        "range_min": "0",
        "next_range_min": "1000",
        "price_unit": "0.1",
    }


def test_a_time_before_anything_is_known_is_refused(program: Program) -> None:
    state(program, a_table())
    ended = program.run("range-units", "show", *BTC, "--as-of", "2025-12-31T00:00:00Z")
    line = "tickgate: Nothing is known of coinone KRW/BTC at that instant. [unknown_history]\n"
    assert (ended.exit_code, ended.stdout, ended.stderr) == (1, "", line)


@pytest.mark.parametrize(
    "time",
    [
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-01-02T03:04Z",
        "2026-W01-5T03:04:05Z",
        "20260102T030405Z",
        "2026-02-30T00:00:00Z",
        "2026-01-02T24:00:00Z",
        "2026-01-02T00:00:00+25:00",
        "0001-01-01T00:00:00+09:00",
        "\uff12026-01-02T03:04:05Z",
        "now",
        "1767323045",
    ],
)
def test_a_time_that_is_not_rfc_3339_with_an_offset_is_wrong_usage(
    program: Program, time: str
) -> None:
    ended = program.run("range-units", "show", *BTC, "--as-of", time)
    assert (ended.exit_code, "'--as-of'" in ended.stderr) == (2, True)


@pytest.mark.parametrize(
    "time",
    ["2026-01-02t03:04:06z", "2026-01-02 12:04:06+09:00", "2026-01-02T03:04:05.678901-00:00"],
)
def test_a_time_may_be_spelled_in_every_way_of_rfc_3339(program: Program, time: str) -> None:
    state(program, a_table())
    assert program.run("range-units", "show", *BTC, "--as-of", time).exit_code == 0


def test_a_market_without_a_slash_is_wrong_usage(program: Program) -> None:
    ended = program.run("range-units", "show", "--exchange", "coinone", "--market", "KRWBTC")
    assert (ended.exit_code, "'KRWBTC' is not QUOTE/TARGET" in ended.stderr) == (2, True)


@pytest.mark.parametrize("name", ["KRW/", "/BTC", "KRW/BTC/X", "K W/BTC", "*/BTC"])
def test_a_market_with_codes_that_are_none_is_refused(program: Program, name: str) -> None:
    ended = program.run("range-units", "show", "--exchange", "coinone", "--market", name)
    assert (ended.exit_code, "[invalid_code]" in ended.stderr) == (1, True)


@pytest.mark.parametrize("missing", [BTC[:2], BTC[2:]])
def test_exchange_and_market_are_both_said(program: Program, missing: tuple[str, str]) -> None:
    assert program.run("range-units", "show", *missing).exit_code == 2


# -- checking --------------------------------------------------------------------------------


def test_prices_are_checked_in_the_order_given(program: Program) -> None:
    state(program, a_table())
    ended = program.run("range-units", "check", "1000.5", "999.9", *BTC)
    assert ended.rows[:3] == [
        ["price", "valid", "reason", "floor", "ceil", "next_down", "next_up", "price_unit"],
        ["1000.5", "no", "off_tick", "1000", "1001", "1000", "1001", "1"],
        ["999.9", "yes", "-", "999.9", "999.9", "999.8", "1000", "0.1"],
    ]


def test_an_invalid_price_is_an_answer_like_any_other(program: Program) -> None:
    state(program, a_table())
    assert program.run("range-units", "check", "1000.5", *BTC).exit_code == 0


def test_checked_prices_come_with_what_they_were_checked_by(program: Program) -> None:
    state(program, a_table(), target="*")
    last = program.run("range-units", "check", "1", *BTC).stdout.splitlines()[-1]
    assert last.startswith("coinone KRW/*, in force from 2026-01-02T03:04:05Z, confirmed 0:00:00")


def test_programs_are_told_all_about_a_price_with_numbers_as_text(program: Program) -> None:
    market = state(program, a_table())
    (revision,) = program.range_units_store.committed.of(market)
    program.clock.advance(timedelta(seconds=90.9))
    assert program.run("range-units", "check", "10005e-1", *BTC, "--json").document == {
        "exchange": "coinone",
        "quote_currency": "KRW",
        "target_currency": "BTC",
        "revision_id": str(revision.id),
        "effective_from": "2026-01-02T03:04:05.678901Z",
        "age_seconds": 90,
        "results": [
            {
                "price": "1000.5",
                "valid": False,
                "reason": "off_tick",
                "floor": "1000",
                "ceil": "1001",
                "next_down": "1000",
                "next_up": "1001",
                "price_unit": "1",
                "range_min": "1000",
                "next_range_min": None,
                "grandfathered": None,
            }
        ],
    }


def test_the_history_has_every_revision_with_where_it_ends(program: Program) -> None:
    state(program, a_table(), target="*")
    program.clock.advance(timedelta(days=1))
    state(program, COARSE)
    ended = program.run("range-units", "history", *BTC)
    assert [row[:1] for row in ended.rows[1:]] == [["KRW/BTC"], ["KRW/*"]]
    items = program.run("range-units", "history", *BTC, "--json").document["items"]
    assert [item["effective_from"] for item in items] == [
        "2026-01-03T03:04:05.678901Z",
        "2026-01-02T03:04:05.678901Z",
    ]
    assert [item["effective_until"] for item in items] == [None, None]


def test_a_difference_is_told_by_times_and_by_ids(program: Program) -> None:
    market = state(program, a_table())
    program.clock.advance(timedelta(days=1))
    state(program, COARSE)
    first, second = (str(each.id) for each in program.range_units_store.committed.of(market))
    by_ids = program.run("range-units", "diff", first, second, *BTC, "--json").document
    times = ("2026-01-02T12:04:06+09:00", "2026-01-04T00:00:00Z")
    assert program.run("range-units", "diff", *times, *BTC, "--json").document == by_ids
    assert (by_ids["before"]["revision_id"], by_ids["after"]["revision_id"]) == (first, second)
    assert [change["unit_after"] for change in by_ids["coarser"]] == ["5", "5"]
    assert [loss["first"] for loss in by_ids["losses"]] == ["0.1", "5.1", "1001"]
    shown = program.run("range-units", "diff", first, second, *BTC).stdout
    assert "coarser:" in shown
    assert "losses:" in shown
    assert "split:" not in shown
    same = program.run("range-units", "diff", first, first, *BTC)
    assert same.stdout == "No difference.\n"
    assert program.run("range-units", "diff", "soon", first, *BTC).exit_code == 2


def test_an_observed_price_is_shown_with_the_revision_that_allowed_it(program: Program) -> None:
    market = state(program, a_table())
    program.clock.advance(timedelta(days=1))
    state(program, COARSE)
    first, _ = program.range_units_store.committed.of(market)
    checked = ("range-units", "check", "7.3", "5", *BTC, "--observed")
    results = program.run(*checked, "--json").document["results"]
    assert [result["grandfathered"] for result in results] == [
        {
            "revision_id": str(first.id),
            "effective_from": "2026-01-02T03:04:05.678901Z",
            "effective_until": "2026-01-03T03:04:05.678901Z",
        },
        None,
    ]
    assert str(first.id) in program.run(*checked).stdout


def test_questions_are_answered_as_it_was_known_then(program: Program) -> None:
    state(program, a_table())
    program.clock.advance(timedelta(days=1))
    state(program, COARSE)
    known = ("--known-at", "2026-01-02T12:04:06+09:00")
    shown = program.run("range-units", "show", *BTC, *known, "--json").document
    checked = program.run("range-units", "check", "7.3", *BTC, *known, "--json").document
    rounded = program.run(
        "range-units", "round", "7.31", "--direction", "down", *BTC, *known, "--json"
    ).document
    assert shown["range_units"][0]["price_unit"] == "0.1"
    assert checked["results"][0]["valid"] is True
    assert rounded["results"][0]["rounded"] == "7.3"


def test_a_large_price_is_written_in_plain_notation(program: Program) -> None:
    state(program, a_table())
    results = program.run("range-units", "check", "1e20", *BTC, "--json").document["results"]
    assert results[0]["price"] == "1" + "0" * 20


def test_a_negative_price_comes_after_two_dashes(program: Program) -> None:
    state(program, a_table())
    ended = program.run("range-units", "check", *BTC, "--", "-5")
    assert ended.rows[1] == ["-5", "no", "not_positive", "-", "0.1", "-", "0.1", "-"]


@pytest.mark.parametrize(
    "text",
    ["abc", "NaN", "1,000", "1_000", "\uff11", " 5", "0x10", "", "1e999999", ".5", "5."],
)
def test_a_price_that_is_no_number_is_wrong_usage_that_names_it(
    program: Program, text: str
) -> None:
    ended = program.run("range-units", "check", "1", text, *BTC)
    assert (ended.exit_code, f"'PRICE': '{text}'" in ended.stderr) == (2, True)


def test_a_price_of_any_length_is_named_within_a_line(program: Program) -> None:
    ended = program.run("range-units", "check", "9" * 10_000, *BTC)
    assert (ended.exit_code, len(ended.stderr.splitlines()[-1]) < 200) == (2, True)


@pytest.mark.parametrize("command", [["check"], ["round", "--direction", "up"]])
def test_a_price_is_needed(program: Program, command: list[str]) -> None:
    assert program.run("range-units", *command, *BTC).exit_code == 2


# -- rounding --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "rounded"),
    [
        (["--direction", "down"], "10"),
        (["--direction", "up"], "15"),
        (["--direction", "nearest"], "15"),
        (["--direction", "nearest", "--ties", "up"], "15"),
        (["--direction", "nearest", "--ties", "down"], "10"),
        (["--direction", "nearest", "--ties", "even"], "10"),
        (["--side", "buy", "--intent", "passive"], "10"),
        (["--side", "buy", "--intent", "aggressive"], "15"),
        (["--side", "sell", "--intent", "passive"], "15"),
        (["--side", "sell", "--intent", "aggressive"], "10"),
    ],
)
def test_prices_are_rounded_where_it_is_said(
    program: Program, options: list[str], rounded: str
) -> None:
    state(program, COARSE)
    ended = program.run("range-units", "round", "12.5", *options, *BTC)
    assert ended.rows[:2] == [["price", "rounded", "reason"], ["12.5", rounded, "off_tick"]]


def test_programs_are_told_what_changed_and_why(program: Program) -> None:
    state(program, COARSE)
    options = ("--direction", "down", "--json")
    results = program.run("range-units", "round", "12", "15", "3", *BTC, *options).document
    assert results["results"] == [
        {"price": "12", "rounded": "10", "changed": True, "reason": "off_tick"},
        {"price": "15", "rounded": "15", "changed": False, "reason": None},
        {"price": "3", "rounded": None, "changed": True, "reason": "off_tick"},
    ]


def test_a_price_that_cannot_be_rounded_is_an_answer_like_any_other(program: Program) -> None:
    state(program, COARSE)
    ended = program.run("range-units", "round", "3", "--direction", "down", *BTC)
    assert (ended.exit_code, ended.rows[1]) == (0, ["3", "-", "off_tick"])


def test_rounding_is_as_of_the_time_that_is_said(program: Program) -> None:
    state(program, a_table())
    program.clock.advance(timedelta(days=1))
    state(program, COARSE)
    then = ("--as-of", "2026-01-02T04:00:00Z")
    ended = program.run("range-units", "round", "12.34", "--direction", "down", *BTC, *then)
    assert ended.rows[1] == ["12.34", "12.3", "off_tick"]


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--side", "buy"],
        ["--intent", "passive"],
        ["--direction", "up", "--side", "buy"],
        ["--direction", "up", "--intent", "passive"],
        ["--direction", "up", "--side", "buy", "--intent", "passive"],
        ["--direction", "up", "--ties", "even"],
        ["--side", "buy", "--intent", "passive", "--ties", "even"],
        ["--direction", "sideways"],
    ],
)
def test_a_direction_is_said_once_and_whole(program: Program, options: list[str]) -> None:
    state(program, COARSE)
    assert program.run("range-units", "round", "12.5", *options, *BTC).exit_code == 2
