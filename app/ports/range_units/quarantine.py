from typing import Protocol
from uuid import UUID

from app.domain.range_units.places import Place
from app.domain.range_units.quarantine import Quarantined


class Quarantine(Protocol):
    """Payloads that were rejected, with their bytes."""

    async def put(self, *, entry: Quarantined, payload: bytes) -> None:
        """Keep a new entry and its payload.

        Where there is one of the same market, source and digest, that stays instead, with as many
        `times` more as the new one has, and `last_seen` advanced to that of the new one; it never
        goes back.
        """
        ...

    async def trim(self, *, exchange: str, keep: int) -> None:
        """Let go of an exchange's entries beyond its newest `keep`, in the order of `page`."""
        ...

    async def entry(self, *, entry_id: UUID) -> Quarantined | None:
        """Give an entry, or None."""
        ...

    async def payload(self, *, entry_id: UUID) -> bytes | None:
        """Give the bytes of an entry, or None."""
        ...

    async def page(self, *, exchange: str, after: Place | None, limit: int) -> list[Quarantined]:
        """Give an exchange's entries beyond `after`; at most `limit`.

        Newest first: by `received_at`, then id, both descending.
        """
        ...
