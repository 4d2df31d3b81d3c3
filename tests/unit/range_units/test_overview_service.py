from datetime import timedelta

from app.domain.range_units.revisions import Market
from tests.application import MemoryApplication
from tests.builders import a_table, an_exchange


async def test_the_age_of_an_exchange_is_the_time_since_any_market_was_seen() -> None:
    application = MemoryApplication()
    for code in ("coinone", "korbit"):
        await application.range_units.put_exchange(exchange=an_exchange(code=code))
    for target in ("BTC", "ETH"):
        application.clock.advance(timedelta(minutes=1))
        market = Market("coinone", "KRW", target)
        await application.range_units.put_range_units(market=market, table=a_table(), source="x")
    application.clock.advance(timedelta(seconds=5))
    ages = [each.age for each in await application.overview.standings()]
    assert ages == [timedelta(seconds=5), None]


async def test_what_was_seen_by_a_server_whose_clock_is_ahead_has_no_age_below_zero() -> None:
    application = MemoryApplication()
    await application.range_units.put_exchange(exchange=an_exchange())
    market = Market("coinone", "KRW", "BTC")
    await application.range_units.put_range_units(market=market, table=a_table(), source="x")
    application.clock.advance(timedelta(seconds=-5))
    assert [each.age for each in await application.overview.standings()] == [timedelta(0)]
