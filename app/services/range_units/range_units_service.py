from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import NoReturn

from anyio import to_thread

from app.domain.errors import Fault
from app.domain.range_units.changes import changes_of
from app.domain.range_units.errors import (
    NoPayloadFormat,
    PayloadRejected,
    UnknownExchange,
    UnknownHistory,
    UnknownMarket,
)
from app.domain.range_units.lint import Finding, lint
from app.domain.range_units.notes import noted
from app.domain.range_units.quarantine import BYTES_KEPT, KEPT, Quarantined, faults_kept
from app.domain.range_units.revisions import (
    BEGINNING,
    Bearing,
    Exchange,
    Market,
    Observation,
    Revision,
    answering,
    bearing_on,
    digest_of,
    replaced_by,
)
from app.domain.range_units.table import RangeUnitTable
from app.ports.clock import Clock
from app.ports.ids import Ids
from app.ports.range_units.formats import PayloadFormat
from app.ports.range_units.work import RangeUnitsUnitOfWork, RangeUnitsWork
from app.services.range_units.change_feed import ChangeFeed

_SETTLED = timedelta(minutes=5)
"""After this long, what was recorded at an instant is all there will ever be of it.

A revision is dated when its unit of work holds the market, and seen by others only once that is
committed; and the clocks of several servers differ. Both take seconds.
"""


@dataclass(frozen=True, slots=True)
class RangeUnits:
    """The table that answers for a market, the revision it belongs to, and how old that is."""

    revision: Revision
    table: RangeUnitTable
    age: timedelta
    is_final: bool = False
    """Asked of two instants that are past, so that nothing can change the answer any more."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of the markets of one payload."""

    inserted: int
    """Had no range units of their own in force."""
    updated: int
    """Had others."""
    unchanged: int
    """Had the same, which are now confirmed."""
    rejected: int = 0
    """Were not read, and keep what they had."""
    rejections: tuple[Fault, ...] = ()
    """Why those were not, each naming its market; there may be several about one."""
    lint: tuple[tuple[Market, Finding], ...] = ()
    """What is odd about the tables of the others, whether new or not."""

    @property
    def attempted(self) -> int:
        """All of them."""
        return self.inserted + self.updated + self.unchanged + self.rejected


class RangeUnitsService:
    """Exchanges, their markets, and the range units of every market with their history."""

    def __init__(  # noqa: PLR0913 - the ports and the service that it needs
        self,
        *,
        uow: RangeUnitsWork,
        reading: RangeUnitsWork,
        formats: Mapping[str, PayloadFormat],
        clock: Clock,
        ids: Ids,
        feed: ChangeFeed,
    ) -> None:
        self._uow = uow
        self._reading = reading
        self._formats = formats
        self._clock = clock
        self._ids = ids
        self._feed = feed

    async def put_exchange(self, *, exchange: Exchange) -> bool:
        """Add an exchange or rename it; True when it was added."""
        async with self._uow() as uow:
            added = await uow.catalogue.put_exchanges(exchanges=[exchange])
            await uow.commit()
        return bool(added)

    async def list_exchanges(self, *, after: str | None = None, limit: int = 50) -> list[Exchange]:
        """Give exchanges by code, beyond the code `after`."""
        async with self._reading() as uow:
            return await uow.catalogue.exchanges(after=after, limit=limit)

    async def list_markets(
        self, *, exchange: str, after: Market | None = None, limit: int = 50
    ) -> list[Market]:
        """Give the markets of an exchange, in order, beyond `after`. Raises `UnknownExchange`."""
        async with self._reading() as uow:
            await _known_exchange(uow, exchange)
            return await uow.catalogue.markets(exchange=exchange, after=after, limit=limit)

    async def ingest(self, *, market: Market, payload: bytes, source: str) -> Ingested:
        """Take what an exchange replied about its range units, in one transaction.

        The same payload twice changes nothing but `last_seen`. What is new is in force from now
        on. Markets that cannot be read are left as they are, and reported; the payload is then in
        quarantine, as it is when `PayloadRejected` is raised. Raises `UnknownExchange` and
        `NoPayloadFormat`, too.
        """
        async with self._reading() as uow:
            await _known_exchange(uow, market.exchange)
        payload_format = self._formats.get(market.exchange)
        if payload_format is None:
            raise NoPayloadFormat(f"No format of replies is known for {market.exchange}.")
        observed_at = self._clock.now()
        read = partial(payload_format.read, payload=payload, market=market, source=source)
        payload_digest = await to_thread.run_sync(digest_of, payload)
        entry = partial(self._quarantined, market, source, payload_digest, len(payload))
        try:
            # Off the event loop: a hundred thousand bands take a while to read and to digest.
            reading = await to_thread.run_sync(partial(read, observed_at=observed_at))
        except PayloadRejected as error:
            async with self._uow() as uow:
                await _quarantine(uow, entry(error.detail, error.faults), payload)
                await uow.commit()
            raise
        digested, findings = await to_thread.run_sync(_examined, reading.observations)
        async with self._uow() as uow:
            taken = await self._observe(uow, digested, observed_at, payload_digest)
            if reading.rejections:
                reason = f"{reading.rejected} of the markets in the reply cannot be taken."
                await _quarantine(uow, entry(reason, reading.rejections), payload)
            await uow.commit()
        self._feed.tell()
        rejections = reading.rejections
        return replace(taken, rejected=reading.rejected, rejections=rejections, lint=findings)

    def _quarantined(  # noqa: PLR0913, PLR0917 - what is kept of a payload
        self,
        market: Market,
        source: str,
        digest: str,
        size: int,
        reason: str,
        faults: Sequence[Fault],
    ) -> Quarantined:
        now = self._clock.now()
        return Quarantined(
            id=self._ids.new_id(),
            market=market,
            source=noted(source),
            received_at=now,
            last_seen=now,
            times=1,
            digest=digest,
            size=size,
            reason=noted(reason),
            faults=faults_kept(faults),
        )

    async def _observe(
        self,
        uow: RangeUnitsUnitOfWork,
        digested: Sequence[tuple[Observation, str]],
        observed_at: datetime,
        payload_digest: str,
    ) -> Ingested:
        markets = {observation.market for observation, _ in digested}
        await uow.catalogue.hold_markets(markets=markets)
        # The clock is read once the markets are held: what is recorded later is dated later.
        now = self._clock.now()
        # A reply is compared with what was in force when it was observed. One that was overtaken
        # by a later reply while it waited becomes history, and replaces nothing.
        current = await _in_force(uow, markets, as_of=observed_at)
        confirmed, replaced, fresh = [], [], []
        for observation, digest in digested:
            known = _own(current, observation.market)
            if known is not None and known.digest == digest:
                confirmed.append(known.id)
                continue
            if known is not None and known.effective_from == observed_at:
                replaced.append(known)  # within the same microsecond: the later one counts
            stated = replace(observation, effective_from=observed_at, payload_digest=payload_digest)
            revision = self._revision(stated, digest, now)
            fresh.append((revision, observation.table))
        await uow.revisions.confirm(revision_ids=confirmed, at=observed_at)
        await uow.revisions.supersede(revision_ids=[each.id for each in replaced], at=now)
        await uow.revisions.add(revisions=fresh)
        recorded = [revision for revision, _ in fresh]
        await uow.changes.append(changes=changes_of(superseded=replaced, recorded=recorded, at=now))
        updated = sum(_own(current, revision.market) is not None for revision, _ in fresh)
        return Ingested(len(fresh) - updated, updated, len(confirmed))

    async def put_range_units(  # noqa: PLR0913 - what is stated, and of what
        self,
        *,
        market: Market,
        table: RangeUnitTable,
        source: str,
        effective_from: datetime | None = None,
        start_unknown: bool = False,
        payload_digest: str | None = None,
    ) -> tuple[RangeUnits, bool]:
        """State a market's range units from an instant on (from now on, if None).

        Gives what then holds, and whether that is a new revision. The same content as is in
        force at that instant changes nothing. A revision that has yet to come into force is
        amended by another of the same start, and put off, or brought forward, by the same content
        with another one; raises `RevisionInForce` for one that has.
        """
        digest = table.digest
        async with self._uow() as uow:
            await uow.catalogue.hold_markets(markets=[market])
            now = self._clock.now()
            unknown = start_unknown or effective_from == BEGINNING
            start = None if unknown else effective_from or now
            found = await _in_force(uow, [market], as_of=start or BEGINNING)
            known = _own(found, market)
            bearing = bearing_on(known, digest=digest, start=start, now=now)
            if known is not None and bearing is Bearing.CONFIRMS:
                await uow.revisions.confirm(revision_ids=[known.id], at=now)
                await uow.commit()
                confirmed = replace(known, last_seen=max(known.last_seen, now))
                return RangeUnits(confirmed, table, timedelta(0)), False
            following = await uow.timeline.following(market=market, after=start or BEGINNING)
            replaced = replaced_by(known, following, bearing=bearing, digest=digest, now=now)
            stated = Observation(market, table, start, source, payload_digest)
            revision = self._revision(stated, digest, now)
            await uow.revisions.supersede(revision_ids=[each.id for each in replaced], at=now)
            await uow.revisions.add(revisions=[(revision, table)])
            await uow.changes.append(
                changes=changes_of(superseded=replaced, recorded=[revision], at=now)
            )
            await uow.commit()
        self._feed.tell()
        return RangeUnits(revision, table, timedelta(0)), True

    async def load_ladders(
        self, *, exchanges: Collection[Exchange], observations: Sequence[Observation]
    ) -> int:
        """Fill an empty catalogue; give how many revisions were stored, 0 where it is not empty."""
        async with self._uow() as uow:
            if await uow.catalogue.exchanges(limit=1):
                return 0
            added = await uow.catalogue.put_exchanges(exchanges=exchanges)
            if len(added) < len(exchanges):
                return 0  # another process fills it at the same time, and was first
            markets = {observation.market for observation in observations}
            await uow.catalogue.hold_markets(markets=markets)
            now = self._clock.now()
            revisions = [
                (
                    self._revision(observation, observation.table.digest, now),
                    observation.table,
                )
                for observation in observations
            ]
            await uow.revisions.add(revisions=revisions)
            recorded = [revision for revision, _ in revisions]
            await uow.changes.append(changes=changes_of(recorded=recorded, at=now))
            await uow.commit()
        self._feed.tell()
        return len(revisions)

    async def current(
        self, *, market: Market, as_of: datetime | None = None, known_at: datetime | None = None
    ) -> RangeUnits:
        """Give the range units that answer for a market at an instant (now), as known at another.

        Raises `UnknownExchange`, `UnknownMarket`, or `UnknownHistory` when nothing is known of
        that instant.
        """
        now = self._clock.now()
        async with self._reading() as uow:
            revision = await answering_revision(uow, market, as_of=as_of or now, known_at=known_at)
            table = await uow.revisions.table(revision_id=revision.id)
        if table is None:
            raise LookupError(f"Revision {revision.id} has lost its table.")
        is_past = as_of is not None and known_at is not None and as_of <= now
        is_final = is_past and known_at is not None and known_at <= now - _SETTLED
        return RangeUnits(revision, table, revision.age(now), is_final)

    def _revision(self, observation: Observation, digest: str, now: datetime) -> Revision:
        return Revision(
            id=self._ids.new_id(),
            market=observation.market,
            effective_from=observation.effective_from,
            recorded_at=now,
            last_seen=now,
            source=observation.source,
            digest=digest,
            payload_digest=observation.payload_digest,
        )


async def _quarantine(uow: RangeUnitsUnitOfWork, entry: Quarantined, payload: bytes) -> None:
    await uow.quarantine.put(entry=entry, payload=payload[:BYTES_KEPT])
    await uow.quarantine.trim(exchange=entry.market.exchange, keep=KEPT)


def _examined(
    observations: Sequence[Observation],
) -> tuple[list[tuple[Observation, str]], tuple[tuple[Market, Finding], ...]]:
    digested = [(observation, observation.table.digest) for observation in observations]
    found = ((one.market, finding) for one in observations for finding in lint(one.table))
    return digested, tuple(found)


async def answering_revision(
    uow: RangeUnitsUnitOfWork, market: Market, *, as_of: datetime, known_at: datetime | None = None
) -> Revision:
    """Give the revision that answers for a market at an instant, its own or its ladder's.

    Raises as `RangeUnitsService.current` does.
    """
    found = await _in_force(uow, [market], as_of=as_of, known_at=known_at)
    revision = answering(found.get(market), found.get(market.ladder))
    if revision is None:
        await refuse_unknown(uow, market)
    return revision


async def _in_force(
    uow: RangeUnitsUnitOfWork,
    markets: Collection[Market],
    *,
    as_of: datetime,
    known_at: datetime | None = None,
) -> Mapping[Market, Revision]:
    asked = {*markets, *(market.ladder for market in markets)}
    return await uow.revisions.in_force(markets=asked, as_of=as_of, known_at=known_at)


def _own(found: Mapping[Market, Revision], market: Market) -> Revision | None:
    """Give the revision that answers for a market, where it is the market's own."""
    revision = answering(found.get(market), found.get(market.ladder))
    return revision if revision is not None and revision.market == market else None


async def _known_exchange(uow: RangeUnitsUnitOfWork, code: str) -> None:
    if await uow.catalogue.exchange(code=code) is None:
        raise UnknownExchange(f"There is no exchange {code}.")


async def refuse_unknown(uow: RangeUnitsUnitOfWork, market: Market) -> NoReturn:
    """Say what it is that is not known: the exchange, the market, or only that instant."""
    await _known_exchange(uow, market.exchange)
    for kept in (market, market.ladder):
        if await uow.revisions.history(market=kept, after=None, limit=1):
            raise UnknownHistory(f"Nothing is known of {market} at that instant.")
    raise UnknownMarket(f"There are no range units for {market}.")
