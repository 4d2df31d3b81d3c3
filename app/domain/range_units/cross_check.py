"""A tick size that an exchange states for the current price only, beside the ladder in force."""

from dataclasses import dataclass
from decimal import Decimal

from app.domain.range_units.grid import PriceGrid
from app.domain.range_units.lint import Finding, Oddity
from app.domain.range_units.numbers import plain
from app.domain.range_units.revisions import Market
from app.domain.range_units.table import RangeUnitTable


@dataclass(frozen=True, slots=True)
class ScalarTick:
    """The tick size of a market at its current price, which is no table."""

    market: Market
    tick_size: Decimal


def disagreement(
    table: RangeUnitTable, tick_size: Decimal, *, price: Decimal | None = None
) -> Finding | None:
    """Say how the tick size at a price contradicts the ladder in force; None where it does not.

    Without the price, all that can be told is whether the ladder has such a unit anywhere.
    """
    said = f"the exchange states the tick size {plain(tick_size)}"
    units = [band.price_unit for band in table.bands]
    if tick_size not in units:
        message = f"{said}, which is the unit of no band"
        return Finding(Oddity.SCALAR_DISAGREES, 0, message)
    band = None if price is None else PriceGrid(table).answer(price).band
    if price is None or (band is not None and band.price_unit == tick_size):
        return None
    if band is None:
        return Finding(Oddity.SCALAR_DISAGREES, 0, f"{said} at {plain(price)}, which is in no band")
    position = [one.range_min for one in table.bands].index(band.range_min)
    message = f"{said} at {plain(price)}, where the unit is {plain(band.price_unit)}"
    return Finding(Oddity.SCALAR_DISAGREES, position, message)
