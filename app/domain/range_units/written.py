"""Prices as they are written, rounded and written again: ten thousand of them in one answer.

Only integers are made on the way. That is several times as fast as making decimals, which would
tell no more.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from app.domain.range_units.grid import Direction, PriceAnswer, PriceGrid, Reason, Ties
from app.domain.range_units.numbers import plain, text_lies, text_of


class Rounded(NamedTuple):
    """What a price rounds to; `reason` says why it had to change, or why it cannot be rounded."""

    price: str
    rounded: str | None
    reason: Reason | None
    facts: PriceAnswer | None = None
    """What is true of the price itself, where that was asked as well."""


def rounded(
    grid: PriceGrid, prices: Sequence[str], direction: Direction, ties: Ties = Ties.UP
) -> list[Rounded]:
    """Round prices, in plain notation, to valid ones: see `floor`, `ceil` and `nearest`."""
    if not grid.has_rule:
        return [_without_rule(grid, price, direction, ties) for price in prices]
    scale = grid.scale
    found = []
    for price in prices:
        at, rest = text_lies(price, scale)
        if direction is Direction.NEAREST:
            near = grid.nearest_at(at, rest, ties)
        elif direction is Direction.DOWN:
            near = grid.floor_at(at, rest)
        else:
            near = grid.ceil_at(at, rest)
        if near == at and not rest:
            found.append(Rounded(price, price, None))
        else:
            text = None if near is None else text_of(near, scale)
            found.append(Rounded(price, text, grid.reason_at(at, rest)))
    return found


def _without_rule(grid: PriceGrid, price: str, direction: Direction, ties: Ties) -> Rounded:
    number = Decimal(price)
    if direction is Direction.NEAREST:
        near = grid.nearest(number, ties)
    else:
        near = grid.floor(number) if direction is Direction.DOWN else grid.ceil(number)
    reason = None if near == number else grid.answer(number).reason
    return Rounded(price, None if near is None else plain(near), reason)
