from uuid import UUID

from app.domain.range_units.errors import UnknownExchange, UnknownPayload
from app.domain.range_units.places import Place
from app.domain.range_units.quarantine import Quarantined
from app.ports.range_units.work import RangeUnitsWork


class QuarantineService:
    """A look at the payloads that were rejected."""

    def __init__(self, *, reading: RangeUnitsWork) -> None:
        self._reading = reading

    async def list_entries(
        self, *, exchange: str, after: Place | None = None, limit: int = 50
    ) -> list[Quarantined]:
        """Give an exchange's rejected payloads, newest first. Raises `UnknownExchange`."""
        async with self._reading() as uow:
            if await uow.catalogue.exchange(code=exchange) is None:
                raise UnknownExchange(f"There is no exchange {exchange}.")
            return await uow.quarantine.page(exchange=exchange, after=after, limit=limit)

    async def entry(self, *, exchange: str, entry_id: UUID) -> tuple[Quarantined, bytes]:
        """Give a rejected payload of an exchange, with its bytes. Raises `UnknownPayload`."""
        async with self._reading() as uow:
            entry = await uow.quarantine.entry(entry_id=entry_id)
            payload = await uow.quarantine.payload(entry_id=entry_id)
        if entry is None or payload is None or entry.market.exchange != exchange:
            raise UnknownPayload(f"{exchange} has no rejected payload {entry_id}.")
        return entry, payload
