"""How what an exchange sent is spoken of when it is refused: completely, but bounded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from app.domain.errors import Fault
from app.domain.range_units.errors import PayloadRejected
from app.domain.range_units.notes import noted

MOST_FAULTS = 50
MOST_CHARACTERS = 100


class Refused(Exception):
    """What is wrong with a reply, or with a market in it; the reason completes "the reply …"."""

    def __init__(self, reason: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(reason)
        self.faults = faults or [Fault("", f"the reply {reason}")]


@dataclass(frozen=True, slots=True)
class OutOfBounds:
    """What stands for a number beyond all bounds: its text, shortened, and which bound that is."""

    text: str
    reason: str

    def __str__(self) -> str:
        return f"the number {self.text}, which {self.reason}"


def rejected(detail: str, faults: Sequence[Fault], *, about: str = "") -> PayloadRejected:
    """Make the refusal of a payload, every fault naming what it is about."""
    return PayloadRejected(detail, faults=listed(faults, about=about))


def listed(faults: Sequence[Fault], *, about: str) -> list[Fault]:
    """Give the faults of one market, each naming it.

    Past 50 faults, one more says how many are left out.
    """
    found, left_out = list(faults[:MOST_FAULTS]), len(faults) - MOST_FAULTS
    if left_out > 0:
        found.append(Fault("", f"{left_out} more faults are not listed"))
    return [replace(fault, about=about) for fault in found]


def wrong(found: Mapping[str, object], name: str, wanted: str, *, path: str = "") -> Fault:
    """Say how a field is not what it should be."""
    message = f"is {described(found[name])}, not {wanted}" if name in found else "is missing"
    return Fault(f"{path}{name}", message)


def error_said(*words: object) -> Refused:
    """Make the refusal of an error, in the words that the exchange has for it."""
    said = [printable(str(word)) for word in words if isinstance(word, str | Decimal)]
    return Refused(f"is an error: {', '.join(filter(None, said)) or 'it does not say which'}")


def in_their_words(faults: Sequence[Fault], words: Mapping[str, str]) -> list[Fault]:
    """Name the fields that faults are about as the exchange does."""
    found = []
    for fault in faults:
        path, dot, name = fault.field.rpartition(".")
        found.append(replace(fault, field=f"{path}{dot}{words.get(name, name)}"))
    return found


def printable(text: str) -> str:
    """Quote foreign text harmlessly: at most 100 characters, none of which does anything."""
    return noted(text, MOST_CHARACTERS)


def described(value: object) -> str:
    """Say what a JSON value is, as in "is a list, not a number"."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case Decimal() | OutOfBounds():
            return str(value) if isinstance(value, OutOfBounds) else "a number"
        case str():
            return f'the string "{printable(value)}"'
        case list():
            return "a list"
        case _:
            return "an object"
