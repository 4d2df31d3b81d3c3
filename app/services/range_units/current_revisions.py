from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final, NoReturn
from uuid import UUID

from anyio import Lock

from app.domain.range_units.errors import UnknownExchange, UnknownHistory, UnknownMarket
from app.domain.range_units.revisions import Market, Revision, answering
from app.domain.range_units.table import RangeUnitTable
from app.ports.range_units.work import RangeUnitsUnitOfWork, RangeUnitsWork
from app.services.kept import ALWAYS, Kept

FRESH: Final = timedelta(seconds=1)
"""How long what another process commits may go unnoticed; what this process does may not."""

MOST_MARKETS: Final = 20_000
"""How many markets are known at a time: more than any exchange has."""

MOST_BANDS: Final = 500_000
"""How many bands all tables that are kept may have together."""


class CurrentRevisions:
    """The revision that answers for each market now, read anew after every change of any.

    At most once a second the store is asked whether there was one, for all markets together.
    """

    def __init__(self, *, reading: RangeUnitsWork, kept: Kept[Market, Revision]) -> None:
        """Take what forgets whenever this process commits something about range units."""
        self._reading = reading
        self._kept = kept
        self._tables: Kept[UUID, RangeUnitTable] = Kept(most=MOST_BANDS)
        self._looking = Lock()
        self._looked: datetime | None = None
        self._position = 0

    async def of(self, *, market: Market, now: datetime) -> tuple[Revision, RangeUnitTable]:
        """Give what answers now, an instant that has just been read.

        Raises `UnknownExchange`, `UnknownMarket`, or `UnknownHistory` when nothing is known of
        that instant.
        """
        if not self._is_fresh(now):
            await self._look(now)
        known = self.known(market=market, now=now)
        if known is not None:
            return known
        async with self._reading() as uow:
            revision = await self._read(uow, market, now)
            return revision, await self.table(uow, revision.id)

    def known(self, *, market: Market, now: datetime) -> tuple[Revision, RangeUnitTable] | None:
        """Give the same where it is known from less than a second ago."""
        if not self._is_fresh(now):
            return None
        revision = self._kept.get(market, now)
        table = None if revision is None else self._tables.get(revision.id, now)
        return None if revision is None or table is None else (revision, table)

    async def table(self, uow: RangeUnitsUnitOfWork, revision_id: UUID) -> RangeUnitTable:
        """Give the table of a revision that there is, which never changes."""
        known = self._tables.get(revision_id, ALWAYS[0])
        if known is not None:
            return known
        begun = self._tables.begin()
        table = await uow.revisions.table(revision_id=revision_id)
        if table is None:
            raise LookupError(f"Revision {revision_id} has lost its table.")
        since, until = ALWAYS
        size = 1 + len(table.bands)
        self._tables.keep(revision_id, table, since=since, until=until, begun=begun, size=size)
        return table

    async def _read(self, uow: RangeUnitsUnitOfWork, market: Market, now: datetime) -> Revision:
        begun = self._kept.begin()
        revision = await answering_revision(uow, market, as_of=now)
        own = await uow.timeline.following(market=market, after=now)
        shared = await uow.timeline.following(market=market.ladder, after=now)
        starts = [later.effective_from for later in (own, shared) if later is not None]
        until = min((start for start in starts if start is not None), default=ALWAYS[1])
        self._kept.keep(market, revision, since=now, until=until, begun=begun)
        return revision

    def _is_fresh(self, now: datetime) -> bool:
        return self._looked is not None and self._looked <= now < self._looked + FRESH

    async def _look(self, now: datetime) -> None:
        """Forget everything where the position of the last change has moved."""
        async with self._looking:
            if self._is_fresh(now):
                return  # another one has looked meanwhile
            async with self._reading() as uow:
                position = await uow.changes.latest()
            if position != self._position:
                self._kept.forget()
            self._position, self._looked = position, now


async def answering_revision(
    uow: RangeUnitsUnitOfWork, market: Market, *, as_of: datetime, known_at: datetime | None = None
) -> Revision:
    """Give the revision that answers for a market at an instant, its own or its ladder's.

    Raises as `CurrentRevisions.of` does.
    """
    found = await in_force(uow, [market], as_of=as_of, known_at=known_at)
    revision = answering(found.get(market), found.get(market.ladder))
    if revision is None:
        await refuse_unknown(uow, market)
    return revision


async def in_force(
    uow: RangeUnitsUnitOfWork,
    markets: Collection[Market],
    *,
    as_of: datetime,
    known_at: datetime | None = None,
) -> Mapping[Market, Revision]:
    """Give the revisions, as `Revisions.in_force` does, of markets and of their ladders."""
    asked = {*markets, *(market.ladder for market in markets)}
    return await uow.revisions.in_force(markets=asked, as_of=as_of, known_at=known_at)


def own_of(found: Mapping[Market, Revision], market: Market) -> Revision | None:
    """Give the revision that answers for a market, where it is the market's own."""
    revision = answering(found.get(market), found.get(market.ladder))
    return revision if revision is not None and revision.market == market else None


async def known_exchange(uow: RangeUnitsUnitOfWork, code: str) -> None:
    """Raise `UnknownExchange` where it is none."""
    if await uow.catalogue.exchange(code=code) is None:
        raise UnknownExchange(f"There is no exchange {code}.")


async def refuse_unknown(uow: RangeUnitsUnitOfWork, market: Market) -> NoReturn:
    """Say what it is that is not known: the exchange, the market, or only that instant."""
    await known_exchange(uow, market.exchange)
    for kept in (market, market.ladder):
        if await uow.revisions.history(market=kept, after=None, limit=1):
            raise UnknownHistory(f"Nothing is known of {market} at that instant.")
    raise UnknownMarket(f"There are no range units for {market}.")
