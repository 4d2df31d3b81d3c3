"""What programs of range units do: every method of their ports as an operation.

Collections go in as lists that are emptied afterwards: a store keeps none of its caller's.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, Self, TypeAlias

from app.domain.errors import Fault
from app.domain.range_units.changes import Change, ChangeKind
from app.domain.range_units.jobs import Counts, Job, JobState, PartOutcome
from app.domain.range_units.overview import ExchangeOverview
from app.domain.range_units.places import Place
from app.domain.range_units.quarantine import Quarantined
from app.domain.range_units.revisions import Exchange, Market, Revision, digest_of
from app.domain.range_units.table import Anchor, Band, Boundary, RangeUnitTable, TopRule
from app.ports.range_units.work import RangeUnitsUnitOfWork
from tests.programs import program
from tests.programs.program import Ids, Printed
from tests.programs.values import NOON, instant, untaken, uuid_of

Work: TypeAlias = RangeUnitsUnitOfWork
Operation: TypeAlias = program.Operation[Work]
Named: TypeAlias = tuple[str, str, str]
"""An exchange (code, name, time zone) or a market (exchange, quote, target)."""

TABLES: Final = {
    "one band": RangeUnitTable((Band(Decimal(0), Decimal("0.1")),)),
    "two bands": RangeUnitTable(
        (Band(Decimal("-1.50"), Decimal("1E-18")), Band(Decimal("1E+3"), Decimal("0.125"))),
        boundary=Boundary.UPPER_INCLUSIVE,
        anchor=Anchor.RANGE_MIN,
        top=Decimal("9" * 40),
        top_rule=TopRule.INCLUSIVE,
        min_price=Decimal("0.5"),
        max_price=Decimal("1E+39"),
    ),
    "no rule": RangeUnitTable(()),
}


@dataclass(frozen=True, repr=False)
class PutExchanges(Operation):
    exchanges: tuple[Named, ...] = ()

    async def run(self, uow: Work) -> set[str]:
        exchanges = [Exchange(*exchange) for exchange in self.exchanges]
        added = await uow.catalogue.put_exchanges(exchanges=exchanges)
        exchanges.clear()
        return added


@dataclass(frozen=True, repr=False)
class GetExchange(Operation):
    code: str

    async def run(self, uow: Work) -> Exchange | None:
        return await uow.catalogue.exchange(code=self.code)


@dataclass(frozen=True, repr=False)
class PageExchanges(Operation):
    after: str | None = None
    limit: int = 100

    async def run(self, uow: Work) -> list[Exchange]:
        return await uow.catalogue.exchanges(after=self.after, limit=self.limit)


@dataclass(frozen=True, repr=False)
class HoldMarkets(Operation):
    markets: tuple[Named, ...] = ()

    async def run(self, uow: Work) -> None:
        markets = [Market(*market) for market in self.markets]
        await uow.catalogue.hold_markets(markets=markets)
        markets.clear()


@dataclass(frozen=True, repr=False)
class PageMarkets(Operation):
    exchange: str
    after: Named | None = None
    limit: int = 100

    async def run(self, uow: Work) -> list[Market]:
        after = None if self.after is None else Market(*self.after)
        return await uow.catalogue.markets(exchange=self.exchange, after=after, limit=self.limit)


@dataclass(frozen=True, repr=False)
class Stated(Printed):
    """A revision to add, and its table."""

    id: int
    market: Named
    start: str | None = None
    recorded_at: str = NOON
    last_seen: str = NOON
    source: str = "somewhere"
    superseded_at: str | None = None
    table: str = "one band"

    @property
    def revision(self) -> Revision:
        return Revision(
            id=uuid_of(self.id),
            market=Market(*self.market),
            effective_from=None if self.start is None else instant(self.start),
            recorded_at=instant(self.recorded_at),
            last_seen=instant(self.last_seen),
            source=self.source,
            digest=TABLES[self.table].digest,
            superseded_at=None if self.superseded_at is None else instant(self.superseded_at),
        )


@dataclass(frozen=True, repr=False)
class AddRevisions(Operation):
    """Holds the markets of the revisions and adds them, as the port asks."""

    stated: tuple[Stated, ...] = ()

    def anew(self, taken: Ids) -> Self | None:
        """Leave out those for which no id is left."""
        numbers = [untaken(taken, "revision", each.id) for each in self.stated]
        pairs = zip(self.stated, numbers, strict=True)
        renewed = tuple(replace(each, id=number) for each, number in pairs if number is not None)
        return replace(self, stated=renewed) if renewed or not self.stated else None

    async def run(self, uow: Work) -> None:
        await uow.catalogue.hold_markets(markets={Market(*each.market) for each in self.stated})
        revisions = [(each.revision, TABLES[each.table]) for each in self.stated]
        await uow.revisions.add(revisions=revisions)
        revisions.clear()


@dataclass(frozen=True, repr=False)
class InForce(Operation):
    markets: tuple[Named, ...] = ()
    as_of: str = NOON
    known_at: str | None = None

    async def run(self, uow: Work) -> dict[Market, Revision]:
        markets = [Market(*market) for market in self.markets]
        known_at = None if self.known_at is None else instant(self.known_at)
        found = await uow.revisions.in_force(
            markets=markets, as_of=instant(self.as_of), known_at=known_at
        )
        markets.clear()
        return dict(found)


@dataclass(frozen=True, repr=False)
class GetTable(Operation):
    id: int

    async def run(self, uow: Work) -> RangeUnitTable | None:
        return await uow.revisions.table(revision_id=uuid_of(self.id))


@dataclass(frozen=True, repr=False)
class FindRevisions(Operation):
    """Finds revisions, their tables and their ends by their ids."""

    ids: tuple[int, ...] = ()

    async def run(self, uow: Work) -> tuple[object, ...]:
        ids = [uuid_of(number) for number in self.ids]
        found = await uow.timeline.revisions(revision_ids=ids)
        tables = await uow.timeline.tables(revision_ids=ids)
        ends = await uow.timeline.ends(revision_ids=ids)
        ids.clear()
        return dict(found), dict(tables), dict(ends)


@dataclass(frozen=True, repr=False)
class Started(Operation):
    markets: tuple[Named, ...] = ()
    as_of: str = NOON
    known_at: str | None = None
    limit: int = 100

    async def run(self, uow: Work) -> list[Revision]:
        return await uow.timeline.started(
            markets=[Market(*market) for market in self.markets],
            as_of=instant(self.as_of),
            known_at=None if self.known_at is None else instant(self.known_at),
            limit=self.limit,
        )


@dataclass(frozen=True, repr=False)
class Following(Operation):
    market: Named
    after: str = NOON

    async def run(self, uow: Work) -> Revision | None:
        return await uow.timeline.following(market=Market(*self.market), after=instant(self.after))


@dataclass(frozen=True, repr=False)
class Confirm(Operation):
    ids: tuple[int, ...] = ()
    at: str = NOON

    async def run(self, uow: Work) -> None:
        ids = [uuid_of(number) for number in self.ids]
        await uow.revisions.confirm(revision_ids=ids, at=instant(self.at))
        ids.clear()


@dataclass(frozen=True, repr=False)
class Supersede(Operation):
    ids: tuple[int, ...] = ()
    at: str = NOON

    async def run(self, uow: Work) -> None:
        ids = [uuid_of(number) for number in self.ids]
        await uow.revisions.supersede(revision_ids=ids, at=instant(self.at))
        ids.clear()


@dataclass(frozen=True, repr=False)
class Requested(Printed):
    """A job; whoever adds it holds its exchange."""

    id: int
    exchange: str = "coinone"
    state: str = "done"
    requested_at: str = NOON
    requested_by: str = "trader"
    started_at: str | None = None
    reason: str = ""

    @property
    def job(self) -> Job:
        return Job(
            id=uuid_of(self.id),
            exchange=self.exchange,
            state=JobState(self.state),
            requested_by=self.requested_by,
            requested_at=instant(self.requested_at),
            heartbeat=instant(self.requested_at),
            started_at=None if self.started_at is None else instant(self.started_at),
            reason=self.reason,
        )


@dataclass(frozen=True, repr=False)
class AddJob(Operation):
    """Holds the exchange of a job and adds it, with parts, as the ports ask."""

    requested: Requested
    parts: tuple[str, ...] = ()

    def anew(self, taken: Ids) -> Self | None:
        """Take another id where this one is taken."""
        number = untaken(taken, "job", self.requested.id)
        if number is None:
            return None
        return replace(self, requested=replace(self.requested, id=number))

    async def run(self, uow: Work) -> Job | None:
        job = self.requested.job
        active = await uow.jobs.active(exchange=job.exchange)
        await uow.jobs.add(job=job)
        parts = list(self.parts)
        await uow.job_parts.plan(job_id=job.id, parts=parts)
        parts.clear()
        return active


@dataclass(frozen=True, repr=False)
class PutJob(Operation):
    requested: Requested

    async def run(self, uow: Work) -> None:
        await uow.jobs.put(job=self.requested.job)


@dataclass(frozen=True, repr=False)
class GetJob(Operation):
    id: int

    async def run(self, uow: Work) -> Job | None:
        return await uow.jobs.job(job_id=uuid_of(self.id))


@dataclass(frozen=True, repr=False)
class HoldJob(Operation):
    id: int

    async def run(self, uow: Work) -> Job | None:
        return await uow.jobs.hold(job_id=uuid_of(self.id))


@dataclass(frozen=True, repr=False)
class BeatJob(Operation):
    id: int
    at: str = NOON

    async def run(self, uow: Work) -> JobState | None:
        return await uow.jobs.beat(job_id=uuid_of(self.id), at=instant(self.at))


@dataclass(frozen=True, repr=False)
class PageJobs(Operation):
    exchange: str | None = None
    limit: int = 100
    after: tuple[str, int] | None = None

    async def run(self, uow: Work) -> list[Job]:
        after = None if self.after is None else _place(*self.after)
        return await uow.jobs.page(exchange=self.exchange, after=after, limit=self.limit)


@dataclass(frozen=True, repr=False)
class RecordPart(Operation):
    id: int
    part: str
    inserted: int = 0
    failure: str | None = None
    note: str | None = None

    async def run(self, uow: Work) -> None:
        counts = Counts(attempted=self.inserted, inserted=self.inserted)
        outcome = PartOutcome(self.part, counts, self.failure, self.note)
        await uow.job_parts.record(job_id=uuid_of(self.id), outcome=outcome)


@dataclass(frozen=True, repr=False)
class LookAtParts(Operation):
    """Asks everything that is known of the parts of a job."""

    id: int
    limit: int = 100

    async def run(self, uow: Work) -> tuple[object, ...]:
        job_id = uuid_of(self.id)
        return (
            await uow.job_parts.remaining(job_id=job_id),
            dict(await uow.job_parts.progress(job_ids=[job_id, uuid_of(2)])),
            await uow.job_parts.failures(job_id=job_id, limit=self.limit),
            await uow.job_parts.notes(job_id=job_id, limit=self.limit),
        )


@dataclass(frozen=True, repr=False)
class Reject(Operation):
    """Puts a payload into quarantine."""

    id: int
    market: Named
    payload: str = "<html>"
    source: str = "somewhere"
    received_at: str = NOON
    reason: str = ""

    def anew(self, taken: Ids) -> Self | None:
        """Take another id where this one is taken."""
        number = untaken(taken, "payload", self.id)
        return None if number is None else replace(self, id=number)

    async def run(self, uow: Work) -> None:
        payload = self.payload.encode()
        entry = Quarantined(
            id=uuid_of(self.id),
            market=Market(*self.market),
            source=self.source,
            received_at=instant(self.received_at),
            last_seen=instant(self.received_at),
            times=1,
            digest=digest_of(payload),
            size=len(payload),
            reason=self.reason,
            faults=(Fault("[0]", self.reason),),
        )
        await uow.quarantine.put(entry=entry, payload=payload)


@dataclass(frozen=True, repr=False)
class TrimQuarantine(Operation):
    exchange: str
    keep: int = 0

    async def run(self, uow: Work) -> None:
        await uow.quarantine.trim(exchange=self.exchange, keep=self.keep)


@dataclass(frozen=True, repr=False)
class GetRejected(Operation):
    id: int

    async def run(self, uow: Work) -> tuple[Quarantined | None, bytes | None]:
        entry_id = uuid_of(self.id)
        entry = await uow.quarantine.entry(entry_id=entry_id)
        return entry, await uow.quarantine.payload(entry_id=entry_id)


@dataclass(frozen=True, repr=False)
class PageRejected(Operation):
    exchange: str
    limit: int = 100
    after: tuple[str, int] | None = None

    async def run(self, uow: Work) -> list[Quarantined]:
        after = None if self.after is None else _place(*self.after)
        return await uow.quarantine.page(exchange=self.exchange, after=after, limit=self.limit)


@dataclass(frozen=True, repr=False)
class LookOver(Operation):
    async def run(self, uow: Work) -> list[ExchangeOverview]:
        return await uow.overviews.exchanges()


def _place(at: str, number: int) -> Place:
    return Place(instant(at), uuid_of(number))


@dataclass(frozen=True, repr=False)
class PageHistory(Operation):
    """Reads beyond a revision, of which `recorded_at` and id count."""

    market: Named
    after: Stated | None = None
    limit: int = 100

    async def run(self, uow: Work) -> list[Revision]:
        return await uow.revisions.history(
            market=Market(*self.market),
            after=None if self.after is None else self.after.revision,
            limit=self.limit,
        )


@dataclass(frozen=True, repr=False)
class AppendChanges(Operation):
    """Changes of revisions, whether they are stored or not: the feed is self-contained."""

    stated: tuple[Stated, ...] = ()
    kind: ChangeKind = ChangeKind.RECORDED

    async def run(self, uow: Work) -> None:
        changes = [
            Change(
                kind=self.kind,
                at=each.revision.recorded_at,
                market=each.revision.market,
                revision_id=each.revision.id,
                effective_from=each.revision.effective_from,
                source=each.source,
                digest=each.revision.digest,
            )
            for each in self.stated
        ]
        await uow.changes.append(changes=changes)
        changes.clear()


@dataclass(frozen=True, repr=False)
class Advance(Operation):
    async def run(self, uow: Work) -> bool:
        """Tell whether the position has moved."""
        before = await uow.changes.latest()
        await uow.changes.advance()
        return before < await uow.changes.latest()


@dataclass(frozen=True, repr=False)
class PageChanges(Operation):
    """Reads beyond so many changes; which positions they have is left open."""

    beyond: int = 0
    exchange: str | None = None
    limit: int = 100

    async def run(self, uow: Work) -> list[Change]:
        passed = await uow.changes.after(position=0, limit=self.beyond)
        position = passed[-1].position if passed else 0
        found = await uow.changes.after(position=position, exchange=self.exchange, limit=self.limit)
        return [placed.change for placed in found]


@dataclass(frozen=True, repr=False)
class LatestChange(Operation):
    async def run(self, uow: Work) -> bool:
        """Tell whether no change is beyond the latest position."""
        return not await uow.changes.after(position=await uow.changes.latest(), limit=1)
