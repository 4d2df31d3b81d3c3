"""Tables, questions and answers, in one document that anyone can test a client with.

What is asked is written down here; the answers are worked out by the code that serves.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from app.adapters.exchanges.curated import bundled_files, read_table
from app.adapters.exchanges.vector_questions import (
    AS_OF,
    HISTORY,
    MADE_UP,
    PRICES,
    REFUSED,
    SPELLINGS,
    STEPS,
    TICKS,
)
from app.domain.instants import parse_instant
from app.domain.range_units.errors import PriceOffGrid
from app.domain.range_units.grid import PriceGrid, Ties
from app.domain.range_units.numbers import InvalidNumber, from_units, parse_decimal, plain, to_units
from app.domain.range_units.revisions import BEGINNING, Observation
from app.domain.range_units.table import RangeUnitTable

_SCALE: Final = 40

Record = dict[str, Any]


def vectors() -> str:
    """Write the document: a line for each table, question and refusal, in a fixed order."""
    files = [_content(content) for _, content in bundled_files()] + made_up()
    read = {file["id"]: read_table(json.dumps(file).encode()) for file in files}
    grids = {name: PriceGrid(observation.table) for name, observation in read.items()}
    asked = [(name, price) for name, prices in PRICES.items() for price in prices]
    around = [
        (name, plain(price)) for name, found in read.items() for price in _around(found.table)
    ]
    sections: dict[str, Iterable[object]] = {
        "tables": files,
        "prices": [
            _price(name, grids[name], price) for name, price in dict.fromkeys(asked + around)
        ],
        "steps": [_step(name, grids[name], price, ticks) for name, price, ticks in STEPS],
        "ticks": [_ticks(name, grids[name], start, end) for name, start, end in TICKS],
        "as_of": [_as_of(read, grids, asked) for asked in AS_OF],
        "spellings": [{"text": text, "price": plain(parse_decimal(text))} for text in SPELLINGS],
        "refused": [_refused(value) for value in REFUSED],
    }
    listed = ",\n".join(f'"{name}": [\n{_lines(items)}\n]' for name, items in sections.items())
    return f'{{"format": 1,\n{listed}\n}}\n'


def _content(file: bytes) -> Any:
    # All numbers of a table file are texts; another would fail to be written again.
    return json.loads(file, parse_float=Decimal, parse_int=Decimal)


def made_up() -> list[Record]:
    """Give the tables that no exchange has, in the form of a table file."""
    return [
        {
            "id": name,
            "exchange": "example",
            "market": "KRW/BTC",
            "boundary": "lower_inclusive",
            "anchor": "zero",
            "top": None,
            "top_rule": "open",
            "effective_from": None,
            "source": "made up",
            **{field: value for field, value in content.items() if field != "bands"},
            "bands": [
                {"range_min": range_min, "price_unit": unit} for range_min, unit in content["bands"]
            ],
        }
        for name, content in MADE_UP.items()
    ]


def _lines(items: Iterable[object]) -> str:
    return ",\n".join(json.dumps(item) for item in items)


def _text(number: Decimal | None) -> str | None:
    return None if number is None else plain(number)


def _around(table: RangeUnitTable) -> Iterator[Decimal]:
    """Give the bounds of a table, and what is half a unit and a whole one to either side."""
    rows = list(table.rows())
    for place, row in enumerate(rows):
        below = rows[max(place - 1, 0)].price_unit
        yield from _beside(row.range_min, below, row.price_unit)
    if table.top is not None:
        yield from _beside(table.top, rows[-1].price_unit, rows[-1].price_unit)


def _beside(bound: Decimal, below: Decimal, above: Decimal) -> Iterator[Decimal]:
    at, _ = to_units(bound, _SCALE)
    down, up = to_units(below, _SCALE)[0], to_units(above, _SCALE)[0]
    for price in (at - down, at - down // 2, at, at + up // 2, at + up):
        yield from_units(price, _SCALE)


def _price(name: str, grid: PriceGrid, text: str) -> Record:
    price = parse_decimal(text)
    answer = grid.answer(price)
    band = answer.band
    return {
        "table": name,
        "price": text,
        "valid": answer.valid,
        "reason": answer.reason,
        "floor": _text(answer.floor),
        "ceil": _text(answer.ceil),
        "nearest": {ties: _text(grid.nearest(price, ties)) for ties in Ties},
        "next_down": _text(answer.next_down),
        "next_up": _text(answer.next_up),
        "price_unit": None if band is None else plain(band.price_unit),
        "range_min": None if band is None else plain(band.range_min),
        "next_range_min": None if band is None else _text(band.next_range_min),
    }


def _step(name: str, grid: PriceGrid, text: str, ticks: int) -> Record:
    record: Record = {"table": name, "price": text, "ticks": ticks}
    try:
        return record | {"stepped": _text(grid.step(parse_decimal(text), ticks))}
    except PriceOffGrid as error:
        return record | {"refused": error.code}


def _ticks(name: str, grid: PriceGrid, start: str, end: str) -> Record:
    record: Record = {"table": name, "from": start, "to": end}
    try:
        return record | {"ticks": grid.ticks(parse_decimal(start), parse_decimal(end))}
    except PriceOffGrid as error:
        return record | {"refused": error.code}


def _as_of(
    read: Mapping[str, Observation],
    grids: Mapping[str, PriceGrid],
    asked: tuple[str, str, str, str],
) -> Record:
    exchange, market, price, instant = asked
    starts = {name: read[name].effective_from or BEGINNING for name in HISTORY[exchange, market]}
    at: datetime = parse_instant(instant)
    begun = [name for name, start in starts.items() if start <= at]
    record: Record = {"exchange": exchange, "market": market, "price": price, "as_of": instant}
    if not begun:
        return record | {"table": None, "refused": "unknown_history"}
    name = max(begun, key=lambda each: starts[each])
    return record | {"table": name, "valid": grids[name].is_valid(parse_decimal(price))}


def _refused(value: object) -> object:
    """Make sure that it is: a text that became acceptable must not be published as refused."""
    if isinstance(value, str):
        try:
            parse_decimal(value)
        except InvalidNumber:
            return value
        raise AssertionError(f"{value!r} is a number")
    return value
