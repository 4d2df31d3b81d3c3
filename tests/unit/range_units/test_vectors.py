"""The published vectors: what they say, and that it is what the product says."""

import json
import re
from contextlib import chdir, redirect_stdout
from io import StringIO
from typing import Any, Final

from app.adapters.exchanges.curated import read_table
from app.adapters.exchanges.vectors import vectors
from tests.rules.source import ROOT

DOCUMENT: Final[dict[str, Any]] = json.loads((ROOT / "docs" / "vectors.json").read_text("utf-8"))
ANSWERS: Final = {(each["table"], each["price"]): each for each in DOCUMENT["prices"]}

CD, CN = "coinone-krw-documented", "coinone-krw-2024-09-30"
U24, U25 = "upbit-krw-2024-01-29", "upbit-krw-2025-07-31"
BI, TP = "bithumb-krw-2026-08-11", "tse-topix500"
OK, BN = "okx-events", "binance-sample"
UNEVEN, OPEN = "made-up-uneven", "made-up-open-top"

# The golden cases by their numbers, copied by hand: nothing here is worked out.
GOLDEN: Final[list[tuple[int, str, str, dict[str, object]]]] = [
    (1, CD, "0.3", {"valid": True, "next_down": "0.2999", "next_up": "0.3001"}),
    (2, CD, "5003", {"floor": "5000", "ceil": "5005"}),
    (2, CD, "5003", {"nearest": {"up": "5005", "down": "5005", "even": "5005"}}),
    (3, CD, "1000.5", {"nearest": {"up": "1001", "down": "1000", "even": "1000"}}),
    (4, CD, "116455500", {"floor": "116455000", "ceil": "116456000"}),
    (5, CN, "116455000", {"valid": False, "floor": "116450000", "ceil": "116460000"}),
    (6, CN, "5.003", {"ceil": "5.005", "floor": "5"}),
    (7, CD, "1000", {"next_down": "999.9", "next_up": "1001"}),
    (8, CD, "999.95", {"floor": "999.9", "ceil": "1000"}),
    (8, CD, "999.95", {"nearest": {"up": "1000", "down": "999.9", "even": "1000"}}),
    (9, CD, "999999", {"ceil": "1000000", "floor": "999500"}),
    (10, U25, "1000", {"next_down": "999", "next_up": "1001"}),
    (11, U24, "999.1", {"valid": True}),
    (11, U24, "1000.1", {"valid": False}),
    (11, U24, "1000", {"valid": True}),
    (12, BI, "100", {"next_down": "99.99", "next_up": "101"}),
    (12, BI, "100.5", {"floor": "100"}),
    (13, TP, "1000", {"next_down": "999.9", "next_up": "1000.5"}),
    (13, TP, "1000.1", {"valid": False, "floor": "1000", "ceil": "1000.5"}),
    (14, OK, "0.04", {"next_down": "0.039", "next_up": "0.05"}),
    (14, OK, "0.0005", {"reason": "below_first_band", "ceil": "0.001", "floor": None}),
    (15, OK, "0.999", {"valid": True}),
    (15, OK, "0.9995", {"valid": False, "floor": "0.999", "ceil": None}),
    *(
        (16, CD, zero, {"valid": False, "reason": "not_positive", "ceil": "0.0001", "floor": None})
        for zero in ("0", "-0", "0.000")
    ),
    (17, CD, "10000000000", {"reason": "above_last_band", "floor": "9999999000"}),
    (17, OPEN, "10000000000", {"valid": True, "reason": None}),
    (18, BN, "0.0000005", {"reason": "below_min"}),
    (18, BN, "0.000001", {"valid": True}),
    (18, BN, "100000", {"valid": True}),
    (18, BN, "100000.000001", {"reason": "above_max"}),
    (21, UNEVEN, "10", {"valid": False, "floor": "9", "ceil": "12"}),
    (21, UNEVEN, "9", {"next_up": "12"}),
]


def one(section: str, **asked: object) -> dict[str, Any]:
    [found] = [each for each in DOCUMENT[section] if asked.items() <= each.items()]
    return dict(found)


def test_the_file_is_what_the_product_prints() -> None:
    assert (ROOT / "docs" / "vectors.json").read_text("utf-8") == vectors()


def test_every_table_reads_as_a_table_file() -> None:
    for table in DOCUMENT["tables"]:
        read_table(json.dumps(table).encode())


def test_the_golden_prices_are_answered_as_they_are_known_to_be() -> None:
    for case, table, price, expected in GOLDEN:
        found = ANSWERS[table, price]
        assert {name: found[name] for name in expected} == expected, case


def test_the_golden_ticks_and_steps_are_counted_as_they_are_known_to_be() -> None:
    ticks = {"0.0001": ("1000000", 51999), "999.9": ("1001", 2)}  # 19
    for start, (end, count) in ticks.items():
        assert one("ticks", table=CD, **{"from": start}, to=end)["ticks"] == count
    refused = one("ticks", table=CD, **{"from": "999.95"}, to="1001")
    assert refused["refused"] == "price_off_grid"
    assert one("steps", table=CD, price="999.9", ticks=3)["stepped"] == "1002"  # 20
    assert one("steps", table=CD, price="1001", ticks=-3)["stepped"] == "999.8"


def test_the_golden_days_of_upbit_are_answered_as_they_are_known_to_be() -> None:
    days = ("2024-01-28", "2024-01-29", "2025-07-30", "2025-07-31")
    known = {"7003": (False, True, True, False), "1234500": (True, True, True, False)}  # 23, 24
    for price, answers in known.items():
        for day, valid in zip(days, answers, strict=True):
            asked = {"exchange": "upbit", "price": price, "as_of": f"{day}T00:00:00+09:00"}
            assert one("as_of", **asked)["valid"] is valid, (price, day)


def test_the_golden_refusals_are_listed() -> None:
    hostile = ["NaN", "Infinity", " 5 ", "1_000", "\uff11\uff12", "1,000", "0x10", "1e999999"]
    golden: list[object] = [*hostile, True, None, [], "9" * 10_000]
    assert [value for value in golden if value not in DOCUMENT["refused"]] == []


def test_the_example_of_a_client_answers_as_published() -> None:
    page = (ROOT / "docs" / "vectors.md").read_text("utf-8")
    [example] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    printed = StringIO()
    with chdir(ROOT), redirect_stdout(printed):
        exec(compile(example, "docs/vectors.md", "exec"), {})  # noqa: S102 - our own page
    assert printed.getvalue() == "0 wrong answers\n"
