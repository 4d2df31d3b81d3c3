"""How what an exchange sent is spoken of when it is refused: completely, but bounded."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from app.domain.errors import Fault
from app.domain.range_units.errors import PayloadRejected

MOST_FAULTS = 50
MOST_CHARACTERS = 100


def rejected(detail: str, faults: Sequence[Fault], *, about: str = "") -> PayloadRejected:
    """Make the refusal of a payload, every fault naming what it is about.

    Past 50 faults, one more says how many are left out.
    """
    listed, left_out = list(faults[:MOST_FAULTS]), len(faults) - MOST_FAULTS
    if left_out > 0:
        listed.append(Fault("", f"{left_out} more faults are not listed"))
    return PayloadRejected(detail, faults=[replace(fault, about=about) for fault in listed])


def printable(text: str) -> str:
    """Quote foreign text harmlessly: at most 100 characters, none of which does anything.

    Control and format characters and lone surrogates are escaped: what is quoted ends up in
    logs, terminals and stores.
    """
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text[: MOST_CHARACTERS + 1]
    )
    return shown if len(shown) <= MOST_CHARACTERS else f"{shown[: MOST_CHARACTERS - 1]}…"


def described(value: object) -> str:
    """Say what a JSON value is, as in "is a list, not a number"."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case Decimal():
            return "a number"
        case str():
            return f'the string "{printable(value)}"'
        case list():
            return "a list"
        case _:
            return "an object"
