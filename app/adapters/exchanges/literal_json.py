"""JSON read from its literal text: every number as it is written, and nothing ambiguous.

The standard reader makes a binary float of `0.1`, takes `NaN` for a number, and of two equal
keys lets the last one win. A price that went that way is no longer what the exchange said.
"""

import json
from collections import Counter
from decimal import Decimal
from functools import lru_cache
from typing import NoReturn

from app.adapters.exchanges.refusal import OutOfBounds, printable
from app.domain.range_units.numbers import InvalidNumber, parse_decimal

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
NUMBERS_KNOWN = 1_000
"""Tables repeat their numbers: a band begins where another ends, and has the unit of many."""


class UnreadableJson(ValueError):
    """Bytes that are not JSON, or ambiguous; the message completes "the reply …"."""


def parse(payload: bytes) -> object:
    """Read JSON in UTF-8 into dicts, lists, strings, booleans, None and exact `Decimal`s.

    A number beyond the bounds of `parse_decimal` becomes an `OutOfBounds`: only whoever wants that
    number has to refuse it. Raises `UnreadableJson` for anything else, for constants such as NaN,
    and for equal keys in one object.
    """
    text = _text(payload)
    number = lru_cache(maxsize=NUMBERS_KNOWN)(number_of)
    try:
        return json.loads(
            text,
            parse_float=number,
            parse_int=number,
            parse_constant=refuse_constant,
            object_pairs_hook=_object,
        )
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated"):
            raise UnreadableJson("is JSON that breaks off") from error
        where = f"line {error.lineno}, column {error.colno}"
        raise UnreadableJson(f"is not JSON at {where}") from error
    except RecursionError as error:
        raise UnreadableJson("is nested too deeply") from error


def _text(payload: bytes) -> str:
    if payload.startswith(_BYTE_ORDER_MARK):
        raise UnreadableJson("begins with a byte order mark")
    start = payload.lstrip()[:5].lower()
    if not start:
        raise UnreadableJson("is empty")
    if start.startswith(b"<"):
        raise UnreadableJson(f"is {'XML' if start == b'<?xml' else 'HTML'}, not JSON")
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableJson(f"is not UTF-8 at byte {error.start}") from error


def number_of(text: str) -> Decimal | OutOfBounds:
    """Read a number as it is written."""
    try:
        return parse_decimal(text)
    except InvalidNumber as error:
        return OutOfBounds(printable(text), str(error))


def refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and the infinities."""
    raise UnreadableJson(f"has {name}, which is no number")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise UnreadableJson(f"has the key {printable(twice)} more than once in one object")
    return found
