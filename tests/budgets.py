"""What every use case may cost: statements, commits and rollbacks, exactly."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Final

from app.domain.errors import TickgateError
from app.domain.identity.errors import InvalidToken, RefreshInProgress, UsernameTaken
from app.domain.identity.login_log import LoginLogFilter, LoginLogPosition
from app.domain.identity.sessions import REFRESH_GRACE
from app.domain.range_units.errors import RevisionInForce, UnknownExchange, UnknownMarket
from tests.application import FakedApplication
from tests.builders import a_market, an_exchange
from tests.use_cases import (
    BTC,
    CLIENT,
    COARSE,
    ETH,
    FINE,
    SOURCE,
    USE_CASES,
    Call,
    a_refresh,
    a_registration,
    log_in,
    registered,
)


@dataclass(frozen=True)
class Budget:
    """What a use case costs in one situation.

    `on_postgres` is the number of statements there, where it keeps the login log by months.
    `rollbacks` are units of work that were left after they had written, or held, something, and
    `readings` those that were left otherwise: a database sees a rollback in either.
    """

    name: str
    prepare: Callable[[FakedApplication], Awaitable[Call]]
    statements: int
    commits: int = 0
    rollbacks: int = 0
    readings: int = 0
    refusal: type[TickgateError] | None = None
    on_postgres: int | None = None

    def __str__(self) -> str:
        """Name it in a test's name."""
        return self.name


def of_writing(
    name: str,
    *,
    statements: int,
    commits: int = 1,
    readings: int = 0,
    on_postgres: int | None = None,
) -> Budget:
    """Give the budget of a use case that is described already."""
    [found] = [use_case for use_case in USE_CASES if use_case.name == name]
    return Budget(
        name,
        found.prepare,
        statements,
        commits,
        readings=readings,
        refusal=found.refusal,
        on_postgres=on_postgres,
    )


async def a_login_after_others(application: FakedApplication) -> Call:
    await registered(application)
    for _ in range(10):
        await log_in(application)
    return partial(log_in, application)


async def a_token_to_check(application: FakedApplication) -> Call:
    await registered(application)
    login = await log_in(application)
    return partial(application.auth.authenticate_token, token=login.access_token)


async def an_unknown_token(application: FakedApplication) -> Call:
    return partial(application.auth.refresh, refresh_token="unknown", client=CLIENT)


async def a_refresh_at_once_again(application: FakedApplication) -> Call:
    refresh = await a_refresh(application)
    await refresh()
    return refresh


async def a_taken_name(application: FakedApplication) -> Call:
    register = await a_registration(application)
    await register()
    return register


async def a_second_start(application: FakedApplication) -> Call:
    await registered(application)
    return application.users.create_first_admin


async def a_page_of_users(application: FakedApplication) -> Call:
    await registered(application)
    return partial(application.users.list_users, limit=50)


async def a_user_by_id(application: FakedApplication) -> Call:
    user = await registered(application)
    return partial(application.users.get_user_by_id, user_id=user.id)


async def a_page_of_the_log(application: FakedApplication, *, depth: int) -> Call:
    await registered(application)
    for _ in range(5):
        await log_in(application)
    search = partial(application.login_log.search, matching=LoginLogFilter())
    passed = await search(limit=depth)
    before = LoginLogPosition(passed[-1].at, passed[-1].id) if passed else None
    return partial(search, before=before, limit=2)


async def a_look_for_findings(application: FakedApplication) -> Call:
    return partial(application.login_log.findings, window=timedelta(minutes=15))


def reply(bands: int, *, unit: float = 1) -> bytes:
    """Give a reply of Coinone with that many bands."""
    return json.dumps(
        {
            "result": "success",
            "error_code": "0",
            "range_price_units": [
                {"range_min": low, "next_range_min": low + 1, "price_unit": unit}
                for low in range(bands)
            ],
        }
    ).encode()


async def an_ingest(application: FakedApplication, *, bands: int, units: tuple[float, ...]) -> Call:
    """Give the ingest of a reply with the last of the units, after those with the others."""
    await application.range_units.put_exchange(exchange=an_exchange())
    ingest = partial(application.range_units.ingest, market=BTC, source=SOURCE)
    *earlier, last = units
    for unit in earlier:
        await ingest(payload=reply(bands, unit=unit))
        application.clock.advance(REFRESH_GRACE)
    return partial(ingest, payload=reply(bands, unit=last))


async def range_units(application: FakedApplication, *, target: str = "BTC") -> None:
    await application.range_units.put_exchange(exchange=an_exchange())
    await application.range_units.put_range_units(
        market=a_market(target=target), table=FINE, source=SOURCE
    )


async def reading_range_units(application: FakedApplication, *, target: str = "BTC") -> Call:
    await range_units(application, target=target)
    return partial(application.range_units.current, market=BTC)


async def an_unknown_market(application: FakedApplication) -> Call:
    await range_units(application)
    return partial(application.range_units.current, market=ETH)


async def a_page_of_the_history(application: FakedApplication) -> Call:
    await range_units(application)
    return partial(application.range_units.history, market=BTC, limit=50)


async def prices(application: FakedApplication, *, count: int) -> Call:
    await range_units(application)
    asked = [Decimal(price) for price in range(1, count + 1)]
    return partial(application.prices.check, market=BTC, prices=asked)


async def a_page_of_exchanges(application: FakedApplication) -> Call:
    await range_units(application)
    return partial(application.range_units.list_exchanges, limit=50)


async def a_page_of_markets(application: FakedApplication) -> Call:
    await range_units(application)
    return partial(application.range_units.list_markets, exchange="coinone", limit=50)


async def another_table_for_a_start_that_has_come(application: FakedApplication) -> Call:
    await range_units(application)
    return partial(
        application.range_units.put_range_units,
        market=BTC,
        table=COARSE,
        source=SOURCE,
        effective_from=application.clock.now(),
    )


async def a_reply_for_nobody(application: FakedApplication) -> Call:
    return partial(application.range_units.ingest, market=BTC, payload=reply(1), source=SOURCE)


async def ladders_that_are_there(application: FakedApplication) -> Call:
    await range_units(application)
    return partial(application.range_units.load_ladders, exchanges=[an_exchange()], observations=[])


INGESTS: Final = tuple(
    Budget(
        f"{kind} ingest of {bands} bands",
        partial(an_ingest, bands=bands, units=units),
        statements,
        commits=1,
        readings=1,
    )
    for bands in (1, 100, 10_000)
    for kind, units, statements in (
        ("first", (1,), 6),
        ("confirming", (1, 1), 5),
        ("replacing", (1, 0.5), 6),
    )
)

BUDGETS: Final = (
    of_writing("login", statements=7, commits=2),
    of_writing("login with an old hash", statements=8, commits=2),
    of_writing("login with a wrong password", statements=3, commits=2),
    of_writing("login of nobody", statements=3, commits=2),
    of_writing("refused attempt", statements=1),
    of_writing("refresh", statements=6),
    of_writing("refresh with a stolen token", statements=5),
    of_writing("logout", statements=1),
    of_writing("registration", statements=1),
    of_writing("first start", statements=2, readings=1),
    of_writing("disabling", statements=3),
    of_writing("change of password", statements=4, readings=1),
    of_writing("new password", statements=4, readings=1),
    of_writing("upkeep of the login log", statements=2, commits=2, on_postgres=4),
    of_writing("pruning of the login log", statements=2, on_postgres=3),
    of_writing("exchange", statements=1),
    of_writing("first reply", statements=6, readings=1),
    of_writing("reply that replaces", statements=7, readings=1),
    of_writing("reply that confirms", statements=5, readings=1),
    of_writing("statement", statements=5),
    of_writing("amendment", statements=6),
    of_writing("statement that confirms", statements=4),
    of_writing("bundled ladders", statements=6),
    *INGESTS,
    Budget("login after others", a_login_after_others, 7, commits=2),
    Budget("refresh with an unknown token", an_unknown_token, 1, rollbacks=1, refusal=InvalidToken),
    Budget(
        "refresh at once again",
        a_refresh_at_once_again,
        3,
        rollbacks=1,
        refusal=RefreshInProgress,
    ),
    Budget("registration of a taken name", a_taken_name, 1, rollbacks=1, refusal=UsernameTaken),
    Budget("second start", a_second_start, 1, readings=1),
    Budget("token check", a_token_to_check, 2, readings=1),
    Budget("user by id", a_user_by_id, 1, readings=1),
    Budget("page of users", a_page_of_users, 1, readings=1),
    Budget("first page of the login log", partial(a_page_of_the_log, depth=0), 1, readings=1),
    Budget("deep page of the login log", partial(a_page_of_the_log, depth=3), 1, readings=1),
    Budget("findings", a_look_for_findings, 6, readings=1),
    Budget("ingest for nobody", a_reply_for_nobody, 1, readings=1, refusal=UnknownExchange),
    Budget(
        "other content for a start that has come",
        another_table_for_a_start_that_has_come,
        3,
        rollbacks=1,
        refusal=RevisionInForce,
    ),
    Budget("ladders that are there", ladders_that_are_there, 1, readings=1),
    Budget("range units", reading_range_units, 3, readings=1),
    Budget("range units of a ladder", partial(reading_range_units, target="*"), 3, readings=1),
    Budget("unknown market", an_unknown_market, 4, readings=1, refusal=UnknownMarket),
    Budget("page of the history", a_page_of_the_history, 2, readings=1),
    Budget("one price", partial(prices, count=1), 3, readings=1),
    Budget("a thousand prices", partial(prices, count=1000), 3, readings=1),
    Budget("page of exchanges", a_page_of_exchanges, 1, readings=1),
    Budget("page of markets", a_page_of_markets, 2, readings=1),
)
