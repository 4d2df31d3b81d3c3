"""The numbers of a reply, and the bands that exchanges write with them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from app.adapters.exchanges.refusal import (
    OutOfBounds,
    Refused,
    described,
    in_their_words,
    printable,
)
from app.domain.errors import Fault
from app.domain.range_units.errors import InvalidTable
from app.domain.range_units.numbers import InvalidNumber, parse_decimal
from app.domain.range_units.table import RangeUnitTable, TopRule, Written, table_of


def json_number(value: object) -> Decimal | str:
    """Take a number that is written as one, or say what is there instead."""
    match value:
        case Decimal():
            return value
        case OutOfBounds():
            return f"is {value}"
        case _:
            return f"is {described(value)}, not a number"


def number_in_string(value: object) -> Decimal | str:
    """Read a number that is written as a string, exactly, or say what is there instead."""
    if not isinstance(value, str):
        return f"is {described(value)}, not a string"
    try:
        return parse_decimal(value)
    except InvalidNumber as error:
        return f"is {described(value)}, which {error}"


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of one kind of object: their names, and how they are written.

    Unlike a field beside such an object, an unknown one in it may change what the object means.
    """

    kind: str
    names: tuple[str, ...]
    read: Callable[[object], Decimal | str] = number_in_string
    others: frozenset[str] = frozenset()
    """Fields that are known, and are no numbers."""

    def of(self, value: object, path: str, faults: list[Fault]) -> dict[str, Decimal]:
        """Read all of them; what is wrong is added to `faults`, and left out."""
        if not isinstance(value, dict):
            faults.append(Fault(path, f"is {described(value)}, not an object"))
            return {}
        numbers = {}
        for name in self.names:
            number = self.read(value[name]) if name in value else "is missing"
            if isinstance(number, str):
                faults.append(Fault(f"{path}.{name}", number))
            else:
                numbers[name] = number
        unknown = sorted(value.keys() - self.others - set(self.names))
        message = f"is no field of a {self.kind}"
        faults.extend(Fault(f"{path}.{printable(name)}", message) for name in unknown)
        return numbers


@dataclass(frozen=True, slots=True)
class Bands:
    """How an exchange writes a list of bands: what its fields are called, and the numbers."""

    range_min: str
    price_unit: str
    next_range_min: str | None = None
    read: Callable[[object], Decimal | str] = number_in_string

    def table(self, bands: object, path: str, *, top_rule: TopRule | None = None) -> RangeUnitTable:
        """Make a table of bands in any order. Raises `Refused`."""
        if not isinstance(bands, list):
            raise Refused(
                "has no list of bands", [Fault(path, f"is {described(bands)}, not a list")]
            )
        if not bands:
            raise Refused("has no bands", [Fault(path, "is empty")])
        rows = self._rows(bands, path)
        faults = [
            Fault(f"{path}[{place}].range_min", "is negative, as no price is")
            for place, (start, _, _) in enumerate(rows)
            if start < 0
        ]
        table = None
        try:
            table = table_of(rows, top_rule=top_rule, path=path)
        except InvalidTable as error:
            faults += error.faults
        if faults or table is None:
            raise Refused("does not make a range-unit table", in_their_words(faults, self._words()))
        return table

    def _words(self) -> dict[str, str]:
        words = {"range_min": self.range_min, "price_unit": self.price_unit}
        return words | ({"next_range_min": self.next_range_min} if self.next_range_min else {})

    def _rows(self, bands: list[object], path: str) -> list[Written]:
        """Read every band, or none: a gap beside a band that cannot be read is no finding."""
        columns = self._columns(bands)
        if columns is None:
            raise Refused("has bands that cannot be read", self._faults(bands, path))
        return list(zip(*columns, strict=True))

    def _columns(
        self, bands: list[object]
    ) -> tuple[list[Decimal], list[Decimal], Sequence[Decimal | None]] | None:
        """Read the columns of rows; None where any band lacks a field, or has more or others."""
        names = [self.range_min, self.price_unit]
        names += [self.next_range_min] if self.next_range_min else []
        if not all(isinstance(band, dict) and len(band) == len(names) for band in bands):
            return None
        entries = cast("list[dict[str, object]]", bands)
        try:
            columns = [[self.read(band[name]) for band in entries] for name in names]
        except KeyError:
            return None
        if any(str in map(type, column) for column in columns):
            return None
        starts, units, *ends = cast("list[list[Decimal]]", columns)
        return starts, units, ends[0] if ends else [None] * len(bands)

    def _faults(self, bands: list[object], path: str) -> list[Fault]:
        """Say all that is wrong with bands that cannot be read."""
        end = self.next_range_min
        names = (self.range_min, *([end] if end else []), self.price_unit)
        numbers = Numbers("band", names, self.read)
        faults: list[Fault] = []
        for place, band in enumerate(bands):
            numbers.of(band, f"{path}[{place}]", faults)
        return faults
