from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from anyio import to_thread

from app.domain.errors import Fault
from app.domain.range_units.asked import only_asked
from app.domain.range_units.changes import changes_of
from app.domain.range_units.cross_check import cross_check
from app.domain.range_units.errors import (
    NoPayloadFormat,
    ObservedInFuture,
    PayloadRejected,
)
from app.domain.range_units.lint import Finding, lint
from app.domain.range_units.quarantine import BYTES_KEPT, KEPT
from app.domain.range_units.revisions import (
    BEGINNING,
    Bearing,
    Exchange,
    Market,
    Observation,
    Reading,
    Revision,
    ScalarTick,
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
from app.services.range_units.current_revisions import (
    CurrentRevisions,
    answering_revision,
    in_force,
    known_exchange,
    own_of,
)
from app.services.range_units.ingested import Ingested, Received, borne_on

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
        current: CurrentRevisions,
    ) -> None:
        self._uow = uow
        self._reading = reading
        self._formats = formats
        self._clock = clock
        self._ids = ids
        self._feed = feed
        self._current = current

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
            await known_exchange(uow, exchange)
            return await uow.catalogue.markets(exchange=exchange, after=after, limit=limit)

    async def ingest(
        self,
        *,
        market: Market,
        payload: bytes,
        source: str,
        observed_at: datetime | None = None,
        asked: Collection[Market] | None = None,
    ) -> Ingested:
        """Take what an exchange replied at an instant (None: now), in one transaction.

        The same payload twice changes nothing but `last_seen`. What is new is in force from that
        instant on, until what was observed later. Nothing is taken of markets that cannot be read,
        were not `asked` for (None: all that there are), or were seen to be otherwise later: they
        are reported. A payload that cannot be read, even in part, is in quarantine, as it is when
        `PayloadRejected` is raised. Raises `ObservedInFuture`, `UnknownExchange` and
        `NoPayloadFormat`, too.
        """
        received_at = self._past(observed_at)
        async with self._reading() as uow:
            await known_exchange(uow, market.exchange)
        payload_format = self._formats.get(market.exchange)
        if payload_format is None:
            raise NoPayloadFormat(f"No format of replies is known for {market.exchange}.")
        digest = await to_thread.run_sync(digest_of, payload)
        received = Received(market, payload, source, digest, received_at, asked)
        reading = await self._read(payload_format, received)
        digested, findings = await to_thread.run_sync(_examined, reading.observations)
        disagreements = await self._disagreements(reading.ticks, as_of=received.observed_at)
        async with self._uow() as uow:
            taken = await self._observe(uow, digested, received)
            if reading.rejections:
                reason = f"{reading.rejected} of the markets in the reply cannot be taken."
                await self._quarantine(uow, received, reason, reading.rejections)
            await uow.commit()
        self._feed.tell()
        return replace(
            taken,
            rejected=reading.rejected + taken.rejected,
            rejections=(*reading.rejections, *taken.rejections),
            lint=(*findings, *disagreements),
            checked=len(reading.ticks),
        )

    def _past(self, observed_at: datetime | None) -> datetime:
        now = self._clock.now()
        if observed_at is not None and observed_at > now:
            raise ObservedInFuture("What was observed cannot have been observed in the future.")
        return observed_at or now

    async def _read(self, payload_format: PayloadFormat, received: Received) -> Reading:
        """Read a payload; one that is refused as a whole is in quarantine then."""

        def read() -> Reading:
            found = payload_format.read(
                payload=received.payload,
                market=received.market,
                observed_at=received.observed_at,
                source=received.source,
            )
            return only_asked(found, received.asked)

        try:
            # Off the event loop: a hundred thousand bands take a while to read.
            return await to_thread.run_sync(read)
        except PayloadRejected as error:
            async with self._uow() as uow:
                await self._quarantine(uow, received, error.detail, error.faults)
                await uow.commit()
            raise

    async def _disagreements(
        self, ticks: Sequence[ScalarTick], *, as_of: datetime
    ) -> tuple[tuple[Market, Finding], ...]:
        """Compare tick sizes with the tables that answer for their markets at an instant."""
        if not ticks:
            return ()
        markets = [tick.market for tick in ticks]
        async with self._reading() as uow:
            found = await in_force(uow, markets, as_of=as_of)
            answers = {one: answering(found.get(one), found.get(one.ladder)) for one in markets}
            known = {one: revision.id for one, revision in answers.items() if revision is not None}
            tables = await uow.timeline.tables(revision_ids=set(known.values()))
        known_tables = {market: tables[revision_id] for market, revision_id in known.items()}
        return await to_thread.run_sync(cross_check, ticks, known_tables)

    async def _quarantine(
        self, uow: RangeUnitsUnitOfWork, received: Received, reason: str, faults: Sequence[Fault]
    ) -> None:
        entry = received.entry(self._ids.new_id(), self._clock.now(), reason, faults)
        await uow.quarantine.put(entry=entry, payload=received.payload[:BYTES_KEPT])
        await uow.quarantine.trim(exchange=entry.market.exchange, keep=KEPT)

    async def _observe(
        self,
        uow: RangeUnitsUnitOfWork,
        digested: Sequence[tuple[Observation, str]],
        received: Received,
    ) -> Ingested:
        if not digested:
            return Ingested(0, 0, 0)
        markets = {observation.market for observation, _ in digested}
        await uow.catalogue.hold_markets(markets=markets)
        # The clock is read once the markets are held: what is recorded later is dated later.
        now, observed_at = self._clock.now(), received.observed_at
        # A reply is compared with what was in force when it was observed. One that was overtaken
        # by a later reply while it waited becomes history, and replaces nothing.
        current = await in_force(uow, markets, as_of=observed_at)
        borne = borne_on(current, digested, observed_at=observed_at)
        fresh = [
            (self._revision(received.dated(one), digest, now, seen=observed_at), one.table)
            for one, digest in borne.fresh
        ]
        await uow.revisions.confirm(revision_ids=borne.confirmed, at=observed_at)
        await _store(uow, fresh, borne.replaced, now)
        if borne.confirmed and not fresh:
            await uow.changes.advance()
        updated = sum(own_of(current, revision.market) is not None for revision, _ in fresh)
        return Ingested(
            inserted=len(fresh) - updated,
            updated=updated,
            unchanged=len(borne.confirmed),
            rejected=len(borne.overtaken),
            rejections=tuple(borne.overtaken),
        )

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
        # Off the event loop: a hundred thousand bands take a while to digest.
        digest = await to_thread.run_sync(_digest, table)
        async with self._uow() as uow:
            await uow.catalogue.hold_markets(markets=[market])
            now = self._clock.now()
            unknown = start_unknown or effective_from == BEGINNING
            start = None if unknown else effective_from or now
            found = await in_force(uow, [market], as_of=start or BEGINNING)
            known = own_of(found, market)
            bearing = bearing_on(known, digest=digest, start=start, now=now)
            if known is not None and bearing is Bearing.CONFIRMS:
                await uow.revisions.confirm(revision_ids=[known.id], at=now)
                await uow.changes.advance()
                await uow.commit()
                confirmed = replace(known, last_seen=max(known.last_seen, now))
                return RangeUnits(confirmed, table, timedelta(0)), False
            following = await uow.timeline.following(market=market, after=start or BEGINNING)
            replaced = replaced_by(known, following, bearing=bearing, digest=digest, now=now)
            stated = Observation(market, table, start, source, payload_digest)
            revision = self._revision(stated, digest, now)
            await _store(uow, [(revision, table)], replaced, now)
            await uow.commit()
        self._feed.tell()
        return RangeUnits(revision, table, timedelta(0)), True

    async def load_ladders(
        self, *, exchanges: Collection[Exchange], observations: Sequence[Observation]
    ) -> int:
        """Fill an empty catalogue; give how many revisions were stored, 0 where it is not empty."""
        # In the order of their starts, which a history shows where all is recorded at once.
        ordered = sorted(observations, key=lambda each: each.effective_from or BEGINNING)
        digested = await to_thread.run_sync(_digested, ordered)
        async with self._uow() as uow:
            if await uow.catalogue.exchanges(limit=1):
                return 0
            added = await uow.catalogue.put_exchanges(exchanges=exchanges)
            if len(added) < len(exchanges):
                return 0  # another process fills it at the same time, and was first
            markets = {observation.market for observation in observations}
            await uow.catalogue.hold_markets(markets=markets)
            now = self._clock.now()
            fresh = [(self._revision(one, digest, now), one.table) for one, digest in digested]
            await _store(uow, fresh, [], now)
            await uow.commit()
        self._feed.tell()
        return len(fresh)

    async def current(
        self, *, market: Market, as_of: datetime | None = None, known_at: datetime | None = None
    ) -> RangeUnits:
        """Give the range units that answer for a market at an instant (now), as known at another.

        Raises `UnknownExchange`, `UnknownMarket`, or `UnknownHistory` when nothing is known of
        that instant.
        """
        now = self._clock.now()
        if as_of is None and known_at is None:
            revision, table = await self._current.of(market=market, now=now)
            return RangeUnits(revision, table, revision.age(now))
        async with self._reading() as uow:
            revision = await answering_revision(uow, market, as_of=as_of or now, known_at=known_at)
            table = await self._current.table(uow, revision.id)
        is_past = as_of is not None and known_at is not None and as_of <= now
        is_final = is_past and known_at is not None and known_at <= now - _SETTLED
        return RangeUnits(revision, table, revision.age(now), is_final)

    def known(self, *, market: Market) -> RangeUnits | None:
        """Give what `current` gives of now, where it is known from less than a second ago."""
        now = self._clock.now()
        found = self._current.known(market=market, now=now)
        return None if found is None else RangeUnits(*found, found[0].age(now))

    def _revision(
        self,
        observation: Observation,
        digest: str,
        now: datetime,
        *,
        seen: datetime | None = None,
    ) -> Revision:
        return Revision(
            id=self._ids.new_id(),
            market=observation.market,
            effective_from=observation.effective_from,
            recorded_at=now,
            last_seen=seen or now,
            source=observation.source,
            digest=digest,
            payload_digest=observation.payload_digest,
        )


async def _store(
    uow: RangeUnitsUnitOfWork,
    fresh: Sequence[tuple[Revision, RangeUnitTable]],
    replaced: Sequence[Revision],
    now: datetime,
) -> None:
    """Add revisions in place of others, and tell of both."""
    await uow.revisions.supersede(revision_ids=[each.id for each in replaced], at=now)
    await uow.revisions.add(revisions=fresh)
    recorded = [revision for revision, _ in fresh]
    await uow.changes.append(changes=changes_of(superseded=replaced, recorded=recorded, at=now))


def _digest(table: RangeUnitTable) -> str:
    return table.digest


def _digested(observations: Sequence[Observation]) -> list[tuple[Observation, str]]:
    return [(observation, observation.table.digest) for observation in observations]


def _examined(
    observations: Sequence[Observation],
) -> tuple[list[tuple[Observation, str]], tuple[tuple[Market, Finding], ...]]:
    found = ((one.market, finding) for one in observations for finding in lint(one.table))
    return _digested(observations), tuple(found)
