from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from app.domain.range_units.revisions import BEGINNING, Market, Revision
from app.domain.range_units.table import RangeUnitTable
from app.ports.range_units.timeline import Timeline
from app.ports.range_units.work import RangeUnitsWork
from tests.builders import a_market, a_revision, a_table, at, new_id
from tests.contracts.range_units_store import keep

MICROSECOND = timedelta(microseconds=1)
LATEST = datetime.max.replace(tzinfo=BEGINNING.tzinfo)


async def started_of(
    work: RangeUnitsWork,
    *markets: Market,
    as_of: datetime = LATEST,
    known_at: datetime | None = None,
    limit: int = 100,
) -> list[UUID]:
    async with work() as uow:
        found = await uow.timeline.started(
            markets=markets or [a_market()], as_of=as_of, known_at=known_at, limit=limit
        )
    return [revision.id for revision in found]


async def following_of(work: RangeUnitsWork, after: datetime) -> Revision | None:
    async with work() as uow:
        return await uow.timeline.following(market=a_market(), after=after)


async def ends_of(work: RangeUnitsWork, *revisions: Revision) -> dict[UUID, datetime]:
    async with work() as uow:
        return dict(await uow.timeline.ends(revision_ids=[each.id for each in revisions]))


async def tables_of(work: RangeUnitsWork, ids: Collection[UUID]) -> dict[UUID, RangeUnitTable]:
    async with work() as uow:
        return dict(await uow.timeline.tables(revision_ids=ids))


class TimelineContract:
    port: ClassVar[type] = Timeline
    adapter: ClassVar[type]

    async def test_what_is_tested_is_the_adapter_that_is_named(self, work: RangeUnitsWork) -> None:
        async with work() as uow:
            assert type(uow.timeline) is self.adapter

    async def test_revisions_are_found_with_every_field_by_their_ids(
        self, work: RangeUnitsWork
    ) -> None:
        whole = a_revision(
            effective_from=at(1),
            recorded_at=at(2),
            last_seen=at(3),
            superseded_at=at(4),
            payload_digest="sha256:" + "0f" * 32,
        )
        bare, other = a_revision(market=a_market(target="ETH")), a_revision()
        await keep(work, whole, bare, other)
        ids = [whole[0].id, bare[0].id, whole[0].id, new_id()]
        async with work() as uow:
            found = await uow.timeline.revisions(revision_ids=ids)
        assert found == {whole[0].id: whole[0], bare[0].id: bare[0]}

    async def test_tables_are_found_by_the_ids_of_their_revisions(
        self, work: RangeUnitsWork
    ) -> None:
        descending = a_table(("0", "5"), ("2", "1E-18"), ("10", "0.5"))
        pairs = [
            a_revision(effective_from=at(1), table=descending),
            a_revision(effective_from=at(2)),
            a_revision(effective_from=at(3), table=RangeUnitTable(())),
            a_revision(effective_from=at(4)),
        ]
        await keep(work, *pairs)
        ids = [revision.id for revision, _ in pairs[:3]]
        expected = {revision.id: table for revision, table in pairs[:3]}
        assert await tables_of(work, [*ids, ids[0], new_id()]) == expected

    async def test_of_no_ids_and_of_no_markets_nothing_is_found(self, work: RangeUnitsWork) -> None:
        await keep(work, a_revision())
        async with work() as uow:
            assert await uow.timeline.revisions(revision_ids=[]) == {}
            assert await uow.timeline.tables(revision_ids=[]) == {}
            assert await uow.timeline.ends(revision_ids=[]) == {}
            assert await uow.timeline.started(markets=[], as_of=LATEST, limit=9) == []

    async def test_what_started_comes_with_the_latest_start_first(
        self, work: RangeUnitsWork
    ) -> None:
        # Recorded in another order; an unknown start lies before all others.
        starts = [at(2), None, at(1), at(3)]
        pairs = [
            a_revision(effective_from=start, recorded_at=at(-number))
            for number, start in enumerate(starts)
        ]
        await keep(work, *pairs)
        two, unknown, one, three = (revision.id for revision, _ in pairs)
        expected = {
            at(0): [unknown],
            at(2) - MICROSECOND: [one, unknown],
            at(2): [two, one, unknown],
            LATEST: [three, two, one, unknown],
        }
        assert {as_of: await started_of(work, as_of=as_of) for as_of in expected} == expected

    async def test_of_equal_starts_the_last_recorded_comes_first_and_then_the_greatest_id(
        self, work: RangeUnitsWork
    ) -> None:
        early, late, last = (
            a_revision(effective_from=at(), recorded_at=recorded, superseded_at=at(9))[0]
            for recorded in (at(1), at(2), at(2))
        )
        await keep(work, *((each, a_table()) for each in (late, last, early)))
        expected = [last.id, late.id, early.id]
        assert await started_of(work, known_at=at(8)) == expected

    async def test_each_market_has_its_own_limit_and_markets_come_in_order(
        self, work: RangeUnitsWork
    ) -> None:
        markets = [a_market(target=target) for target in ("*", "AB", "A_B", "BTC")]
        pairs = [
            a_revision(market=market, effective_from=at(minutes))
            for market in markets
            for minutes in (3, 2, 1)
        ]
        await keep(work, *pairs)
        expected = [
            revision.id
            for revision, _ in pairs
            if revision.market in markets[:3] and revision.effective_from != at(1)
        ]
        asked = (markets[2], markets[0], markets[1], markets[0], a_market(target="NONE"))
        assert await started_of(work, *asked, limit=2) == expected

    async def test_only_what_was_recorded_and_not_superseded_had_started_as_known_then(
        self, work: RangeUnitsWork
    ) -> None:
        revision, table = a_revision(effective_from=at(), recorded_at=at(5), superseded_at=at(7))
        await keep(work, (revision, table))
        known = {
            at(5) - MICROSECOND: [],
            at(5): [revision.id],
            at(7) - MICROSECOND: [revision.id],
            at(7): [],
            None: [],
        }
        assert {when: await started_of(work, known_at=when) for when in known} == known

    async def test_what_follows_is_the_least_later_start_that_is_not_superseded(
        self, work: RangeUnitsWork
    ) -> None:
        first, second = a_revision(effective_from=at(1))[0], a_revision(effective_from=at(5))[0]
        withdrawn = a_revision(effective_from=at(3), superseded_at=at(2))[0]
        unknown = a_revision()[0]
        others = a_revision(market=a_market(target="*"), effective_from=at(2))[0]
        kept = (second, first, withdrawn, unknown, others)
        await keep(work, *((each, a_table()) for each in kept))
        expected = {
            BEGINNING: first,
            at(1) - MICROSECOND: first,
            at(1): second,
            at(5): None,
        }
        assert {after: await following_of(work, after) for after in expected} == expected

    async def test_a_revision_ends_where_the_next_that_is_not_superseded_starts(
        self, work: RangeUnitsWork
    ) -> None:
        unknown, first, last = (
            a_revision(effective_from=start)[0] for start in (None, at(1), at(5))
        )
        withdrawn = a_revision(effective_from=at(3), superseded_at=at(2))[0]
        alone = a_revision(market=a_market(target="*"), effective_from=at(2))[0]
        kept = (last, unknown, withdrawn, first, alone)
        await keep(work, *((each, a_table()) for each in kept))
        never = replace(alone, id=new_id())
        ends = await ends_of(work, *kept, never, first)
        assert ends == {unknown.id: at(1), first.id: at(5)}

    async def test_what_is_superseded_and_added_counts_in_its_own_unit_of_work(
        self, work: RangeUnitsWork
    ) -> None:
        first, later = a_revision(effective_from=at(1))[0], a_revision(effective_from=at(5))[0]
        await keep(work, (first, a_table()), (later, a_table()))
        sooner = a_revision(effective_from=at(3))
        async with work() as uow:
            await uow.catalogue.hold_markets(markets=[first.market])
            await uow.revisions.supersede(revision_ids=[later.id], at=at(2))
            await uow.revisions.add(revisions=[sooner])
            ends = await uow.timeline.ends(revision_ids=[first.id, later.id])
            following = await uow.timeline.following(market=first.market, after=at(1))
        assert (ends, following) == ({first.id: at(3)}, sooner[0])
        assert await ends_of(work, first) == {first.id: at(5)}

    async def test_answers_changed_by_their_reader_change_nothing(
        self, work: RangeUnitsWork
    ) -> None:
        revision, table = a_revision()
        await keep(work, (revision, table))
        async with work() as uow:
            (await uow.timeline.started(markets=[a_market()], as_of=LATEST, limit=9)).clear()
        assert await started_of(work) == [revision.id]
