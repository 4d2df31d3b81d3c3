from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice
from uuid import UUID

from anyio import to_thread

from app.domain.range_units.changes import changes_of
from app.domain.range_units.diff import TableDiff, diff
from app.domain.range_units.errors import UnknownRevision
from app.domain.range_units.revisions import Market, Revision, refuse_unless_to_come
from app.domain.range_units.table import RangeUnitTable
from app.domain.range_units.timeline import Span, spans_before
from app.ports.clock import Clock
from app.ports.range_units.work import RangeUnitsUnitOfWork, RangeUnitsWork
from app.services.range_units.change_feed import ChangeFeed
from app.services.range_units.current_revisions import answering_revision, refuse_unknown

MOST_REVISIONS_BACK = 20
"""How many earlier revisions an observed price is looked for in.

An exchange changes its units about once in a year, but one that corrects itself makes several
revisions of one change; a question is answered from at most so many tables, whatever a market has
been through.
"""


@dataclass(frozen=True, slots=True)
class DatedRevision:
    """A revision, and where it ends by what is known now (None: open, or superseded)."""

    revision: Revision
    effective_until: datetime | None


@dataclass(frozen=True, slots=True)
class Compared:
    """Two revisions, and what differs between their tables."""

    before: Revision
    after: Revision
    difference: TableDiff


class HistoryService:
    """What was, is, and is announced of a market, and what a change changes.

    `looking_back` is for what may be a moment old; what is asked for by an id, which somebody may
    have been given just now, is not, nor is what a price is answered from.
    """

    def __init__(
        self,
        *,
        uow: RangeUnitsWork,
        reading: RangeUnitsWork,
        feed: ChangeFeed,
        clock: Clock,
        looking_back: RangeUnitsWork | None = None,
    ) -> None:
        self._uow = uow
        self._reading = reading
        self._looking_back = looking_back or reading
        self._feed = feed
        self._clock = clock

    async def history(
        self, *, market: Market, after: UUID | None = None, limit: int = 50
    ) -> list[DatedRevision]:
        """Give the revisions recorded for a market, superseded ones too, the newest first.

        Its own and those of its quote currency's ladder, either of which may answer for it.
        Beyond the revision of that id. Raises `UnknownExchange`, `UnknownMarket`, and
        `UnknownRevision` for an id that is none.
        """
        async with self._looking_back() as uow:
            place = None if after is None else await _known(uow, after)
            own = await uow.revisions.history(market=market, after=place, limit=limit)
            shared: list[Revision] = []
            if market != market.ladder:
                shared = await uow.revisions.history(market=market.ladder, after=place, limit=limit)
            both = merge(own, shared, key=lambda each: (each.recorded_at, each.id), reverse=True)
            found = list(islice(both, limit))
            if not found and after is None:
                await refuse_unknown(uow, market)
            ends = await uow.timeline.ends(revision_ids=[revision.id for revision in found])
        return [DatedRevision(revision, ends.get(revision.id)) for revision in found]

    async def revision(self, *, revision_id: UUID) -> tuple[DatedRevision, RangeUnitTable]:
        """Give a revision of any market, with its table. Raises `UnknownRevision`."""
        async with self._reading() as uow:
            found = await _known(uow, revision_id)
            tables = await uow.timeline.tables(revision_ids=[revision_id])
            ends = await uow.timeline.ends(revision_ids=[revision_id])
        return DatedRevision(found, ends.get(revision_id)), tables[revision_id]

    async def diff(
        self, *, market: Market, before: UUID | datetime, after: UUID | datetime
    ) -> Compared:
        """Compare two revisions: a market's or its ladder's, or what answers at an instant.

        Raises `UnknownRevision`, and for an instant as `RangeUnitsService.current` does.
        """
        async with self._reading() as uow:
            one = await _meant(uow, market, before)
            other = await _meant(uow, market, after)
            tables = await uow.timeline.tables(revision_ids={one.id, other.id})
        # Off the event loop: a hundred thousand bands take a while to compare.
        difference = await to_thread.run_sync(diff, tables[one.id], tables[other.id])
        return Compared(one, other, difference)

    async def withdraw(self, *, market: Market, revision_id: UUID) -> None:
        """Take back an announced revision of a market's own; what was known stays known.

        Raises `UnknownExchange`, `UnknownRevision`, or `RevisionInForce` once its start has
        passed.
        """
        async with self._uow() as uow:
            await uow.catalogue.hold_markets(markets=[market])
            now = self._clock.now()
            found = await uow.timeline.revisions(revision_ids=[revision_id])
            revision = refuse_unless_to_come(found.get(revision_id), market=market, now=now)
            await uow.revisions.supersede(revision_ids=[revision_id], at=now)
            await uow.changes.append(changes=changes_of(superseded=[revision], at=now))
            await uow.commit()
        self._feed.tell()

    async def earlier(
        self, *, market: Market, as_of: datetime | None = None, known_at: datetime | None = None
    ) -> list[tuple[Span, RangeUnitTable]]:
        """Give what answered for a market before what answers at an instant, the latest first.

        At most `MOST_REVISIONS_BACK`.
        """
        limit = MOST_REVISIONS_BACK + 1
        async with self._reading() as uow:
            started = await uow.timeline.started(
                markets={market, market.ladder},
                as_of=as_of or self._clock.now(),
                known_at=known_at,
                limit=limit,
            )
            own = [revision for revision in started if revision.market == market]
            shared = [revision for revision in started if revision.market != market]
            spans = spans_before(own, shared, limit=limit)[:MOST_REVISIONS_BACK]
            tables = await uow.timeline.tables(revision_ids={span.revision.id for span in spans})
        return [(span, tables[span.revision.id]) for span in spans]


async def _meant(uow: RangeUnitsUnitOfWork, market: Market, said: UUID | datetime) -> Revision:
    if isinstance(said, datetime):
        return await answering_revision(uow, market, as_of=said)
    found = await _known(uow, said)
    if found.market not in (market, market.ladder):
        raise UnknownRevision(f"Neither {market} nor its quote currency has such a revision.")
    return found


async def _known(uow: RangeUnitsUnitOfWork, revision_id: UUID) -> Revision:
    found = (await uow.timeline.revisions(revision_ids=[revision_id])).get(revision_id)
    if found is None:
        raise UnknownRevision("There is no such revision.")
    return found
