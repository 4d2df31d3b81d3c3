"""The exchanges that can be asked: adding one is a module beside this one, and an entry here."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from app.adapters.exchanges.binance import BinanceFeed, BinanceFormat
from app.adapters.exchanges.budget import RateBudget
from app.adapters.exchanges.bybit import BybitFeed, BybitFormat
from app.adapters.exchanges.client import ExchangeClient
from app.adapters.exchanges.coinone import CoinoneFeed, CoinoneFormat
from app.adapters.exchanges.korbit import KorbitFeed, KorbitFormat
from app.adapters.exchanges.okx import OkxFeed, OkxFormat
from app.adapters.exchanges.upbit import UpbitFeed, UpbitFormat
from app.ports.range_units.feeds import Feed
from app.ports.range_units.formats import PayloadFormat

MOST_URL_CHARACTERS: Final = 200

_GREATEST_PORT: Final = 65_535
_BASE_URL: Final = re.compile(
    r"https?://([a-z0-9][a-z0-9.-]*|\[[0-9a-f:.]+\])(:(?P<port>[0-9]{1,5}))?(/[a-z0-9._~/-]*)?",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """An exchange: where it is, how often it may be asked, what for, and how it replies."""

    url: str
    rate: RateBudget
    feed: Callable[[ExchangeClient], Feed]
    replies: PayloadFormat


# Each budget stays within what the exchange allows an address in any span of time, or well below
# it, since others may share the address. Theirs, when these were written:
# binance: weight 6,000 a minute, and this call weighs 20; bybit: 600 calls in 5 s;
# coinone: 1,200 calls, refilled at 20 a second; korbit: 50 a second; okx: 5 in 2 s for this call;
# upbit: 10 a second for each of the two calls.
ASKED: Final[Mapping[str, Asked]] = MappingProxyType(
    {
        "binance": Asked(
            "https://api.binance.com", RateBudget(1, burst=5), BinanceFeed, BinanceFormat()
        ),
        "bybit": Asked("https://api.bybit.com", RateBudget(10, burst=10), BybitFeed, BybitFormat()),
        "coinone": Asked(
            "https://api.coinone.co.kr", RateBudget(20, burst=1200), CoinoneFeed, CoinoneFormat()
        ),
        "korbit": Asked(
            "https://api.korbit.co.kr", RateBudget(40, burst=10), KorbitFeed, KorbitFormat()
        ),
        "okx": Asked("https://www.okx.com", RateBudget(1, burst=3), OkxFeed, OkxFormat()),
        "upbit": Asked("https://api.upbit.com", RateBudget(5, burst=3), UpbitFeed, UpbitFormat()),
    }
)


def formats() -> dict[str, PayloadFormat]:
    """Give the format in which each exchange replies."""
    return {code: asked.replies for code, asked in ASKED.items()}


def feeds(client: Callable[..., ExchangeClient], *, urls: Mapping[str, str]) -> dict[str, Feed]:
    """Make the feed of every exchange; `urls` says where some are instead of their own place.

    A `client` is made for each, by its keywords `exchange`, `url` and `rate`.
    """
    return {
        code: asked.feed(client(exchange=code, url=urls.get(code, asked.url), rate=asked.rate))
        for code, asked in ASKED.items()
    }


def read_urls(written: str) -> dict[str, str]:
    """Read `coinone=https://…,okx=https://…`. Raises `ValueError` saying what is wrong.

    The reason shows nothing of a URL, where somebody may have written a password.
    """
    urls: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in written.split(","))):
        code, _, url = (part.strip() for part in pair.partition("="))
        if code not in ASKED:
            raise ValueError(
                f"has to be pairs such as okx=https://…, with commas between, of {', '.join(ASKED)}"
            )
        if code in urls:
            raise ValueError(f"names {code} twice")
        urls[code] = _base_url(code, url)
    return urls


def _base_url(code: str, written: str) -> str:
    """Check a URL that paths are put behind: no user, no query, and no slash at its end."""
    import httpx  # noqa: PLC0415 - what asks no exchange starts without

    found = _BASE_URL.fullmatch(written)
    if found is None or len(written) > MOST_URL_CHARACTERS:
        raise ValueError(
            f"has to say http or https for {code}, a host, and a port or a path at most"
        )
    if found["port"] and not 0 < int(found["port"]) <= _GREATEST_PORT:
        raise ValueError(f"has no port number of TCP for {code}")
    try:
        return str(httpx.URL(written)).rstrip("/")
    except httpx.InvalidURL:  # which quotes it
        raise ValueError(f"has no host that there could be for {code}") from None
