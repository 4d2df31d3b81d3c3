"""Every use case that writes: what has to be there for it, and how it is called."""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

from app.domain.errors import TickgateError
from app.domain.identity.errors import (
    InvalidCredentials,
    InvalidToken,
    RefreshInProgress,
    UsernameTaken,
    WrongPassword,
)
from app.domain.identity.login_log import Client, FailReason
from app.domain.identity.sessions import REFRESH_GRACE
from app.domain.identity.users import User
from app.domain.range_units.revisions import Observation
from app.services.identity.auth_service import AuthService, Login
from app.services.identity.login_log_upkeep_service import LoginLogUpkeepService
from app.services.identity.user_login_log_service import UserLoginLogService
from app.services.identity.user_service import UserService
from app.services.range_units.range_units_service import RangeUnitsService
from tests.application import PASSWORD, FakedApplication
from tests.builders import a_market, a_table, an_exchange, at

Call = Callable[[], Coroutine[Any, Any, object]]

CLIENT: Final = Client("203.0.113.7", "grid-bot/1.0", "request-1")
OTHER_PASSWORD: Final = "another fine password"
SOURCE: Final = "https://exchange.example/range-units"
BTC, ETH = a_market(target="BTC"), a_market(target="ETH")
COARSE, FINE = a_table(("0", "1")), a_table(("0", "0.1"), ("1000", "1"))
COARSE_REPLY, FINE_REPLY = (
    b'{"result": "success", "error_code": "0", "range_price_units":'
    b' [{"range_min": 0, "next_range_min": 100000, "price_unit": %s}]}' % unit
    for unit in (b"1", b"0.1")
)


@dataclass(frozen=True)
class UseCase:
    """A method of a service in one situation.

    `prepare` brings the situation about and gives the call. The call is refused with `refusal`
    when it is, its writes being kept all the same; once it was done, a second one may be refused
    with `done_before`.
    """

    name: str
    method: Callable[..., Coroutine[Any, Any, object]]
    prepare: Callable[[FakedApplication], Awaitable[Call]]
    refusal: type[TickgateError] | None = None
    done_before: type[TickgateError] | None = None
    checks_password: bool = False

    def __str__(self) -> str:
        """Name it in a test's name."""
        return self.name


async def registered(application: FakedApplication) -> User:
    return await application.users.create_user(username="trader", password=PASSWORD)


def log_in(
    application: FakedApplication, *, username: str = "trader", password: str = PASSWORD
) -> Coroutine[Any, Any, Login]:
    return application.auth.authenticate_user(username=username, password=password, client=CLIENT)


async def a_login(application: FakedApplication) -> Call:
    await registered(application)
    return partial(log_in, application)


async def a_login_with_an_old_hash(application: FakedApplication) -> Call:
    user = await registered(application)
    application.hasher.outdated.add(user.password_hash)
    return partial(log_in, application)


async def a_wrong_password(application: FakedApplication) -> Call:
    await registered(application)
    return partial(log_in, application, password=OTHER_PASSWORD)


async def a_login_of_nobody(application: FakedApplication) -> Call:
    return partial(log_in, application, username="nobody")


async def a_refused_attempt(application: FakedApplication) -> Call:
    return partial(
        application.login_log.log_login_attempt,
        username="trader",
        client=CLIENT,
        reason=FailReason.BUSY,
    )


async def a_refresh(application: FakedApplication) -> Call:
    await registered(application)
    login = await log_in(application)
    return partial(application.auth.refresh, refresh_token=login.refresh_token, client=CLIENT)


async def a_refresh_with_a_stolen_token(application: FakedApplication) -> Call:
    refresh = await a_refresh(application)
    await refresh()
    application.clock.advance(2 * REFRESH_GRACE)
    return refresh


async def a_logout(application: FakedApplication) -> Call:
    await registered(application)
    login = await log_in(application)
    principal = await application.auth.authenticate_token(token=login.access_token)
    return partial(application.auth.log_out, principal=principal)


async def a_registration(application: FakedApplication) -> Call:
    return partial(application.users.create_user, username="trader", password=PASSWORD)


async def a_first_start(application: FakedApplication) -> Call:
    return application.users.create_first_admin


async def a_disabling(application: FakedApplication) -> Call:
    user = await registered(application)
    await log_in(application)
    await log_in(application)
    return partial(application.users.set_disabled, user_id=user.id, disabled=True)


async def a_change_of_password(application: FakedApplication) -> Call:
    await registered(application)
    await log_in(application)
    login = await log_in(application)
    principal = await application.auth.authenticate_token(token=login.access_token)
    return partial(
        application.users.change_password,
        principal=principal,
        current_password=PASSWORD,
        new_password=OTHER_PASSWORD,
    )


async def a_new_password(application: FakedApplication) -> Call:
    user = await registered(application)
    await log_in(application)
    return partial(application.users.set_password, user_id=user.id, new_password=OTHER_PASSWORD)


async def an_old_log(application: FakedApplication) -> None:
    """Let users log in, and two years go by."""
    await registered(application)
    await log_in(application)
    application.clock.advance(timedelta(days=730))


async def an_upkeep(application: FakedApplication) -> Call:
    await an_old_log(application)
    return application.upkeep.keep_up


async def a_pruning(application: FakedApplication) -> Call:
    await an_old_log(application)
    return partial(application.upkeep.prune, older_than=timedelta(days=365))


async def an_exchange_to_put(application: FakedApplication) -> Call:
    return partial(application.range_units.put_exchange, exchange=an_exchange())


async def a_reply(application: FakedApplication, payload: bytes = FINE_REPLY) -> Call:
    await application.range_units.put_exchange(exchange=an_exchange())
    return partial(application.range_units.ingest, market=BTC, payload=payload, source=SOURCE)


async def a_reply_that_replaces(application: FakedApplication) -> Call:
    await (await a_reply(application, COARSE_REPLY))()
    return await a_reply(application)


async def a_reply_that_confirms(application: FakedApplication) -> Call:
    reply = await a_reply(application)
    await reply()
    application.clock.advance(REFRESH_GRACE)
    return reply


async def a_statement(application: FakedApplication) -> Call:
    await application.range_units.put_exchange(exchange=an_exchange())
    return partial(application.range_units.put_range_units, market=BTC, table=FINE, source=SOURCE)


async def an_amendment(application: FakedApplication) -> Call:
    await application.range_units.put_exchange(exchange=an_exchange())
    tomorrow = application.clock.now().replace(year=2027)
    put = partial(
        application.range_units.put_range_units,
        market=BTC,
        source=SOURCE,
        effective_from=tomorrow,
    )
    await put(table=COARSE)
    return partial(put, table=FINE)


async def a_statement_that_confirms(application: FakedApplication) -> Call:
    state = await a_statement(application)
    await state()
    application.clock.advance(REFRESH_GRACE)
    return state


async def bundled_ladders(application: FakedApplication) -> Call:
    return partial(
        application.range_units.load_ladders,
        exchanges=[an_exchange()],
        observations=[Observation(market, FINE, at(), SOURCE) for market in (BTC, ETH)],
    )


USE_CASES: Final = (
    UseCase("login", AuthService.authenticate_user, a_login, checks_password=True),
    UseCase(
        "login with an old hash",
        AuthService.authenticate_user,
        a_login_with_an_old_hash,
        checks_password=True,
    ),
    UseCase(
        "login with a wrong password",
        AuthService.authenticate_user,
        a_wrong_password,
        refusal=InvalidCredentials,
        checks_password=True,
    ),
    UseCase(
        "login of nobody",
        AuthService.authenticate_user,
        a_login_of_nobody,
        refusal=InvalidCredentials,
        checks_password=True,
    ),
    UseCase("refused attempt", UserLoginLogService.log_login_attempt, a_refused_attempt),
    UseCase("refresh", AuthService.refresh, a_refresh, done_before=RefreshInProgress),
    UseCase(
        "refresh with a stolen token",
        AuthService.refresh,
        a_refresh_with_a_stolen_token,
        refusal=InvalidToken,
    ),
    UseCase("logout", AuthService.log_out, a_logout),
    UseCase("registration", UserService.create_user, a_registration, done_before=UsernameTaken),
    UseCase("first start", UserService.create_first_admin, a_first_start),
    UseCase("disabling", UserService.set_disabled, a_disabling),
    UseCase(
        "change of password",
        UserService.change_password,
        a_change_of_password,
        done_before=WrongPassword,
    ),
    UseCase("new password", UserService.set_password, a_new_password),
    UseCase("upkeep of the login log", LoginLogUpkeepService.keep_up, an_upkeep),
    UseCase("pruning of the login log", LoginLogUpkeepService.prune, a_pruning),
    UseCase("exchange", RangeUnitsService.put_exchange, an_exchange_to_put),
    UseCase("first reply", RangeUnitsService.ingest, a_reply),
    UseCase("reply that replaces", RangeUnitsService.ingest, a_reply_that_replaces),
    UseCase("reply that confirms", RangeUnitsService.ingest, a_reply_that_confirms),
    UseCase("statement", RangeUnitsService.put_range_units, a_statement),
    UseCase("amendment", RangeUnitsService.put_range_units, an_amendment),
    UseCase(
        "statement that confirms", RangeUnitsService.put_range_units, a_statement_that_confirms
    ),
    UseCase("bundled ladders", RangeUnitsService.load_ladders, bundled_ladders),
)
