"""What is written of prices without models is, to the byte, what the documented models write."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from app.adapters.http.range_units.price_answers import (
    price_answered,
    prices_checked,
    prices_rounded,
)
from app.adapters.http.range_units.price_bodies import (
    PriceAnswered,
    PriceFacts,
    PriceResult,
    PricesChecked,
    PricesRounded,
    PricesToCheck,
    RoundedPrice,
)
from app.domain.range_units.grid import Direction, PriceGrid
from app.domain.range_units.numbers import plain
from app.domain.range_units.revisions import Market, Revision
from app.domain.range_units.table import RangeUnitTable
from app.domain.range_units.written import Checked, checked, rounded
from app.services.range_units.range_units_service import RangeUnits
from tests.random_tables import KINDS, drawn

MARKET = Market("coinone", "KRW", "BTC")
SEEN = datetime(2026, 3, 1, tzinfo=UTC)
STARTS = [None, SEEN, SEEN.replace(microsecond=120), datetime(1, 1, 1, tzinfo=UTC)]


def units_of(table: RangeUnitTable, start: datetime | None, age: timedelta) -> RangeUnits:
    revision = Revision(UUID(int=7), MARKET, start, SEEN, SEEN, "drawn", table.digest)
    return RangeUnits(revision, table, age)


def tables() -> Iterator[tuple[RangeUnitTable, list[str]]]:
    chance = Random(20)  # noqa: S311 - the same each time, no secret
    for kind in KINDS:
        found = drawn(chance, kind=kind, prices=20)
        yield found.table, [plain(price) for price in found.prices]
    table = RangeUnitTable((), min_price=Decimal(5), max_price=Decimal("10.5"))
    yield table, ["4", "5", "7.123456789", "11", "0", "-1"]


def members(facts: Checked) -> dict[str, Any]:
    band = facts.band
    return {
        **facts._asdict(),
        "valid": facts.valid,
        "price_unit": band and band.price_unit,
        "range_min": band and band.range_min,
        "next_range_min": band and band.next_range_min,
    }


def test_answers_about_prices_are_written_as_their_models_are() -> None:
    ages = [timedelta(0), timedelta(days=3, seconds=1, microseconds=999_999)]
    for (table, prices), start, age in zip(tables(), STARTS * 9, ages * 9, strict=False):
        units, grid = units_of(table, start, age), PriceGrid(table)
        by = {
            "revision_id": units.revision.id,
            "effective_from": start,
            "age_seconds": age.days * 86400 + age.seconds,
        }
        facts = checked(grid, prices)
        answered = PriceAnswered(**members(facts[0]), **by, grandfathered=None)
        assert price_answered(units, facts[0]) == answered.model_dump_json()
        results = [PriceResult(**members(each), grandfathered=None) for each in facts]
        assert (
            prices_checked(units, facts) == PricesChecked(results=results, **by).model_dump_json()
        )


def test_rounded_prices_are_written_as_their_model_is() -> None:
    for table, prices in tables():
        units, grid = units_of(table, SEEN, timedelta(0)), PriceGrid(table)
        by = {"revision_id": units.revision.id, "effective_from": SEEN, "age_seconds": 0}
        found, facts = rounded(grid, prices, Direction.NEAREST), checked(grid, prices)
        results = [
            RoundedPrice(**each._asdict(), changed=each.rounded != each.price) for each in found
        ]
        answer = PricesRounded(results=results, **by)
        assert prices_rounded(units, found) == answer.model_dump_json(exclude_unset=True)
        for result, each in zip(results, facts, strict=True):
            result.facts = PriceFacts(**members(each))
        explained = prices_rounded(units, replace(found, facts=facts))
        assert explained == answer.model_dump_json(exclude_unset=True)


def test_prices_are_read_as_plain_ones_however_they_are_written() -> None:
    plainly = ["7", "0", "0.5", "1200", "10.01", "1" * 40 + "." + "1" * 40]
    zeros = ["7.00", "0.0", "0.50", "1200.0", "10.010", plainly[-1]]
    powers = ["70e-1", "-0", "5e-1", "1.2E3", "1001e-2", plainly[-1]]
    read = [
        PricesToCheck.model_validate({"prices": way}).prices for way in (plainly, zeros, powers)
    ]
    assert read == [plainly] * 3
