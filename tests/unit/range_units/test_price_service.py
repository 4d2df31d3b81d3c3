from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from app.domain.range_units.errors import (
    PriceOffGrid,
    UnknownExchange,
    UnknownHistory,
    UnknownMarket,
)
from app.domain.range_units.grid import Direction, Reason, Ties
from app.domain.range_units.table import Row
from app.services.range_units.price_service import PriceService, Stepped
from app.services.range_units.range_units_service import RangeUnits
from tests.application import MemoryApplication
from tests.builders import a_market, a_table, an_exchange

BTC = a_market()
UNITS = a_table(("0", "0.1"), ("1000", "1"))
LATER_UNITS = a_table(("0", "0.5"), ("1000", "5"))
MINUTE = timedelta(minutes=1)
PRICE = Decimal(1000)

Ask = Callable[..., Awaitable[tuple[RangeUnits, object]]]
"""Asks a `PriceService` about a market, and perhaps `as_of` an instant."""

QUESTIONS: list[Ask] = [
    lambda prices, market, **when: prices.check(market=market, prices=[PRICE], **when),
    lambda prices, market, **when: prices.round(
        market=market, prices=[str(PRICE)], direction=Direction.UP, **when
    ),
    lambda prices, market, **when: prices.step(market=market, price=PRICE, ticks=1, **when),
    lambda prices, market, **when: prices.ticks(market=market, start=PRICE, end=PRICE, **when),
    lambda prices, market, **when: prices.ladder(market=market, price=PRICE, levels=1, **when),
]
NAMES = ["check", "round", "step", "ticks", "ladder"]


@pytest.fixture
async def application() -> MemoryApplication:
    application = MemoryApplication()
    await application.range_units.put_exchange(exchange=an_exchange())
    await application.range_units.put_range_units(market=BTC, table=UNITS, source="a notice")
    return application


def numbers(*texts: str) -> list[Decimal]:
    return [Decimal(text) for text in texts]


async def test_every_price_that_is_checked_is_answered_in_its_place(
    application: MemoryApplication,
) -> None:
    asked = numbers("999.9", "999.95", "0", "1000.5")
    _, answers = await application.prices.check(market=BTC, prices=asked)
    assert [(answer.price, answer.reason) for answer in answers] == list(
        zip(asked, [None, Reason.OFF_TICK, Reason.NOT_POSITIVE, Reason.OFF_TICK], strict=True)
    )


async def test_a_check_shows_the_valid_prices_around_and_the_band(
    application: MemoryApplication,
) -> None:
    _, [answer] = await application.prices.check(market=BTC, prices=numbers("999.95"))
    assert (answer.floor, answer.ceil) == (Decimal("999.9"), Decimal(1000))
    assert answer.band == Row(Decimal(0), Decimal("0.1"), Decimal(1000))


@pytest.mark.parametrize(
    ("direction", "ties", "rounded"),
    [
        (Direction.DOWN, Ties.UP, "1000"),
        (Direction.UP, Ties.UP, "1001"),
        (Direction.NEAREST, Ties.UP, "1001"),
        (Direction.NEAREST, Ties.DOWN, "1000"),
        (Direction.NEAREST, Ties.EVEN, "1000"),
    ],
)
async def test_a_price_is_rounded_as_asked(
    application: MemoryApplication, direction: Direction, ties: Ties, rounded: str
) -> None:
    _, [answer] = await application.prices.round(
        market=BTC, prices=["1000.5"], direction=direction, ties=ties
    )
    assert answer.rounded == rounded


async def test_without_a_rule_for_ties_the_nearest_is_the_higher_one(
    application: MemoryApplication,
) -> None:
    _, [answer] = await application.prices.round(
        market=BTC, prices=["1000.5"], direction=Direction.NEAREST
    )
    assert answer.rounded == "1001"


async def test_every_price_is_rounded_in_its_place(application: MemoryApplication) -> None:
    _, answers = await application.prices.round(
        market=BTC, prices=["0.05", "999.99", "7"], direction=Direction.DOWN
    )
    assert [answer.rounded for answer in answers] == [None, "999.9", "7"]


@pytest.mark.parametrize(("ticks", "reached"), [(3, "1002"), (0, "999.9"), (-2, "999.7")])
async def test_a_step_goes_from_valid_price_to_valid_price(
    application: MemoryApplication, ticks: int, reached: str
) -> None:
    _, stepped = await application.prices.step(market=BTC, price=Decimal("999.9"), ticks=ticks)
    assert stepped.price == Decimal(reached)


async def test_a_step_beyond_the_table_reaches_no_price(application: MemoryApplication) -> None:
    _, stepped = await application.prices.step(market=BTC, price=Decimal("0.1"), ticks=-1)
    assert stepped == Stepped(None, None, Reason.NOT_POSITIVE)


@pytest.mark.parametrize(
    ("start", "end", "ticks"), [("999.9", "1001", 2), ("1001", "999.9", -2), ("1", "1", 0)]
)
async def test_ticks_are_counted_from_one_valid_price_to_another(
    application: MemoryApplication, start: str, end: str, ticks: int
) -> None:
    _, counted = await application.prices.ticks(market=BTC, start=Decimal(start), end=Decimal(end))
    assert counted == ticks


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(
            lambda prices: prices.step(market=BTC, price=Decimal("1000.5"), ticks=1), id="step"
        ),
        pytest.param(
            lambda prices: prices.ticks(market=BTC, start=Decimal("1000.5"), end=PRICE),
            id="ticks-from",
        ),
        pytest.param(
            lambda prices: prices.ticks(market=BTC, start=PRICE, end=Decimal("1000.5")),
            id="ticks-to",
        ),
    ],
)
async def test_ticks_are_not_counted_from_a_price_that_is_not_valid(
    application: MemoryApplication, ask: Callable[[PriceService], Awaitable[object]]
) -> None:
    with pytest.raises(PriceOffGrid):
        await ask(application.prices)


async def test_a_ladder_shows_the_nearest_prices_on_both_sides_first(
    application: MemoryApplication,
) -> None:
    _, ladder = await application.prices.ladder(market=BTC, price=PRICE, levels=2)
    assert (ladder.below, ladder.above) == (numbers("999.9", "999.8"), numbers("1001", "1002"))


async def test_a_ladder_around_a_price_that_is_not_valid_is_one_of_valid_prices(
    application: MemoryApplication,
) -> None:
    _, ladder = await application.prices.ladder(market=BTC, price=Decimal("1000.5"), levels=1)
    assert (ladder.below, ladder.above) == (numbers("1000"), numbers("1001"))
    assert ladder.asked.reason is Reason.OFF_TICK


async def test_to_no_prices_there_are_no_answers(application: MemoryApplication) -> None:
    units, answers = await application.prices.check(market=BTC, prices=[])
    assert (units.table, answers) == (UNITS, [])


@pytest.mark.parametrize("ask", QUESTIONS, ids=NAMES)
async def test_every_answer_comes_with_the_units_that_it_is_by(
    application: MemoryApplication, ask: Ask
) -> None:
    application.clock.advance(MINUTE)
    units, _ = await ask(application.prices, BTC)
    assert units == await application.range_units.current(market=BTC)


@pytest.mark.parametrize("ask", QUESTIONS, ids=NAMES)
async def test_a_question_about_an_unknown_exchange_has_no_answer(
    application: MemoryApplication, ask: Ask
) -> None:
    with pytest.raises(UnknownExchange):
        await ask(application.prices, a_market(exchange="upbit"))


@pytest.mark.parametrize("ask", QUESTIONS, ids=NAMES)
async def test_a_question_about_an_unknown_market_has_no_answer(
    application: MemoryApplication, ask: Ask
) -> None:
    with pytest.raises(UnknownMarket):
        await ask(application.prices, a_market(quote="USDT"))


@pytest.mark.parametrize("ask", QUESTIONS, ids=NAMES)
async def test_a_question_about_now_is_answered_by_the_units_in_force_now(
    application: MemoryApplication, ask: Ask
) -> None:
    application.clock.advance(MINUTE)
    await application.range_units.put_range_units(market=BTC, table=LATER_UNITS, source="another")
    units, _ = await ask(application.prices, BTC)
    assert units.table == LATER_UNITS


@pytest.mark.parametrize(
    ("minutes", "valid"), [(0, [True, True]), (1, [False, True])], ids=["before", "after"]
)
async def test_a_question_as_of_an_instant_is_answered_by_the_units_in_force_then(
    application: MemoryApplication, minutes: int, valid: list[bool]
) -> None:
    as_of = application.clock.now() + minutes * MINUTE
    application.clock.advance(MINUTE)
    await application.range_units.put_range_units(market=BTC, table=LATER_UNITS, source="another")
    _, answers = await application.prices.check(
        market=BTC, prices=numbers("1001", "1005"), as_of=as_of
    )
    assert [answer.valid for answer in answers] == valid


@pytest.mark.parametrize("ask", QUESTIONS, ids=NAMES)
async def test_before_the_history_begins_there_is_no_answer(
    application: MemoryApplication, ask: Ask
) -> None:
    with pytest.raises(UnknownHistory):
        await ask(application.prices, BTC, as_of=application.clock.now() - MINUTE)


async def test_an_observed_price_is_looked_for_in_the_last_twenty_revisions(
    application: MemoryApplication,
) -> None:
    allowed = Decimal("0.1")
    found = []
    for changed in range(21):
        application.clock.advance(MINUTE)
        await application.range_units.put_range_units(
            market=BTC, table=a_table(("0", str(5 + changed % 2))), source="a notice"
        )
        _, [(_, span)] = await application.prices.explain(market=BTC, prices=[allowed])
        found.append(span is not None)
    assert found == [True] * 20 + [False]
