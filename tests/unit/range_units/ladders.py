"""The tables that come along with the application, read without its adapters."""

import json
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import NamedTuple

from app.domain.range_units.table import (
    Anchor,
    Boundary,
    RangeUnitTable,
    Row,
    TopRule,
    table_of,
)

FOLDER = resources.files("app.adapters.exchanges") / "ladders"
NAMES = sorted(
    file.name.removesuffix(".json") for file in FOLDER.iterdir() if file.name.endswith(".json")
)


class Ladder(NamedTuple):
    table: RangeUnitTable
    effective_from: datetime | None


@cache
def ladder(name: str) -> Ladder:
    content = json.loads((FOLDER / f"{name}.json").read_bytes())
    table = table_of(
        [Row(Decimal(row["range_min"]), Decimal(row["price_unit"])) for row in content["bands"]],
        boundary=Boundary(content["boundary"]),
        anchor=Anchor(content["anchor"]),
        top=None if content["top"] is None else Decimal(content["top"]),
        top_rule=TopRule(content["top_rule"]),
    )
    start = content["effective_from"]
    return Ladder(table, None if start is None else datetime.fromisoformat(start))
