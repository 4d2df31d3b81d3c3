from datetime import timedelta
from typing import ClassVar

from app.domain.range_units.jobs import JobState
from app.domain.range_units.overview import ExchangeOverview
from app.ports.range_units.overviews import Overviews
from app.ports.range_units.work import RangeUnitsWork
from tests.builders import a_market, a_revision, an_exchange, at
from tests.contracts import jobs
from tests.contracts.jobs import a_job
from tests.contracts.range_units_store import keep, keep_exchanges


async def overviews_of(work: RangeUnitsWork) -> list[ExchangeOverview]:
    async with work() as uow:
        return await uow.overviews.exchanges()


class OverviewsContract:
    port: ClassVar[type] = Overviews
    adapter: ClassVar[type]

    async def test_what_is_tested_is_the_adapter_that_is_named(self, work: RangeUnitsWork) -> None:
        async with work() as uow:
            assert type(uow.overviews) is self.adapter

    async def test_there_is_nothing_where_there_is_no_exchange(self, work: RangeUnitsWork) -> None:
        assert await overviews_of(work) == []

    async def test_exchanges_without_anything_are_there_in_code_point_order(
        self, work: RangeUnitsWork
    ) -> None:
        await keep_exchanges(work, *(an_exchange(code=code) for code in ("b", "a-b", "a_b", "B")))
        codes = ("B", "a-b", "a_b", "b")
        assert await overviews_of(work) == [ExchangeOverview(code, None, {}) for code in codes]

    async def test_the_last_time_of_any_market_counts_unless_it_is_superseded(
        self, work: RangeUnitsWork
    ) -> None:
        newest = at(3) + timedelta(microseconds=1)
        await keep(
            work,
            a_revision(last_seen=at(1)),
            a_revision(market=a_market(target="*"), last_seen=newest),
            a_revision(market=a_market(target="ETH"), last_seen=at(2)),
            a_revision(market=a_market(target="XRP"), last_seen=at(9), superseded_at=at(9)),
            a_revision(market=a_market(exchange="korbit"), last_seen=at(8), superseded_at=at(8)),
        )
        seen = [(each.exchange, each.last_seen) for each in await overviews_of(work)]
        assert seen == [("coinone", newest), ("korbit", None)]

    async def test_jobs_are_counted_by_exchange_and_state(self, work: RangeUnitsWork) -> None:
        kept = {
            "coinone": {JobState.FAILED: 2, JobState.DONE: 1, JobState.RUNNING: 1},
            "korbit": {JobState.QUEUED: 1},
        }
        each = [
            a_job(exchange=exchange, state=state)
            for exchange, states in kept.items()
            for state, number in states.items()
            for _ in range(number)
        ]
        await jobs.keep(work, *each)
        found = {each.exchange: dict(each.jobs) for each in await overviews_of(work)}
        assert found == kept

    async def test_what_is_not_committed_is_not_seen_by_others(self, work: RangeUnitsWork) -> None:
        async with work() as uow:
            await uow.catalogue.put_exchanges(exchanges=[an_exchange()])
            assert [each.exchange for each in await uow.overviews.exchanges()] == ["coinone"]
        assert await overviews_of(work) == []
