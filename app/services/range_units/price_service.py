from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Final
from uuid import UUID

from anyio import to_thread

from app.domain.range_units.errors import PriceOffGrid
from app.domain.range_units.grid import Direction, PriceAnswer, PriceGrid, Reason, Ties
from app.domain.range_units.numbers import plain
from app.domain.range_units.revisions import Market
from app.domain.range_units.table import RangeUnitTable, Row
from app.domain.range_units.timeline import Span
from app.domain.range_units.written import Checked, RoundedPrices, checked, rounded
from app.services.kept import ALWAYS, Kept
from app.services.range_units.current_revisions import MOST_BANDS
from app.services.range_units.history_service import HistoryService
from app.services.range_units.range_units_service import RangeUnits, RangeUnitsService

MANY_BANDS: Final = 1_000
"""From how many on a table is worth a thread."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """What is true of a price, and the valid prices next to it, nearest first."""

    asked: PriceAnswer
    below: list[Decimal]
    above: list[Decimal]


@dataclass(frozen=True, slots=True)
class Stepped:
    """Where a step leads, and the band there; or why the table ends before."""

    price: Decimal | None
    band: Row | None
    reason: Reason | None


class PriceService:
    """At which prices: every question about prices, answered by the table in force.

    Every method raises `UnknownExchange`, `UnknownMarket` and `UnknownHistory`, and gives the
    range units that it answered by. `as_of` None is now, `known_at` None by all that is known now.
    """

    def __init__(self, *, range_units: RangeUnitsService, history: HistoryService) -> None:
        self._range_units = range_units
        self._history = history
        self._grids: Kept[UUID, PriceGrid] = Kept(most=MOST_BANDS)

    async def check(
        self,
        *,
        market: Market,
        prices: Sequence[Decimal],
        as_of: datetime | None = None,
        known_at: datetime | None = None,
    ) -> tuple[RangeUnits, list[PriceAnswer]]:
        """Say of each price whether it is valid, why not, and which valid prices are around."""
        units, grid = await self._grid(market, as_of, known_at)
        return units, [grid.answer(price) for price in prices]

    async def check_written(
        self,
        *,
        market: Market,
        prices: Sequence[str],
        as_of: datetime | None = None,
        known_at: datetime | None = None,
    ) -> tuple[RangeUnits, list[Checked]]:
        """Say the same of prices in plain notation, in writing: for answers, and sooner."""
        units, grid = await self._grid(market, as_of, known_at)
        return units, checked(grid, prices)

    def known(self, *, market: Market, price: str) -> tuple[RangeUnits, Checked] | None:
        """Say what `check_written` says of a price now, where the table is known that answers."""
        units = self._range_units.known(market=market)
        grid = None if units is None else self._grids.get(units.revision.id, ALWAYS[0])
        if units is None or grid is None:
            return None
        [facts] = checked(grid, [price])
        return units, facts

    async def explain(
        self,
        *,
        market: Market,
        prices: Sequence[Decimal],
        as_of: datetime | None = None,
        known_at: datetime | None = None,
    ) -> tuple[RangeUnits, list[tuple[PriceAnswer, Span | None]]]:
        """Check prices that were observed, in a book or on an order that rests there.

        One that is not valid any more goes with the latest earlier revision that allowed it, if
        there is one among the last twenty.
        """
        units, answers = await self.check(
            market=market, prices=prices, as_of=as_of, known_at=known_at
        )
        if all(answer.valid for answer in answers):
            return units, [(answer, None) for answer in answers]
        earlier = await self._history.earlier(market=market, as_of=as_of, known_at=known_at)
        # Off the event loop: ten thousand prices, each by several tables.
        return units, await to_thread.run_sync(_explained, answers, earlier)

    async def round(  # noqa: PLR0913 - what to round, how, and by which revision
        self,
        *,
        market: Market,
        prices: Sequence[str],
        direction: Direction,
        ties: Ties = Ties.UP,
        explain: bool = False,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
    ) -> tuple[RangeUnits, RoundedPrices]:
        """Round each price, in plain notation, to a valid one where there is one that way.

        To explain is to say of each what a check says of it.
        """
        units, grid = await self._grid(market, as_of, known_at)
        found = rounded(grid, prices, direction, ties)
        return units, replace(found, facts=checked(grid, prices)) if explain else found

    async def step(
        self,
        *,
        market: Market,
        price: Decimal,
        ticks: int,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
    ) -> tuple[RangeUnits, Stepped]:
        """Go a number of ticks up, or down; or say why the table ends before.

        Raises `PriceOffGrid`.
        """
        units, grid = await self._grid(market, as_of, known_at)
        with _stating_facts(units, grid):
            stepped = grid.step(price, ticks)
        if stepped is None:
            return units, Stepped(None, None, grid.beyond(upwards=ticks > 0))
        return units, Stepped(stepped, grid.answer(stepped).band, None)

    async def ticks(
        self,
        *,
        market: Market,
        start: Decimal,
        end: Decimal,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
    ) -> tuple[RangeUnits, int]:
        """Count the ticks from one valid price to another. Raises `PriceOffGrid`."""
        units, grid = await self._grid(market, as_of, known_at)
        with _stating_facts(units, grid):
            return units, grid.ticks(start, end)

    async def ladder(
        self,
        *,
        market: Market,
        price: Decimal,
        levels: int,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
    ) -> tuple[RangeUnits, Ladder]:
        """Give the `levels` valid prices on either side of a price, valid itself or not."""
        units, grid = await self._grid(market, as_of, known_at)
        return units, Ladder(grid.answer(price), *grid.ladder(price, levels))

    async def _grid(
        self, market: Market, as_of: datetime | None, known_at: datetime | None
    ) -> tuple[RangeUnits, PriceGrid]:
        units = await self._range_units.current(market=market, as_of=as_of, known_at=known_at)
        revision_id, (since, until) = units.revision.id, ALWAYS
        grid = self._grids.get(revision_id, since)
        if grid is None:
            begun, size = self._grids.begin(), 1 + len(units.table.bands)
            # Off the event loop where there are many bands; for a few the way there is too long.
            lay_out = partial(PriceGrid, units.table)
            grid = lay_out() if size < MANY_BANDS else await to_thread.run_sync(lay_out)
            self._grids.keep(revision_id, grid, since=since, until=until, begun=begun, size=size)
        return units, grid


def _explained(
    answers: Sequence[PriceAnswer], earlier: Sequence[tuple[Span, RangeUnitTable]]
) -> list[tuple[PriceAnswer, Span | None]]:
    grids = [(span, PriceGrid(table)) for span, table in earlier]
    return [
        (
            answer,
            None
            if answer.valid
            else next(
                (span for span, grid in grids if grid.floor(answer.price) == answer.price), None
            ),
        )
        for answer in answers
    ]


@contextmanager
def _stating_facts(units: RangeUnits, grid: PriceGrid) -> Iterator[None]:
    """Let a refused price come with what every one comes with."""
    try:
        yield
    except PriceOffGrid as error:
        error.facts = _facts(units, grid.answer(error.price))
        raise


def _facts(units: RangeUnits, answer: PriceAnswer) -> dict[str, object]:
    band, revision = answer.band, units.revision
    numbers = {
        "price": answer.price,
        "floor": answer.floor,
        "ceil": answer.ceil,
        "price_unit": None if band is None else band.price_unit,
        "range_min": None if band is None else band.range_min,
        "next_range_min": None if band is None else band.next_range_min,
    }
    start = revision.effective_from
    return {
        "reason": answer.reason,
        **{name: None if one is None else plain(one) for name, one in numbers.items()},
        "revision_id": str(revision.id),
        "effective_from": start and start.isoformat().replace("+00:00", "Z"),
        "age_seconds": units.age // timedelta(seconds=1),
    }
