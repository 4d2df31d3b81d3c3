"""A tick size that an exchange states for the current price only, beside the ladder in force."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from app.domain.range_units.grid import PriceGrid
from app.domain.range_units.lint import Finding, Oddity
from app.domain.range_units.numbers import plain
from app.domain.range_units.revisions import Market, ScalarTick
from app.domain.range_units.table import RangeUnitTable


def cross_check(
    ticks: Sequence[ScalarTick], tables: Mapping[Market, RangeUnitTable]
) -> tuple[tuple[Market, Finding], ...]:
    """Compare tick sizes with the tables that answer for their markets; one finding each at most.

    A market that nothing is known of is a finding, too: somebody has to learn of it.
    """
    found = []
    for tick in ticks:
        table = tables.get(tick.market)
        finding = _alone(tick) if table is None else disagreement(table, tick.tick_size)
        if finding is not None:
            found.append((tick.market, finding))
    return tuple(found)


def _alone(tick: ScalarTick) -> Finding:
    said = f"the exchange states the tick size {plain(tick.tick_size)}"
    return Finding(Oddity.SCALAR_ALONE, 0, f"{said}, and there are no range units")


def disagreement(
    table: RangeUnitTable, tick_size: Decimal, *, price: Decimal | None = None
) -> Finding | None:
    """Say how the tick size at a price contradicts the ladder in force; None where it does not.

    Without the price, all that can be told is whether the ladder has such a unit anywhere.
    """
    said = f"the exchange states the tick size {plain(tick_size)}"
    units = [band.price_unit for band in table.bands]
    if tick_size not in units:
        message = f"{said}, which is the unit of no band{_beside(units, tick_size)}"
        return Finding(Oddity.SCALAR_DISAGREES, 0, message)
    band = None if price is None else PriceGrid(table).answer(price).band
    if price is None or (band is not None and band.price_unit == tick_size):
        return None
    if band is None:
        return Finding(Oddity.SCALAR_DISAGREES, 0, f"{said} at {plain(price)}, which is in no band")
    position = [one.range_min for one in table.bands].index(band.range_min)
    message = f"{said} at {plain(price)}, where the unit is {plain(band.price_unit)}"
    return Finding(Oddity.SCALAR_DISAGREES, position, message)


def _beside(units: Sequence[Decimal], tick_size: Decimal) -> str:
    below = max((unit for unit in units if unit < tick_size), default=None)
    above = min((unit for unit in units if unit > tick_size), default=None)
    nearest = [plain(unit) for unit in (below, above) if unit is not None]
    verb = "is" if len(nearest) == 1 else "are"
    return f"; next to it {verb} {' and '.join(nearest)}" if nearest else ""
