"""What the published vectors ask, and of which tables beside those of exchanges."""

from typing import Any, Final

CD: Final = "coinone-krw-documented"
CN: Final = "coinone-krw-2024-09-30"
UA: Final = "upbit-krw-before-2024-01-29"
U24: Final = "upbit-krw-2024-01-29"
U25: Final = "upbit-krw-2025-07-31"
BI: Final = "bithumb-krw-2026-08-11"
TP: Final = "tse-topix500"
OK: Final = "okx-events"
BN: Final = "binance-sample"
OPEN: Final = "made-up-open-top"
UNEVEN: Final = "made-up-uneven"
UPPER: Final = "made-up-uneven-upper-inclusive"
ANCHORED: Final = "made-up-anchored"
EXCLUSIVE: Final = "made-up-capped-exclusive"
INCLUSIVE: Final = "made-up-capped-inclusive"
LIMITED: Final = "made-up-limited"
FINE: Final = "made-up-18-decimals"
HUGE: Final = "made-up-36-digits"
BELOW_ZERO: Final = "made-up-below-zero"

_UNEVEN: Final = [("0", "3"), ("10", "4"), ("20", "2.5")]
_CAPPED: Final = [("0", "5"), ("100", "10")]

MADE_UP: Final[dict[str, dict[str, Any]]] = {
    OPEN: {"bands": [("0", "0.0001"), ("1000000", "1000")]},
    UNEVEN: {"bands": _UNEVEN},
    UPPER: {"bands": _UNEVEN, "boundary": "upper_inclusive"},
    ANCHORED: {"bands": [("0.05", "0.3"), ("1", "0.7"), ("10", "4")], "anchor": "range_min"},
    EXCLUSIVE: {"bands": _CAPPED, "top": "200", "top_rule": "exclusive"},
    INCLUSIVE: {"bands": _CAPPED, "top": "200", "top_rule": "inclusive"},
    LIMITED: {"bands": _CAPPED, "min_price": "7", "max_price": "125"},
    FINE: {"bands": [("0", "0.000000000000000001"), ("1", "0.0000000000000001"), ("1000", "0.5")]},
    HUGE: {"bands": [("0", "1"), ("1" + "0" * 30, "1" + "0" * 20)]},
    BELOW_ZERO: {"bands": [("-20", "3"), ("0", "0.5")]},
}
"""Tables by what they differ in from open, lower-inclusive bands that are counted from zero."""

PRICES: Final[dict[str, list[str]]] = {
    CD: [
        *("0.3", "5003", "1000.5", "116455500", "1000", "999.95", "999999"),
        *("0", "-0", "0.000", "-1", "10000000000", "9999999000", "1e3", "5.0"),
    ],
    CN: ["116455000", "5.003"],
    UA: ["7003", "1234500"],
    U24: ["999.1", "1000.1", "1000", "7003", "1234500"],
    U25: ["1000", "7003", "1234500"],
    BI: ["100", "100.5"],
    TP: ["1000", "1000.1"],
    OK: ["0.04", "0.0005", "0.999", "0.9995"],
    BN: ["0.0000005", "0.000001", "100000", "100000.000001"],
    OPEN: ["10000000000"],
    UNEVEN: ["9", "10", "10.5", "21.25", "23.75", "1.5"],
    UPPER: ["9", "10", "10.5", "20", "1.5"],
    ANCHORED: ["0.04", "0.05", "0.2", "0.35", "0.5", "0.95", "1", "9.4", "9.75", "10", "12"],
    EXCLUSIVE: ["190", "195", "199.999", "200", "201"],
    INCLUSIVE: ["190", "195", "199.999", "200", "201"],
    LIMITED: ["5", "7", "10", "120", "122.5", "125", "126"],
    FINE: [
        "0.0000000000000000015",
        "0.999999999999999999",
        "1.00000000000000005",
        "10000000000.000000000000000001",
    ],
    HUGE: [
        "123456789012345678901234567890123456",
        "999999999999999999999999999999.5",
        "999999999999999999999900000000000000",
        "1000000000000000000050000000000",
    ],
    BELOW_ZERO: ["-21", "-19.5", "-18", "-0.5", "0", "0.25", "-20"],
}
"""Beside these, every table is asked about its bounds and what lies right beside them."""

STEPS: Final[list[tuple[str, str, int]]] = [
    (CD, "999.9", 3),
    (CD, "1001", -3),
    (CD, "0.0001", -1),
    (CD, "999.95", 1),
    (CD, "1000", 0),
    (UNEVEN, "9", 1),
    (UNEVEN, "25", -3),
    (UPPER, "9", 2),
    (ANCHORED, "0.05", 5),
    (EXCLUSIVE, "190", 1),
    (INCLUSIVE, "190", 1),
    (INCLUSIVE, "200", 1),
    (LIMITED, "120", 1),
    (FINE, "0.000000000000000001", 10**18 + 10**16),
    (HUGE, "1", 10**30),
    (BELOW_ZERO, "0.5", -2),
]

TICKS: Final[list[tuple[str, str, str]]] = [
    (CD, "999.9", "1001"),
    (CD, "1001", "999.9"),
    (CD, "0.0001", "1000000"),
    (CD, "999.95", "1001"),
    (CD, "1001", "999.95"),
    (CD, "1000", "1000"),
    (UNEVEN, "3", "25"),
    (UPPER, "3", "25"),
    (ANCHORED, "0.05", "14"),
    (LIMITED, "10", "120"),
    (FINE, "0.000000000000000001", "2"),
    (HUGE, "1", "100000000000000000000000000000000000"),
    (BELOW_ZERO, "-18", "0.5"),
]

HISTORY: Final = {
    ("upbit", "KRW"): (UA, U24, U25),
    ("upbit", "USDT"): ("upbit-usdt-2024-08-19",),
}
"""The tables of markets in their order in time, each until the next one starts."""

_DAYS: Final = ("2024-01-28", "2024-01-29", "2025-07-30", "2025-07-31")

AS_OF: Final = [
    *(
        ("upbit", "KRW", price, f"{day}T00:00:00+09:00")
        for price in ("7003", "1234500")
        for day in _DAYS
    ),
    ("upbit", "KRW", "7003", "2024-01-28T23:59:59.999999+09:00"),
    ("upbit", "KRW", "7003", "2024-01-28T15:00:00Z"),
    ("upbit", "USDT", "1", "2024-08-18T14:59:59Z"),
]

SPELLINGS: Final = ["5", "5.0", "1e3", "1E+3", "25e-1", "-0", "0.000", "-1.50", "1.0e-18"]

REFUSED: Final[list[object]] = [
    *(
        "NaN",
        "sNaN",
        "Infinity",
        "-Infinity",
        " 5 ",
        "5\n",
        "1_000",
        "\uff11\uff12",
        "\u0663",
        "1,000",
        "0x10",
    ),
    *("", "-", "+5", "--5", ".5", "5.", "05", "1e", "e5", "1e5.0", "1e999999", "1e-999999"),
    *("1" + "0" * 40, "0." + "0" * 40 + "1", "9" * 10_000),
    *(True, None, [], {}, ["5"], 5),
]
"""What is no price: text that is no plain or exponent notation, or over-long, and other values."""
