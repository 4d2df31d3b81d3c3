"""What exchanges answer, for feeds by hand."""

import json

from app.adapters.memory.system import SettableClock
from app.domain.range_units.revisions import Market
from app.ports.range_units.feeds import Reply

SOURCE = "https://exchange.example/range-units"
BEGUN = SettableClock().now()
"""When the clock of an application begins."""


def a_reply(unit: str, *, target: str = "BTC") -> Reply:
    """Give what Coinone answers about a market whose prices have one unit everywhere."""
    payload = (
        '{"result": "success", "error_code": "0", "range_price_units":'
        f' [{{"range_min": 0, "next_range_min": 100000, "price_unit": {unit}}}]}}'
    )
    market = Market("coinone", "KRW", target)
    return Reply(payload.encode(), market, f"{SOURCE}/KRW/{target}", BEGUN, (market,))


def ticks_of_upbit(**ticks: str) -> Reply:
    """Give what Upbit answers about the tick sizes of markets, given as `KRW_BTC`."""
    entries = [
        {"market": f"{quote}-{target}", "quote_currency": quote, "tick_size": tick}
        for (quote, target), tick in ((name.split("_"), tick) for name, tick in ticks.items())
    ]
    asked = tuple(Market("upbit", *name.split("_")) for name in ticks)
    return Reply(json.dumps(entries).encode(), Market("upbit", "", ""), SOURCE, BEGUN, asked)
