"""The feed of changes in memory: a verified stand-in for the database's."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from app.adapters.memory.range_units.state import RangeUnitsState
from app.adapters.memory.store import MemoryTransaction
from app.domain.range_units.changes import Change, PlacedChange
from app.domain.range_units.revisions import BEGINNING
from app.domain.range_units.storage import check_change
from app.ports.range_units.changes import Changes


class MemoryChanges(Changes):
    """The changes of a `MemoryStore`."""

    def __init__(self, transaction: MemoryTransaction[RangeUnitsState]) -> None:
        self._transaction = transaction

    async def append(self, *, changes: Sequence[Change]) -> None:
        """Number them; there is one writer at a time."""
        async with self._transaction.statement(writes=bool(changes)) as rows:
            for change in changes:
                check_change(change)
            for position, change in enumerate(changes, rows.position + 1):
                if change.effective_from == BEGINNING:
                    change = replace(change, effective_from=None)  # noqa: PLW2901 - as stored
                rows.changes[position] = PlacedChange(position, change)
            rows.position += len(changes)

    async def advance(self) -> None:
        """Leave a number out."""
        async with self._transaction.statement(writes=True) as rows:
            rows.position += 1

    async def after(
        self, *, position: int, exchange: str | None = None, limit: int
    ) -> list[PlacedChange]:
        """Sort and filter all of them."""
        async with self._transaction.statement() as rows:
            found = (
                rows.changes[each]
                for each in sorted(rows.changes)
                if each > position
                and (exchange is None or rows.changes[each].change.market.exchange == exchange)
            )
            return list(islice(found, limit))

    async def latest(self) -> int:
        """Give the number that was used last."""
        async with self._transaction.statement() as rows:
            return rows.position
