"""How the exchanges stand in memory: verified stand-ins for the database's."""

from collections import Counter

from app.adapters.memory.range_units.state import RangeUnitsState
from app.adapters.memory.store import MemoryTransaction
from app.domain.range_units.overview import ExchangeOverview
from app.ports.range_units.overviews import Overviews


class MemoryOverviews(Overviews):
    """The exchanges of a `MemoryStore`."""

    def __init__(self, transaction: MemoryTransaction[RangeUnitsState]) -> None:
        self._transaction = transaction

    async def exchanges(self) -> list[ExchangeOverview]:
        """Look through all revisions and all jobs."""
        async with self._transaction.statement() as rows:
            return [_overview(rows, code) for code in sorted(rows.exchanges)]


def _overview(rows: RangeUnitsState, code: str) -> ExchangeOverview:
    seen = [
        revision.last_seen
        for revision in rows.revisions.values()
        if revision.market.exchange == code and revision.superseded_at is None
    ]
    jobs = Counter(job.state for job in rows.jobs.values() if job.exchange == code)
    return ExchangeOverview(code, max(seen, default=None), jobs)
