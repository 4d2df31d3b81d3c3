from dataclasses import dataclass
from datetime import timedelta

from app.domain.range_units.overview import ExchangeOverview
from app.ports.clock import Clock
from app.ports.range_units.work import RangeUnitsWork


@dataclass(frozen=True, slots=True)
class ExchangeStanding:
    """How an exchange stands now."""

    overview: ExchangeOverview
    age: timedelta | None
    """How long ago anything of it was last seen; None where nothing ever was."""


class OverviewService:
    """How the exchanges stand: for operators, and what wakes them."""

    def __init__(self, *, reading: RangeUnitsWork, clock: Clock) -> None:
        self._reading = reading
        self._clock = clock

    async def standings(self) -> list[ExchangeStanding]:
        """Give every exchange, by code."""
        async with self._reading() as uow:
            overviews = await uow.overviews.exchanges()
        now = self._clock.now()
        # Clocks of several servers differ: nothing was seen in the future.
        ages = [
            None if each.last_seen is None else max(now - each.last_seen, timedelta(0))
            for each in overviews
        ]
        return list(map(ExchangeStanding, overviews, ages))
