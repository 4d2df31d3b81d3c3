"""Prices as they are written, answered in writing: ten thousand of them at once.

Only integers are made on the way. That is several times as fast as making decimals, which would
tell no more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from app.domain.range_units.grid import Direction, PriceGrid, Reason, Ties
from app.domain.range_units.numbers import plain, texts_lie, texts_of
from app.domain.range_units.table import Row


class Checked(NamedTuple):
    """What is true of a price. None: there is no such price, or no such band."""

    price: str
    reason: Reason | None
    floor: str | None
    ceil: str | None
    next_down: str | None
    next_up: str | None
    band: Row | None

    @property
    def valid(self) -> bool:
        """Valid where floor and ceil meet in the price itself."""
        return self.floor is not None and self.floor == self.ceil


class Rounded(NamedTuple):
    """What a price rounds to; `reason` says why it had to change, or why it cannot be rounded."""

    price: str
    rounded: str | None
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class RoundedPrices:
    """The same of many prices, in the order asked.

    In columns: to make an object of each price would take a quarter as long as to round it.
    """

    prices: Sequence[str]
    rounded: Sequence[str | None]
    reasons: Sequence[Reason | None]
    facts: Sequence[Checked] | None = None
    """What is true of the prices themselves, where that was asked as well."""

    def __iter__(self) -> Iterator[Rounded]:
        """Give them one by one."""
        return map(Rounded, self.prices, self.rounded, self.reasons)


def checked(grid: PriceGrid, prices: Sequence[str]) -> list[Checked]:
    """Say of prices, in plain notation, what `PriceGrid.answer` says."""
    if not grid.has_rule:
        return [_checked_without_rule(grid, price) for price in prices]
    scale = grid.scale
    found = []
    for price, at, rest in zip(prices, *texts_lie(prices, scale), strict=True):
        reason, around, band = grid.facts_at(at, rest)
        floor, ceil, next_down, next_up = texts_of(around, scale)
        found.append(Checked(price, reason, floor, ceil, next_down, next_up, band))
    return found


def _checked_without_rule(grid: PriceGrid, price: str) -> Checked:
    answer = grid.answer(Decimal(price))
    floor, ceil = (None if one is None else plain(one) for one in (answer.floor, answer.ceil))
    return Checked(price, answer.reason, floor, ceil, None, None, None)


def rounded(
    grid: PriceGrid, prices: Sequence[str], direction: Direction, ties: Ties = Ties.UP
) -> RoundedPrices:
    """Round prices, in plain notation, to valid ones: see `floor`, `ceil` and `nearest`."""
    if not grid.has_rule:
        return _without_rule(grid, prices, direction, ties)
    places, rests = texts_lie(prices, grid.scale)
    found = list(grid.rounded_at(zip(places, rests, strict=True), direction, ties))
    reasons = [
        None if near == at and not rest else grid.reason_at(at, rest)
        for near, at, rest in zip(found, places, rests, strict=True)
    ]
    return RoundedPrices(prices, texts_of(found, grid.scale), reasons)


def _without_rule(
    grid: PriceGrid, prices: Sequence[str], direction: Direction, ties: Ties
) -> RoundedPrices:
    found, reasons = [], []
    for number in map(Decimal, prices):
        if direction is Direction.NEAREST:
            near = grid.nearest(number, ties)
        else:
            near = grid.floor(number) if direction is Direction.DOWN else grid.ceil(number)
        found.append(None if near is None else plain(near))
        reasons.append(None if near == number else grid.answer(number).reason)
    return RoundedPrices(prices, found, reasons)
