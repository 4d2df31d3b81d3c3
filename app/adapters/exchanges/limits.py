"""Price filters: one unit between a least and a greatest price, as several exchanges write them.

Valid is a multiple of the unit, counted from zero, that is neither below the one limit nor above
the other.
"""

from collections.abc import Mapping
from decimal import Decimal

from app.adapters.exchanges.bands import Numbers
from app.adapters.exchanges.refusal import Refused, in_their_words
from app.domain.errors import Fault
from app.domain.range_units.errors import InvalidTable
from app.domain.range_units.table import RangeUnitTable, price_filter

_WORDS = {"price_unit": "tickSize", "min_price": "minPrice", "max_price": "maxPrice"}


def filter_of(
    found: Mapping[str, object],
    path: str,
    *,
    fields: frozenset[str] = frozenset(),
    limited: bool = True,
) -> RangeUnitTable:
    """Read a filter that may have other `fields`, with its limits or without any.

    Raises `Refused`.
    """
    names = ("minPrice", "maxPrice", "tickSize") if limited else ("tickSize",)
    faults: list[Fault] = []
    numbers = Numbers("price filter", names, others=fields).of(found, path, faults)
    if faults:
        raise Refused("has a price filter that cannot be read", faults)
    return _table(numbers, path)


def _table(numbers: Mapping[str, Decimal], path: str) -> RangeUnitTable:
    try:
        return price_filter(
            price_unit=numbers["tickSize"],
            min_price=numbers.get("minPrice"),
            max_price=numbers.get("maxPrice"),
            path=f"{path}.",
        )
    except InvalidTable as error:
        faults = in_their_words(error.faults, _WORDS)
        raise Refused("has a price filter that makes no table", faults) from error
