from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.store import MemoryTransaction
from app.domain.identity.origins import Familiarity
from app.domain.identity.storage import check_origin
from app.ports.identity.origins import Origins


class MemoryOrigins(Origins):
    """The origins of a `MemoryStore`."""

    def __init__(self, transaction: MemoryTransaction[IdentityState]) -> None:
        self._transaction = transaction

    async def see(
        self, *, user_id: UUID, network: str | None, client: str | None, at: datetime
    ) -> Familiarity:
        """Look both up, and keep the later instants."""
        async with self._transaction.statement(writes=True) as rows:
            check_origin(network)
            check_origin(client)
            return Familiarity(
                _seen(rows.networks, user_id, network, at),
                _seen(rows.clients, user_id, client, at),
            )

    async def last_successes(
        self, *, pairs: Collection[tuple[UUID, str]]
    ) -> dict[tuple[UUID, str], datetime]:
        """Look the pairs up."""
        async with self._transaction.statement() as rows:
            return {pair: rows.networks[pair] for pair in pairs if pair in rows.networks}


def _seen(
    known: dict[tuple[UUID, str], datetime], user_id: UUID, origin: str | None, at: datetime
) -> datetime | None:
    if origin is None:
        return None
    before = known.get((user_id, origin))
    known[user_id, origin] = at if before is None else max(before, at)
    return before
