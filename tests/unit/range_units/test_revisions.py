from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app.domain.errors import ErrorKind, Fault
from app.domain.range_units.errors import InvalidCode
from app.domain.range_units.revisions import (
    BEGINNING,
    Exchange,
    Market,
    Revision,
    answering,
    exchange_code,
    market_of,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(days=30)
OWN = Market("coinone", "KRW", "BTC")

NO_CODES = [
    "", " ", "-", "_x", "-x", " x", "x ", "x\n", "\nx", "x\x00", "a b", "a/b", "a*b", "a:b", "..",
    "x" * 33, "é", "ß", "\uff42tc", "bt\u0441", "\u212arw", "\u0131", "٣", "\ud800", "₿",
]  # fmt: skip
"""What is no code of anything: blanks, signs, and letters that only look or fold like ASCII,
such as the Kelvin sign, which becomes a plain k when lowered."""


# -- codes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("coinone", "coinone"),
        ("Coinone", "coinone"),
        ("KRX", "krx"),
        ("gate-io", "gate-io"),
        ("a_1", "a_1"),
        ("0x", "0x"),
        ("x" * 32, "x" * 32),
    ],
)
def test_an_exchange_is_known_by_lower_case(text: str, code: str) -> None:
    assert exchange_code(text) == code


@pytest.mark.parametrize("text", [*NO_CODES, "a.b", "*"], ids=ascii)
def test_what_is_no_exchange_code_is_refused(text: str) -> None:
    with pytest.raises(InvalidCode) as refusal:
        exchange_code(text)
    error = refusal.value
    assert (error.kind, error.code) == (ErrorKind.INVALID, "invalid_code")
    assert error.detail == "That is no exchange code."
    message = "is not 1 to 32 of the letters a-z, digits, _ and -, beginning with no sign"
    assert error.faults == (Fault("exchange", message),)


@pytest.mark.parametrize(
    ("quote", "target", "market"),
    [
        ("KRW", "BTC", Market("okx", "KRW", "BTC")),
        ("krw", "btc", Market("okx", "KRW", "BTC")),
        ("Usdt", "1inch", Market("okx", "USDT", "1INCH")),
        ("USD", "BTC-27JUN25", Market("okx", "USD", "BTC-27JUN25")),
        ("X_Y", "BRK.B", Market("okx", "X_Y", "BRK.B")),
        ("KRW", "X" * 32, Market("okx", "KRW", "X" * 32)),
        ("krw", "*", Market("okx", "KRW", "*")),
    ],
)
def test_a_market_is_known_by_upper_case(quote: str, target: str, market: Market) -> None:
    assert market_of("OKX", quote, target) == market


def test_a_market_is_one_key_however_it_was_spelled() -> None:
    assert {market_of("OKX", "krw", "Btc"), market_of("okx", "KRW", "BTC")} == {
        Market("okx", "KRW", "BTC")
    }


CODE_MESSAGE = "is not 1 to 32 of the letters A-Z, digits, ., _ and -"


@pytest.mark.parametrize("text", [*NO_CODES, "*"], ids=ascii)
def test_what_is_no_quote_currency_is_refused(text: str) -> None:
    with pytest.raises(InvalidCode) as refusal:
        market_of("okx", text, "BTC")
    assert refusal.value.detail == "That is no market."
    assert [fault.field for fault in refusal.value.faults] == ["quote"]
    assert refusal.value.faults[0].message.startswith(CODE_MESSAGE)


@pytest.mark.parametrize("text", [*NO_CODES, "**", "*A"], ids=ascii)
def test_what_is_no_target_currency_is_refused(text: str) -> None:
    with pytest.raises(InvalidCode) as refusal:
        market_of("okx", "KRW", text)
    assert [fault.field for fault in refusal.value.faults] == ["target"]


def test_everything_that_is_wrong_with_a_market_is_told_at_once() -> None:
    with pytest.raises(InvalidCode) as refusal:
        market_of("o k x", "K W", "")
    assert [fault.field for fault in refusal.value.faults] == ["exchange", "quote", "target"]


@pytest.mark.parametrize("text", ["okx ", "*", ""])
def test_the_exchange_of_a_market_is_held_to_its_own_rule(text: str) -> None:
    with pytest.raises(InvalidCode) as refusal:
        market_of(text, "KRW", "BTC")
    assert refusal.value.detail == "That is no market."
    assert [fault.field for fault in refusal.value.faults] == ["exchange"]


def test_a_market_is_written_as_people_write_it() -> None:
    assert str(OWN) == "coinone KRW/BTC"


def test_markets_are_in_the_order_of_exchange_then_quote_then_target() -> None:
    markets = [
        Market("b", "KRW", "A"),
        Market("b", "EUR", "Z"),
        Market("b", "KRW", "*"),
        Market("a", "USD", "X"),
    ]
    assert list(map(str, sorted(markets))) == ["a USD/X", "b EUR/Z", "b KRW/*", "b KRW/A"]


@pytest.mark.parametrize("market", [OWN, OWN.ladder])
def test_a_ladder_holds_for_the_whole_quote_currency(market: Market) -> None:
    assert market.ladder == Market("coinone", "KRW", "*")


def test_an_exchange_is_in_utc_unless_it_says_otherwise() -> None:
    assert Exchange("okx", "OKX").time_zone == "UTC"


# -- revisions -------------------------------------------------------------------------------------


def revision(
    *,
    market: Market = OWN,
    effective_from: datetime | None = EARLIER,
    last_seen: datetime = EARLIER,
) -> Revision:
    return Revision(
        id=UUID(int=1),
        market=market,
        effective_from=effective_from,
        recorded_at=EARLIER,
        last_seen=last_seen,
        source="a notice",
        digest="sha256:0",
    )


@pytest.mark.parametrize(
    ("ago", "age"),
    [
        (timedelta(minutes=5), timedelta(minutes=5)),
        (timedelta(0), timedelta(0)),
        (timedelta(microseconds=-1), timedelta(0)),
        (timedelta(days=-1), timedelta(0)),
    ],
)
def test_age_counts_from_the_last_confirmation_and_is_never_negative(
    ago: timedelta, age: timedelta
) -> None:
    assert revision(last_seen=NOW - ago).age(NOW) == age


def test_a_revision_is_not_superseded_until_something_supersedes_it() -> None:
    assert revision().superseded_at is None


def test_nothing_that_is_dated_is_before_the_beginning() -> None:
    assert datetime(1, 1, 1, tzinfo=UTC) >= BEGINNING


DATED = revision()
UNDATED = revision(effective_from=None)
LADDER_DATED_EARLIER = revision(market=OWN.ladder, effective_from=EARLIER - timedelta(days=1))
LADDER_DATED_LATER = revision(market=OWN.ladder, effective_from=NOW)
LADDER_UNDATED = revision(market=OWN.ladder, effective_from=None)


@pytest.mark.parametrize(
    ("own", "ladder", "answer"),
    [
        (None, None, None),
        (DATED, None, DATED),
        (UNDATED, None, UNDATED),
        (None, LADDER_DATED_LATER, LADDER_DATED_LATER),
        (None, LADDER_UNDATED, LADDER_UNDATED),
        (DATED, LADDER_DATED_EARLIER, DATED),
        (DATED, LADDER_DATED_LATER, DATED),
        (DATED, LADDER_UNDATED, DATED),
        (UNDATED, LADDER_UNDATED, UNDATED),
        (UNDATED, LADDER_DATED_EARLIER, LADDER_DATED_EARLIER),
        (UNDATED, LADDER_DATED_LATER, LADDER_DATED_LATER),
    ],
)
def test_a_market_answers_for_itself_unless_only_the_ladder_is_dated(
    own: Revision | None, ladder: Revision | None, answer: Revision | None
) -> None:
    assert answering(own, ladder) is answer
