import hashlib
import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import from_thread

from app.adapters.memory.range_units.state import RangeUnitsState
from app.adapters.memory.range_units.unit_of_work import MemoryRangeUnitsUnitOfWork
from app.domain.errors import Fault, StoreUnavailable
from app.domain.range_units.errors import (
    NoPayloadFormat,
    ObservedInFuture,
    PayloadRejected,
    RevisionInForce,
    UnknownExchange,
    UnknownHistory,
    UnknownMarket,
    UnknownPayload,
)
from app.domain.range_units.lint import Finding, Oddity
from app.domain.range_units.quarantine import BYTES_KEPT, FAULTS_KEPT, KEPT, faults_kept
from app.domain.range_units.revisions import (
    BEGINNING,
    Exchange,
    Market,
    Observation,
    Reading,
    Revision,
    digest_of,
)
from app.domain.range_units.table import RangeUnitTable
from app.ports.range_units.formats import PayloadFormat
from app.services.kept import Kept
from app.services.range_units.current_revisions import CurrentRevisions
from app.services.range_units.ingested import Ingested
from app.services.range_units.range_units_service import (
    RangeUnits,
    RangeUnitsService,
)
from tests.application import MemoryApplication
from tests.builders import a_market, a_table, an_exchange
from tests.cancellation import cancelled_at
from tests.contracts.races import all_at_once

PAYLOADS = Path(__file__).parents[2] / "payloads"
SOURCE = "https://exchange.example/range-units"

BTC, ETH, XRP = (a_market(target=target) for target in ("BTC", "ETH", "XRP"))
LADDER = BTC.ladder
MINUTE = timedelta(minutes=1)

COARSE = a_table(("0", "1"))
FINE = a_table(("0", "0.1"), ("1000", "1"))
FINEST = a_table(("0", "0.01"), ("1000", "0.1"))


@pytest.fixture
async def application() -> MemoryApplication:
    return await with_coinone()


async def with_coinone() -> MemoryApplication:
    application = MemoryApplication()
    await application.range_units.put_exchange(exchange=an_exchange())
    return application


def rows(application: MemoryApplication) -> RangeUnitsState:
    return application.range_units_store.committed


def reply(*bands: tuple[str, str, str]) -> bytes:
    """Write what Coinone replies: bands of (range_min, next_range_min, price_unit)."""
    written = ",".join(
        f'{{"range_min": {low}, "next_range_min": {end}, "price_unit": {unit}}}'
        for low, end, unit in bands
    )
    return f'{{"result": "success", "error_code": "0", "range_price_units": [{written}]}}'.encode()


PAYLOAD = reply(("0", "1000", "0.1"), ("1000", "100000", "1"))
OTHER_PAYLOAD = reply(("0", "1000", "0.01"), ("1000", "100000", "1"))


async def ingest(
    application: MemoryApplication, payload: bytes = PAYLOAD, market: Market = BTC
) -> Ingested:
    return await application.range_units.ingest(market=market, payload=payload, source=SOURCE)


async def put(
    application: MemoryApplication,
    table: RangeUnitTable = FINE,
    *,
    market: Market = BTC,
    effective_from: datetime | None = None,
    start_unknown: bool = False,
) -> tuple[RangeUnits, bool]:
    return await application.range_units.put_range_units(
        market=market,
        table=table,
        source=SOURCE,
        effective_from=effective_from,
        start_unknown=start_unknown,
    )


async def current(
    application: MemoryApplication,
    market: Market = BTC,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
) -> RangeUnits:
    return await application.range_units.current(market=market, as_of=as_of, known_at=known_at)


async def history(application: MemoryApplication, market: Market = BTC) -> list[Revision]:
    dated = await application.history.history(market=market)
    return [one.revision for one in dated]


class Stated(PayloadFormat):
    """Replies about several markets at once, as some exchanges send them."""

    def __init__(
        self, *tables: tuple[Market, RangeUnitTable], rejections: tuple[Fault, ...] = ()
    ) -> None:
        self._tables = tables
        self._rejections = rejections

    def read(
        self, *, payload: bytes, market: Market, observed_at: datetime, source: str
    ) -> Reading:
        assert (payload, market) == (b"", BTC)
        observations = (Observation(of, table, observed_at, source) for of, table in self._tables)
        return Reading(tuple(observations), self._rejections)


def reading(application: MemoryApplication, replies: PayloadFormat) -> RangeUnitsService:
    """Give the application's service with another format."""
    work = partial(MemoryRangeUnitsUnitOfWork, application.range_units_store)
    return RangeUnitsService(
        uow=work,
        reading=work,
        formats={"coinone": replies},
        clock=application.clock,
        ids=application.ids,
        feed=application.feed,
        current=CurrentRevisions(reading=work, kept=Kept(most=5)),
    )


async def state(application: MemoryApplication, *tables: tuple[Market, RangeUnitTable]) -> Ingested:
    service = reading(application, Stated(*tables))
    return await service.ingest(market=BTC, payload=b"", source=SOURCE)


# -- ingesting ---------------------------------------------------------------------------------


async def test_the_first_payload_of_a_market_is_inserted(application: MemoryApplication) -> None:
    assert await ingest(application) == Ingested(inserted=1, updated=0, unchanged=0)


async def test_whoever_reads_a_reply_is_told_when_and_where_it_was_observed(
    application: MemoryApplication,
) -> None:
    told: list[tuple[datetime, str]] = []

    class Noting(Stated):
        def read(
            self, *, payload: bytes, market: Market, observed_at: datetime, source: str
        ) -> Reading:
            told.append((observed_at, source))
            return super().read(
                payload=payload, market=market, observed_at=observed_at, source=source
            )

    service = reading(application, Noting((BTC, FINE)))
    await service.ingest(market=BTC, payload=b"", source=SOURCE)
    assert told == [(application.clock.now(), SOURCE)]


async def test_what_is_ingested_is_in_force_from_now_on(application: MemoryApplication) -> None:
    await ingest(application)
    now = application.clock.now()
    units = await current(application)
    assert units == RangeUnits(
        revision=Revision(
            id=units.revision.id,
            market=BTC,
            effective_from=now,
            recorded_at=now,
            last_seen=now,
            source=SOURCE,
            digest=units.table.digest,
            payload_digest="sha256:" + hashlib.sha256(PAYLOAD).hexdigest(),
        ),
        table=units.table,
        age=timedelta(0),
    )


async def test_a_payload_as_coinone_sends_it_is_taken(application: MemoryApplication) -> None:
    payload = (PAYLOADS / "coinone_range_units_KRW_BTC.json").read_bytes()
    await ingest(application, payload)
    published = json.loads(payload)["range_price_units"]
    assert len((await current(application)).table.bands) == len(published)


async def test_the_same_payload_again_is_unchanged(application: MemoryApplication) -> None:
    await ingest(application)
    application.clock.advance(MINUTE)
    assert await ingest(application) == Ingested(inserted=0, updated=0, unchanged=1)


async def test_the_same_payload_again_changes_nothing_but_when_it_was_last_seen(
    application: MemoryApplication,
) -> None:
    await ingest(application)
    [first] = await history(application)
    application.clock.advance(MINUTE)
    await ingest(application)
    assert await history(application) == [replace(first, last_seen=application.clock.now())]


async def test_the_same_bands_in_another_order_and_notation_are_unchanged(
    application: MemoryApplication,
) -> None:
    await ingest(application)
    application.clock.advance(MINUTE)
    same = reply(("1e3", "1E+5", "1.0"), ("0.0", "1000.00", "1e-1"))
    assert (await ingest(application, same)).unchanged == 1


async def test_another_payload_updates_the_market(application: MemoryApplication) -> None:
    await ingest(application)
    application.clock.advance(MINUTE)
    assert await ingest(application, OTHER_PAYLOAD) == Ingested(inserted=0, updated=1, unchanged=0)


async def test_what_was_in_force_before_an_update_stays_known(
    application: MemoryApplication,
) -> None:
    await ingest(application)
    before = await current(application)
    at_first = application.clock.now()
    application.clock.advance(MINUTE)
    await ingest(application, OTHER_PAYLOAD)
    assert (await current(application, as_of=at_first)).revision == before.revision


async def test_an_exchange_may_go_back_to_units_that_it_had_before(
    application: MemoryApplication,
) -> None:
    for payload in (PAYLOAD, OTHER_PAYLOAD, PAYLOAD):
        application.clock.advance(MINUTE)
        assert (await ingest(application, payload)).unchanged == 0
    assert len(await history(application)) == 3


async def test_of_two_payloads_within_one_microsecond_the_later_counts(
    application: MemoryApplication,
) -> None:
    await ingest(application)
    assert (await ingest(application, OTHER_PAYLOAD)).updated == 1
    second, first = await history(application)
    assert (await current(application)).revision == second
    assert first.superseded_at == application.clock.now()


async def test_a_payload_about_several_markets_counts_what_became_of_each(
    application: MemoryApplication,
) -> None:
    await state(application, (BTC, COARSE), (ETH, COARSE))
    application.clock.advance(MINUTE)
    ingested = await state(application, (BTC, COARSE), (ETH, FINE), (XRP, FINE))
    assert ingested == Ingested(inserted=1, updated=1, unchanged=1)
    assert ingested.attempted == 3


async def test_a_market_that_is_rejected_keeps_what_it_had_beside_those_that_are_taken(
    application: MemoryApplication,
) -> None:
    await state(application, (BTC, COARSE), (ETH, COARSE))
    application.clock.advance(MINUTE)
    faults = tuple(Fault(field, "is wrong", about=str(ETH)) for field in ("a", "b"))
    service = reading(application, Stated((BTC, FINE), rejections=faults))
    ingested = await service.ingest(market=BTC, payload=b"", source=SOURCE)
    assert ingested == Ingested(0, updated=1, unchanged=0, rejected=1, rejections=faults)
    assert ingested.attempted == 2
    assert len(await history(application, BTC)) == 2
    [kept] = await history(application, ETH)
    assert kept.last_seen < application.clock.now()


async def test_what_is_odd_about_a_table_is_told_whether_it_is_new_or_not(
    application: MemoryApplication,
) -> None:
    odd = a_table(("0", "1"), ("10", "0.1"))
    found = [(await state(application, (ETH, COARSE), (BTC, odd))).lint for _ in range(2)]
    message = "the unit gets finer at 10, from 1 to 0.1"
    assert found == [((BTC, Finding(Oddity.FINER_ABOVE, 1, message)),)] * 2


async def test_a_payload_confirms_only_the_markets_that_it_is_about(
    application: MemoryApplication,
) -> None:
    await state(application, (BTC, COARSE), (ETH, COARSE))
    then = application.clock.now()
    application.clock.advance(MINUTE)
    await state(application, (BTC, COARSE))
    assert (await current(application, ETH)).revision.last_seen == then


async def test_a_market_that_only_its_ladder_answered_for_is_inserted(
    application: MemoryApplication,
) -> None:
    await put(application, COARSE, market=LADDER)
    assert (await ingest(application)).inserted == 1


async def test_what_a_market_states_leaves_the_ladder_to_the_others(
    application: MemoryApplication,
) -> None:
    await put(application, COARSE, market=LADDER)
    await ingest(application)
    assert (await current(application, ETH)).table == COARSE


async def test_a_market_that_only_has_units_to_come_is_inserted(
    application: MemoryApplication,
) -> None:
    await put(application, COARSE, effective_from=application.clock.now() + MINUTE)
    assert (await ingest(application)).inserted == 1


async def test_ingesting_does_not_cancel_what_is_announced(application: MemoryApplication) -> None:
    await put(application, COARSE, effective_from=application.clock.now() + MINUTE)
    await ingest(application)
    application.clock.advance(MINUTE)
    assert (await current(application)).table == COARSE


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param((PAYLOADS / "coinone_empty.json").read_bytes(), id="no-bands"),
        pytest.param((PAYLOADS / "coinone_error.json").read_bytes(), id="an-error"),
        pytest.param(b"<!doctype html><html></html>", id="a-page"),
        pytest.param(b"", id="nothing"),
        pytest.param(reply(("0", "1", "0.1"), ("2", "3", "0.1")), id="a-gap"),
        pytest.param(reply(("0", "2", "0.1"), ("1", "3", "0.1")), id="an-overlap"),
        pytest.param(reply(("0", "1", "0")), id="a-unit-of-zero"),
        pytest.param(reply(("0", "1", "NaN")), id="not-a-number"),
    ],
)
async def test_a_payload_that_is_rejected_changes_nothing_but_the_quarantine(
    application: MemoryApplication, payload: bytes
) -> None:
    await ingest(application)
    before = rows(application)
    application.clock.advance(MINUTE)
    with pytest.raises(PayloadRejected):
        await ingest(application, payload)
    after = rows(application)
    assert [*after.payloads.values()] == [payload]
    assert after == replace(before, quarantine=after.quarantine, payloads=after.payloads)


async def test_what_is_large_is_kept_in_part_and_known_as_a_whole(
    application: MemoryApplication,
) -> None:
    payload = b"<" * (BYTES_KEPT + 1)
    with pytest.raises(PayloadRejected):
        await application.range_units.ingest(market=BTC, payload=payload, source="a\0source")
    [entry] = rows(application).quarantine.values()
    assert (entry.size, entry.digest, entry.source) == (
        len(payload),
        digest_of(payload),
        r"a\x00source",
    )
    assert rows(application).payloads == {entry.id: payload[:BYTES_KEPT]}


async def test_a_rejected_payload_is_told_to_who_names_its_exchange(
    application: MemoryApplication,
) -> None:
    with pytest.raises(PayloadRejected):
        await ingest(application, b"<")
    [entry] = rows(application).quarantine.values()
    assert await application.quarantine.entry(exchange=BTC.exchange, entry_id=entry.id) == (
        entry,
        b"<",
    )
    with pytest.raises(UnknownPayload):
        await application.quarantine.entry(exchange="upbit", entry_id=entry.id)


async def test_a_reply_of_which_some_markets_are_rejected_is_in_quarantine(
    application: MemoryApplication,
) -> None:
    await application.range_units.put_exchange(exchange=an_exchange(code="okx"))
    bands = [{"minPx": "0", "maxPx": "1", "tickSz": "0.1"}]
    payload = json.dumps(
        {
            "code": "0",
            "msg": "",
            "data": [
                {"instType": "OPTION", "instFamily": "BTC-USD", "tickBand": bands},
                {"instType": "OPTION", "instFamily": "ETH-USD", "tickBand": []},
            ],
        }
    ).encode()
    ingested = await application.range_units.ingest(
        market=Market("okx", "", ""), payload=payload, source=SOURCE
    )
    assert (ingested.inserted, ingested.rejected) == (1, 1)
    assert [*rows(application).payloads.values()] == [payload]


def test_so_many_faults_are_kept_and_no_more() -> None:
    assert len(faults_kept([Fault("a field", "is wrong")] * (FAULTS_KEPT + 1))) == FAULTS_KEPT


async def test_the_latest_of_an_exchanges_rejected_payloads_are_kept(
    application: MemoryApplication,
) -> None:
    for number in range(KEPT + 1):
        application.clock.advance(MINUTE)
        with pytest.raises(PayloadRejected):
            await ingest(application, b"%d" % number)
    assert {*rows(application).payloads.values()} == {b"%d" % each for each in range(1, KEPT + 1)}


async def test_a_payload_of_an_unknown_exchange_is_refused(
    application: MemoryApplication,
) -> None:
    with pytest.raises(UnknownExchange, match=r"^There is no exchange upbit\.$"):
        await ingest(application, market=a_market(exchange="upbit"))


async def test_a_payload_of_an_exchange_whose_replies_cannot_be_read_is_refused(
    application: MemoryApplication,
) -> None:
    await application.range_units.put_exchange(exchange=an_exchange(code="bithumb"))
    with pytest.raises(NoPayloadFormat, match=r"^No format of replies is known for bithumb\.$"):
        await ingest(application, market=a_market(exchange="bithumb"))


async def test_of_two_who_ingest_the_same_at_once_one_inserts_and_one_confirms(
    application: MemoryApplication,
) -> None:
    ended: list[Ingested] = []

    async def one() -> None:
        ended.append(await ingest(application))

    await all_at_once(one, one)
    assert sorted((end.inserted, end.unchanged) for end in ended) == [(0, 1), (1, 0)]
    assert len(await history(application)) == 1


async def test_many_who_ingest_two_tables_at_once_leave_one_in_force(
    application: MemoryApplication,
) -> None:
    async def one(payload: bytes) -> None:
        await ingest(application, payload)

    await all_at_once(*[partial(one, payload) for payload in (PAYLOAD, OTHER_PAYLOAD) * 5])
    standing = [r for r in await history(application) if r.superseded_at is None]
    assert standing == [(await current(application)).revision]


# -- replies that others overtake --------------------------------------------------------------


class Overtaken(Stated):
    """While such a reply is read, something else happens."""

    def __init__(
        self,
        *tables: tuple[Market, RangeUnitTable],
        meanwhile: Callable[[], Coroutine[Any, Any, object]],
    ) -> None:
        super().__init__(*tables)
        self._meanwhile = meanwhile

    def read(
        self, *, payload: bytes, market: Market, observed_at: datetime, source: str
    ) -> Reading:
        from_thread.run(self._meanwhile)
        return super().read(payload=payload, market=market, observed_at=observed_at, source=source)


async def state_overtaken(
    application: MemoryApplication, table: RangeUnitTable, by: RangeUnitTable
) -> Ingested:
    """Ingest one reply, and while it is read another that was observed a minute later."""

    async def later_reply() -> None:
        application.clock.advance(MINUTE)
        await state(application, (BTC, by))

    slow = reading(application, Overtaken((BTC, table), meanwhile=later_reply))
    return await slow.ingest(market=BTC, payload=b"", source=SOURCE)


async def test_a_reply_that_a_later_one_overtook_does_not_replace_it(
    application: MemoryApplication,
) -> None:
    await state_overtaken(application, FINE, by=COARSE)
    application.clock.advance(MINUTE)
    assert (await current(application)).table == COARSE


async def test_a_reply_that_a_later_one_overtook_is_history(
    application: MemoryApplication,
) -> None:
    observed_at = application.clock.now()
    await state_overtaken(application, FINE, by=COARSE)
    assert (await current(application, as_of=observed_at)).table == FINE


async def test_a_reply_that_a_later_one_overtook_is_recorded_when_it_is(
    application: MemoryApplication,
) -> None:
    observed_at = application.clock.now()
    await state_overtaken(application, FINE, by=COARSE)
    revision = (await current(application, as_of=observed_at)).revision
    assert (revision.effective_from, revision.recorded_at) == (
        observed_at,
        application.clock.now(),
    )


async def test_a_reply_that_a_later_one_overtook_is_compared_with_what_was_before_both(
    application: MemoryApplication,
) -> None:
    await state(application, (BTC, FINE))
    application.clock.advance(MINUTE)
    assert (await state_overtaken(application, FINE, by=COARSE)).unchanged == 1
    assert len(await history(application)) == 2


# -- replies that are handed in late -----------------------------------------------------------


async def late(
    application: MemoryApplication, table: RangeUnitTable, observed_at: datetime
) -> Ingested:
    service = reading(application, Stated((BTC, table)))
    return await service.ingest(market=BTC, payload=b"", source=SOURCE, observed_at=observed_at)


async def test_a_late_reply_about_before_anything_was_known_is_history(
    application: MemoryApplication,
) -> None:
    observed_at = application.clock.now()
    application.clock.advance(MINUTE)
    await state(application, (BTC, COARSE))
    before = await current(application)
    assert await late(application, FINE, observed_at) == Ingested(1, 0, 0)
    assert await current(application) == before
    then = await current(application, as_of=observed_at)
    assert (then.table, then.revision.last_seen) == (FINE, observed_at)
    assert then.revision.recorded_at == application.clock.now()


async def test_a_late_reply_takes_no_place_of_what_was_confirmed_later(
    application: MemoryApplication,
) -> None:
    await state(application, (BTC, COARSE))
    observed_at = application.clock.now() + MINUTE
    application.clock.advance(2 * MINUTE)
    await state(application, (BTC, COARSE))
    seen = application.clock.now()
    application.clock.advance(MINUTE)
    before = await history(application)
    taken = await late(application, FINE, observed_at)
    assert (taken.attempted, taken.rejected) == (1, 1)
    assert [str(fault) for fault in taken.rejections] == [
        f"{BTC}: is known to be otherwise from later, {seen:%Y-%m-%dT%H:%M:%SZ}"
    ]
    assert await history(application) == before
    assert (await current(application, as_of=observed_at)).table == COARSE


async def test_a_late_reply_confirms_nothing_newer(application: MemoryApplication) -> None:
    await state(application, (BTC, COARSE))
    observed_at = application.clock.now() + MINUTE
    for table in (COARSE, FINE):
        application.clock.advance(2 * MINUTE)
        await state(application, (BTC, table))
    before = await history(application)
    application.clock.advance(MINUTE)
    assert (await late(application, COARSE, observed_at)).unchanged == 1
    assert await history(application) == before


async def test_a_late_reply_that_nothing_later_is_known_beside_is_as_old_as_it_is(
    application: MemoryApplication,
) -> None:
    observed_at = application.clock.now()
    application.clock.advance(MINUTE)
    await late(application, FINE, observed_at)
    assert (await current(application)).age == MINUTE
    assert (await late(application, COARSE, application.clock.now())).updated == 1


async def test_nothing_is_observed_in_the_future(application: MemoryApplication) -> None:
    now = application.clock.now()
    with pytest.raises(ObservedInFuture):
        await late(application, FINE, now + timedelta(microseconds=1))
    assert await late(application, FINE, now) == Ingested(1, 0, 0)


# -- whole or not at all -----------------------------------------------------------------------

BEFORE = ((BTC, COARSE), (ETH, COARSE))
AFTER = ((BTC, COARSE), (ETH, FINE), (XRP, FINE))


async def with_two_markets() -> MemoryApplication:
    application = await with_coinone()
    await state(application, *BEFORE)
    application.clock.advance(MINUTE)
    return application


async def tables_of(application: MemoryApplication) -> Sequence[tuple[Market, RangeUnitTable]]:
    markets = await application.range_units.list_markets(exchange="coinone")
    return tuple([(market, (await current(application, market)).table) for market in markets])


async def test_whichever_statement_fails_nothing_of_a_payload_is_kept() -> None:
    for statements in count():
        application = await with_two_markets()
        before = rows(application)
        application.range_units_store.fail_after = statements
        try:
            await state(application, *AFTER)
        except StoreUnavailable:
            assert rows(application) is before, statements
            assert (await state(application, *AFTER)).attempted == 3, statements
        if application.range_units_store.fail_after is not None:
            break
    assert statements > 5


async def test_a_payload_cancelled_anywhere_is_there_whole_or_not_at_all() -> None:
    for place in count(1):
        application = await with_two_markets()
        run = await cancelled_at(place, state(application, *AFTER))
        assert run.error is None, place
        assert await tables_of(application) in (BEFORE, AFTER), place
        if run.result is not None:
            assert await tables_of(application) == AFTER, place
        assert not application.range_units_store.writer.locked(), place
        if run.suspensions < place:
            break
    assert run.result == Ingested(inserted=1, updated=1, unchanged=1)
    assert place > 10


# -- stating by hand ---------------------------------------------------------------------------


async def test_units_that_are_stated_hold_from_now_on(application: MemoryApplication) -> None:
    units, new = await put(application)
    now = application.clock.now()
    assert new
    assert units == RangeUnits(
        revision=Revision(
            id=units.revision.id,
            market=BTC,
            effective_from=now,
            recorded_at=now,
            last_seen=now,
            source=SOURCE,
            digest=FINE.digest,
        ),
        table=FINE,
        age=timedelta(0),
    )


async def test_what_stating_gives_is_what_then_answers(application: MemoryApplication) -> None:
    units, _ = await put(application)
    assert await current(application) == units


async def test_stating_the_same_again_is_no_new_revision(application: MemoryApplication) -> None:
    first, _ = await put(application)
    application.clock.advance(MINUTE)
    again, new = await put(application)
    assert (again.revision.id, new) == (first.revision.id, False)


async def test_stating_the_same_again_confirms_it(application: MemoryApplication) -> None:
    await put(application)
    application.clock.advance(MINUTE)
    await put(application)
    [revision] = await history(application)
    assert revision.last_seen == application.clock.now()


async def test_what_stating_the_same_gives_is_what_then_answers(
    application: MemoryApplication,
) -> None:
    await put(application)
    application.clock.advance(MINUTE)
    again, _ = await put(application)
    assert again == await current(application)


async def test_units_can_be_stated_for_a_time_before_now(application: MemoryApplication) -> None:
    now = application.clock.now()
    await put(application, effective_from=now - MINUTE)
    assert (await current(application, as_of=now - MINUTE)).table == FINE


async def test_units_that_are_announced_hold_once_their_time_has_come(
    application: MemoryApplication,
) -> None:
    await put(application, COARSE)
    await put(application, FINE, effective_from=application.clock.now() + MINUTE)
    assert (await current(application)).table == COARSE
    application.clock.advance(MINUTE)
    assert (await current(application)).table == FINE


async def test_announcing_what_is_in_force_anyway_is_no_new_revision(
    application: MemoryApplication,
) -> None:
    await put(application)
    _, new = await put(application, effective_from=application.clock.now() + MINUTE)
    assert not new


async def test_what_is_announced_can_be_amended(application: MemoryApplication) -> None:
    start = application.clock.now() + MINUTE
    await put(application, COARSE, effective_from=start)
    units, new = await put(application, FINE, effective_from=start)
    assert (units.table, new) == (FINE, True)
    assert (await current(application, as_of=start)).table == FINE


async def test_what_is_announced_can_be_put_off(application: MemoryApplication) -> None:
    start = application.clock.now() + MINUTE
    await put(application, COARSE)
    application.clock.advance(MINUTE / 2)
    await put(application, FINE, effective_from=start)
    _, new = await put(application, FINE, effective_from=start + MINUTE)
    assert new
    assert (await current(application, as_of=start)).table == COARSE
    assert (await current(application, as_of=start + MINUTE)).table == FINE


async def test_what_is_in_force_is_not_put_off(application: MemoryApplication) -> None:
    await put(application, COARSE)
    _, new = await put(application, COARSE, effective_from=application.clock.now() + MINUTE)
    assert not new


async def test_of_two_who_fill_an_empty_catalogue_at_once_one_does() -> None:
    application = MemoryApplication()
    stored: list[int] = []

    async def fill() -> None:
        stored.append(await load(application))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fill)
        tasks.start_soon(fill)
    assert sorted(stored) == [0, 3]


async def test_what_was_announced_before_an_amendment_stays_known(
    application: MemoryApplication,
) -> None:
    start = application.clock.now() + 5 * MINUTE
    await put(application, COARSE, effective_from=start)
    then = application.clock.now()
    application.clock.advance(MINUTE)
    await put(application, FINE, effective_from=start)
    assert (await current(application, as_of=start, known_at=then)).table == COARSE


async def test_an_amendment_is_dated(application: MemoryApplication) -> None:
    start = application.clock.now() + 5 * MINUTE
    await put(application, COARSE, effective_from=start)
    application.clock.advance(MINUTE)
    await put(application, FINE, effective_from=start)
    amending, amended = await history(application)
    assert (amending.superseded_at, amended.superseded_at) == (None, application.clock.now())


async def test_an_amendment_can_be_amended(application: MemoryApplication) -> None:
    start = application.clock.now() + MINUTE
    for table in (COARSE, FINE, FINEST, COARSE):
        await put(application, table, effective_from=start)
    assert (await current(application, as_of=start)).table == COARSE


@pytest.mark.parametrize("later", [timedelta(0), MINUTE])
async def test_what_is_in_force_is_not_amended(
    application: MemoryApplication, later: timedelta
) -> None:
    start = application.clock.now()
    await put(application, COARSE, effective_from=start)
    before = rows(application)
    application.clock.advance(later)
    with pytest.raises(RevisionInForce) as caught:
        await put(application, FINE, effective_from=start)
    assert caught.value.detail == (
        "coinone KRW/BTC has other range units from that instant on, which are in force."
    )
    assert rows(application) is before


async def test_what_is_announced_can_be_amended_until_a_moment_before_it_holds(
    application: MemoryApplication,
) -> None:
    start = application.clock.now() + MINUTE
    await put(application, COARSE, effective_from=start)
    application.clock.time = start - timedelta(microseconds=1)
    _, new = await put(application, FINE, effective_from=start)
    assert new


async def test_units_of_unknown_start_hold_at_any_time(application: MemoryApplication) -> None:
    units, _ = await put(application, start_unknown=True)
    long_ago = application.clock.now() - timedelta(days=36_500)
    assert units.revision.effective_from is None
    assert (await current(application, as_of=long_ago)).table == FINE


async def test_units_of_unknown_start_end_where_dated_ones_begin(
    application: MemoryApplication,
) -> None:
    start = application.clock.now()
    await put(application, FINE, effective_from=start)
    await put(application, COARSE, start_unknown=True)
    before = await current(application, as_of=start - timedelta(microseconds=1))
    assert (before.table, (await current(application)).table) == (COARSE, FINE)


async def test_units_of_unknown_start_are_not_amended(application: MemoryApplication) -> None:
    await put(application, COARSE, start_unknown=True)
    with pytest.raises(RevisionInForce):
        await put(application, FINE, start_unknown=True)


async def test_the_first_instant_of_all_is_an_unknown_start(
    application: MemoryApplication,
) -> None:
    units, _ = await put(application, effective_from=BEGINNING)
    assert units == await current(application)


async def test_units_of_unknown_start_that_a_dated_ladder_ended_are_new_when_stated_again(
    application: MemoryApplication,
) -> None:
    await put(application, FINE, start_unknown=True)
    await put(application, COARSE, market=LADDER)
    application.clock.advance(MINUTE)
    _, new = await put(application, FINE)
    assert (new, (await current(application)).table) == (True, FINE)


async def test_units_of_unknown_start_that_a_dated_ladder_ended_are_new_when_ingested_again(
    application: MemoryApplication,
) -> None:
    await put(application, FINE, start_unknown=True)
    await put(application, COARSE, market=LADDER)
    application.clock.advance(MINUTE)
    assert (await state(application, (BTC, FINE))).inserted == 1
    assert (await current(application)).table == FINE


async def test_units_of_unknown_start_that_are_stated_again_are_unchanged(
    application: MemoryApplication,
) -> None:
    await put(application, start_unknown=True)
    _, new = await put(application, start_unknown=True)
    assert not new


async def test_units_of_an_unknown_exchange_are_refused(application: MemoryApplication) -> None:
    with pytest.raises(UnknownExchange):
        await put(application, market=a_market(exchange="upbit"))


async def test_of_two_who_state_the_same_at_once_one_makes_the_revision(
    application: MemoryApplication,
) -> None:
    made: list[bool] = []

    async def one() -> None:
        _, new = await put(application)
        made.append(new)

    await all_at_once(one, one)
    assert sorted(made) == [False, True]


async def test_of_two_who_amend_at_once_the_second_amends_the_first(
    application: MemoryApplication,
) -> None:
    start = application.clock.now() + MINUTE
    await put(application, COARSE, effective_from=start)

    async def one(table: RangeUnitTable) -> None:
        await put(application, table, effective_from=start)

    await all_at_once(partial(one, FINE), partial(one, FINEST))
    standing = [r for r in await history(application) if r.superseded_at is None]
    assert standing == [(await current(application, as_of=start)).revision]


async def with_an_announcement(start: datetime) -> MemoryApplication:
    application = await with_coinone()
    await put(application, COARSE, effective_from=start)
    return application


async def test_whichever_statement_fails_what_was_announced_stays() -> None:
    start = MemoryApplication().clock.now() + MINUTE
    for statements in count():
        application = await with_an_announcement(start)
        before = rows(application)
        application.range_units_store.fail_after = statements
        try:
            await put(application, FINE, effective_from=start)
        except StoreUnavailable:
            assert rows(application) is before, statements
        if application.range_units_store.fail_after is not None:
            break
    assert statements > 4


# -- the ladders that come along ---------------------------------------------------------------

LADDERS = (
    Observation(LADDER, COARSE, None, "https://exchange.example/notice/1"),
    Observation(LADDER, FINE, datetime.fromisoformat("2024-09-30T00:00:00Z"), "notice 2"),
    Observation(a_market(exchange="upbit", target="*"), FINEST, None, "notice 3"),
)
EXCHANGES = (an_exchange(), an_exchange(code="upbit", name="Upbit"))


async def load(application: MemoryApplication) -> int:
    return await application.range_units.load_ladders(exchanges=EXCHANGES, observations=LADDERS)


async def test_an_empty_catalogue_is_filled() -> None:
    application = MemoryApplication()
    assert await load(application) == 3
    assert await application.range_units.list_exchanges() == list(EXCHANGES)


async def test_what_comes_along_says_since_when_and_from_where() -> None:
    application = MemoryApplication()
    await load(application)
    said = {(r.effective_from, r.source, r.digest) for r in await history(application, LADDER)}
    assert said == {(o.effective_from, o.source, o.table.digest) for o in LADDERS[:2]}


async def test_what_comes_along_answers_for_every_market_of_the_quote_currency() -> None:
    application = MemoryApplication()
    await load(application)
    assert (await current(application, XRP)).table == FINE


async def test_what_comes_along_is_a_history_in_the_order_of_its_starts() -> None:
    application = MemoryApplication()
    await application.range_units.load_ladders(exchanges=EXCHANGES, observations=LADDERS[::-1])
    assert [one.source for one in await history(application, LADDER)] == [
        "notice 2",
        "https://exchange.example/notice/1",
    ]


async def test_a_catalogue_is_filled_once() -> None:
    application = MemoryApplication()
    await load(application)
    before = rows(application)
    assert await load(application) == 0
    assert rows(application) is before


async def test_a_catalogue_with_anything_in_it_stays_as_it_is(
    application: MemoryApplication,
) -> None:
    before = rows(application)
    assert await load(application) == 0
    assert rows(application) is before


async def test_of_two_who_fill_a_catalogue_at_once_one_fills_it() -> None:
    application = MemoryApplication()
    ended: list[int] = []

    async def one() -> None:
        ended.append(await load(application))

    await all_at_once(one, one)
    assert sorted(ended) == [0, 3]
    assert len(await history(application, LADDER)) == 2


async def test_whichever_statement_fails_the_catalogue_stays_empty() -> None:
    for statements in count():
        application = MemoryApplication()
        application.range_units_store.fail_after = statements
        try:
            await load(application)
        except StoreUnavailable:
            assert await application.range_units.list_exchanges() == [], statements
        if application.range_units_store.fail_after is not None:
            break
    assert statements > 4


# -- what answers ------------------------------------------------------------------------------


async def test_a_market_without_its_own_units_is_answered_by_the_ladder(
    application: MemoryApplication,
) -> None:
    await put(application, COARSE, market=LADDER)
    units = await current(application, BTC)
    assert (units.revision.market, units.table) == (LADDER, COARSE)


async def test_a_markets_own_units_answer_before_the_ladder(
    application: MemoryApplication,
) -> None:
    await put(application, FINE)
    application.clock.advance(MINUTE)
    await put(application, COARSE, market=LADDER)
    assert (await current(application)).table == FINE


async def test_the_ladder_answers_for_the_time_before_the_markets_own_units(
    application: MemoryApplication,
) -> None:
    await put(application, COARSE, market=LADDER)
    then = application.clock.now()
    application.clock.advance(MINUTE)
    await put(application, FINE)
    assert (await current(application, as_of=then)).table == COARSE


async def test_a_dated_ladder_answers_before_own_units_of_unknown_start(
    application: MemoryApplication,
) -> None:
    await put(application, FINE, start_unknown=True)
    await put(application, COARSE, market=LADDER)
    assert (await current(application)).table == COARSE


async def test_a_ladder_can_be_asked_for_itself(application: MemoryApplication) -> None:
    await put(application, COARSE, market=LADDER)
    await put(application, FINE)
    assert (await current(application, LADDER)).table == COARSE


async def test_a_ladder_of_one_quote_currency_says_nothing_of_another(
    application: MemoryApplication,
) -> None:
    await put(application, COARSE, market=LADDER)
    with pytest.raises(UnknownMarket):
        await current(application, a_market(quote="USDT"))


async def test_units_hold_from_the_very_instant_of_their_start(
    application: MemoryApplication,
) -> None:
    start = application.clock.now() + MINUTE
    await put(application, COARSE)
    await put(application, FINE, effective_from=start)
    a_moment_before = await current(application, as_of=start - timedelta(microseconds=1))
    assert (a_moment_before.table, (await current(application, as_of=start)).table) == (
        COARSE,
        FINE,
    )


async def test_an_answer_says_how_old_its_confirmation_is(application: MemoryApplication) -> None:
    await put(application)
    application.clock.advance(3 * MINUTE)
    assert (await current(application)).age == 3 * MINUTE


async def test_the_age_is_as_of_now_whatever_the_instant_asked_about(
    application: MemoryApplication,
) -> None:
    await put(application)
    then = application.clock.now()
    application.clock.advance(3 * MINUTE)
    assert (await current(application, as_of=then)).age == 3 * MINUTE


async def test_no_age_is_negative_when_the_clock_steps_back(
    application: MemoryApplication,
) -> None:
    await put(application, effective_from=application.clock.now() - 5 * MINUTE)
    application.clock.advance(-MINUTE)
    assert (await current(application)).age == timedelta(0)


async def test_an_answer_may_be_as_it_was_known(application: MemoryApplication) -> None:
    start = application.clock.now()
    await put(application, COARSE, effective_from=start - 9 * MINUTE)
    known_at = application.clock.now()
    application.clock.advance(MINUTE)
    await put(application, FINE, effective_from=start - 5 * MINUTE)
    assert (await current(application, as_of=start)).table == FINE
    assert (await current(application, as_of=start, known_at=known_at)).table == COARSE


async def test_a_market_of_an_unknown_exchange_has_no_answer(
    application: MemoryApplication,
) -> None:
    with pytest.raises(UnknownExchange):
        await current(application, a_market(exchange="upbit"))


async def test_a_market_that_nothing_is_known_of_has_no_answer(
    application: MemoryApplication,
) -> None:
    with pytest.raises(UnknownMarket, match=r"^There are no range units for coinone KRW/BTC\.$"):
        await current(application)


@pytest.mark.parametrize("market", [BTC, LADDER], ids=str)
async def test_before_the_first_known_units_the_history_is_unknown(
    application: MemoryApplication, market: Market
) -> None:
    await put(application, market=market)
    with pytest.raises(UnknownHistory) as caught:
        await current(application, as_of=application.clock.now() - MINUTE)
    assert caught.value.detail == "Nothing is known of coinone KRW/BTC at that instant."


async def test_before_anything_was_recorded_the_history_was_unknown(
    application: MemoryApplication,
) -> None:
    known_at = application.clock.now()
    application.clock.advance(MINUTE)
    await put(application, start_unknown=True)
    with pytest.raises(UnknownHistory):
        await current(application, known_at=known_at)


async def test_a_market_whose_units_are_all_to_come_has_no_answer_yet(
    application: MemoryApplication,
) -> None:
    await put(application, effective_from=application.clock.now() + MINUTE)
    with pytest.raises(UnknownHistory):
        await current(application)


async def test_a_revision_that_lost_its_table_is_a_defect_and_no_refusal(
    application: MemoryApplication,
) -> None:
    await put(application)
    rows(application).tables.clear()
    lost = (await history(application))[0].id
    with pytest.raises(LookupError, match=f"^Revision {lost} has lost its table.$"):
        await current(application)


# -- exchanges, markets, history ---------------------------------------------------------------


async def test_an_exchange_that_is_new_is_added() -> None:
    application = MemoryApplication()
    assert await application.range_units.put_exchange(exchange=an_exchange())
    assert await application.range_units.list_exchanges() == [an_exchange()]


@pytest.mark.parametrize("limit", [1, 2])
async def test_a_page_of_exchanges_has_at_most_its_limit(limit: int) -> None:
    application = MemoryApplication()
    for code in ("binance", "coinone", "upbit"):
        await application.range_units.put_exchange(exchange=an_exchange(code=code))
    assert len(await application.range_units.list_exchanges(limit=limit)) == limit


async def test_a_page_holds_fifty_exchanges_unless_asked_otherwise() -> None:
    application = MemoryApplication()
    for number in range(51):
        await application.range_units.put_exchange(exchange=an_exchange(code=f"e{number}"))
    assert len(await application.range_units.list_exchanges()) == 50


async def test_pages_of_exchanges_join_without_gap_or_repetition() -> None:
    application = MemoryApplication()
    made = [an_exchange(code=f"e{number}") for number in range(5)]
    for exchange in made:
        await application.range_units.put_exchange(exchange=exchange)
    pages: list[Exchange] = []
    while page := await application.range_units.list_exchanges(
        after=pages[-1].code if pages else None, limit=2
    ):
        pages += page
    assert pages == made


async def test_an_exchange_that_is_there_is_renamed(application: MemoryApplication) -> None:
    renamed = Exchange("coinone", "Coinone Inc.", "UTC")
    assert not await application.range_units.put_exchange(exchange=renamed)
    assert await application.range_units.list_exchanges() == [renamed]


async def test_renaming_an_exchange_keeps_its_markets(application: MemoryApplication) -> None:
    await put(application)
    await application.range_units.put_exchange(exchange=an_exchange(name="Another"))
    assert (await current(application)).table == FINE


async def test_markets_are_listed_in_order_with_the_ladders_among_them(
    application: MemoryApplication,
) -> None:
    for market in (XRP, LADDER, a_market(quote="BTC", target="ETH"), BTC):
        await put(application, market=market)
    markets = await application.range_units.list_markets(exchange="coinone")
    assert [f"{market.quote}/{market.target}" for market in markets] == [
        "BTC/ETH",
        "KRW/*",
        "KRW/BTC",
        "KRW/XRP",
    ]


async def test_pages_of_markets_join_without_gap_or_repetition(
    application: MemoryApplication,
) -> None:
    made = [a_market(target=f"T{number}") for number in range(5)]
    for market in made:
        await put(application, market=market)
    pages: list[Market] = []
    while page := await application.range_units.list_markets(
        exchange="coinone", after=pages[-1] if pages else None, limit=2
    ):
        pages += page
    assert pages == made


@pytest.mark.parametrize("limit", [1, 2])
async def test_a_page_of_markets_has_at_most_its_limit(
    application: MemoryApplication, limit: int
) -> None:
    for market in (BTC, ETH, XRP):
        await put(application, market=market)
    page = await application.range_units.list_markets(exchange="coinone", limit=limit)
    assert len(page) == limit


async def test_a_page_holds_fifty_markets_unless_asked_otherwise(
    application: MemoryApplication,
) -> None:
    for number in range(51):
        await put(application, market=a_market(target=f"T{number}"))
    assert len(await application.range_units.list_markets(exchange="coinone")) == 50


async def test_an_exchange_without_markets_has_an_empty_list(
    application: MemoryApplication,
) -> None:
    assert await application.range_units.list_markets(exchange="coinone") == []


async def test_the_history_is_newest_first(application: MemoryApplication) -> None:
    for table in (COARSE, FINE, FINEST):
        application.clock.advance(MINUTE)
        await put(application, table)
    digests = [revision.digest for revision in await history(application)]
    assert digests == [FINEST.digest, FINE.digest, COARSE.digest]


async def test_pages_of_the_history_join_without_gap_or_repetition(
    application: MemoryApplication,
) -> None:
    for table in (COARSE, FINE, FINEST, COARSE, FINE):
        application.clock.advance(MINUTE)
        await put(application, table)
    pages: list[Revision] = []
    while page := await application.history.history(
        market=BTC, after=pages[-1].id if pages else None, limit=2
    ):
        pages += [one.revision for one in page]
    assert pages == await history(application)


@pytest.mark.parametrize("limit", [1, 2])
async def test_a_page_of_the_history_has_at_most_its_limit(
    application: MemoryApplication, limit: int
) -> None:
    for table in (COARSE, FINE, FINEST):
        application.clock.advance(MINUTE)
        await put(application, table)
    assert len(await application.history.history(market=BTC, limit=limit)) == limit


async def test_a_page_holds_fifty_revisions_unless_asked_otherwise(
    application: MemoryApplication,
) -> None:
    for number in range(51):
        application.clock.advance(MINUTE)
        await put(application, (COARSE, FINE)[number % 2])
    assert len(await history(application)) == 50


async def test_the_history_of_a_market_has_its_ladders_too(application: MemoryApplication) -> None:
    await put(application, market=LADDER)
    application.clock.advance(MINUTE)
    await put(application, FINE)
    assert [revision.market for revision in await history(application, BTC)] == [BTC, LADDER]


async def test_the_history_of_a_ladder_is_its_own(application: MemoryApplication) -> None:
    await put(application, market=LADDER)
    await put(application, FINE)
    assert [revision.market for revision in await history(application, LADDER)] == [LADDER]


async def test_an_unknown_exchange_has_no_markets(application: MemoryApplication) -> None:
    with pytest.raises(UnknownExchange):
        await application.range_units.list_markets(exchange="upbit")


async def test_an_unknown_exchange_has_no_history(application: MemoryApplication) -> None:
    with pytest.raises(UnknownExchange):
        await history(application, a_market(exchange="upbit"))


async def test_a_late_statement_about_earlier_leaves_what_is_in_force_in_force(
    application: MemoryApplication,
) -> None:
    start = application.clock.now()
    await put(application, FINE)
    application.clock.advance(MINUTE)
    await put(application, FINE, effective_from=start - MINUTE)
    assert [r.superseded_at for r in await history(application)] == [None, None]
