import json
import string
from collections.abc import Iterator
from decimal import Context, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.range_units.numbers import (
    InvalidNumber,
    counted,
    decimals,
    from_units,
    lies,
    parse_decimal,
    plain,
    texts_lie,
    texts_of,
    to_units,
)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", "0"),
        ("5", "5"),
        ("-5", "-5"),
        ("1000", "1000"),
        ("100200", "100200"),
        ("0.1", "0.1"),
        ("-0.25", "-0.25"),
        ("0.10", "0.1"),
        ("10.00", "10"),
        ("12.50", "12.5"),
        ("1E3", "1000"),
        ("1e+3", "1000"),
        ("1e-3", "0.001"),
        ("1.25e1", "12.5"),
        ("1.25E+4", "12500"),
        ("1e0", "1"),
        ("1e0003", "1000"),
        ("120e-1", "12"),
        ("0.001200", "0.0012"),
        ("-1.0e-2", "-0.01"),
    ],
)
def test_plain_and_exponent_notation_is_read_and_written_plain(text: str, number: str) -> None:
    assert plain(parse_decimal(text)) == number


@pytest.mark.parametrize("text", ["0", "-0", "0.000", "-0.00", "0e999999", "-0E-999999", "0.0e5"])
def test_every_zero_is_the_same_zero(text: str) -> None:
    assert repr(parse_decimal(text)) == "Decimal('0')"


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "-", "+", ".", "e", "E5", "abc", "--5", "5-", "- 5", "1 000",
        "NaN", "nan", "sNaN", "-NaN", "NaN123", "Infinity", "-Infinity", "inf",
        " 5 ", " 5", "5 ", "5\n", "\t5", "\u00a05", "5\x00", "\ufeff5",
        "1_000", "1__0", "1,000", "1.000,5", "1'000",
        "+5", ".5", "5.", "-.5", "1.2.3", "1.e5", ".e5",
        "007", "00", "-00", "00.5", "01e5",
        "1e", "1e+", "1e-", "1ee5", "1e5.0", "1e 5", "1e--5", "1e٣",
        "0x10", "0b1", "0o7", "1f", "1L", "1/2", "½", "10%", "$5",
        "１２", "٣", "१", "1٣", "1.٣", "−5", "\ud800",  # noqa: RUF001 - other scripts on purpose
        "true", "null", "[]", "{}", '"5"',
    ],
    ids=repr,
)  # fmt: skip
def test_any_other_notation_is_refused(text: str) -> None:
    with pytest.raises(
        InvalidNumber, match=r"^is not a decimal number in plain or exponent notation$"
    ):
        parse_decimal(text)


@pytest.mark.parametrize(("text", "number"), [("0.5", "0.5"), ("-7.", "-7"), ("0.", "0")])
def test_a_text_of_a_hundred_characters_is_read(text: str, number: str) -> None:
    assert plain(parse_decimal(text.ljust(100, "0"))) == number


@pytest.mark.parametrize("text", ["0.5" + "0" * 98, "9" * 101, "x" * 101, "1" * 10_000])
def test_a_longer_text_is_refused_for_its_length_whatever_it_says(text: str) -> None:
    with pytest.raises(InvalidNumber, match=r"^is longer than 100 characters$"):
        parse_decimal(text)


@pytest.mark.parametrize("text", ["9" * 40, "1e39", "12e38", "0.1e40", "1" + "0" * 39 + ".5"])
def test_forty_digits_before_the_point_are_read(text: str) -> None:
    assert Fraction(parse_decimal(text)) == Fraction(text)


@pytest.mark.parametrize(
    "text", ["9" * 41, "1e40", "12e39", "0.1e41", "-1e40", "1e999999", "1e" + "9" * 98]
)
def test_more_than_forty_digits_before_the_point_are_refused(text: str) -> None:
    message = r"^has more than 40 digits before the decimal point$"
    with pytest.raises(InvalidNumber, match=message):
        parse_decimal(text)


@pytest.mark.parametrize(
    "text", ["0." + "0" * 39 + "1", "1e-40", "10e-41", "1.1e-39", "1.10e-39", "0." + "9" * 40]
)
def test_forty_digits_after_the_point_are_read(text: str) -> None:
    assert Fraction(parse_decimal(text)) == Fraction(text)


@pytest.mark.parametrize(
    "text", ["0." + "0" * 40 + "1", "1e-41", "1.1e-40", "-1e-41", "1e-999999", "1e-" + "9" * 97]
)
def test_more_than_forty_digits_after_the_point_are_refused(text: str) -> None:
    message = r"^has more than 40 digits after the decimal point$"
    with pytest.raises(InvalidNumber, match=message):
        parse_decimal(text)


NUMBER_LIKE = st.text(alphabet="0123456789+-.eE_ ,xNaI\n１٣", max_size=12)  # noqa: RUF001 - other scripts


@given(text=NUMBER_LIKE)
@example(text="1.5")
@example(text="1,5")
def test_whatever_is_read_is_a_number_of_json(text: str) -> None:
    try:
        number = parse_decimal(text)
    except InvalidNumber:
        return
    assert text == text.strip()
    assert json.loads(text, parse_int=Decimal, parse_float=Decimal) == number


def digits(least: int, most: int) -> st.SearchStrategy[str]:
    return st.text(alphabet=string.digits, min_size=least, max_size=most)


@st.composite
def number_texts(draw: st.DrawFn) -> str:
    """Draw numbers in any notation, all inside the bounds of what is read."""
    sign = draw(st.sampled_from(["", "-"]))
    whole = draw(digits(1, 30)).lstrip("0") or "0"
    fraction = draw(digits(0, 30))
    power = draw(st.sampled_from(["", "e0", "E5", "e+10", "e-10", "E-0007"]))
    return f"{sign}{whole}{'.' if fraction else ''}{fraction}{power}"


@given(text=number_texts())
def test_no_digit_is_lost_in_reading(text: str) -> None:
    assert Fraction(parse_decimal(text)) == Fraction(text)


@given(text=number_texts())
def test_what_is_written_reads_back_as_the_same_number(text: str) -> None:
    number = parse_decimal(text)
    assert repr(parse_decimal(plain(number))) == repr(number)


@given(text=number_texts())
def test_equal_numbers_are_written_alike(text: str) -> None:
    written = plain(parse_decimal(text))
    assert set(written) <= set("-0123456789.")
    assert written == written.lstrip("+")
    assert not ("." in written and written.endswith(("0", ".")))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Decimal("1E+3"), "1000"),
        (Decimal("1.50E+2"), "150"),
        (Decimal("1E-7"), "0.0000001"),
        (Decimal("0.000"), "0"),
        (Decimal("0E+5"), "0"),
        (Decimal("-0"), "0"),
        (Decimal("-0.00"), "0"),
        (Decimal("-0E+3"), "0"),
        (Decimal("-1.10"), "-1.1"),
        (Decimal(100), "100"),
    ],
)
def test_numbers_are_written_plain_however_they_came_to_be(number: Decimal, text: str) -> None:
    assert plain(number) == text


@pytest.mark.parametrize(
    ("number", "count"),
    [("0", 0), ("100", 0), ("1E+3", 0), ("0.10", 1), ("-1.25", 2), ("1E-18", 18), ("5.000", 0)],
)
def test_decimals_are_counted_without_trailing_zeros(number: str, count: int) -> None:
    assert decimals(Decimal(number)) == count


@pytest.mark.parametrize(
    ("number", "scale", "units"),
    [
        ("1.25", 2, (125, True)),
        ("1.25", 3, (1250, True)),
        ("1.25", 1, (12, False)),
        ("-1.25", 1, (-13, False)),
        ("-1.5", 1, (-15, True)),
        ("1E+3", 0, (1000, True)),
        ("0.999", 0, (0, False)),
        ("-0.001", 0, (-1, False)),
        ("123456789012345678901234567890.5", 18, (123456789012345678901234567890_5 * 10**17, True)),
    ],
)
def test_units_are_counted_downwards_and_say_whether_they_are_exact(
    number: str, scale: int, units: tuple[int, bool]
) -> None:
    assert to_units(Decimal(number), scale) == units


@given(units=st.integers(-(10**60), 10**60), scale=st.integers(0, 40))
def test_units_make_the_number_they_were_counted_in(units: int, scale: int) -> None:
    assert to_units(from_units(units, scale), scale) == (units, True)


@pytest.fixture
def a_context_that_raises_on_everything() -> Iterator[None]:
    with localcontext(Context(prec=5)) as context:
        for signal in context.traps:
            context.traps[signal] = True
        yield


@pytest.mark.usefixtures("a_context_that_raises_on_everything")
def test_the_decimal_context_of_the_thread_does_not_matter() -> None:
    text = "1234567890123456789012345678901234567890.12345678901234567890"
    number = parse_decimal(text)
    written = text.rstrip("0")
    assert plain(number) == written
    assert plain(from_units(to_units(number, 19)[0], 19)) == written
    assert decimals(number) == 19


@given(texts=st.lists(number_texts(), max_size=5), wanted=st.integers(0, 50))
def test_numbers_are_counted_in_the_finest_of_them_or_finer(texts: list[str], wanted: int) -> None:
    numbers = list(map(parse_decimal, texts))
    scale, units = counted(numbers, at_least=wanted)
    assert scale == max([wanted, *map(decimals, numbers)])
    assert [(count, True) for count in units] == [to_units(number, scale) for number in numbers]


@given(
    text=st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,25})?", fullmatch=True),
    scale=st.integers(0, 22),
)
def test_a_text_lies_where_its_number_lies(text: str, scale: int) -> None:
    place, rest = lies(Decimal(text), scale)
    assert texts_lie([text], scale) == ([place], [rest])


@pytest.mark.parametrize(
    ("number", "lying"),
    [
        *(("7", (7, 0)), ("7.4999", (7, 1)), ("7.5", (7, 2)), ("7.50001", (7, 3))),
        *(("-7", (-7, 0)), ("-7.4", (-8, 3)), ("-7.5", (-8, 2)), ("-7.6", (-8, 1))),
    ],
)
def test_a_number_lies_at_a_whole_one_or_before_at_or_beyond_the_middle(
    number: str, lying: tuple[int, int]
) -> None:
    assert lies(Decimal(number), 0) == lying


@given(units=st.integers(-(10**30), 10**30), scale=st.integers(0, 40))
def test_units_are_written_as_their_number_is(units: int, scale: int) -> None:
    assert texts_of([units, None], scale) == [plain(from_units(units, scale)), None]
