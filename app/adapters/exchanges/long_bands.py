"""A reply that is one long list of bands, but for a few fields: read a part at a time.

Read as a whole, as `literal_json` does, each band takes half a kilobyte, and all of them at once.
What is read here is what is usual; of anything else the whole tells what it is, or what is wrong.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from typing import Final, cast

from app.adapters.exchanges.literal_json import NUMBERS_KNOWN, number_of, parse, refuse_constant
from app.domain.range_units.numbers import MAX_INTEGER_DIGITS
from app.domain.range_units.table import Columns, RangeUnitTable, table_in_order

LONG: Final = 256 * 1024
"""How many bytes are read at once; what is no longer than this is better read as a whole."""

_SEPARATOR: Final = re.compile(rb"[ \t\n\r]*(,|\Z)")
_TOO_GREAT: Final = 10**MAX_INTEGER_DIGITS
_Pairs = tuple[tuple[str, object], ...]


class _Unusual(ValueError):
    """To be read as a whole, as it is where the JSON does not read."""


@dataclass(frozen=True, slots=True)
class LongBands:
    """How an exchange writes a list of bands in which all numbers are written as numbers."""

    path: str
    range_min: str
    price_unit: str
    next_range_min: str

    def read(self, payload: bytes) -> tuple[dict[str, object], RangeUnitTable] | None:
        """Give a reply with but a zero in its list, and the table that the list makes.

        None for what is not long, and for what is in any way unusual.
        """
        if len(payload) <= LONG:
            return None
        try:
            start, end = self._list_in(payload)
            reply = cast("dict[str, object]", parse(payload[:start] + b"0" + payload[end:]))
            if reply.get(self.path) != [0]:
                return None
            table = table_in_order(map(self._columns, _parts(payload, start, end)))
        except (ValueError, RecursionError):
            return None
        return None if table is None else (reply, table)

    def _list_in(self, payload: bytes) -> tuple[int, int]:
        """Tell where the list begins and ends, if it is the last one, and nothing is before it."""
        name = re.escape(self.path).encode()
        # Without a bracket before it, it is the reply's own.
        head = re.match(rb'\s*\{[^\[\]{}]*"%b"\s*:\s*\[' % name, payload)
        end = payload.rfind(b"]")
        if head is None or end < head.end():
            raise _Unusual
        return head.end(), end

    def _columns(self, bands: list[object]) -> Columns:
        """Read bands whose fields are in the same order."""
        if set(map(type, bands)) != {tuple}:
            raise _Unusual
        names, values = zip(*chain.from_iterable(cast("list[_Pairs]", bands)), strict=True)
        wanted = (self.range_min, self.price_unit, self.next_range_min)
        order = names[: len(wanted)]
        if names != order * len(bands) or set(order) != set(wanted):
            raise _Unusual
        if not set(map(type, values)) <= {int, Decimal}:
            raise _Unusual
        if min(values) < 0 or max(values) >= _TOO_GREAT:
            raise _Unusual
        starts, units, ends = (values[order.index(name) :: len(wanted)] for name in wanted)
        return starts, units, ends


def _parts(payload: bytes, start: int, end: int) -> Iterator[list[object]]:
    """Read the elements of a list, some thousands at a time; objects as their pairs.

    A part ends with a brace before a comma. Where that is one within a text, or within an element,
    the part does not read.
    """
    number = lru_cache(maxsize=NUMBERS_KNOWN)(number_of)
    decoder = json.JSONDecoder(
        object_pairs_hook=tuple, parse_int=int, parse_float=number, parse_constant=refuse_constant
    )
    while True:
        cut = payload.rfind(b"}", start, min(start + LONG, end)) + 1
        separator = _SEPARATOR.match(payload, cut, end)
        if cut == 0 or separator is None:
            raise _Unusual
        yield decoder.decode(f"[{payload[start:cut].decode()}]")
        if not separator[1]:
            return
        start = separator.end()
