"""Every feed asks an exchange on loopback, over real HTTP."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import anyio
import pytest

from app.adapters.exchanges.binance import BinanceFeed
from app.adapters.exchanges.budget import RateBudget
from app.adapters.exchanges.bybit import BybitFeed
from app.adapters.exchanges.client import ExchangeClient, Patience, Surroundings, shared_http
from app.adapters.exchanges.coinone import CoinoneFeed
from app.adapters.exchanges.korbit import KorbitFeed
from app.adapters.exchanges.okx import OkxFeed
from app.adapters.exchanges.registry import ASKED
from app.adapters.exchanges.upbit import UpbitFeed
from app.adapters.memory.system import SettableClock
from app.bootstrap.database import opened
from app.domain.range_units.errors import FeedRefused, FeedUnavailable
from app.domain.range_units.revisions import Market
from app.ports.range_units.feeds import Feed, Parts, Reply
from app.settings import Settings
from tests.cancellation import until
from tests.contracts.feeds import Asked, FeedContract, fetched, refuse
from tests.feeds import BEGUN
from tests.integration.stub_exchange import NOT_FOUND, Canned, Ending, StubExchange, stub_exchange

COINONE_MARKETS = "/public/v2/markets/KRW"
KORBIT_PAIRS = "/v2/currencyPairs"
UPBIT_MARKETS = "/v1/market/all"
BYBIT = "/v5/market/instruments-info?category="


async def no_pause(_: float) -> None:
    await anyio.lowlevel.checkpoint()


@pytest.fixture
async def stub() -> AsyncIterator[StubExchange]:
    async with stub_exchange() as stub:
        yield stub


@asynccontextmanager
async def feed_of(
    adapter: type, code: str, stub: StubExchange, *, most_bytes: int = 100_000
) -> AsyncIterator[Feed]:
    async with shared_http(version="0") as http:
        client = ExchangeClient(
            http,
            exchange=code,
            url=stub.url,
            rate=RateBudget(1_000_000, burst=1_000_000),
            surroundings=Surroundings(SettableClock(), lambda: 1, sleep=no_pause),
            patience=Patience(most_bytes=most_bytes),
        )
        yield adapter(client)


def page(*, cursor: object) -> bytes:
    listed = {"category": "linear", "list": [], "nextPageCursor": cursor}
    return json.dumps({"retCode": 0, "retMsg": "OK", "result": listed}).encode()


def coinone_markets(*targets: object) -> bytes:
    markets = [{"quote_currency": "KRW", "target_currency": one} for one in targets]
    return json.dumps({"result": "success", "error_code": "0", "markets": markets}).encode()


def korbit_pairs(*pairs: tuple[object, object]) -> bytes:
    data = [{"symbol": symbol, "status": status} for symbol, status in pairs]
    return json.dumps({"success": True, "data": data}).encode()


def upbit_markets(*codes: object) -> bytes:
    return json.dumps([{"market": code, "korean_name": "비트코인"} for code in codes]).encode()


class _OverHttp(FeedContract):
    """Takes the exchange's code, its list of markets, and where each part's replies are."""

    adapter: ClassVar[type]
    code: ClassVar[str]
    listed: ClassVar[dict[str, bytes]] = {}
    pages: ClassVar[dict[str, list[tuple[str, bytes]]]]
    """Targets and bodies by part."""

    @pytest.fixture
    async def asked(self, stub: StubExchange) -> AsyncIterator[Asked]:
        told = [*self.listed.items(), *(page for pages in self.pages.values() for page in pages)]
        stub.answers = {target: [Canned(body)] for target, body in told}

        def behave(canned: Canned | None) -> None:
            stub.always = canned

        async with feed_of(self.adapter, self.code, stub) as feed:
            yield Asked(
                feed=feed,
                expected={
                    part: [
                        Reply(
                            body, self.market(part), stub.url + target, BEGUN, self.asked_for(part)
                        )
                        for target, body in pages
                    ]
                    for part, pages in self.pages.items()
                },
                fail=lambda: behave(Canned(status=503)),
                refuse=lambda: behave(NOT_FOUND),
                hang=lambda: behave(Canned(ending=Ending.SILENCE)),
                recover=lambda: behave(None),
                times_asked=lambda: len(stub.asked),
            )

    def market(self, part: str) -> Market:
        quote, _, target = part.partition("/")
        return Market(self.code, quote, target) if target else Market(self.code, "", "")

    def asked_for(self, part: str) -> tuple[Market, ...] | None:
        quote, _, targets = part.partition("/")
        asked = tuple(Market(self.code, quote, target) for target in targets.split(","))
        return asked if targets else None


class TestCoinoneFeed(_OverHttp):
    adapter = CoinoneFeed
    code = "coinone"
    listed: ClassVar = {COINONE_MARKETS: coinone_markets("BTC", "1INCH", "BTC")}
    pages: ClassVar = {
        "KRW/1INCH": [("/public/v2/range_units/KRW/1INCH", b'{"any": 1}')],
        # What is no reply is for the format to reject, and to keep.
        "KRW/BTC": [("/public/v2/range_units/KRW/BTC", b"<html>maintenance</html>")],
    }


class TestKorbitFeed(_OverHttp):
    adapter = KorbitFeed
    code = "korbit"
    listed: ClassVar = {
        KORBIT_PAIRS: korbit_pairs(
            ("btc_krw", "launched"), ("old_krw", "stopped"), ("1inch_krw", "announced")
        )
    }
    pages: ClassVar = {
        "KRW/1INCH": [("/v2/tickSizePolicy?symbol=1inch_krw", b'{"success": false}')],
        "KRW/BTC": [("/v2/tickSizePolicy?symbol=btc_krw", b'{"success": true}')],
    }


class TestOkxFeed(_OverHttp):
    adapter = OkxFeed
    code = "okx"
    lists_without_asking = True
    pages: ClassVar = {
        "all": [("/api/v5/public/instrument-tick-bands?instType=OPTION", b'{"code": "0"}')]
    }


class TestBinanceFeed(_OverHttp):
    adapter = BinanceFeed
    code = "binance"
    lists_without_asking = True
    pages: ClassVar = {"all": [("/api/v3/exchangeInfo", b'{"symbols": []}')]}


class TestBybitFeed(_OverHttp):
    adapter = BybitFeed
    code = "bybit"
    lists_without_asking = True
    pages: ClassVar = {
        "linear": [
            (f"{BYBIT}linear&limit=500", page(cursor="first%3DA&x")),
            (f"{BYBIT}linear&limit=500&cursor=first%253DA%26x", page(cursor="z")),
            (f"{BYBIT}linear&limit=500&cursor=z", page(cursor=None)),
        ],
    }


class TestUpbitFeed(_OverHttp):
    adapter = UpbitFeed
    code = "upbit"
    listed: ClassVar = {
        UPBIT_MARKETS: upbit_markets(
            "KRW-BTC", "BTC-ETH", "KRW-1INCH", "KRW-BTC", *(f"USDT-{n:032}" for n in range(3))
        )
    }
    pages: ClassVar = {
        part: [(f"/v1/orderbook/instruments?markets={codes}", b'[{"any": 1}]')]
        for part, codes in (
            ("BTC/ETH", "BTC-ETH"),
            ("KRW/1INCH,BTC", "KRW-1INCH%2CKRW-BTC"),
            (f"USDT/{0:032},{1:032}", f"USDT-{0:032}%2CUSDT-{1:032}"),
            (f"USDT/{2:032}", f"USDT-{2:032}"),
        )
    }

    def market(self, part: str) -> Market:
        assert part
        return Market("upbit", "", "")


# -- lists of markets that are none ------------------------------------------------------------


NO_LISTS = [b"", b"<html>", b"[]", b"null", b"{}", b'{"result": "success", "success": true}']


@pytest.mark.parametrize(
    ("adapter", "code", "target", "wrong"),
    [
        pytest.param(
            CoinoneFeed,
            "coinone",
            COINONE_MARKETS,
            [
                b'{"result": "error", "error_code": "108", "error_msg": "Unknown", "markets": []}',
                coinone_markets(),
                coinone_markets(1, None),
                coinone_markets("B" * 200),
                coinone_markets("B\0"),
                coinone_markets("BTC").replace(b"KRW", b"USDT"),
                coinone_markets("BTC").replace(b'"success"', b"true"),
            ],
            id="coinone",
        ),
        pytest.param(
            KorbitFeed,
            "korbit",
            KORBIT_PAIRS,
            [
                korbit_pairs(),
                korbit_pairs(("old_krw", "stopped")),
                korbit_pairs(("btckrw", "launched")),
                korbit_pairs(("BTC_KRW", "launched")),
                korbit_pairs(("btc_krw", None)),
                korbit_pairs((7, "launched")),
                korbit_pairs(("btc_krw", "launched")).replace(b"true", b"false"),
                korbit_pairs(("btc_krw", "launched")).replace(b"true", b'"true"'),
            ],
            id="korbit",
        ),
        pytest.param(
            UpbitFeed,
            "upbit",
            UPBIT_MARKETS,
            [
                b'{"error": {"name": 404, "message": "Code not found"}}',
                upbit_markets(None, 7, "KRW", "krw-btc", "KRW-*", "KRW-A,B", "B" * 200),
                b'["KRW-BTC"]',
            ],
            id="upbit",
        ),
    ],
)
async def test_what_is_no_list_of_markets_is_refused_in_a_short_line(
    stub: StubExchange, adapter: type, code: str, target: str, wrong: list[bytes]
) -> None:
    async with feed_of(adapter, code, stub) as feed:
        for body in [*NO_LISTS, *wrong]:
            stub.answers[target] = [Canned(body)]
            with pytest.raises(FeedRefused) as caught:
                await feed.parts()
            assert caught.value.detail.isprintable(), body
            assert len(caught.value.detail) < 300, body


async def test_what_cannot_be_read_of_a_list_is_told_with_its_place_and_stops_nothing_else(
    stub: StubExchange,
) -> None:
    odd = rb'[{"quote_currency": "KRW", "target_currency": "\ud800"}, 7, {'
    coinone = coinone_markets("BTC", None, "B" * 200, "ETH").replace(b"[{", odd)
    korbit = korbit_pairs(
        ("btc_krw", "launched"), ("BTC-KRW", "launched"), (7, "x"), ("old_krw", "stopped")
    )
    upbit = upbit_markets("KRW-BTC", None, "krw-btc", "KRW-*", "BTC-ETH").replace(
        b"[{", b"[null, {"
    )
    lists: list[tuple[type, str, str, bytes, list[str], dict[str, str]]] = [
        (
            CoinoneFeed,
            "coinone",
            COINONE_MARKETS,
            coinone,
            ["KRW/BTC", "KRW/ETH"],
            {
                "markets[0]": r'The entry is about "KRW/\ud800", which is no market.',
                "markets[1]": "The entry does not have two currencies.",
                "markets[3]": "The entry does not have two currencies.",
                "markets[4]": f'The entry is about "KRW/{"B" * 95}…", which is no market.',
            },
        ),
        (
            KorbitFeed,
            "korbit",
            KORBIT_PAIRS,
            korbit,
            ["KRW/BTC"],
            {
                "data[1]": 'The entry has the string "BTC-KRW" for a symbol, not such as btc_krw.',
                "data[2]": "The entry has no symbol, or no status.",
            },
        ),
        (
            UpbitFeed,
            "upbit",
            UPBIT_MARKETS,
            upbit,
            ["BTC/ETH", "KRW/BTC"],
            {
                "[0]": "The entry has no market.",
                "[2]": "The entry has no market.",
                "[3]": 'The entry has the string "krw-btc" for a market, not such as KRW-BTC.',
                "[4]": 'The entry has the string "KRW-*" for a market, not such as KRW-BTC.',
            },
        ),
    ]
    for adapter, code, target, body, readable, unreadable in lists:
        stub.answers[target] = [Canned(body)]
        async with feed_of(adapter, code, stub) as feed:
            parts = await feed.parts()
        assert list(parts.readable) == readable
        assert {one.part: one.reason for one in parts.unreadable} == unreadable


async def test_a_market_that_is_spelled_as_none_stops_only_itself(stub: StubExchange) -> None:
    stub.answers[COINONE_MARKETS] = [Canned(coinone_markets("BTC", "B C"))]
    async with feed_of(CoinoneFeed, "coinone", stub) as feed:
        assert await feed.parts() == Parts(("KRW/B C", "KRW/BTC"))
        with pytest.raises(FeedRefused, match="B C"):
            await fetched(feed, "KRW/B C")


# -- pages ---------------------------------------------------------------------------------------


async def test_pages_that_lead_nowhere_are_refused(stub: StubExchange) -> None:
    first, second = f"{BYBIT}linear&limit=500", f"{BYBIT}linear&limit=500&cursor=a"
    for cursor, told in (("a", "leads back"), (7, "a number for a cursor")):
        stub.asked.clear()
        stub.answers = {first: [Canned(page(cursor="a"))], second: [Canned(page(cursor=cursor))]}
        async with feed_of(BybitFeed, "bybit", stub) as feed:
            with pytest.raises(FeedRefused, match=told):
                await fetched(feed, "linear")
        assert stub.asked == [first, second]


async def test_a_page_of_another_category_than_was_asked_for_is_taken_by_nobody(
    stub: StubExchange,
) -> None:
    stub.always = Canned(page(cursor=None).replace(b'"linear"', b'"spot"'))
    async with feed_of(BybitFeed, "bybit", stub) as feed:
        with pytest.raises(FeedRefused, match='the category the string "spot", not linear'):
            await feed.fetch(part="linear", take=refuse)


async def test_the_pages_before_one_that_fails_are_taken(stub: StubExchange) -> None:
    first, second = f"{BYBIT}linear&limit=500", f"{BYBIT}linear&limit=500&cursor=a"
    stub.answers = {first: [Canned(page(cursor="a"))], second: [Canned(status=503)]}
    taken: list[Reply] = []

    async def take(reply: Reply) -> None:
        await anyio.lowlevel.checkpoint()
        taken.append(reply)

    async with feed_of(BybitFeed, "bybit", stub) as feed:
        with pytest.raises(FeedUnavailable):
            await feed.fetch(part="linear", take=take)
    assert [reply.source for reply in taken] == [stub.url + first]


async def test_pages_without_an_end_are_refused(stub: StubExchange) -> None:
    targets = [
        f"{BYBIT}linear&limit=500",
        *(f"{BYBIT}linear&limit=500&cursor={n}" for n in range(60)),
    ]
    stub.answers = {target: [Canned(page(cursor=str(n)))] for n, target in enumerate(targets)}
    async with feed_of(BybitFeed, "bybit", stub) as feed:
        with pytest.raises(FeedRefused, match="more than 50 pages"):
            await fetched(feed, "linear")


async def test_a_page_that_cannot_be_read_is_the_last_and_given_as_it_came(
    stub: StubExchange,
) -> None:
    first, second = f"{BYBIT}linear&limit=500", f"{BYBIT}linear&limit=500&cursor=a"
    for body in (b"<html>", b'{"retCode": 10001, "retMsg": "params error", "result": {}}'):
        stub.answers = {first: [Canned(page(cursor="a"))], second: [Canned(body)]}
        async with feed_of(BybitFeed, "bybit", stub) as feed:
            replies = await fetched(feed, "linear")
        assert [reply.payload for reply in replies] == [page(cursor="a"), body]


# -- the application -----------------------------------------------------------------------------


async def test_an_application_asks_where_the_settings_say_and_closes_what_it_opened(
    stub: StubExchange, tmp_path: Path
) -> None:
    stub.always = Canned(b"x" * 1025)
    settings = Settings(data_dir=tmp_path, exchange_urls={"okx": stub.url}, max_payload_bytes=1024)
    async with opened(settings, makes=True) as application:
        with pytest.raises(FeedRefused, match="1024"):
            await fetched(application.feeds["okx"], "all")
        stub.always = Canned(b"x" * 1024)
        [reply] = await fetched(application.feeds["okx"], "all")
    assert reply.source == f"{stub.url}/api/v5/public/instrument-tick-bands?instType=OPTION"
    assert application.feeds.keys() == ASKED.keys()
    await until(lambda: stub.open == 0)
