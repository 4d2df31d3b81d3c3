"""Range-unit tables written down by hand, for exchanges that publish theirs only as prose.

A file holds one table; `ladders/README.md` says where each of those that come along is from.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from importlib import resources
from typing import TypeVar

from app.adapters.exchanges.literal_json import UnreadableJson, parse
from app.adapters.exchanges.refusal import described, printable, rejected
from app.domain.errors import Fault
from app.domain.instants import parse_instant
from app.domain.range_units.errors import InvalidCode, InvalidTable
from app.domain.range_units.numbers import InvalidNumber, parse_decimal
from app.domain.range_units.revisions import (
    WHOLE_QUOTE,
    Exchange,
    Market,
    Observation,
    digest_of,
    exchange_code,
    market_of,
)
from app.domain.range_units.table import Anchor, Boundary, RangeUnitTable, Row, TopRule, table_of

_Choice = TypeVar("_Choice", bound=StrEnum)

_HEAD = {"id", "exchange", "market", "effective_from", "source", "note"}
_READING = {"boundary", "anchor", "top", "top_rule", "min_price", "max_price"}
_BAND = {"range_min", "price_unit"}

EXCHANGES = (
    Exchange("binance", "Binance"),
    Exchange("bithumb", "Bithumb", "Asia/Seoul"),
    Exchange("bybit", "Bybit"),
    Exchange("coinone", "Coinone", "Asia/Seoul"),
    Exchange("korbit", "Korbit", "Asia/Seoul"),
    Exchange("krx", "Korea Exchange", "Asia/Seoul"),
    Exchange("okx", "OKX"),
    Exchange("tse", "Tokyo Stock Exchange", "Asia/Tokyo"),
    Exchange("upbit", "Upbit", "Asia/Seoul"),
)


def bundled() -> tuple[list[Exchange], list[Observation]]:
    """Read the tables that come along, in the order of their file names, and whose they are."""
    return list(EXCHANGES), [read_table(content) for _, content in bundled_files()]


def bundled_files() -> list[tuple[str, bytes]]:
    """Give the names and the contents of the table files that come along, by name."""
    folder = resources.files("app.adapters.exchanges") / "ladders"
    files = [file for file in folder.iterdir() if file.name.endswith(".json")]
    return [(file.name, file.read_bytes()) for file in sorted(files, key=lambda file: file.name)]


def read_table(payload: bytes) -> Observation:
    """Read a table file. Raises `PayloadRejected` with one fault for each thing that is wrong."""
    try:
        content = parse(payload)
    except UnreadableJson as error:
        raise rejected(f"The table file {error}.", [Fault("", f"the file {error}")]) from error
    if not isinstance(content, dict):
        message = f"is {described(content)}, not an object"
        raise rejected(f"The table file {message}.", [Fault("", f"the file {message}")])
    faults: list[Fault] = []
    fields = _Fields(content, faults)
    # A misspelled limit must not read as none. `id` and `note` speak to people only.
    fields.refuse_others(_HEAD | _READING | {"bands"})
    market, source, start = _market(fields), fields.text("source"), _start(fields)
    table = _table(fields)
    if faults or market is None or source is None or table is None:
        raise rejected("The table file cannot be taken.", faults)
    return Observation(market, table, start, source, digest_of(payload))


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fields of one object; what is wrong with one is added to `faults`, and None given."""

    content: Mapping[str, object]
    faults: list[Fault]
    path: str = ""

    def wrong(self, name: str, message: str) -> None:
        self.faults.append(Fault(f"{self.path}{name}", message))

    def refuse_others(self, known: AbstractSet[str]) -> None:
        for name in sorted(self.content.keys() - known):
            self.wrong(printable(name), "is no field of this format")

    def text(self, name: str) -> str | None:
        value = self.content.get(name)
        if isinstance(value, str) and value.strip():
            return value
        if name not in self.content:
            self.wrong(name, "is missing")
        elif isinstance(value, str):
            self.wrong(name, "is blank")
        else:
            self.wrong(name, f"is {described(value)}, not a string")
        return None

    def number(self, name: str) -> Decimal | None:
        text = self.text(name)
        if text is None:
            return None
        try:
            return parse_decimal(text)
        except InvalidNumber as error:
            self.wrong(name, str(error))
            return None

    def limit(self, name: str) -> Decimal | None:
        """Read a number that need not be there."""
        return None if self.content.get(name) is None else self.number(name)

    def choice(self, name: str, choices: type[_Choice]) -> _Choice | None:
        text = self.text(name)
        if text is None:
            return None
        if text not in list(choices):
            self.wrong(name, f"is none of {', '.join(choices)}")
            return None
        return choices(text)


def _market(fields: _Fields) -> Market | None:
    """Read whose table it is; without a slash, `market` names a family of markets, as a quote."""
    exchange, market = _exchange(fields), fields.text("market")
    if market is None:
        return None
    quote, slash, target = market.partition("/")
    try:
        found = market_of(exchange or "unknown", quote, target if slash else WHOLE_QUOTE)
    except InvalidCode as error:
        for fault in error.faults:
            fields.wrong("market", f"its {fault.field} {fault.message}")
        return None
    return found if exchange else None


def _exchange(fields: _Fields) -> str | None:
    text = fields.text("exchange")
    if text is None:
        return None
    try:
        return exchange_code(text)
    except InvalidCode as error:
        fields.faults.extend(error.faults)
        return None


def _start(fields: _Fields) -> datetime | None:
    name = "effective_from"
    if name in fields.content and fields.content[name] is None:
        return None
    text = fields.text(name)
    if text is None:
        return None
    with suppress(ValueError):
        return parse_instant(text)
    fields.wrong(name, "is not an RFC 3339 date and time with its offset")
    return None


def _table(fields: _Fields) -> RangeUnitTable | None:
    before = len(fields.faults)
    boundary, anchor = fields.choice("boundary", Boundary), fields.choice("anchor", Anchor)
    top, top_rule = fields.limit("top"), fields.choice("top_rule", TopRule)
    min_price, max_price = fields.limit("min_price"), fields.limit("max_price")
    rows = _rows(fields)
    # What could not be read says nothing about the rest: a table is checked as a whole.
    if len(fields.faults) > before or boundary is None or anchor is None:
        return None
    try:
        return table_of(
            rows,
            boundary=boundary,
            anchor=anchor,
            top=top,
            top_rule=top_rule,
            min_price=min_price,
            max_price=max_price,
            path="bands",
        )
    except InvalidTable as error:
        fields.faults.extend(error.faults)
        return None


def _rows(fields: _Fields) -> list[Row]:
    bands = fields.content.get("bands")
    if not isinstance(bands, list):
        missing = "bands" not in fields.content
        fields.wrong("bands", "is missing" if missing else f"is {described(bands)}, not a list")
        return []
    rows = []
    for place, band in enumerate(bands):
        if not isinstance(band, dict):
            fields.wrong(f"bands[{place}]", f"is {described(band)}, not an object")
            continue
        found = _Fields(band, fields.faults, f"bands[{place}].")
        found.refuse_others(_BAND)
        range_min, price_unit = found.number("range_min"), found.number("price_unit")
        if range_min is not None and price_unit is not None:
            rows.append(Row(range_min, price_unit))
    return rows
