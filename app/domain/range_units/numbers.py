"""Exact decimal numbers: in from text, out to text, never through a float or a context.

`decimal`'s arithmetic rounds to the context's precision (28 digits by default), so no operator
of `Decimal` is used on prices anywhere: numbers are compared, or turned into integers.
"""

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TypeAlias

Number: TypeAlias = Decimal | int

MAX_LENGTH = 100
MAX_INTEGER_DIGITS = 40
MAX_DECIMALS = 40

# The number of RFC 8259, section 6. `[0-9]`, since `\d` also matches digits of other scripts.
_NUMBER = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")
# Of those, what is within the bounds at a glance: without an exponent, or zeros at the end of a
# fraction. Nearly all are, and need no more than this look.
_USUAL = re.compile(r"(?!-0$)-?(?:0|[1-9][0-9]{0,39})(?:\.[0-9]{0,39}[1-9])?")


class InvalidNumber(ValueError):
    """A text that is no number this service takes; the message completes "price …"."""


def parse_decimal(text: str) -> Decimal:
    """Read a decimal number in plain or exponent notation, exactly.

    Length and exponent are bounded before any arithmetic: at most 100 characters, 40 digits
    before the decimal point and 40 after it. Raises `InvalidNumber`. Minus zero is zero.
    """
    if _USUAL.fullmatch(text):
        return Decimal(text)
    if len(text) > MAX_LENGTH:
        raise InvalidNumber(f"is longer than {MAX_LENGTH} characters")
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise InvalidNumber("is not a decimal number in plain or exponent notation")
    sign, whole, fraction, power = match.groups(default="")
    significant = (whole + fraction).lstrip("0")
    digits = significant.rstrip("0")
    if not digits:
        return Decimal(0)
    exponent = int(power or "0") - len(fraction) + len(significant) - len(digits)
    if len(digits) + exponent > MAX_INTEGER_DIGITS:
        raise InvalidNumber(f"has more than {MAX_INTEGER_DIGITS} digits before the decimal point")
    if -exponent > MAX_DECIMALS:
        raise InvalidNumber(f"has more than {MAX_DECIMALS} digits after the decimal point")
    zeros = "0" * exponent  # equal numbers are the same digits, however they were written
    return Decimal(f"{sign}{digits}{zeros}E{min(exponent, 0)}")


def plain(value: Number) -> str:
    """Write a number in plain notation without trailing zeros: `1000`, `0.0001`, `0`."""
    text = str(value)
    if "E" in text:
        text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def decimals(value: Decimal) -> int:
    """How many digits stand after the decimal point in `plain(value)`."""
    return len(plain(value).partition(".")[2])


def counted(numbers: Sequence[Decimal], *, at_least: int = 0) -> tuple[int, list[int]]:
    """Write numbers as integers: how many decimals these have, and the integers.

    Those are as many as the finest of the numbers has, or more where more are wanted. They are
    counted in texts, which is several times as fast as `to_units` of each.
    """
    texts = list(map(plain, numbers))
    finest = max((len(text) - text.index(".") - 1 for text in texts if "." in text), default=0)
    scale = max(finest, at_least)
    if scale == 0:
        return 0, list(map(int, texts))
    parts = (text.partition(".") for text in texts)
    return scale, [int(whole + fraction.ljust(scale, "0")) for whole, _, fraction in parts]


def to_units(value: Decimal, scale: int) -> tuple[int, bool]:
    """Count 10^-scale in `value`: the integer at or below it, and whether that is exact."""
    numerator, denominator = value.as_integer_ratio()
    whole, rest = divmod(numerator * 10**scale, denominator)
    return whole, rest == 0


def lies(value: Decimal, scale: int) -> tuple[int, int]:
    """Tell where a number lies among the multiples of 10^-scale: the one at or below it, and more.

    That is 0 where it is that one, 2 half-way to the next, 1 before the half and 3 beyond it.
    """
    numerator, denominator = value.as_integer_ratio()
    whole, rest = divmod(numerator * 10**scale, denominator)
    return whole, 0 if rest == 0 else 2 + (2 * rest > denominator) - (2 * rest < denominator)


def texts_lie(texts: Iterable[str], scale: int) -> tuple[list[int], list[int]]:
    """Tell the same of many numbers that are written plainly, or with zeros at the end, in columns.

    No decimal is made of them: that would take longer than all else that is done with a price.
    """
    factors = [10**missing for missing in range(scale, -1, -1)]
    places, rests = [], []
    for text in texts:
        whole, _, fraction = text.partition(".")
        count = len(fraction)
        if count <= scale:
            places.append(int(whole + fraction) * factors[count])
            rests.append(0)
        else:
            one = 10 ** (count - scale)
            place, rest = divmod(int(whole + fraction), one)
            places.append(place)
            rests.append(2 + (2 * rest > one) - (2 * rest < one) if rest else 0)
    return places, rests


def texts_of(counts: Iterable[int | None], scale: int) -> list[str | None]:
    """Write counts of 10^-scale as `plain` writes numbers."""
    one = 10**scale
    texts: list[str | None] = []
    for count in counts:
        if count is None:
            texts.append(None)
            continue
        whole, rest = divmod(count, one)
        if not rest:
            texts.append(str(whole))
        elif count > 0:
            texts.append(f"{whole}.{str(one + rest)[1:].rstrip('0')}")
        else:
            whole, rest = divmod(-count, one)
            texts.append(f"-{whole}.{str(one + rest)[1:].rstrip('0')}")
    return texts


def from_units(units: int, scale: int) -> Decimal:
    """Turn an integer count of 10^-scale back into a number."""
    return Decimal(f"{units}E-{scale}")
