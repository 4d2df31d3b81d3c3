import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from app.adapters.exchanges.upbit import UpbitFormat
from app.domain.range_units.cross_check import cross_check, disagreement
from app.domain.range_units.errors import PayloadRejected
from app.domain.range_units.jobs import PART_NOTE, Counts, PartNote, Progress
from app.domain.range_units.lint import Finding, Oddity
from app.domain.range_units.revisions import Exchange, Market, Reading, ScalarTick
from app.ports.range_units.feeds import Reply
from app.services.range_units.sync_service import JobReport
from tests.application import MemoryApplication
from tests.builders import a_table
from tests.contracts.payload_format import reading
from tests.feeds import ticks_of_upbit
from tests.unit.range_units.ladders import ladder

REPLY = Path(__file__).parents[2] / "payloads" / "upbit_orderbook_instruments.json"
KRW_BTC, KRW_XRP = Market("upbit", "KRW", "BTC"), Market("upbit", "KRW", "XRP")
ASKED = KRW_BTC
TABLE = ladder("upbit-krw-2025-07-31").table


def entry(market: str, tick: object, quote: str = "KRW") -> dict[str, object]:
    return {"market": market, "quote_currency": quote, "tick_size": tick, "supported_levels": []}


def read(payload: bytes) -> Reading:
    return reading(UpbitFormat(), payload, ASKED)


def refusal(payload: bytes) -> list[str]:
    with pytest.raises(PayloadRejected) as refused:
        read(payload)
    return [str(fault) for fault in refused.value.faults]


def test_a_reply_has_one_tick_size_per_market() -> None:
    ticks = (ScalarTick(KRW_BTC, Decimal(1000)), ScalarTick(KRW_XRP, Decimal(1)))
    assert read(REPLY.read_bytes()) == Reading((), (), ticks)


def test_one_bad_market_does_not_stop_the_others() -> None:
    entries = [
        entry("KRW-BTC", "1000"),
        entry("KRW-XRP", 1),
        entry("KRW-ETH", "0"),
        entry("KRW-", "1"),
        entry("BTC-ETH", "1"),
        entry("KRW-*", "1"),
        None,
    ]
    found = read(json.dumps(entries).encode())
    assert [str(tick.market) for tick in found.ticks] == ["upbit KRW/BTC"]
    assert [fault.about for fault in found.rejections] == [
        "upbit [3]",
        "upbit [4]",
        "upbit [5]",
        "upbit [6]",
        "upbit KRW/XRP",
        "upbit KRW/ETH",
    ]


def test_a_reply_that_is_wrong_as_a_whole_is_refused() -> None:
    twice = json.dumps([entry("KRW-BTC", "1"), entry("KRW-btc", "2")]).encode()
    cases = {
        b'{"error": {"name": 404, "message": "Code not found"}}': "an error: 404, Code not found",
        b"[]": "is empty",
        b"{}": "is an object, not a list",
        b'"text"': "not a list",
        b"<html>": "is HTML, not JSON",
        twice: "names it 2 times, and not with the same content: [0], [1]",
        b"[null]": "[0]: is null, not an object",
    }
    for payload, message in cases.items():
        [fault] = refusal(payload)
        assert fault.endswith(message), payload


def test_a_tick_size_that_the_ladder_has_agrees_with_it() -> None:
    for price, tick in {"999": "1", "1000": "1", "5000": "5", "1e6": "1e3", "4e9": "1e3"}.items():
        assert disagreement(TABLE, Decimal(tick), price=Decimal(price)) is None
        assert disagreement(TABLE, Decimal(tick)) is None


def test_a_tick_size_that_is_no_unit_of_the_ladder_is_a_finding() -> None:
    message = "the exchange states the tick size 2, which is the unit of no band; "
    expected = Finding(Oddity.SCALAR_DISAGREES, 0, f"{message}next to it are 1 and 5")
    assert disagreement(TABLE, Decimal(2)) == expected
    assert disagreement(TABLE, Decimal(2), price=Decimal(5000)) == expected


def test_a_tick_size_of_another_price_is_a_finding_at_the_band_of_the_price() -> None:
    message = "the exchange states the tick size 1 at 7003, where the unit is 5"
    found = disagreement(TABLE, Decimal(1), price=Decimal(7003))
    assert found == Finding(Oddity.SCALAR_DISAGREES, 10, message)


def test_a_price_in_no_band_has_no_tick_size_that_could_agree() -> None:
    found = disagreement(TABLE, Decimal(1), price=Decimal(0))
    assert found is not None
    assert found.message.endswith("at 0, which is in no band")


def test_a_tick_size_that_nothing_is_known_to_compare_with_is_a_finding() -> None:
    message = "the exchange states the tick size 1, and there are no range units"
    assert cross_check([ScalarTick(KRW_BTC, Decimal("1.0"))], {KRW_XRP: TABLE}) == (
        (KRW_BTC, Finding(Oddity.SCALAR_ALONE, 0, message)),
    )


# -- syncs ---------------------------------------------------------------------------------------


async def an_application() -> MemoryApplication:
    """Give one that knows the ladder of KRW, and units of its own for KRW/XRP."""
    application = MemoryApplication()
    exchange = Exchange("upbit", "Upbit", "Asia/Seoul")
    await application.range_units.put_exchange(exchange=exchange)
    for market, table in ((KRW_BTC.ladder, TABLE), (KRW_XRP, a_table(("0", "0.5")))):
        await application.range_units.put_range_units(market=market, table=table, source="a notice")
    return application


async def synced(application: MemoryApplication, **replies: Reply) -> JobReport:
    application.upbit.replies = {part: [reply] for part, reply in replies.items()}
    job = await application.sync.start(exchange="upbit", requested_by="trader")
    await application.sync_worker.run(job=job)
    return await application.sync.job(job_id=job.id)


async def everything(application: MemoryApplication) -> list[object]:
    markets = await application.range_units.list_markets(exchange="upbit")
    return [
        *markets,
        *[await application.history.history(market=market) for market in markets],
        await application.changes.changes(since=0),
    ]


async def test_a_sync_tells_which_tick_sizes_disagree_and_changes_nothing() -> None:
    application = await an_application()
    before = await everything(application)
    application.clock.advance(timedelta(hours=1))
    report = await synced(
        application,
        first=ticks_of_upbit(KRW_BTC="1000", KRW_ETH="2"),
        second=ticks_of_upbit(KRW_XRP="1", USDT_BTC="0.01"),
        third=ticks_of_upbit(KRW_BTC="1000"),
    )
    said = "the exchange states the tick size"
    assert report.progress == Progress(Counts(checked=5, disagreeing=3), 3, 3, 0)
    assert report.notes == (
        PartNote(
            "first",
            f"upbit KRW/ETH: {said} 2, which is the unit of no band; next to it are 1 and 5",
        ),
        PartNote(
            "second",
            f"upbit KRW/XRP: {said} 1, which is the unit of no band; next to it is 0.5;"
            f" upbit USDT/BTC: {said} 0.01, and there are no range units",
        ),
    )
    assert await everything(application) == before


async def test_a_tick_size_is_compared_with_what_holds_when_it_was_stated() -> None:
    application = await an_application()
    later = application.clock.now() + timedelta(hours=1)
    await application.range_units.put_range_units(
        market=KRW_BTC.ladder, table=a_table(("0", "2")), source="a notice", effective_from=later
    )
    reply = ticks_of_upbit(KRW_BTC="2")
    assert (await synced(application, all=reply)).progress.counts.disagreeing == 1
    application.clock.time = later
    reply = replace(reply, received_at=later)
    assert (await synced(application, all=reply)).progress.counts.disagreeing == 0


async def test_a_part_that_is_rejected_in_part_is_checked_for_the_rest() -> None:
    application = await an_application()
    counts = (
        await synced(application, all=ticks_of_upbit(KRW_BTC="2", KRW_ETH="0"))
    ).progress.counts
    assert counts == Counts(attempted=1, rejected=1, checked=1, disagreeing=1)
    [entry] = await application.quarantine.list_entries(exchange="upbit")
    assert [fault.about for fault in entry.faults] == ["upbit KRW/ETH"]


async def test_what_was_not_asked_for_is_compared_with_nothing_and_what_was_is_missed() -> None:
    application = await an_application()
    asked = (KRW_BTC, Market("upbit", "KRW", "ETH"))
    stray = replace(ticks_of_upbit(USDT_DOGE="1"), asked=asked)
    mixed = replace(ticks_of_upbit(USDT_DOGE="1", KRW_BTC="1000"), asked=asked)
    report = await synced(application, stray=stray, mixed=mixed)
    assert report.progress == Progress(Counts(attempted=5, rejected=5, checked=1), 2, 2, 2)
    told = (
        "upbit USDT/DOGE: was not asked for",
        "upbit KRW/BTC: was asked for, and has no answer",
        "upbit KRW/ETH: was asked for, and has no answer",
    )
    first, second = (failure.reason for failure in report.failures)
    assert [words in first for words in told] == [True] * 3
    assert [words in second for words in told] == [True, False, True]
    assert report.notes == ()


async def test_the_note_of_a_part_is_bounded() -> None:
    application = await an_application()
    reply = ticks_of_upbit(**{f"KRW_{number}": "2" for number in range(100)})
    [noted] = (await synced(application, all=reply)).notes
    assert (len(noted.note), noted.note[-1]) == (PART_NOTE, "…")
