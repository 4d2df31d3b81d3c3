from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

import pytest

from app.domain.errors import Fault, UnstorableText
from app.domain.range_units import notes, storage
from app.domain.range_units.places import Place
from app.domain.range_units.quarantine import Quarantined
from app.domain.range_units.revisions import Market, digest_of
from app.ports.range_units.quarantine import Quarantine
from app.ports.range_units.work import RangeUnitsUnitOfWork, RangeUnitsWork
from tests.builders import a_market, at, new_id
from tests.contracts.races import race

MICROSECOND = timedelta(microseconds=1)


def an_entry(
    payload: bytes = b"<html>",
    *,
    market: Market | None = None,
    source: str = "https://exchange.example",
    received: int = 0,
    reason: str = "It is no JSON.",
) -> Quarantined:
    """Give an entry that was received so many microseconds after the instant of tests."""
    received_at = at() + received * MICROSECOND
    return Quarantined(
        id=new_id(),
        market=market or a_market(),
        source=source,
        received_at=received_at,
        last_seen=received_at,
        times=1,
        digest=digest_of(payload),
        size=len(payload),
        reason=reason,
        faults=(),
    )


async def keep(work: RangeUnitsWork, *entries: Quarantined, payload: bytes = b"<html>") -> None:
    async with work() as uow:
        for entry in entries:
            await uow.quarantine.put(entry=entry, payload=payload)
        await uow.commit()


async def page_of(work: RangeUnitsWork, exchange: str = "coinone") -> list[Quarantined]:
    async with work() as uow:
        return await uow.quarantine.page(exchange=exchange, after=None, limit=1000)


class QuarantineContract:
    port: ClassVar[type] = Quarantine
    adapter: ClassVar[type]

    async def test_what_is_tested_is_the_adapter_that_is_named(self, work: RangeUnitsWork) -> None:
        async with work() as uow:
            assert type(uow.quarantine) is self.adapter

    async def test_an_entry_comes_back_with_every_field_and_its_bytes(
        self, work: RangeUnitsWork
    ) -> None:
        payload = bytes(range(256)) * 1000
        entry = Quarantined(
            id=new_id(),
            market=Market("okx", "", ""),
            source="https://okx.example",
            received_at=at(),
            last_seen=at() + MICROSECOND,
            times=3,
            digest=digest_of(payload),
            size=len(payload),
            reason="It has gaps.",
            faults=(Fault("[0].a", "is \0 and \udfff"), Fault("", "is 코인원", "okx KRW/BTC")),
        )
        await keep(work, entry, payload=payload)
        async with work() as uow:
            found = await uow.quarantine.entry(entry_id=entry.id)
            kept = await uow.quarantine.payload(entry_id=entry.id)
            none = await uow.quarantine.entry(entry_id=new_id())
            nothing = await uow.quarantine.payload(entry_id=new_id())
        assert (found, kept, none, nothing) == (entry, payload, None, None)

    async def test_the_same_payload_of_the_same_source_again_only_counts(
        self, work: RangeUnitsWork
    ) -> None:
        first = an_entry(received=5)
        earlier = replace(an_entry(received=1, reason="another"), times=4)
        later = an_entry(received=9)
        await keep(work, first, earlier)
        assert await page_of(work) == [replace(first, times=5)]
        await keep(work, later)
        assert await page_of(work) == [replace(first, times=6, last_seen=later.last_seen)]

    async def test_another_market_source_or_payload_is_another_entry(
        self, work: RangeUnitsWork
    ) -> None:
        entries = [
            an_entry(),
            an_entry(market=a_market(target="ETH")),
            an_entry(source="elsewhere"),
            an_entry(b""),
        ]
        await keep(work, *entries)
        assert await page_of(work) == entries[::-1]

    async def test_pages_come_newest_first_with_ties_by_id(self, work: RangeUnitsWork) -> None:
        entries = [
            an_entry(source=str(place), received=received)
            for place, received in enumerate((0, 2, 1, 1, 1))
        ]
        await keep(work, *entries, an_entry(market=Market("okx", "KRW", "BTC")))
        async with work() as uow:
            paged: list[Quarantined] = []
            after = None
            while part := await uow.quarantine.page(exchange="coinone", after=after, limit=2):
                paged += part
                after = Place(part[-1].received_at, part[-1].id)
            none = await uow.quarantine.page(exchange="nowhere", after=None, limit=2)
        assert (paged, none) == ([entries[place] for place in (1, 4, 3, 2, 0)], [])

    async def test_the_oldest_of_an_exchange_are_let_go_with_their_bytes(
        self, work: RangeUnitsWork
    ) -> None:
        entries = [
            an_entry(source=str(place), received=received)
            for place, received in enumerate((1, 3, 2, 2))
        ]
        other = an_entry(market=Market("okx", "KRW", "BTC"))
        await keep(work, *entries, other)
        async with work() as uow:
            await uow.quarantine.trim(exchange="coinone", keep=2)
            await uow.quarantine.trim(exchange="nowhere", keep=0)
            await uow.commit()
        assert await page_of(work) == [entries[1], entries[3]]
        assert await page_of(work, "okx") == [other]
        async with work() as uow:
            assert await uow.quarantine.payload(entry_id=entries[2].id) is None

    async def test_texts_as_long_as_their_bounds_are_kept(self, work: RangeUnitsWork) -> None:
        code = "\U0001f642" * storage.CODE
        entry = an_entry(
            market=Market(code, code, code),
            source="\U0001f642" * storage.SOURCE,
            reason="\U0001f642" * notes.NOTE,
        )
        await keep(work, entry)
        assert await page_of(work, code) == [entry]

    async def test_a_text_that_cannot_be_stored_is_refused(self, work: RangeUnitsWork) -> None:
        for text in ("a\0b", "a\ud800b", "a" * 10_000):
            for entry in (
                an_entry(source=text),
                an_entry(reason=text),
                an_entry(market=Market("coinone", text, "BTC")),
                replace(an_entry(), digest=text),
            ):
                async with work() as uow:
                    with pytest.raises(UnstorableText):
                        await uow.quarantine.put(entry=entry, payload=b"")
        assert await page_of(work) == []

    async def test_what_is_not_committed_is_not_kept(self, work: RangeUnitsWork) -> None:
        entry = an_entry()
        await keep(work, entry)
        async with work() as uow:
            await uow.quarantine.put(entry=an_entry(), payload=b"")
            await uow.quarantine.put(entry=an_entry(b"other"), payload=b"")
            await uow.quarantine.trim(exchange="coinone", keep=0)
        assert await page_of(work) == [entry]

    async def test_two_that_put_the_same_at_once_count_both(self, work: RangeUnitsWork) -> None:
        first = an_entry()

        async def put(uow: RangeUnitsUnitOfWork) -> None:
            await uow.quarantine.put(entry=an_entry(), payload=b"<html>")
            await uow.commit()

        through = await race(
            work,
            first=lambda uow: uow.quarantine.put(entry=first, payload=b"<html>"),
            meanwhile=lambda uow: uow.quarantine.entry(entry_id=first.id),
            last=lambda uow: uow.commit(),
            second=put,
        )
        assert through == ["first", "second"]
        assert await page_of(work) == [replace(first, times=2)]
