from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

import pytest
from anyio import fail_after

from app.domain.errors import TickgateError, UnstorableText
from app.domain.range_units import storage
from app.domain.range_units.changes import Change
from app.domain.range_units.errors import RevisionInForce, UnknownExchange
from app.domain.range_units.revisions import BEGINNING, Exchange, Market, Revision
from app.domain.range_units.table import (
    Anchor,
    Band,
    Boundary,
    RangeUnitTable,
    TopRule,
    WrittenBands,
    WrittenPart,
)
from app.ports.range_units.catalogue import Catalogue
from app.ports.range_units.revisions import Revisions
from app.ports.range_units.work import RangeUnitsUnitOfWork, RangeUnitsWork
from tests.builders import a_change, a_market, a_revision, a_table, an_exchange, at, new_id
from tests.contracts.races import PATIENCE, all_at_once, race
from tests.contracts.unit_of_work import Operation, UnitOfWorkContract
from tests.contracts.values import INSTANTS, STARTS, STORABLE_TEXTS, UNSTORABLE_TEXTS

MICROSECOND = timedelta(microseconds=1)
SEOUL = timezone(timedelta(hours=9))

# Every sign that a code may have, in code-point order; a dictionary's order is another.
CODES_IN_ORDER = ["*", "0", "1A", "1INCH", "A", "A-B", "A.B", "A1", "AB", "AB.C", "A_B", "Z", "ZA"]
EXCHANGES_IN_ORDER = ["0x", "a", "a-b", "a1", "a_b", "aa", "b", "z"]

NUMBERS = [
    "1",
    "0.1",
    "0.125",
    "1.50",
    "1E+3",
    "1E+39",
    "1E-18",
    "1E-40",
    "123456789012345678901234567890123456",
    "123456789012345678901234567890.123456789012345678",
    "9999999999999999999999999999999999999999.9999999999999999999999999999999999999999",
    "9007199254740993",
    "0.1000000000000000055511151231257827",
]


async def keep(work: RangeUnitsWork, *revisions: tuple[Revision, RangeUnitTable]) -> None:
    """Store revisions and whatever they refer to, and commit."""
    markets = {revision.market for revision, _ in revisions}
    async with work() as uow:
        await uow.catalogue.put_exchanges(
            exchanges=[an_exchange(code=code) for code in {market.exchange for market in markets}]
        )
        await uow.catalogue.hold_markets(markets=markets)
        await uow.revisions.add(revisions=revisions)
        await uow.commit()


async def keep_exchanges(work: RangeUnitsWork, *exchanges: Exchange) -> None:
    async with work() as uow:
        await uow.catalogue.put_exchanges(exchanges=exchanges)
        await uow.commit()


async def keep_markets(work: RangeUnitsWork, *markets: Market) -> None:
    async with work() as uow:
        await uow.catalogue.put_exchanges(
            exchanges=[an_exchange(code=code) for code in {market.exchange for market in markets}]
        )
        await uow.catalogue.hold_markets(markets=markets)
        await uow.commit()


async def exchanges_of(work: RangeUnitsWork) -> list[Exchange]:
    async with work() as uow:
        return await uow.catalogue.exchanges(limit=1000)


async def markets_of(work: RangeUnitsWork, exchange: str = "coinone") -> list[Market]:
    async with work() as uow:
        return await uow.catalogue.markets(exchange=exchange, after=None, limit=100)


async def history_of(work: RangeUnitsWork, market: Market | None = None) -> list[Revision]:
    async with work() as uow:
        return await uow.revisions.history(market=market or a_market(), after=None, limit=100)


async def table_of(work: RangeUnitsWork, revision: Revision) -> RangeUnitTable | None:
    async with work() as uow:
        return await uow.revisions.table(revision_id=revision.id)


async def changes_of(work: RangeUnitsWork) -> list[Change]:
    async with work() as uow:
        found = await uow.changes.after(position=0, limit=100)
        return [placed.change for placed in found]


async def in_force_of(
    work: RangeUnitsWork, *, as_of: datetime, known_at: datetime | None = None
) -> Revision | None:
    """Give what was in force of the one market that most tests are about."""
    async with work() as uow:
        found = await uow.revisions.in_force(markets=[a_market()], as_of=as_of, known_at=known_at)
    return found.get(a_market())


async def look_around(uow: RangeUnitsUnitOfWork) -> None:
    await uow.catalogue.exchange(code="nowhere")


async def commit(uow: RangeUnitsUnitOfWork) -> None:
    await uow.commit()


class CatalogueContract:
    port: ClassVar[type] = Catalogue
    adapter: ClassVar[type]

    async def test_what_is_tested_is_the_adapter_that_is_named(self, work: RangeUnitsWork) -> None:
        async with work() as uow:
            assert type(uow.catalogue) is self.adapter

    async def test_an_exchange_comes_back_with_every_field(self, work: RangeUnitsWork) -> None:
        exchange = an_exchange(code="krx", name="Korea Exchange", time_zone="Asia/Seoul")
        await keep_exchanges(work, exchange)
        async with work() as uow:
            assert await uow.catalogue.exchange(code="krx") == exchange

    async def test_an_unknown_code_is_no_exchange(self, work: RangeUnitsWork) -> None:
        await keep_exchanges(work, an_exchange(code="coinone"))
        async with work() as uow:
            assert await uow.catalogue.exchange(code="Coinone") is None

    @pytest.mark.parametrize("text", STORABLE_TEXTS)
    async def test_a_text_comes_back_as_it_was(self, work: RangeUnitsWork, text: str) -> None:
        exchange = an_exchange(name=text, time_zone=text)
        await keep_exchanges(work, exchange)
        assert await exchanges_of(work) == [exchange]

    @pytest.mark.parametrize("text", UNSTORABLE_TEXTS)
    @pytest.mark.parametrize(
        "exchange_with",
        [
            pytest.param(lambda text: an_exchange(code=text), id="code"),
            pytest.param(lambda text: an_exchange(name=text), id="name"),
            pytest.param(lambda text: an_exchange(time_zone=text), id="time_zone"),
        ],
    )
    async def test_a_text_that_cannot_be_stored_is_refused(
        self, work: RangeUnitsWork, exchange_with: Callable[[str], Exchange], text: str
    ) -> None:
        async with work() as uow:
            with pytest.raises(UnstorableText):
                await uow.catalogue.put_exchanges(
                    exchanges=[an_exchange(code="first"), exchange_with(text)]
                )
        assert await exchanges_of(work) == []

    async def test_texts_as_long_as_their_bounds_are_kept(self, work: RangeUnitsWork) -> None:
        exchange = an_exchange(
            code="\U0001f642" * storage.CODE,
            name="\U0001f642" * storage.NAME,
            time_zone="\U0001f642" * storage.TIME_ZONE,
        )
        await keep_exchanges(work, exchange)
        assert await exchanges_of(work) == [exchange]

    @pytest.mark.parametrize(
        "exchange",
        [
            pytest.param(an_exchange(code="a" * (storage.CODE + 1)), id="code"),
            pytest.param(an_exchange(name="a" * (storage.NAME + 1)), id="name"),
            pytest.param(an_exchange(time_zone="a" * (storage.TIME_ZONE + 1)), id="time_zone"),
        ],
    )
    async def test_a_text_longer_than_its_bound_is_refused(
        self, work: RangeUnitsWork, exchange: Exchange
    ) -> None:
        async with work() as uow:
            with pytest.raises(UnstorableText):
                await uow.catalogue.put_exchanges(exchanges=[exchange])
        assert await exchanges_of(work) == []

    @pytest.mark.parametrize("limit", [0, 1, 2, 3, 4])
    async def test_a_page_of_exchanges_has_at_most_its_limit(
        self, work: RangeUnitsWork, limit: int
    ) -> None:
        exchanges = [an_exchange(code=code) for code in "abc"]
        await keep_exchanges(work, *exchanges)
        async with work() as uow:
            assert await uow.catalogue.exchanges(limit=limit) == exchanges[:limit]

    async def test_pages_have_every_exchange_once(self, work: RangeUnitsWork) -> None:
        exchanges = [an_exchange(code=code) for code in EXCHANGES_IN_ORDER]
        await keep_exchanges(work, *exchanges[::-1])
        found: list[Exchange] = []
        async with work() as uow:
            while page := await uow.catalogue.exchanges(
                after=found[-1].code if found else None, limit=3
            ):
                found += page
                assert len(found) <= len(exchanges)
        assert found == exchanges

    async def test_a_page_of_exchanges_begins_beyond_a_code(self, work: RangeUnitsWork) -> None:
        await keep_exchanges(work, *(an_exchange(code=code) for code in "abcde"))
        async with work() as uow:
            page = await uow.catalogue.exchanges(after="b", limit=2)
        assert [exchange.code for exchange in page] == ["c", "d"]

    async def test_a_page_of_exchanges_may_begin_beyond_a_code_that_is_not_there(
        self, work: RangeUnitsWork
    ) -> None:
        await keep_exchanges(work, an_exchange(code="a"), an_exchange(code="c"))
        async with work() as uow:
            page = await uow.catalogue.exchanges(after="b", limit=2)
        assert [exchange.code for exchange in page] == ["c"]

    async def test_putting_exchanges_tells_which_were_added(self, work: RangeUnitsWork) -> None:
        await keep_exchanges(work, an_exchange(code="a"), an_exchange(code="c"))
        async with work() as uow:
            added = await uow.catalogue.put_exchanges(
                exchanges=[an_exchange(code=code) for code in ("a", "b", "c", "d")]
            )
        assert added == {"b", "d"}

    async def test_an_exchange_put_again_takes_the_new_name_and_time_zone(
        self, work: RangeUnitsWork
    ) -> None:
        await keep_exchanges(work, an_exchange(name="Old", time_zone="UTC"))
        renamed = an_exchange(name="New", time_zone="Asia/Tokyo")
        await keep_exchanges(work, renamed)
        assert await exchanges_of(work) == [renamed]

    async def test_an_exchange_put_again_is_not_added(self, work: RangeUnitsWork) -> None:
        await keep_exchanges(work, an_exchange())
        async with work() as uow:
            assert await uow.catalogue.put_exchanges(exchanges=[an_exchange()]) == set()

    async def test_an_exchange_put_again_in_the_same_unit_of_work_is_not_added(
        self, work: RangeUnitsWork
    ) -> None:
        async with work() as uow:
            await uow.catalogue.put_exchanges(exchanges=[an_exchange()])
            assert await uow.catalogue.put_exchanges(exchanges=[an_exchange()]) == set()

    async def test_an_exchange_put_again_keeps_its_markets_and_their_history(
        self, work: RangeUnitsWork
    ) -> None:
        revision, table = a_revision()
        await keep(work, (revision, table))
        await keep_exchanges(work, an_exchange(name="New"))
        assert await markets_of(work) == [revision.market]
        assert await history_of(work) == [revision]

    async def test_an_exchange_whose_putting_was_not_kept_is_added_the_next_time(
        self, work: RangeUnitsWork
    ) -> None:
        for _ in range(2):
            async with work() as uow:
                added = await uow.catalogue.put_exchanges(exchanges=[an_exchange()])
            assert added == {"coinone"}

    async def test_putting_no_exchanges_adds_none(self, work: RangeUnitsWork) -> None:
        async with work() as uow:
            assert await uow.catalogue.put_exchanges(exchanges=[]) == set()

    async def test_putting_no_exchanges_changes_nothing(self, work: RangeUnitsWork) -> None:
        await keep_exchanges(work, an_exchange())
        await keep_exchanges(work)
        assert await exchanges_of(work) == [an_exchange()]

    async def test_where_no_exchange_is_the_list_is_empty(self, work: RangeUnitsWork) -> None:
        assert await exchanges_of(work) == []

    async def test_exchanges_are_in_the_order_of_code_points(self, work: RangeUnitsWork) -> None:
        await keep_exchanges(
            work, *(an_exchange(code=code) for code in sorted(EXCHANGES_IN_ORDER, key=hash))
        )
        assert [exchange.code for exchange in await exchanges_of(work)] == EXCHANGES_IN_ORDER

    async def test_exchanges_taken_away_after_putting_are_put_all_the_same(
        self, work: RangeUnitsWork
    ) -> None:
        exchanges = [an_exchange()]
        async with work() as uow:
            await uow.catalogue.put_exchanges(exchanges=exchanges)
            exchanges.clear()
            await uow.commit()
        assert await exchanges_of(work) == [an_exchange()]

    async def test_answers_changed_by_their_reader_change_nothing(
        self, work: RangeUnitsWork
    ) -> None:
        async with work() as uow:
            (await uow.catalogue.put_exchanges(exchanges=[an_exchange()])).clear()
            await uow.catalogue.hold_markets(markets=[a_market()])
            (await uow.catalogue.exchanges(limit=1000)).clear()
            (await uow.catalogue.markets(exchange="coinone", after=None, limit=9)).clear()
            await uow.commit()
        assert await exchanges_of(work) == [an_exchange()]
        assert await markets_of(work) == [a_market()]

    async def test_of_two_who_put_an_exchange_at_once_the_first_adds_it(
        self, work: RangeUnitsWork
    ) -> None:
        added: list[set[str]] = []

        async def put(uow: RangeUnitsUnitOfWork) -> None:
            added.append(await uow.catalogue.put_exchanges(exchanges=[an_exchange()]))
            await uow.commit()

        async def put_first(uow: RangeUnitsUnitOfWork) -> None:
            added.append(await uow.catalogue.put_exchanges(exchanges=[an_exchange()]))

        await race(work, first=put_first, meanwhile=look_around, last=commit, second=put)
        assert added == [{"coinone"}, set()]

    @pytest.mark.parametrize("known", [True, False], ids=["known-exchanges", "new-exchanges"])
    async def test_exchanges_put_in_any_order_do_not_block_one_another_for_ever(
        self, work: RangeUnitsWork, known: bool
    ) -> None:
        exchanges = [an_exchange(code=f"exchange-{number:03}") for number in range(300)]
        if known:
            await keep_exchanges(work, *exchanges)
        renamed = [replace(exchange, name="New") for exchange in exchanges]
        orders = (renamed, renamed[::-1], renamed[150:] + renamed[:150], renamed[::-2])
        await all_at_once(*(lambda order=order: keep_exchanges(work, *order) for order in orders))
        assert await exchanges_of(work) == renamed

    async def test_a_market_held_comes_into_being(self, work: RangeUnitsWork) -> None:
        await keep_markets(work, a_market(quote="KRW", target="BTC"))
        assert await markets_of(work) == [a_market(quote="KRW", target="BTC")]

    async def test_the_ladder_of_a_quote_currency_is_among_its_markets(
        self, work: RangeUnitsWork
    ) -> None:
        await keep_markets(work, a_market(), a_market().ladder)
        assert await markets_of(work) == [a_market().ladder, a_market()]

    async def test_a_market_held_again_is_there_once(self, work: RangeUnitsWork) -> None:
        await keep_markets(work, a_market(target="BTC"))
        await keep_markets(work, a_market(target="ETH"), a_market(target="BTC"))
        assert await markets_of(work) == [a_market(target="BTC"), a_market(target="ETH")]

    async def test_holding_no_markets_does_nothing(self, work: RangeUnitsWork) -> None:
        async with work() as uow:
            await uow.catalogue.hold_markets(markets=set())
            await uow.catalogue.put_exchanges(exchanges=[an_exchange()])
            await uow.commit()
        assert await exchanges_of(work) == [an_exchange()]

    async def test_a_market_of_an_unknown_exchange_is_refused(self, work: RangeUnitsWork) -> None:
        async with work() as uow:
            with pytest.raises(UnknownExchange):
                await uow.catalogue.hold_markets(markets=[a_market()])

    async def test_with_one_unknown_exchange_no_market_comes_into_being(
        self, work: RangeUnitsWork
    ) -> None:
        await keep_exchanges(work, an_exchange())
        async with work() as uow:
            with pytest.raises(UnknownExchange):
                await uow.catalogue.hold_markets(markets=[a_market(), a_market(exchange="nowhere")])
        assert await markets_of(work) == []

    @pytest.mark.parametrize("text", UNSTORABLE_TEXTS)
    @pytest.mark.parametrize(
        "market_with",
        [
            pytest.param(lambda text: a_market(quote=text), id="quote"),
            pytest.param(lambda text: a_market(target=text), id="target"),
        ],
    )
    async def test_a_market_whose_code_cannot_be_stored_is_refused(
        self, work: RangeUnitsWork, market_with: Callable[[str], Market], text: str
    ) -> None:
        await keep_exchanges(work, an_exchange())
        async with work() as uow:
            with pytest.raises(UnstorableText):
                await uow.catalogue.hold_markets(markets=[a_market(), market_with(text)])
        assert await markets_of(work) == []

    async def test_a_market_with_codes_as_long_as_their_bound_is_kept(
        self, work: RangeUnitsWork
    ) -> None:
        market = a_market(quote="Q" * storage.CODE, target="T" * storage.CODE)
        await keep_markets(work, market)
        assert await markets_of(work) == [market]

    @pytest.mark.parametrize(
        "market",
        [
            pytest.param(a_market(quote="Q" * (storage.CODE + 1)), id="quote"),
            pytest.param(a_market(target="T" * (storage.CODE + 1)), id="target"),
        ],
    )
    async def test_a_market_with_a_code_longer_than_its_bound_is_refused(
        self, work: RangeUnitsWork, market: Market
    ) -> None:
        await keep_exchanges(work, an_exchange())
        async with work() as uow:
            with pytest.raises(UnstorableText):
                await uow.catalogue.hold_markets(markets=[market])
        assert await markets_of(work) == []

    async def test_markets_taken_away_after_holding_come_into_being_all_the_same(
        self, work: RangeUnitsWork
    ) -> None:
        markets = [a_market()]
        async with work() as uow:
            await uow.catalogue.put_exchanges(exchanges=[an_exchange()])
            await uow.catalogue.hold_markets(markets=markets)
            markets.clear()
            await uow.commit()
        assert await markets_of(work) == [a_market()]

    async def test_markets_are_in_the_order_of_quote_then_target(
        self, work: RangeUnitsWork
    ) -> None:
        markets = [
            a_market(quote=quote, target=target)
            for quote in ("A", "A-B", "A_B")
            for target in CODES_IN_ORDER
        ]
        await keep_markets(work, *sorted(markets, key=hash))
        assert await markets_of(work) == markets

    async def test_markets_are_those_of_one_exchange(self, work: RangeUnitsWork) -> None:
        await keep_markets(work, a_market(exchange="coinone"), a_market(exchange="upbit"))
        assert await markets_of(work, "upbit") == [a_market(exchange="upbit")]

    async def test_an_unknown_exchange_has_no_markets(self, work: RangeUnitsWork) -> None:
        await keep_markets(work, a_market())
        assert await markets_of(work, "nowhere") == []

    async def test_a_page_of_markets_begins_beyond_one(self, work: RangeUnitsWork) -> None:
        markets = [
            a_market(quote=quote, target=target) for quote in ("KRW", "USDT") for target in "ABC"
        ]
        await keep_markets(work, *markets)
        async with work() as uow:
            page = await uow.catalogue.markets(exchange="coinone", after=markets[1], limit=3)
        assert page == markets[2:5]

    async def test_a_page_of_markets_begins_beyond_one_that_is_unknown(
        self, work: RangeUnitsWork
    ) -> None:
        await keep_markets(work, a_market(target="A"), a_market(target="C"))
        async with work() as uow:
            page = await uow.catalogue.markets(
                exchange="coinone", after=a_market(target="B"), limit=9
            )
        assert page == [a_market(target="C")]

    async def test_a_page_of_markets_begins_beyond_the_codes_of_one_of_another_exchange(
        self, work: RangeUnitsWork
    ) -> None:
        await keep_markets(work, a_market(target="A"), a_market(target="C"))
        async with work() as uow:
            page = await uow.catalogue.markets(
                exchange="coinone", after=a_market(exchange="upbit", target="A"), limit=9
            )
        assert page == [a_market(target="C")]

    @pytest.mark.parametrize("limit", [0, 1, 2, 3, 4])
    async def test_a_page_of_markets_has_at_most_its_limit(
        self, work: RangeUnitsWork, limit: int
    ) -> None:
        markets = [a_market(target=target) for target in "ABC"]
        await keep_markets(work, *markets)
        async with work() as uow:
            page = await uow.catalogue.markets(exchange="coinone", after=None, limit=limit)
        assert page == markets[:limit]

    async def test_pages_have_every_market_once(self, work: RangeUnitsWork) -> None:
        markets = [
            a_market(quote=quote, target=target)
            for quote in ("BTC", "KRW")
            for target in CODES_IN_ORDER
        ]
        await keep_markets(work, *markets)
        found: list[Market] = []
        async with work() as uow:
            while page := await uow.catalogue.markets(
                exchange="coinone", after=found[-1] if found else None, limit=4
            ):
                found += page
                assert len(found) <= len(markets)
        assert found == markets

    async def test_a_second_who_holds_the_market_waits(self, work: RangeUnitsWork) -> None:
        await keep_markets(work, a_market())
        through = await race(
            work,
            first=lambda uow: uow.catalogue.hold_markets(markets=[a_market()]),
            meanwhile=look_around,
            last=commit,
            second=lambda uow: uow.catalogue.hold_markets(markets=[a_market()]),
        )
        assert through == ["first", "second"]

    async def test_a_second_who_holds_the_market_among_others_waits(
        self, work: RangeUnitsWork
    ) -> None:
        await keep_markets(work, a_market(target="A"), a_market(target="B"), a_market(target="C"))
        through = await race(
            work,
            first=lambda uow: uow.catalogue.hold_markets(
                markets=[a_market(target="B"), a_market(target="C")]
            ),
            meanwhile=look_around,
            last=commit,
            second=lambda uow: uow.catalogue.hold_markets(
                markets=[a_market(target="A"), a_market(target="B")]
            ),
        )
        assert through == ["first", "second"]

    async def test_a_second_who_holds_a_new_market_waits(self, work: RangeUnitsWork) -> None:
        await keep_exchanges(work, an_exchange())

        async def hold_and_keep(uow: RangeUnitsUnitOfWork) -> None:
            await uow.catalogue.hold_markets(markets=[a_market()])
            await uow.commit()

        through = await race(
            work,
            first=lambda uow: uow.catalogue.hold_markets(markets=[a_market()]),
            meanwhile=look_around,
            last=commit,
            second=hold_and_keep,
        )
        assert through == ["first", "second"]
        assert await markets_of(work) == [a_market()]

    async def test_a_new_market_that_was_not_kept_comes_into_being_by_the_second(
        self, work: RangeUnitsWork
    ) -> None:
        await keep_exchanges(work, an_exchange())

        async def hold_and_keep(uow: RangeUnitsUnitOfWork) -> None:
            await uow.catalogue.hold_markets(markets=[a_market()])
            await uow.commit()

        await race(
            work,
            first=lambda uow: uow.catalogue.hold_markets(markets=[a_market()]),
            meanwhile=look_around,
            last=None,
            second=hold_and_keep,
        )
        assert await markets_of(work) == [a_market()]

    async def test_whoever_held_the_market_later_sees_what_was_done_before(
        self, work: RangeUnitsWork
    ) -> None:
        revision, table = a_revision()
        await keep_markets(work, revision.market)
        seen: list[Revision] = []

        async def hold_and_add(uow: RangeUnitsUnitOfWork) -> None:
            await uow.catalogue.hold_markets(markets=[revision.market])
            await uow.revisions.add(revisions=[(revision, table)])

        async def hold_and_look(uow: RangeUnitsUnitOfWork) -> None:
            await uow.catalogue.hold_markets(markets=[revision.market])
            found = await uow.revisions.in_force(markets=[revision.market], as_of=at())
            seen.extend(found.values())

        await race(
            work, first=hold_and_add, meanwhile=look_around, last=commit, second=hold_and_look
        )
        assert seen == [revision]

    @pytest.mark.parametrize("known", [True, False], ids=["known-markets", "new-markets"])
    async def test_markets_held_in_any_order_do_not_block_one_another_for_ever(
        self, work: RangeUnitsWork, known: bool
    ) -> None:
        markets = [a_market(target=code) for code in CODES_IN_ORDER]
        await keep_exchanges(work, an_exchange())
        if known:
            await keep_markets(work, *markets)
        held: list[str] = []

        async def hold(name: str, order: list[Market]) -> None:
            async with work() as uow:
                await uow.catalogue.hold_markets(markets=order)
                await uow.commit()
            held.append(name)

        await all_at_once(
            lambda: hold("upwards", markets),
            lambda: hold("downwards", markets[::-1]),
            lambda: hold("from the middle", markets[6:] + markets[:6]),
            lambda: hold("every other", markets[::2] + markets[1::2]),
        )
        assert sorted(held) == ["downwards", "every other", "from the middle", "upwards"]

    async def test_markets_of_many_exchanges_held_in_any_order_do_not_block_one_another(
        self, work: RangeUnitsWork
    ) -> None:
        markets = [a_market(exchange=code) for code in EXCHANGES_IN_ORDER]
        await keep_exchanges(work, *(an_exchange(code=code) for code in EXCHANGES_IN_ORDER))

        async def hold(order: list[Market]) -> None:
            for _ in range(5):
                await hold_and_keep(order)

        async def hold_and_keep(order: list[Market]) -> None:
            async with work() as uow:
                await uow.catalogue.hold_markets(markets=order)
                await uow.commit()

        await all_at_once(
            lambda: hold(markets),
            lambda: hold(markets[::-1]),
            lambda: hold(markets[4:] + markets[:4]),
            lambda: hold(markets[::2] + markets[1::2]),
        )
        found = [await markets_of(work, code) for code in EXCHANGES_IN_ORDER]
        assert found == [[market] for market in markets]

    async def test_held_markets_can_be_read(
        self, work: RangeUnitsWork, reading: RangeUnitsWork
    ) -> None:
        await keep_markets(work, a_market())
        with fail_after(PATIENCE):
            async with work() as uow:
                await uow.catalogue.hold_markets(markets=[a_market()])
                assert await markets_of(reading) == [a_market()]

    async def test_markets_held_twice_by_one_unit_of_work_are_held_once(
        self, work: RangeUnitsWork
    ) -> None:
        await keep_markets(work, a_market())
        with fail_after(PATIENCE):
            async with work() as uow:
                for _ in range(2):
                    await uow.catalogue.hold_markets(markets=[a_market()])
                await uow.commit()
        assert await markets_of(work) == [a_market()]

    async def test_thousands_of_markets_are_held_at_once(self, work: RangeUnitsWork) -> None:
        markets = [a_market(target=f"T{number:05}") for number in range(12_000)]
        await keep_markets(work, *markets)
        async with work() as uow:
            found = await uow.catalogue.markets(exchange="coinone", after=None, limit=20_000)
        assert found == markets


class RevisionsContract:
    port: ClassVar[type] = Revisions
    adapter: ClassVar[type]

    async def test_what_is_tested_is_the_adapter_that_is_named(self, work: RangeUnitsWork) -> None:
        async with work() as uow:
            assert type(uow.revisions) is self.adapter

    async def test_a_revision_comes_back_with_every_field(self, work: RangeUnitsWork) -> None:
        revision, table = a_revision(
            market=a_market(exchange="krx", quote="KRW", target="*"),
            effective_from=at(1),
            recorded_at=at(2),
            last_seen=at(3),
            superseded_at=at(4),
            source="https://global.krx.co.kr/notice?id=1&lang=ko",
            payload_digest="sha256:" + "0f" * 32,
        )
        await keep(work, (revision, table))
        assert await history_of(work, revision.market) == [revision]

    async def test_a_revision_comes_back_without_what_it_has_not(
        self, work: RangeUnitsWork
    ) -> None:
        revision, table = a_revision(effective_from=None, superseded_at=None, payload_digest=None)
        await keep(work, (revision, table))
        assert await history_of(work) == [revision]

    @pytest.mark.parametrize("instant", INSTANTS)
    async def test_an_instant_comes_back_equal(
        self, work: RangeUnitsWork, instant: datetime
    ) -> None:
        revision, table = a_revision(recorded_at=instant, last_seen=instant, superseded_at=instant)
        await keep(work, (revision, table))
        assert await history_of(work) == [revision]

    @pytest.mark.parametrize("start", STARTS)
    async def test_a_start_comes_back_equal(self, work: RangeUnitsWork, start: datetime) -> None:
        revision, table = a_revision(effective_from=start)
        await keep(work, (revision, table))
        assert await history_of(work) == [revision]

    @pytest.mark.parametrize("start", STARTS)
    async def test_a_start_comes_back_in_utc(self, work: RangeUnitsWork, start: datetime) -> None:
        await keep(work, a_revision(effective_from=start))
        [found] = await history_of(work)
        assert found.effective_from is not None
        assert found.effective_from.utcoffset() == timedelta(0)

    @pytest.mark.parametrize("instant", INSTANTS)
    async def test_an_instant_comes_back_in_utc(
        self, work: RangeUnitsWork, instant: datetime
    ) -> None:
        await keep(work, a_revision(recorded_at=instant))
        [found] = await history_of(work)
        assert found.recorded_at.utcoffset() == timedelta(0)

    async def test_the_first_instant_of_all_comes_back_as_a_start_that_is_not_known(
        self, work: RangeUnitsWork
    ) -> None:
        revision, table = a_revision(effective_from=BEGINNING)
        await keep(work, (revision, table))
        assert await history_of(work) == [replace(revision, effective_from=None)]

    async def test_texts_as_long_as_their_bounds_are_kept(self, work: RangeUnitsWork) -> None:
        revision, table = a_revision(source="\U0001f642" * storage.SOURCE)
        digest = "d" * storage.DIGEST
        longest = replace(revision, digest=digest, payload_digest=digest)
        await keep(work, (longest, table))
        assert await history_of(work) == [longest]

    @pytest.mark.parametrize(
        "changes",
        [
            pytest.param({"source": "a" * (storage.SOURCE + 1)}, id="source"),
            pytest.param({"digest": "a" * (storage.DIGEST + 1)}, id="digest"),
            pytest.param({"payload_digest": "a" * (storage.DIGEST + 1)}, id="payload_digest"),
        ],
    )
    async def test_a_text_longer_than_its_bound_is_refused(
        self, work: RangeUnitsWork, changes: dict[str, Any]
    ) -> None:
        revision, table = a_revision()
        await keep_markets(work, revision.market)
        async with work() as uow:
            await uow.catalogue.hold_markets(markets=[revision.market])
            with pytest.raises(UnstorableText):
                await uow.revisions.add(revisions=[(replace(revision, **changes), table)])
        assert await history_of(work) == []

    @pytest.mark.parametrize("source", STORABLE_TEXTS)
    async def test_a_source_comes_back_as_it_was(self, work: RangeUnitsWork, source: str) -> None:
        revision, table = a_revision(source=source)
        await keep(work, (revision, table))
        assert await history_of(work) == [revision]

    @pytest.mark.parametrize("text", UNSTORABLE_TEXTS)
    @pytest.mark.parametrize(
        "changed",
        [
            pytest.param(lambda revision, text: replace(revision, source=text), id="source"),
            pytest.param(lambda revision, text: replace(revision, digest=text), id="digest"),
            pytest.param(
                lambda revision, text: replace(revision, payload_digest=text), id="payload_digest"
            ),
        ],
    )
    async def test_a_text_that_cannot_be_stored_is_refused(
        self, work: RangeUnitsWork, changed: Callable[[Revision, str], Revision], text: str
    ) -> None:
        revision, table = a_revision()
        await keep_markets(work, revision.market)
        async with work() as uow:
            await uow.catalogue.hold_markets(markets=[revision.market])
            with pytest.raises(UnstorableText):
                await uow.revisions.add(revisions=[(changed(revision, text), table)])
        assert await history_of(work) == []

    async def test_a_table_comes_back_with_every_attribute(self, work: RangeUnitsWork) -> None:
        revision, table = a_revision(
            table=RangeUnitTable(
                bands=(
                    Band(Decimal(-10), Decimal("0.5")),
                    Band(Decimal(0), Decimal("0.0001")),
                    Band(Decimal(1000), Decimal("0.0001")),
                ),
                boundary=Boundary.UPPER_INCLUSIVE,
                anchor=Anchor.RANGE_MIN,
                top=Decimal(5000),
                top_rule=TopRule.INCLUSIVE,
                min_price=Decimal("0.001"),
                max_price=Decimal("4999.9999"),
            )
        )
        await keep(work, (revision, table))
        assert await table_of(work, revision) == table

    async def test_a_table_comes_back_without_what_it_has_not(self, work: RangeUnitsWork) -> None:
        revision, table = a_revision(table=RangeUnitTable(bands=()))
        await keep(work, (revision, table))
        assert await table_of(work, revision) == table

    @pytest.mark.parametrize(
        "table",
        [
            *(
                pytest.param(replace(a_table(), boundary=boundary), id=f"boundary-{boundary}")
                for boundary in Boundary
            ),
            *(
                pytest.param(replace(a_table(), anchor=anchor), id=f"anchor-{anchor}")
                for anchor in Anchor
            ),
            *(
                pytest.param(
                    replace(
                        a_table(),
                        top=None if rule is TopRule.OPEN else Decimal(5000),
                        top_rule=rule,
                    ),
                    id=f"top-{rule}",
                )
                for rule in TopRule
            ),
        ],
    )
    async def test_how_a_table_is_read_comes_back_as_it_was(
        self, work: RangeUnitsWork, table: RangeUnitTable
    ) -> None:
        revision, _ = a_revision(table=table)
        await keep(work, (revision, table))
        found = await table_of(work, revision)
        assert found is not None
        assert found.boundary is table.boundary
        assert found.anchor is table.anchor
        assert found.top_rule is table.top_rule

    @pytest.mark.parametrize("number", NUMBERS)
    async def test_a_number_comes_back_exactly(self, work: RangeUnitsWork, number: str) -> None:
        exact = Decimal(number)
        revision, table = a_revision(
            table=RangeUnitTable(
                bands=(Band(exact.copy_negate(), exact), Band(exact, exact)),
                top=Decimal(10) ** 40,
                top_rule=TopRule.EXCLUSIVE,
                min_price=exact.copy_negate(),
                max_price=exact,
            )
        )
        await keep(work, (revision, table))
        assert await table_of(work, revision) == table

    @pytest.mark.parametrize("number", NUMBERS)
    async def test_a_table_comes_back_with_the_same_digest(
        self, work: RangeUnitsWork, number: str
    ) -> None:
        revision, table = a_revision(table=a_table(("0", number), (number, "0.5")))
        await keep(work, (revision, table))
        found = await table_of(work, revision)
        assert found is not None
        assert found.digest == revision.digest

    async def test_a_number_comes_back_as_a_decimal(self, work: RangeUnitsWork) -> None:
        revision, table = a_revision(
            table=replace(a_table(("0", "0.5")), min_price=Decimal("0.5"), max_price=Decimal(1000))
        )
        await keep(work, (revision, table))
        found = await table_of(work, revision)
        assert found is not None
        [band] = found.bands
        numbers = (band.range_min, band.price_unit, found.min_price, found.max_price)
        assert {type(number) for number in numbers} == {Decimal}

    async def test_redundant_bands_come_back_as_published(self, work: RangeUnitsWork) -> None:
        revision, table = a_revision(table=a_table(("0", "1"), ("100", "1"), ("200", "1")))
        await keep(work, (revision, table))
        assert await table_of(work, revision) == table

    async def test_bands_come_back_in_the_order_of_numbers(self, work: RangeUnitsWork) -> None:
        starts = ("-100", "-9", "0", "0.00001", "0.9", "9", "10", "99", "100", "1E+3", "1E+39")
        revision, table = a_revision(table=a_table(*((start, "0.1") for start in starts)))
        await keep(work, (revision, table))
        assert await table_of(work, revision) == table

    async def test_a_table_of_thousands_of_bands_comes_back_and_so_do_those_stored_with_it(
        self, work: RangeUnitsWork
    ) -> None:
        bands = (Band(Decimal(number), Decimal(f"0.{number + 1:018}")) for number in range(12_000))
        first = WrittenPart([0, Decimal("1.50")], [Decimal("0.001"), Decimal("0.25")])
        written = WrittenBands([first, WrittenPart([1000], [1])])
        tables = [
            a_table(("7", "1")),
            RangeUnitTable(bands=tuple(bands)),
            RangeUnitTable(bands=written),
            a_table(),
        ]
        stored = [
            a_revision(effective_from=at(minutes), table=table)
            for minutes, table in enumerate(tables)
        ]
        await keep(work, *stored)
        assert [await table_of(work, revision) for revision, _ in stored] == tables

    async def test_an_unknown_id_has_no_table(self, work: RangeUnitsWork) -> None:
        await keep(work, a_revision())
        async with work() as uow:
            assert await uow.revisions.table(revision_id=new_id()) is None

    async def test_each_revision_has_its_own_table(self, work: RangeUnitsWork) -> None:
        one = a_revision(effective_from=at(0), table=a_table(("0", "1")))
        other = a_revision(effective_from=at(1), table=a_table(("0", "2"), ("5", "3")))
        await keep(work, one, other)
        assert await table_of(work, one[0]) == one[1]
        assert await table_of(work, other[0]) == other[1]

    async def test_two_revisions_may_have_equal_tables(self, work: RangeUnitsWork) -> None:
        one, other = a_revision(effective_from=at(0)), a_revision(effective_from=at(1))
        await keep(work, one, other)
        assert await table_of(work, one[0]) == await table_of(work, other[0]) == a_table()

    async def test_the_table_of_a_superseded_revision_is_kept(self, work: RangeUnitsWork) -> None:
        revision, table = a_revision(superseded_at=at(9))
        await keep(work, (revision, table))
        assert await table_of(work, revision) == table

    async def test_adding_nothing_does_nothing(self, work: RangeUnitsWork) -> None:
        async with work() as uow:
            await uow.revisions.add(revisions=[])
            await uow.commit()
        assert await history_of(work) == []

    async def test_revisions_taken_away_after_adding_are_added_all_the_same(
        self, work: RangeUnitsWork
    ) -> None:
        revision, table = a_revision()
        revisions = [(revision, table)]
        await keep_markets(work, revision.market)
        async with work() as uow:
            await uow.catalogue.hold_markets(markets=[revision.market])
            await uow.revisions.add(revisions=revisions)
            revisions.clear()
            await uow.commit()
        assert await history_of(work) == [revision]

    @pytest.mark.parametrize("start", [None, at()], ids=["unknown-start", "dated"])
    async def test_a_second_revision_of_the_same_start_is_refused(
        self, work: RangeUnitsWork, start: datetime | None
    ) -> None:
        revision, table = a_revision(effective_from=start)
        await keep(work, (revision, table))
        async with work() as uow:
            await uow.catalogue.hold_markets(markets=[revision.market])
            with pytest.raises(RevisionInForce):
                await uow.revisions.add(revisions=[a_revision(effective_from=start)])

    @pytest.mark.parametrize("start", [None, at()], ids=["unknown-start", "dated"])
    async def test_two_revisions_of_the_same_start_are_refused_together(
        self, work: RangeUnitsWork, start: datetime | None
    ) -> None:
        await keep_markets(work, a_market())
        async with work() as uow:
            await uow.catalogue.hold_markets(markets=[a_market()])
            with pytest.raises(RevisionInForce):
                await uow.revisions.add(
                    revisions=[a_revision(effective_from=start) for _ in range(2)]
                )
        assert await history_of(work) == []

    async def test_the_same_instant_written_in_another_zone_is_the_same_start(
        self, work: RangeUnitsWork
    ) -> None:
        await keep(work, a_revision(effective_from=at()))
        async with work() as uow:
            await uow.catalogue.hold_markets(markets=[a_market()])
            with pytest.raises(RevisionInForce):
                await uow.revisions.add(
                    revisions=[a_revision(effective_from=at().astimezone(SEOUL))]
                )

    @pytest.mark.parametrize(
        ("first", "second"),
        [(None, BEGINNING), (BEGINNING, None), (BEGINNING, BEGINNING)],
        ids=["unknown-first", "unknown-second", "both-the-first-instant"],
    )
    async def test_an_unknown_start_and_the_first_instant_of_all_are_the_same(
        self, work: RangeUnitsWork, first: datetime | None, second: datetime | None
    ) -> None:
        await keep(work, a_revision(effective_from=first))
        async with work() as uow:
            await uow.catalogue.hold_markets(markets=[a_market()])
            with pytest.raises(RevisionInForce):
                await uow.revisions.add(revisions=[a_revision(effective_from=second)])

    async def test_a_superseded_revision_is_added_beside_one_of_the_same_start(
        self, work: RangeUnitsWork
    ) -> None:
        current = a_revision(effective_from=at(), recorded_at=at(1))
        superseded = a_revision(effective_from=at(), recorded_at=at(0), superseded_at=at(1))
        await keep(work, current)
        await keep(work, superseded)
        assert await history_of(work) == [current[0], superseded[0]]

    async def test_a_start_a_microsecond_later_is_another(self, work: RangeUnitsWork) -> None:
        one = a_revision(effective_from=at(), recorded_at=at(0))
        other = a_revision(effective_from=at() + MICROSECOND, recorded_at=at(1))
        await keep(work, one)
        await keep(work, other)
        assert await history_of(work) == [other[0], one[0]]

    @pytest.mark.parametrize("start", [None, at()], ids=["unknown-start", "dated"])
    async def test_markets_may_have_the_same_start(
        self, work: RangeUnitsWork, start: datetime | None
    ) -> None:
        one = a_revision(market=a_market(target="BTC"), effective_from=start)
        other = a_revision(market=a_market(target="ETH"), effective_from=start)
        await keep(work, one, other)
        assert await history_of(work, a_market(target="BTC")) == [one[0]]
        assert await history_of(work, a_market(target="ETH")) == [other[0]]

    @pytest.mark.parametrize("start", [None, at()], ids=["unknown-start", "dated"])
    async def test_a_superseded_revision_leaves_its_start_to_another(
        self, work: RangeUnitsWork, start: datetime | None
    ) -> None:
        old = a_revision(effective_from=start, recorded_at=at(0))
        new = a_revision(effective_from=start, recorded_at=at(1))
        await keep(work, old)
        async with work() as uow:
            await uow.catalogue.hold_markets(markets=[a_market()])
            await uow.revisions.supersede(revision_ids=[old[0].id], at=at(1))
            await uow.revisions.add(revisions=[new])
            await uow.commit()
        assert await history_of(work) == [new[0], replace(old[0], superseded_at=at(1))]

    async def test_thousands_of_revisions_are_kept_and_found_at_once(
        self, work: RangeUnitsWork
    ) -> None:
        revisions = [
            a_revision(market=a_market(target=f"T{number:04}"), effective_from=at())
            for number in range(4_000)
        ]
        await keep(work, *revisions)
        async with work() as uow:
            found = await uow.revisions.in_force(
                markets=[revision.market for revision, _ in revisions], as_of=at()
            )
        assert found == {revision.market: revision for revision, _ in revisions}

    async def test_thousands_of_revisions_are_confirmed_and_superseded_at_once(
        self, work: RangeUnitsWork
    ) -> None:
        revisions = [a_revision(market=a_market(target=f"T{number:04}")) for number in range(4_000)]
        ids = [revision.id for revision, _ in revisions]
        await keep(work, *revisions)
        async with work() as uow:
            await uow.revisions.confirm(revision_ids=ids, at=at(1))
            await uow.revisions.supersede(revision_ids=ids[1:], at=at(2))
            found = await uow.revisions.in_force(
                markets=[revision.market for revision, _ in revisions], as_of=at()
            )
        first, _ = revisions[0]
        assert found == {first.market: replace(first, last_seen=at(1))}

    async def test_among_thousands_of_markets_those_with_revisions_are_found(
        self, work: RangeUnitsWork
    ) -> None:
        markets = [a_market(target=f"T{number:05}") for number in range(12_000)]
        revisions = [a_revision(market=market) for market in (*markets[::500], markets[-1])]
        await keep(work, *revisions)
        async with work() as uow:
            found = await uow.revisions.in_force(markets=markets, as_of=at())
        assert found == {revision.market: revision for revision, _ in revisions}

    async def test_among_thousands_of_ids_those_that_are_known_are_confirmed_and_superseded(
        self, work: RangeUnitsWork
    ) -> None:
        revisions = [a_revision(effective_from=at(minutes)) for minutes in range(25)]
        ids = [revision.id for revision, _ in revisions]
        asked = [UUID(int=2**127 + number) for number in range(12_000)]
        asked[::500], asked[-1] = ids[:-1], ids[-1]
        await keep(work, *revisions)
        async with work() as uow:
            await uow.revisions.confirm(revision_ids=asked, at=at(60))
            await uow.revisions.supersede(revision_ids=asked, at=at(90))
            await uow.commit()
        assert await history_of(work) == [
            replace(revision, last_seen=at(60), superseded_at=at(90))
            for revision, _ in revisions[::-1]
        ]

    # -- which revision is in force --------------------------------------------------------

    async def test_of_no_markets_nothing_is_in_force(self, work: RangeUnitsWork) -> None:
        await keep(work, a_revision())
        async with work() as uow:
            assert await uow.revisions.in_force(markets=[], as_of=at()) == {}

    async def test_a_market_without_revisions_is_absent(self, work: RangeUnitsWork) -> None:
        await keep_markets(work, a_market())
        async with work() as uow:
            markets = [a_market(), a_market(target="ETH"), a_market(exchange="nowhere")]
            assert await uow.revisions.in_force(markets=markets, as_of=at()) == {}

    async def test_every_market_has_its_own_in_force(self, work: RangeUnitsWork) -> None:
        revisions = [
            a_revision(market=market, effective_from=at())
            for market in (
                a_market(target="BTC"),
                a_market(target="ETH"),
                a_market(quote="USDT", target="BTC"),
                a_market(exchange="upbit", target="BTC"),
            )
        ]
        await keep(work, *revisions)
        asked = [revision for revision, _ in revisions[:1] + revisions[2:]]
        async with work() as uow:
            found = await uow.revisions.in_force(
                markets={revision.market for revision in asked}, as_of=at()
            )
        assert found == {revision.market: revision for revision in asked}

    async def test_a_market_asked_for_twice_is_answered_once(self, work: RangeUnitsWork) -> None:
        revision, table = a_revision()
        await keep(work, (revision, table))
        async with work() as uow:
            found = await uow.revisions.in_force(markets=[revision.market] * 2, as_of=at())
        assert found == {revision.market: revision}

    async def test_a_ladder_is_not_consulted_for_its_markets(self, work: RangeUnitsWork) -> None:
        await keep(work, a_revision(market=a_market().ladder))
        assert await in_force_of(work, as_of=at()) is None

    async def test_a_ladder_answers_for_itself(self, work: RangeUnitsWork) -> None:
        revision, table = a_revision(market=a_market().ladder)
        await keep(work, (revision, table), a_revision())
        async with work() as uow:
            found = await uow.revisions.in_force(markets=[revision.market], as_of=at())
        assert found == {revision.market: revision}

    async def test_a_revision_is_in_force_from_its_start_on(self, work: RangeUnitsWork) -> None:
        revision, table = a_revision(effective_from=at())
        await keep(work, (revision, table))
        assert await in_force_of(work, as_of=at()) == revision

    async def test_a_revision_is_not_in_force_before_its_start(self, work: RangeUnitsWork) -> None:
        await keep(work, a_revision(effective_from=at()))
        assert await in_force_of(work, as_of=at() - MICROSECOND) is None

    @pytest.mark.parametrize(
        ("as_of", "expected"),
        [(at(0), 0), (at(1) - MICROSECOND, 0), (at(1), 1), (at(2) - MICROSECOND, 1), (at(9), 2)],
        ids=["at-the-first", "before-the-second", "at-the-second", "before-the-third", "later"],
    )
    async def test_the_latest_revision_that_had_started_is_in_force(
        self, work: RangeUnitsWork, as_of: datetime, expected: int
    ) -> None:
        revisions = [a_revision(effective_from=at(minutes)) for minutes in range(3)]
        await keep(work, *revisions[::-1])
        assert await in_force_of(work, as_of=as_of) == revisions[expected][0]

    async def test_the_latest_is_so_by_its_start_and_not_by_when_it_was_recorded(
        self, work: RangeUnitsWork
    ) -> None:
        later = a_revision(effective_from=at(2), recorded_at=at(0))
        earlier = a_revision(effective_from=at(1), recorded_at=at(5))
        await keep(work, later)
        await keep(work, earlier)
        assert await in_force_of(work, as_of=at(9)) == later[0]

    @pytest.mark.parametrize(
        "as_of", [BEGINNING, at(), datetime.max.replace(tzinfo=UTC)], ids=["first", "now", "last"]
    )
    async def test_a_revision_of_unknown_start_is_in_force_at_any_time(
        self, work: RangeUnitsWork, as_of: datetime
    ) -> None:
        revision, table = a_revision(effective_from=None)
        await keep(work, (revision, table))
        assert await in_force_of(work, as_of=as_of) == revision

    async def test_a_revision_of_unknown_start_is_in_force_before_a_dated_one(
        self, work: RangeUnitsWork
    ) -> None:
        unknown, dated = a_revision(effective_from=None), a_revision(effective_from=at())
        await keep(work, dated, unknown)
        assert await in_force_of(work, as_of=at() - MICROSECOND) == unknown[0]

    async def test_a_dated_revision_ends_one_of_unknown_start(self, work: RangeUnitsWork) -> None:
        unknown = a_revision(effective_from=None, recorded_at=at(5))
        dated = a_revision(effective_from=at(), recorded_at=at(0))
        await keep(work, dated, unknown)
        assert await in_force_of(work, as_of=at()) == dated[0]

    async def test_an_instant_is_the_same_in_whatever_zone_it_is_written(
        self, work: RangeUnitsWork
    ) -> None:
        revision, table = a_revision(effective_from=at(), recorded_at=at())
        await keep(work, (revision, table))
        seoul = at().astimezone(SEOUL)
        assert await in_force_of(work, as_of=seoul, known_at=seoul) == revision

    async def test_a_superseded_revision_is_not_in_force(self, work: RangeUnitsWork) -> None:
        await keep(work, a_revision(superseded_at=at(1)))
        assert await in_force_of(work, as_of=at()) is None

    async def test_the_revision_before_a_superseded_one_is_in_force(
        self, work: RangeUnitsWork
    ) -> None:
        before = a_revision(effective_from=at(0))
        await keep(work, before, a_revision(effective_from=at(1), superseded_at=at(1)))
        assert await in_force_of(work, as_of=at(9)) == before[0]

    async def test_what_was_recorded_is_known_from_then_on(self, work: RangeUnitsWork) -> None:
        revision, table = a_revision(recorded_at=at(5))
        await keep(work, (revision, table))
        assert await in_force_of(work, as_of=at(9), known_at=at(5)) == revision

    async def test_what_was_recorded_later_was_not_known(self, work: RangeUnitsWork) -> None:
        await keep(work, a_revision(recorded_at=at(5)))
        assert await in_force_of(work, as_of=at(9), known_at=at(5) - MICROSECOND) is None

    async def test_what_was_announced_is_in_force_later_as_known_before(
        self, work: RangeUnitsWork
    ) -> None:
        old = a_revision(effective_from=at(0), recorded_at=at(0))
        announced = a_revision(effective_from=at(9), recorded_at=at(1))
        await keep(work, old, announced)
        assert await in_force_of(work, as_of=at(9), known_at=at(2)) == announced[0]

    async def test_what_was_superseded_later_was_known(self, work: RangeUnitsWork) -> None:
        revision, table = a_revision(recorded_at=at(0), superseded_at=at(5))
        await keep(work, (revision, table))
        known = await in_force_of(work, as_of=at(9), known_at=at(5) - MICROSECOND)
        assert known == revision

    async def test_of_equal_starts_known_at_once_the_one_recorded_last_is_in_force(
        self, work: RangeUnitsWork
    ) -> None:
        # A clock that stepped back between the two leaves them so.
        late, early = (
            a_revision(effective_from=at(), recorded_at=at(recorded), superseded_at=at(9))
            for recorded in (2, 1)
        )
        await keep(work, late, early)
        assert await in_force_of(work, as_of=at(9), known_at=at(5)) == late[0]

    async def test_of_equal_starts_recorded_at_one_instant_the_greatest_id_is_in_force(
        self, work: RangeUnitsWork
    ) -> None:
        small, great = (
            a_revision(effective_from=at(), recorded_at=at(), superseded_at=at(9)) for _ in range(2)
        )
        await keep(work, great, small)
        assert await in_force_of(work, as_of=at(9), known_at=at(5)) == great[0]

    async def test_what_was_superseded_is_known_no_more_from_then_on(
        self, work: RangeUnitsWork
    ) -> None:
        await keep(work, a_revision(recorded_at=at(0), superseded_at=at(5)))
        assert await in_force_of(work, as_of=at(9), known_at=at(5)) is None

    @pytest.mark.parametrize(
        ("known_at", "expected"),
        [(at(5) - MICROSECOND, 0), (at(5), 1), (None, 1)],
        ids=["before-the-amendment", "at-the-amendment", "now"],
    )
    async def test_an_amendment_takes_the_place_of_what_it_amends(
        self, work: RangeUnitsWork, known_at: datetime | None, expected: int
    ) -> None:
        amended = a_revision(effective_from=at(9), recorded_at=at(0), superseded_at=at(5))
        amendment = a_revision(effective_from=at(9), recorded_at=at(5))
        await keep(work, amended, amendment)
        found = await in_force_of(work, as_of=at(9), known_at=known_at)
        assert found == (amended, amendment)[expected][0]

    async def test_what_is_in_force_can_be_read_in_the_unit_of_work_that_added_it(
        self, work: RangeUnitsWork
    ) -> None:
        revision, table = a_revision()
        async with work() as uow:
            await uow.catalogue.put_exchanges(exchanges=[an_exchange()])
            await uow.catalogue.hold_markets(markets=[revision.market])
            await uow.revisions.add(revisions=[(revision, table)])
            found = await uow.revisions.in_force(markets=[revision.market], as_of=at())
        assert found == {revision.market: revision}

    # -- what becomes of a revision --------------------------------------------------------

    async def test_confirming_advances_when_a_revision_was_last_seen(
        self, work: RangeUnitsWork
    ) -> None:
        revision, table = a_revision(recorded_at=at(0))
        await keep(work, (revision, table))
        async with work() as uow:
            await uow.revisions.confirm(revision_ids=[revision.id], at=at(5))
            await uow.commit()
        assert await history_of(work) == [replace(revision, last_seen=at(5))]

    async def test_confirming_never_goes_back(self, work: RangeUnitsWork) -> None:
        revision, table = a_revision(recorded_at=at(0), last_seen=at(5))
        await keep(work, (revision, table))
        async with work() as uow:
            await uow.revisions.confirm(revision_ids=[revision.id], at=at(5) - MICROSECOND)
            await uow.commit()
        assert await history_of(work) == [revision]

    async def test_each_revision_confirmed_advances_by_itself(self, work: RangeUnitsWork) -> None:
        behind = a_revision(effective_from=at(0), recorded_at=at(0), last_seen=at(1))
        ahead = a_revision(effective_from=at(1), recorded_at=at(1), last_seen=at(9))
        await keep(work, behind, ahead)
        async with work() as uow:
            await uow.revisions.confirm(revision_ids=[behind[0].id, ahead[0].id], at=at(5))
            await uow.commit()
        assert await history_of(work) == [ahead[0], replace(behind[0], last_seen=at(5))]

    async def test_confirming_leaves_other_revisions(self, work: RangeUnitsWork) -> None:
        one, other = a_revision(effective_from=at(0)), a_revision(effective_from=at(1))
        await keep(work, one, other)
        async with work() as uow:
            await uow.revisions.confirm(revision_ids=[one[0].id], at=at(5))
            await uow.commit()
        assert await history_of(work) == [other[0], replace(one[0], last_seen=at(5))]

    async def test_confirming_passes_over_unknown_ids(self, work: RangeUnitsWork) -> None:
        revision, table = a_revision()
        await keep(work, (revision, table))
        async with work() as uow:
            await uow.revisions.confirm(revision_ids={new_id(), revision.id}, at=at(5))
            await uow.commit()
        assert await history_of(work) == [replace(revision, last_seen=at(5))]

    async def test_of_two_who_confirm_at_once_the_later_instant_counts(
        self, work: RangeUnitsWork
    ) -> None:
        revision, table = a_revision(recorded_at=at(0))
        await keep(work, (revision, table))

        async def confirm(uow: RangeUnitsUnitOfWork) -> None:
            await uow.revisions.confirm(revision_ids=[revision.id], at=at(5))
            await uow.commit()

        await race(
            work,
            first=lambda uow: uow.revisions.confirm(revision_ids=[revision.id], at=at(9)),
            meanwhile=look_around,
            last=commit,
            second=confirm,
        )
        assert await history_of(work) == [replace(revision, last_seen=at(9))]

    async def test_of_two_who_supersede_at_once_the_first_says_when(
        self, work: RangeUnitsWork
    ) -> None:
        revision, table = a_revision()
        await keep(work, (revision, table))

        async def supersede(uow: RangeUnitsUnitOfWork) -> None:
            await uow.revisions.supersede(revision_ids=[revision.id], at=at(5))
            await uow.commit()

        await race(
            work,
            first=lambda uow: uow.revisions.supersede(revision_ids=[revision.id], at=at(9)),
            meanwhile=look_around,
            last=commit,
            second=supersede,
        )
        assert await history_of(work) == [replace(revision, superseded_at=at(9))]

    async def test_superseding_says_when(self, work: RangeUnitsWork) -> None:
        revision, table = a_revision()
        await keep(work, (revision, table))
        async with work() as uow:
            await uow.revisions.supersede(revision_ids=[revision.id], at=at(5))
            await uow.commit()
        assert await history_of(work) == [replace(revision, superseded_at=at(5))]

    async def test_superseding_leaves_what_was_superseded(self, work: RangeUnitsWork) -> None:
        revision, table = a_revision(superseded_at=at(1))
        await keep(work, (revision, table))
        async with work() as uow:
            await uow.revisions.supersede(revision_ids=[revision.id], at=at(5))
            await uow.commit()
        assert await history_of(work) == [revision]

    async def test_superseding_leaves_other_revisions(self, work: RangeUnitsWork) -> None:
        one, other = a_revision(effective_from=at(0)), a_revision(effective_from=at(1))
        await keep(work, one, other)
        async with work() as uow:
            await uow.revisions.supersede(revision_ids=[one[0].id], at=at(5))
            await uow.commit()
        assert await history_of(work) == [other[0], replace(one[0], superseded_at=at(5))]

    async def test_superseding_passes_over_unknown_ids(self, work: RangeUnitsWork) -> None:
        revision, table = a_revision()
        await keep(work, (revision, table))
        async with work() as uow:
            await uow.revisions.supersede(revision_ids={new_id(), revision.id}, at=at(5))
            await uow.commit()
        assert await history_of(work) == [replace(revision, superseded_at=at(5))]

    async def test_confirming_and_superseding_nothing_does_nothing(
        self, work: RangeUnitsWork
    ) -> None:
        revision, table = a_revision()
        await keep(work, (revision, table))
        async with work() as uow:
            await uow.revisions.confirm(revision_ids=[], at=at(5))
            await uow.revisions.supersede(revision_ids=[], at=at(5))
            await uow.commit()
        assert await history_of(work) == [revision]

    async def test_ids_taken_away_after_the_call_count_all_the_same(
        self, work: RangeUnitsWork
    ) -> None:
        revision, table = a_revision()
        ids = [revision.id]
        await keep(work, (revision, table))
        async with work() as uow:
            await uow.revisions.confirm(revision_ids=ids, at=at(5))
            ids.clear()
            await uow.commit()
        assert await history_of(work) == [replace(revision, last_seen=at(5))]

    async def test_revisions_confirmed_in_any_order_do_not_block_one_another_for_ever(
        self, work: RangeUnitsWork
    ) -> None:
        revisions = [a_revision(effective_from=at(minutes)) for minutes in range(20)]
        ids = [revision.id for revision, _ in revisions]
        await keep(work, *revisions)

        async def confirm(order: list[UUID]) -> None:
            async with work() as uow:
                await uow.revisions.confirm(revision_ids=order, at=at(60))
                await uow.commit()

        await all_at_once(*[lambda: confirm(ids), lambda: confirm(ids[::-1])] * 2)
        assert {revision.last_seen for revision in await history_of(work)} == {at(60)}

    # -- history ---------------------------------------------------------------------------

    async def test_a_market_without_revisions_has_an_empty_history(
        self, work: RangeUnitsWork
    ) -> None:
        await keep_markets(work, a_market())
        assert await history_of(work) == []

    async def test_an_unknown_market_has_an_empty_history(self, work: RangeUnitsWork) -> None:
        assert await history_of(work) == []

    async def test_a_history_has_the_markets_own_revisions_only(self, work: RangeUnitsWork) -> None:
        own = a_revision()
        await keep(
            work,
            own,
            a_revision(market=a_market().ladder),
            a_revision(market=a_market(target="ETH")),
            a_revision(market=a_market(exchange="upbit")),
        )
        assert await history_of(work) == [own[0]]

    async def test_a_history_has_the_newest_record_first(self, work: RangeUnitsWork) -> None:
        revisions = [
            a_revision(effective_from=at(-minutes), recorded_at=at(minutes))
            for minutes in (2, 0, 3, 1)
        ]
        await keep(work, *revisions)
        assert await history_of(work) == [revisions[place][0] for place in (2, 0, 3, 1)]

    async def test_of_revisions_recorded_at_one_instant_the_greatest_id_comes_first(
        self, work: RangeUnitsWork
    ) -> None:
        ids = [
            UUID("00000000-0000-0000-0000-000000000001"),
            UUID("01890000-0000-7000-8000-00000000000a"),
            UUID("7fffffff-ffff-7fff-bfff-ffffffffffff"),
            UUID("80000000-0000-7000-8000-000000000000"),
            UUID("ffffffff-ffff-ffff-ffff-ffffffffffff"),
        ]
        revisions = {
            one: a_revision(revision_id=one, effective_from=at(place))
            for place, one in enumerate(ids)
        }
        await keep(work, *(revisions[ids[place]] for place in (3, 1, 4, 0, 2)))
        assert [revision.id for revision in await history_of(work)] == ids[::-1]

    async def test_a_history_has_superseded_revisions_too(self, work: RangeUnitsWork) -> None:
        old = a_revision(recorded_at=at(0), superseded_at=at(1))
        new = a_revision(recorded_at=at(1))
        await keep(work, old, new)
        assert await history_of(work) == [new[0], old[0]]

    async def test_a_page_of_history_begins_behind_a_revision(self, work: RangeUnitsWork) -> None:
        revisions = [a_revision(effective_from=at(minutes)) for minutes in range(4)]
        await keep(work, *revisions)
        async with work() as uow:
            page = await uow.revisions.history(market=a_market(), after=revisions[2][0], limit=9)
        assert page == [revisions[1][0], revisions[0][0]]

    async def test_a_page_of_history_begins_behind_a_revision_as_it_was_read_earlier(
        self, work: RangeUnitsWork
    ) -> None:
        older = a_revision(effective_from=at(0), recorded_at=at(0))
        newer = a_revision(effective_from=at(1), recorded_at=at(1))
        await keep(work, older, newer)
        async with work() as uow:
            await uow.revisions.confirm(revision_ids=[newer[0].id], at=at(5))
            await uow.revisions.supersede(revision_ids=[newer[0].id], at=at(6))
            page = await uow.revisions.history(market=a_market(), after=newer[0], limit=9)
        assert page == [older[0]]

    @pytest.mark.parametrize("limit", [0, 1, 2, 3, 4])
    async def test_a_page_of_history_has_at_most_its_limit(
        self, work: RangeUnitsWork, limit: int
    ) -> None:
        revisions = [
            a_revision(effective_from=at(minutes), recorded_at=at(-minutes)) for minutes in range(3)
        ]
        await keep(work, *revisions)
        async with work() as uow:
            page = await uow.revisions.history(market=a_market(), after=None, limit=limit)
        assert page == [revision for revision, _ in revisions[:limit]]

    async def test_pages_of_history_have_every_revision_once(self, work: RangeUnitsWork) -> None:
        revisions = [
            a_revision(effective_from=at(number), recorded_at=at(number // 3))
            for number in range(25)
        ]
        await keep(work, *revisions)
        found: list[Revision] = []
        async with work() as uow:
            while page := await uow.revisions.history(
                market=a_market(), after=found[-1] if found else None, limit=4
            ):
                found += page
                assert len(found) <= len(revisions)
        assert found == [revision for revision, _ in revisions[::-1]]

    async def test_a_history_changed_by_its_reader_changes_nothing(
        self, work: RangeUnitsWork
    ) -> None:
        revision, table = a_revision()
        await keep(work, (revision, table))
        async with work() as uow:
            (await uow.revisions.history(market=a_market(), after=None, limit=9)).clear()
            page = await uow.revisions.history(market=a_market(), after=None, limit=9)
        assert page == [revision]


OPERATIONS: dict[str, Operation] = {
    "catalogue.put_exchanges": lambda uow: uow.catalogue.put_exchanges(exchanges=[an_exchange()]),
    "catalogue.put_exchanges-none": lambda uow: uow.catalogue.put_exchanges(exchanges=[]),
    "catalogue.hold_markets-none": lambda uow: uow.catalogue.hold_markets(markets=[]),
    "revisions.add-none": lambda uow: uow.revisions.add(revisions=[]),
    "revisions.in_force-none": lambda uow: uow.revisions.in_force(markets=[], as_of=at()),
    "revisions.confirm-none": lambda uow: uow.revisions.confirm(revision_ids=[], at=at()),
    "revisions.supersede-none": lambda uow: uow.revisions.supersede(revision_ids=[], at=at()),
    "changes.append-none": lambda uow: uow.changes.append(changes=[]),
    "changes.append": lambda uow: uow.changes.append(changes=[a_change()]),
    "changes.after": lambda uow: uow.changes.after(position=0, limit=1),
    "changes.latest": lambda uow: uow.changes.latest(),
    "catalogue.exchange": lambda uow: uow.catalogue.exchange(code="a"),
    "catalogue.exchanges": lambda uow: uow.catalogue.exchanges(limit=1000),
    "catalogue.hold_markets": lambda uow: uow.catalogue.hold_markets(markets=[a_market()]),
    "catalogue.markets": lambda uow: uow.catalogue.markets(exchange="a", after=None, limit=1),
    "revisions.add": lambda uow: uow.revisions.add(revisions=[a_revision()]),
    "revisions.in_force": lambda uow: uow.revisions.in_force(markets=[a_market()], as_of=at()),
    "revisions.table": lambda uow: uow.revisions.table(revision_id=new_id()),
    "revisions.confirm": lambda uow: uow.revisions.confirm(revision_ids=[new_id()], at=at()),
    "revisions.supersede": lambda uow: uow.revisions.supersede(revision_ids=[new_id()], at=at()),
    "revisions.history": lambda uow: uow.revisions.history(market=a_market(), after=None, limit=1),
    "commit": lambda uow: uow.commit(),
}

KNOWN = a_revision()
NEW = a_revision(effective_from=at())
"""What is there before each write and each refusal below, and what is not."""


async def add_new(uow: RangeUnitsUnitOfWork) -> None:
    await uow.catalogue.hold_markets(markets=[NEW[0].market])
    await uow.revisions.add(revisions=[NEW])


WRITES: dict[str, Operation] = {
    "catalogue.put_exchanges-new": lambda uow: uow.catalogue.put_exchanges(
        exchanges=[an_exchange(code="upbit")]
    ),
    "catalogue.put_exchanges-known": lambda uow: uow.catalogue.put_exchanges(
        exchanges=[an_exchange(name="New")]
    ),
    "catalogue.hold_markets": lambda uow: uow.catalogue.hold_markets(
        markets=[a_market(target="ETH")]
    ),
    "revisions.add": add_new,
    "revisions.confirm": lambda uow: uow.revisions.confirm(revision_ids=[KNOWN[0].id], at=at(5)),
    "revisions.supersede": lambda uow: uow.revisions.supersede(
        revision_ids=[KNOWN[0].id], at=at(5)
    ),
    "changes.append": lambda uow: uow.changes.append(changes=[a_change()]),
}


async def add_again(uow: RangeUnitsUnitOfWork) -> None:
    await uow.catalogue.hold_markets(markets=[KNOWN[0].market])
    await uow.revisions.add(revisions=[a_revision(market=KNOWN[0].market)])


async def add_unstorable(uow: RangeUnitsUnitOfWork) -> None:
    await uow.catalogue.hold_markets(markets=[KNOWN[0].market])
    await uow.revisions.add(revisions=[a_revision(effective_from=at(), source="a\0b")])


REFUSALS: dict[str, tuple[Operation, type[TickgateError]]] = {
    "an-exchange-with-a-surrogate": (
        lambda uow: uow.catalogue.put_exchanges(exchanges=[an_exchange(name="a\ud800b")]),
        UnstorableText,
    ),
    "an-unknown-exchange": (
        lambda uow: uow.catalogue.hold_markets(markets=[a_market(exchange="nowhere")]),
        UnknownExchange,
    ),
    "a-market-with-a-nul": (
        lambda uow: uow.catalogue.hold_markets(markets=[a_market(target="a\x00b")]),
        UnstorableText,
    ),
    "a-revision-of-the-same-start": (add_again, RevisionInForce),
    "a-revision-with-a-nul": (add_unstorable, UnstorableText),
    "a-change-with-a-nul": (
        lambda uow: uow.changes.append(changes=[a_change(source="a\0b")]),
        UnstorableText,
    ),
}


class RangeUnitsUnitOfWorkContract(UnitOfWorkContract):
    port: ClassVar[type] = RangeUnitsUnitOfWork
    OPERATIONS: ClassVar = OPERATIONS
    WRITES: ClassVar = WRITES
    REFUSALS: ClassVar = REFUSALS

    async def before(self, work: RangeUnitsWork) -> object:
        await keep(work, KNOWN)
        return await self.seen(work)

    async def seen(self, work: RangeUnitsWork) -> object:
        return (
            await exchanges_of(work),
            await markets_of(work),
            await history_of(work),
            await table_of(work, NEW[0]),
            await changes_of(work),
        )

    async def held(self, work: RangeUnitsWork) -> object:
        """Give nothing: whatever there is can be read."""

    async def write(self, uow: RangeUnitsUnitOfWork) -> None:
        await uow.catalogue.put_exchanges(exchanges=[an_exchange(code="new")])
        await uow.catalogue.hold_markets(markets=[a_market(), a_market(exchange="new")])

    async def refused(self, uow: RangeUnitsUnitOfWork) -> None:
        await uow.catalogue.hold_markets(markets=[a_market(exchange="nowhere")])

    async def test_what_is_committed_is_kept_of_every_kind(self, work: RangeUnitsWork) -> None:
        revision, table = a_revision()
        await keep(work, (revision, table))
        assert await exchanges_of(work) == [an_exchange()]
        assert await markets_of(work) == [revision.market]
        assert await history_of(work) == [revision]
        assert await table_of(work, revision) == table

    async def test_leaving_without_commit_keeps_nothing_of_any_kind(
        self, work: RangeUnitsWork
    ) -> None:
        revision, table = a_revision()
        async with work() as uow:
            await uow.catalogue.put_exchanges(exchanges=[an_exchange()])
            await uow.catalogue.hold_markets(markets=[revision.market])
            await uow.revisions.add(revisions=[(revision, table)])
        assert await exchanges_of(work) == []
        assert await markets_of(work) == []
        assert await history_of(work) == []
        assert await table_of(work, revision) is None

    async def test_a_unit_of_work_reads_its_own_writes(self, work: RangeUnitsWork) -> None:
        revision, table = a_revision()
        async with work() as uow:
            await uow.catalogue.put_exchanges(exchanges=[an_exchange()])
            await uow.catalogue.hold_markets(markets=[revision.market])
            await uow.revisions.add(revisions=[(revision, table)])
            await uow.revisions.confirm(revision_ids=[revision.id], at=at(5))
            confirmed = replace(revision, last_seen=at(5))
            assert await uow.catalogue.exchange(code="coinone") == an_exchange()
            assert await uow.catalogue.exchanges(limit=1000) == [an_exchange()]
            assert await uow.catalogue.markets(exchange="coinone", after=None, limit=9) == [
                revision.market
            ]
            assert await uow.revisions.history(market=a_market(), after=None, limit=9) == [
                confirmed
            ]
            assert await uow.revisions.table(revision_id=revision.id) == table
