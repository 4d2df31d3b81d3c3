from collections.abc import Sequence
from datetime import datetime
from heapq import nsmallest

from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.store import MemoryTransaction
from app.ports.identity.upkeep import LoginLogUpkeep


class MemoryLoginLogUpkeep(LoginLogUpkeep):
    """The upkeep of a `MemoryStore`."""

    def __init__(self, transaction: MemoryTransaction[IdentityState]) -> None:
        self._transaction = transaction

    async def make_months(self, *, months: Sequence[datetime]) -> None:  # noqa: ARG002 - there is room for any
        """Do nothing."""
        async with self._transaction.statement(writes=True):
            pass

    async def prune(self, *, before: datetime, limit: int) -> bool:
        """Take the oldest out of each dictionary."""
        async with self._transaction.statement(writes=True) as rows:
            attempts = {(row.at, key): key for key, row in rows.attempts.items() if row.at < before}
            removed = [attempts[place] for place in nsmallest(limit, attempts)]
            for attempt_id in removed:
                del rows.attempts[attempt_id]
            origins = [
                (at, kind, user_id, origin)
                for kind, known in enumerate((rows.clients, rows.networks))
                for (user_id, origin), at in known.items()
                if at < before
            ]
            forgotten = nsmallest(limit, origins)
            for _, kind, user_id, origin in forgotten:
                del (rows.clients, rows.networks)[kind][user_id, origin]
            return limit in (len(removed), len(forgotten))
