from dataclasses import dataclass

from app.domain.range_units.changes import PlacedChange
from app.domain.range_units.errors import UnknownExchange, UnknownPosition
from app.ports.range_units.work import RangeUnitsWork


@dataclass(frozen=True, slots=True)
class ChangesPage:
    """A part of the feed of changes, and the position from which on to go on reading it."""

    changes: list[PlacedChange]
    position: int
    has_more: bool


class ChangeService:
    """What became different about range units, for those who keep a copy of them."""

    def __init__(self, *, reading: RangeUnitsWork) -> None:
        self._reading = reading

    async def latest(self, *, exchange: str | None = None) -> ChangesPage:
        """Give nothing but the position from which on everything is new.

        Raises `UnknownExchange` as `changes` does.
        """
        async with self._reading() as uow:
            if exchange is not None and await uow.catalogue.exchange(code=exchange) is None:
                raise UnknownExchange(f"There is no exchange {exchange}.")
            return ChangesPage([], await uow.changes.latest(), has_more=False)

    async def changes(
        self, *, since: int, exchange: str | None = None, limit: int = 50
    ) -> ChangesPage:
        """Give the changes beyond a position, of one exchange or of all.

        Raises `UnknownExchange`, and `UnknownPosition` for one that was not reached yet.
        """
        async with self._reading() as uow:
            if exchange is not None and await uow.catalogue.exchange(code=exchange) is None:
                raise UnknownExchange(f"There is no exchange {exchange}.")
            # First: what is committed between the two reads is then read again, and not missed.
            latest = await uow.changes.latest()
            if since > latest:
                raise UnknownPosition(f"The last change is at {latest}: {since} is not reached.")
            found = await uow.changes.after(position=since, exchange=exchange, limit=limit + 1)
        changes = found[:limit]
        reached = changes[-1].position if changes else since
        if len(found) > limit:
            return ChangesPage(changes, reached, has_more=True)
        return ChangesPage(changes, max(reached, latest), has_more=False)
