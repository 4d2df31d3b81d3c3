"""Rejected payloads in memory: verified stand-ins for the database's."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from app.adapters.memory.range_units.state import RangeUnitsState
from app.adapters.memory.store import MemoryTransaction
from app.domain.range_units.places import Place
from app.domain.range_units.quarantine import Quarantined
from app.domain.range_units.revisions import Market
from app.domain.range_units.storage import check_quarantined
from app.ports.range_units.quarantine import Quarantine


class MemoryQuarantine(Quarantine):
    """The rejected payloads of a `MemoryStore`."""

    def __init__(self, transaction: MemoryTransaction[RangeUnitsState]) -> None:
        self._transaction = transaction

    async def put(self, *, entry: Quarantined, payload: bytes) -> None:
        """Count one more of the same, or keep it."""
        async with self._transaction.statement(writes=True) as rows:
            check_quarantined(entry)
            for known in rows.quarantine.values():
                if _same(known) == _same(entry):
                    last_seen = max(known.last_seen, entry.last_seen)
                    rows.quarantine[known.id] = replace(
                        known, times=known.times + entry.times, last_seen=last_seen
                    )
                    return
            rows.quarantine[entry.id] = entry
            rows.payloads[entry.id] = payload

    async def trim(self, *, exchange: str, keep: int) -> None:
        """Drop the oldest."""
        async with self._transaction.statement(writes=True) as rows:
            for entry in _newest_first(rows, exchange)[keep:]:
                del rows.quarantine[entry.id], rows.payloads[entry.id]

    async def entry(self, *, entry_id: UUID) -> Quarantined | None:
        """Look the id up."""
        async with self._transaction.statement() as rows:
            return rows.quarantine.get(entry_id)

    async def payload(self, *, entry_id: UUID) -> bytes | None:
        """Look the id up."""
        async with self._transaction.statement() as rows:
            return rows.payloads.get(entry_id)

    async def page(self, *, exchange: str, after: Place | None, limit: int) -> list[Quarantined]:
        """Sort an exchange's entries."""
        async with self._transaction.statement() as rows:
            found = _newest_first(rows, exchange)
            return [e for e in found if after is None or _received(e) < (after.at, after.id)][
                :limit
            ]


def _same(entry: Quarantined) -> tuple[Market, str, str]:
    return entry.market, entry.source, entry.digest


def _received(entry: Quarantined) -> tuple[datetime, UUID]:
    return entry.received_at, entry.id


def _newest_first(rows: RangeUnitsState, exchange: str) -> list[Quarantined]:
    own = [entry for entry in rows.quarantine.values() if entry.market.exchange == exchange]
    return sorted(own, key=_received, reverse=True)
