"""The same models as ours, served by FastAPI alone: no check of who asks, and no database.

What it answers is read once, from the file that `ANSWERS` names. The models are made of it for each
request, as of whatever a store may give.
"""

import json
import os
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from fastapi import FastAPI
from pydantic import BaseModel


class Finding(BaseModel):
    """Something odd about a table."""

    code: str
    position: int
    message: str


class Band(BaseModel):
    """Prices from `range_min` to `next_range_min` move in steps of `price_unit`."""

    range_min: Decimal
    next_range_min: Decimal | None
    price_unit: Decimal


class RangeUnits(BaseModel):
    """A market's range units, with the fields that our answer has."""

    exchange: str
    quote_currency: str
    target_currency: str
    revision_id: UUID
    effective_from: datetime | None
    recorded_at: datetime
    last_seen: datetime | None
    source: str
    digest: str
    payload_digest: str | None
    boundary: str
    anchor: str
    top: Decimal | None
    top_rule: str
    min_price: Decimal | None
    max_price: Decimal | None
    range_units: list[Band]
    lint: list[Finding]


class Grandfathered(BaseModel):
    """An earlier revision."""

    revision_id: UUID
    effective_from: datetime | None
    effective_until: datetime


class Price(BaseModel):
    """What is true of one price, with the fields that our answer has."""

    price: Decimal
    valid: bool
    reason: str | None
    floor: Decimal | None
    ceil: Decimal | None
    next_down: Decimal | None
    next_up: Decimal | None
    price_unit: Decimal | None
    range_min: Decimal | None
    next_range_min: Decimal | None
    grandfathered: Grandfathered | None
    revision_id: UUID
    effective_from: datetime | None
    age_seconds: int


ANSWERS = json.loads(Path(os.environ["ANSWERS"]).read_text())
RANGE_UNITS = RangeUnits.model_validate(ANSWERS["range_units"]).model_dump(exclude={"range_units"})
BANDS = [Band.model_validate(band).model_dump() for band in ANSWERS["range_units"]["range_units"]]
PRICE = Price.model_validate(ANSWERS["price"]).model_dump()

app = FastAPI()


@app.get("/health")
async def health() -> dict[str, str]:
    """Say that it runs."""
    return {"status": "ok"}


@app.get("/exchanges/{exchange}/markets/{quote}/{target}/range-units")
async def range_units(exchange: str, quote: str, target: str) -> RangeUnits:
    """Serialise the range units."""
    del exchange, quote, target
    return RangeUnits(**RANGE_UNITS, range_units=[Band(**band) for band in BANDS])


@app.get("/exchanges/{exchange}/markets/{quote}/{target}/prices/{price}")
async def one_price(exchange: str, quote: str, target: str, price: Decimal) -> Price:
    """Serialise what is true of a price."""
    del exchange, quote, target, price
    return Price(**PRICE)
