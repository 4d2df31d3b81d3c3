from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

import pytest

from app.domain.errors import UnstorableText
from app.domain.range_units import storage
from app.domain.range_units.changes import Change, ChangeKind, PlacedChange
from app.domain.range_units.revisions import BEGINNING
from app.ports.range_units.changes import Changes
from app.ports.range_units.work import RangeUnitsUnitOfWork, RangeUnitsWork
from tests.builders import a_change, a_market, at
from tests.contracts.races import Step, all_at_once, race
from tests.contracts.range_units_store import look_around
from tests.contracts.values import STARTS, STORABLE_TEXTS, UNSTORABLE_TEXTS


async def append(work: RangeUnitsWork, *changes: Change) -> None:
    async with work() as uow:
        await uow.changes.append(changes=changes)
        await uow.commit()


async def after(
    work: RangeUnitsWork, position: int = 0, *, exchange: str | None = None, limit: int = 1000
) -> list[PlacedChange]:
    async with work() as uow:
        return await uow.changes.after(position=position, exchange=exchange, limit=limit)


async def all_of(work: RangeUnitsWork, *, exchange: str | None = None) -> list[Change]:
    return [placed.change for placed in await after(work, exchange=exchange)]


async def latest(work: RangeUnitsWork) -> int:
    async with work() as uow:
        return await uow.changes.latest()


async def commit(uow: RangeUnitsUnitOfWork) -> None:
    await uow.commit()


def unwrapped(values: Iterable[Any]) -> list[Any]:
    return [value.values[0] for value in values]


class ChangesContract:
    port: ClassVar[type] = Changes
    adapter: ClassVar[type]

    async def test_every_field_comes_back_as_it_went_in(self, work: RangeUnitsWork) -> None:
        starts: list[datetime | None] = [None, *unwrapped(STARTS)]
        changes = [
            *(a_change(kind=kind) for kind in ChangeKind),
            *(a_change(effective_from=start, recorded_at=at(1)) for start in starts),
            *(a_change(recorded_at=instant) for instant in unwrapped(STARTS)),
            *(a_change(source=text) for text in unwrapped(STORABLE_TEXTS)),
            a_change(market=a_market(exchange="krx", quote="USD-T", target="*")),
        ]
        await append(work, *changes)
        assert await all_of(work) == changes

    async def test_a_start_at_the_beginning_of_time_is_an_unknown_one(
        self, work: RangeUnitsWork
    ) -> None:
        await append(work, a_change(effective_from=BEGINNING))
        assert [change.effective_from for change in await all_of(work)] == [None]

    async def test_positions_rise_from_above_zero(self, work: RangeUnitsWork) -> None:
        for _ in range(3):
            await append(work, a_change(), a_change())
        positions = [placed.position for placed in await after(work)]
        assert positions == sorted(set(positions))
        assert positions[0] > 0

    async def test_an_empty_feed_gives_nothing_and_is_at_zero(self, work: RangeUnitsWork) -> None:
        await append(work)
        assert (await after(work), await latest(work)) == ([], 0)

    async def test_the_latest_position_is_the_last_ones(self, work: RangeUnitsWork) -> None:
        await append(work, a_change(), a_change())
        assert await latest(work) == (await after(work))[-1].position

    async def test_to_advance_takes_a_position_that_no_change_has(
        self, work: RangeUnitsWork
    ) -> None:
        positions = [await latest(work)]
        for is_kept in (True, False, True):
            async with work() as uow:
                await uow.changes.advance()
                if is_kept:
                    await uow.commit()
            positions.append(await latest(work))
        assert positions[0] < positions[1] <= positions[2] < positions[3]
        await append(work, a_change())
        [only] = await after(work)
        assert positions[3] < only.position == await latest(work)

    async def test_a_page_begins_beyond_its_position_and_ends_at_its_limit(
        self, work: RangeUnitsWork
    ) -> None:
        await append(work, *(a_change() for _ in range(4)))
        found = await after(work)
        for place, placed in enumerate(found):
            for limit in (0, 1, 2, 9):
                page = await after(work, placed.position, limit=limit)
                assert page == found[place + 1 :][:limit]

    async def test_a_page_of_one_exchange_leaves_the_others_out(self, work: RangeUnitsWork) -> None:
        codes = ["coinone", "krx", "coinone", "upbit"]
        changes = [a_change(market=a_market(exchange=code)) for code in codes]
        await append(work, *changes)
        assert await all_of(work, exchange="coinone") == [changes[0], changes[2]]
        assert await all_of(work, exchange="nowhere") == []

    async def test_what_was_not_committed_is_not_in_the_feed(self, work: RangeUnitsWork) -> None:
        async with work() as uow:
            await uow.changes.append(changes=[a_change()])
            assert len(await uow.changes.after(position=0, limit=9)) == 1
        kept = a_change()
        await append(work, kept)
        assert await all_of(work) == [kept]

    async def test_what_cannot_be_stored_is_refused(self, work: RangeUnitsWork) -> None:
        change = a_change()
        unstorable = [
            *(replace(change, source=text) for text in unwrapped(UNSTORABLE_TEXTS)),
            replace(change, source="x" * (storage.SOURCE + 1)),
            replace(change, digest="x" * (storage.DIGEST + 1)),
            replace(change, market=a_market(target="X" * (storage.CODE + 1))),
        ]
        for each in unstorable:
            with pytest.raises(UnstorableText):
                await append(work, change, each)
        assert await all_of(work) == []

    async def test_a_thousand_changes_are_appended_in_their_order(
        self, work: RangeUnitsWork
    ) -> None:
        changes = [a_change() for _ in range(1000)]
        await append(work, *changes)
        assert await all_of(work) == changes

    async def test_changes_taken_away_after_the_call_count_all_the_same(
        self, work: RangeUnitsWork
    ) -> None:
        changes = [a_change()]
        async with work() as uow:
            await uow.changes.append(changes=changes)
            changes.clear()
            await uow.commit()
        assert len(await all_of(work)) == 1

    @pytest.mark.parametrize("last", [commit, None], ids=["committed", "given up"])
    async def test_an_append_waits_for_the_end_of_another(
        self, work: RangeUnitsWork, last: Step[RangeUnitsUnitOfWork] | None
    ) -> None:
        first, second = a_change(), a_change()

        async def append_second(uow: RangeUnitsUnitOfWork) -> None:
            await uow.changes.append(changes=[second])
            await uow.commit()

        through = await race(
            work,
            first=lambda uow: uow.changes.append(changes=[first]),
            meanwhile=look_around,
            last=last,
            second=append_second,
        )
        assert through == ["first", "second"]
        assert await all_of(work) == ([second] if last is None else [first, second])

    async def test_who_reads_on_while_others_append_misses_nothing(
        self, work: RangeUnitsWork, reading: RangeUnitsWork
    ) -> None:
        writers, times = 4, 6
        seen: list[PlacedChange] = []

        async def write(number: int) -> None:
            for turn in range(times):
                async with work() as uow:
                    await uow.changes.append(changes=[a_change(), a_change()])
                    if (number + turn) % 3:  # the others are given up, and their positions too
                        await uow.commit()

        async def read() -> None:
            while len(seen) < writers * times // 3 * 2 * 2:
                seen.extend(await after(reading, seen[-1].position if seen else 0, limit=3))

        await all_at_once(read, *(lambda number=number: write(number) for number in range(writers)))
        assert seen == await after(work)
