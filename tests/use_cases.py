"""Every use case that writes: what has to be there for it, and how it is called."""

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from app.domain.errors import TickgateError
from app.domain.identity.api_keys import WantedKey
from app.domain.identity.errors import (
    ImportRefused,
    InvalidChallenge,
    InvalidCode,
    InvalidCredentials,
    InvalidResetCode,
    InvalidToken,
    MfaRequired,
    NoSecondFactor,
    RefreshInProgress,
    SecondFactorEnrolled,
    TooManyAttempts,
    UnknownSession,
    UsernameTaken,
    WrongCode,
    WrongPassword,
)
from app.domain.identity.login_log import Client, FailReason
from app.domain.identity.sessions import REFRESH_GRACE
from app.domain.identity.throttle import Kind
from app.domain.identity.user_imports import ImportedUser
from app.domain.identity.users import User, UserChanges
from app.domain.principal import Principal, Role, Scope
from app.domain.range_units.errors import PayloadRejected, SyncInProgress, UnknownRevision
from app.domain.range_units.jobs import ORPHANED_AFTER, Job
from app.domain.range_units.revisions import Observation
from app.services.identity.api_key_service import ApiKeyService, IssuedKey
from app.services.identity.auth_service import AuthService, Login
from app.services.identity.login_log_upkeep_service import LoginLogUpkeepService
from app.services.identity.password_reset_service import PasswordResetService
from app.services.identity.second_factor_service import SecondFactorService
from app.services.identity.session_service import SessionService
from app.services.identity.user_import_service import UserImportService
from app.services.identity.user_login_log_service import UserLoginLogService
from app.services.identity.user_service import UserService
from app.services.range_units.history_service import HistoryService
from app.services.range_units.range_units_service import RangeUnitsService
from app.services.range_units.sync_service import SyncService
from tests.application import LIMITS, PASSWORD, FakedApplication
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
    with `done_before`. A guess at a password counts when it is cancelled: where one logs in, it is
    in the log, and where one is asked for the password again, it is not.
    """

    name: str
    method: Callable[..., Coroutine[Any, Any, object]]
    prepare: Callable[[FakedApplication], Awaitable[Call]]
    refusal: type[TickgateError] | None = None
    done_before: type[TickgateError] | None = None
    checks_password: bool = False
    asks_password_again: bool = False

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


async def a_login_that_is_throttled(application: FakedApplication) -> Call:
    guess = await a_wrong_password(application)
    for _ in range(LIMITS[Kind.PAIR].attempts):
        with suppress(InvalidCredentials):
            await guess()
    return partial(log_in, application)


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


async def a_demotion(application: FakedApplication) -> Call:
    admins = [
        await application.users.create_user(username=name, password=PASSWORD, role=Role.ADMIN)
        for name in ("boss", "deputy")
    ]
    changes: UserChanges = {"role": Role.USER, "email": "boss@example.org", "mfa_required": True}
    return partial(application.users.change_user, user_id=admins[0].id, changes=changes)


async def in_a_session(application: FakedApplication) -> Principal:
    """Log the one who is registered in, and give them as they act."""
    login = await log_in(application)
    return await application.auth.authenticate_token(token=login.access_token)


async def an_end_of_a_session(application: FakedApplication) -> Call:
    await registered(application)
    login = await log_in(application)
    principal = await in_a_session(application)
    return partial(
        application.sessions.end_session, principal=principal, session_id=login.session_id
    )


async def an_end_of_other_sessions(application: FakedApplication) -> Call:
    await registered(application)
    await log_in(application)
    principal = await in_a_session(application)
    return partial(application.sessions.end_other_sessions, principal=principal)


async def an_end_of_all_sessions_of_a_user(application: FakedApplication) -> Call:
    user = await registered(application)
    await log_in(application)
    return partial(application.sessions.end_sessions_of_user, user_id=user.id)


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


async def a_reset(application: FakedApplication) -> Call:
    user = await registered(application)
    await application.resets.issue(user_id=user.id)
    return partial(application.resets.issue, user_id=user.id)


async def a_redemption(
    application: FakedApplication, *, username: str = "trader", typed: str | None = None
) -> Call:
    user = await registered(application)
    await log_in(application)
    issued = await application.resets.issue(user_id=user.id)
    return partial(
        application.resets.redeem,
        username=username,
        code=issued.code if typed is None else typed,
        new_password=OTHER_PASSWORD,
        client=CLIENT,
    )


async def a_wrong_code(application: FakedApplication) -> Call:
    return await a_redemption(application, typed="a guess")


async def a_code_of_nobody(application: FakedApplication) -> Call:
    return await a_redemption(application, username="nobody")


STEP: Final = timedelta(seconds=30)


class Device:
    """What shows a user's codes."""

    def __init__(self, application: FakedApplication, secret: str) -> None:
        self._application = application
        self._secret = secret

    def code(self, *, drift: int = 0) -> str:
        """Give the code that it shows, its clock being so many steps off."""
        moment = self._application.clock.now() + drift * STEP
        return self._application.codes.code_at(secret=self._secret, at=moment)


async def principal_of(application: FakedApplication) -> Principal:
    login = await log_in(application)
    return await application.auth.authenticate_token(token=login.access_token)


async def enrolling(application: FakedApplication) -> tuple[Principal, Device]:
    """Register a user who has begun to enrol a second factor."""
    await registered(application)
    await log_in(application)
    principal = await principal_of(application)
    enrolment = await application.second_factor.enrol(
        principal=principal, current_password=PASSWORD
    )
    return principal, Device(application, enrolment.secret)


async def enrolled(application: FakedApplication) -> tuple[Principal, Device, tuple[str, ...]]:
    """Register a user with a second factor, whose device shows the next code already."""
    principal, device = await enrolling(application)
    codes = await application.second_factor.confirm(principal=principal, code=device.code())
    application.clock.advance(STEP)
    return principal, device, codes


async def challenge_of(application: FakedApplication) -> str:
    """Log in as far as the password goes, and give the challenge."""
    try:
        await log_in(application)
    except MfaRequired as error:
        return str(error.particulars()["mfa_challenge"])
    raise AssertionError  # pragma: no cover - a failure


async def a_login_that_lacks_a_code(application: FakedApplication) -> Call:
    await enrolled(application)
    return partial(log_in, application)


async def a_login_with_a_code(application: FakedApplication, *, code: str | None = None) -> Call:
    _, device, _ = await enrolled(application)
    challenge = await challenge_of(application)
    return partial(
        application.auth.finish_login,
        challenge=challenge,
        code=device.code() if code is None else code,
        client=CLIENT,
    )


def an_imported_user(application: FakedApplication, line: int = 1) -> ImportedUser:
    return ImportedUser(line, f"trader-{line}", application.hasher.foreign(PASSWORD))


async def an_import_of_one(application: FakedApplication) -> Call:
    return partial(application.imports.import_user, user=an_imported_user(application))


async def an_import(application: FakedApplication, *, users: int = 3) -> Call:
    lines = [an_imported_user(application, line) for line in range(1, users + 1)]
    return partial(application.imports.import_users, lines=lines)


WANTED_KEY: Final = WantedKey("grid bot", frozenset({Scope.RANGE_UNITS_READ}))


async def an_api_key_to_make(application: FakedApplication) -> Call:
    user = await registered(application)
    return partial(application.api_keys.create, user_id=user.id, wanted=WANTED_KEY)


async def issued(application: FakedApplication) -> IssuedKey:
    user = await registered(application)
    return await application.api_keys.create(user_id=user.id, wanted=WANTED_KEY)


async def a_use_to_note(application: FakedApplication) -> Call:
    key = (await issued(application)).text
    _, use = await application.api_keys.authenticate(key=key, ip=CLIENT.ip)
    assert use is not None
    return partial(application.api_keys.note_use, use=use)


async def a_rotation(application: FakedApplication) -> Call:
    api_key = (await issued(application)).api_key
    return partial(application.api_keys.rotate, key_id=api_key.id, owner=api_key.user_id)


async def a_revocation(application: FakedApplication) -> Call:
    api_key = (await issued(application)).api_key
    return partial(application.api_keys.revoke, key_id=api_key.id, owner=api_key.user_id)


async def a_login_with_a_recovery_code(application: FakedApplication) -> Call:
    _, _, codes = await enrolled(application)
    challenge = await challenge_of(application)
    return partial(application.auth.finish_login, challenge=challenge, code=codes[0], client=CLIENT)


async def a_login_with_an_unknown_challenge(application: FakedApplication) -> Call:
    return partial(application.auth.finish_login, challenge="unknown", code="123456", client=CLIENT)


async def an_enrolment(application: FakedApplication) -> Call:
    await registered(application)
    principal = await principal_of(application)
    return partial(application.second_factor.enrol, principal=principal, current_password=PASSWORD)


async def a_confirmation(application: FakedApplication) -> Call:
    principal, device = await enrolling(application)
    return partial(application.second_factor.confirm, principal=principal, code=device.code())


async def new_recovery_codes(application: FakedApplication) -> Call:
    principal, device, _ = await enrolled(application)
    return partial(
        application.second_factor.new_recovery_codes,
        principal=principal,
        current_password=PASSWORD,
        code=device.code(),
    )


async def a_removal_of_a_second_factor(application: FakedApplication) -> Call:
    principal, device, _ = await enrolled(application)
    return partial(
        application.second_factor.remove,
        principal=principal,
        current_password=PASSWORD,
        code=device.code(),
    )


async def a_lost_device(application: FakedApplication) -> Call:
    principal, _, _ = await enrolled(application)
    return partial(application.users.remove_second_factor, user_id=principal.user_id)


async def a_demand_of_a_second_factor(application: FakedApplication) -> Call:
    user = await registered(application)
    return partial(application.users.change_user, user_id=user.id, changes={"mfa_required": True})


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


async def an_announcement(application: FakedApplication) -> UUID:
    """Announce FINE for the next year."""
    await application.range_units.put_exchange(exchange=an_exchange())
    next_year = application.clock.now().replace(year=2027)
    units, _ = await application.range_units.put_range_units(
        market=BTC, table=FINE, source=SOURCE, effective_from=next_year
    )
    return units.revision.id


async def a_date_brought_forward(application: FakedApplication) -> Call:
    await an_announcement(application)
    return partial(
        application.range_units.put_range_units,
        market=BTC,
        table=FINE,
        source=SOURCE,
        effective_from=application.clock.now().replace(month=12),
    )


async def a_withdrawal(application: FakedApplication) -> Call:
    announced = await an_announcement(application)
    return partial(application.history.withdraw, market=BTC, revision_id=announced)


async def a_statement_that_confirms(application: FakedApplication) -> Call:
    state = await a_statement(application)
    await state()
    application.clock.advance(REFRESH_GRACE)
    return state


async def a_reply_that_is_rejected(application: FakedApplication) -> Call:
    return await a_reply(application, b"<html>")


async def a_sync_to_start(application: FakedApplication) -> Call:
    await application.range_units.put_exchange(exchange=an_exchange())
    return partial(application.sync.start, exchange="coinone", requested_by="trader")


async def a_sync_that_is_due(application: FakedApplication) -> Call:
    await application.range_units.put_exchange(exchange=an_exchange())
    return partial(application.sync.start_due, exchange="coinone", every=timedelta(hours=6))


async def a_sync_in_place_of_an_orphan(application: FakedApplication) -> Call:
    start = await a_sync_to_start(application)
    await start()
    application.clock.advance(2 * ORPHANED_AFTER)
    return start


async def a_sync_that_is_queued(application: FakedApplication) -> Job:
    await application.range_units.put_exchange(exchange=an_exchange())
    return await application.sync.start(exchange="coinone", requested_by="trader")


async def a_sync_to_cancel(application: FakedApplication) -> Call:
    job = await a_sync_that_is_queued(application)
    return partial(application.sync.cancel, job_id=job.id)


async def a_sync_to_resume(application: FakedApplication) -> Call:
    job = await a_sync_that_is_queued(application)
    await application.sync.cancel(job_id=job.id)
    return partial(application.sync.resume, job_id=job.id)


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
    UseCase(
        "login that is throttled",
        AuthService.authenticate_user,
        a_login_that_is_throttled,
        refusal=TooManyAttempts,
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
    UseCase("demotion", UserService.change_user, a_demotion),
    UseCase(
        "end of a session",
        SessionService.end_session,
        an_end_of_a_session,
        done_before=UnknownSession,
    ),
    UseCase("end of other sessions", SessionService.end_other_sessions, an_end_of_other_sessions),
    UseCase(
        "end of all sessions of a user",
        SessionService.end_sessions_of_user,
        an_end_of_all_sessions_of_a_user,
    ),
    UseCase(
        "change of password",
        UserService.change_password,
        a_change_of_password,
        done_before=WrongPassword,
        asks_password_again=True,
    ),
    UseCase("new password", UserService.set_password, a_new_password),
    UseCase("reset", PasswordResetService.issue, a_reset),
    UseCase(
        "redemption",
        PasswordResetService.redeem,
        a_redemption,
        done_before=InvalidResetCode,
    ),
    UseCase(
        "redemption with a wrong code",
        PasswordResetService.redeem,
        a_wrong_code,
        refusal=InvalidResetCode,
    ),
    UseCase(
        "redemption of nobody",
        PasswordResetService.redeem,
        a_code_of_nobody,
        refusal=InvalidResetCode,
    ),
    UseCase(
        "import of one",
        UserImportService.import_user,
        an_import_of_one,
        done_before=UsernameTaken,
    ),
    UseCase("import", UserImportService.import_users, an_import, done_before=ImportRefused),
    UseCase("API key", ApiKeyService.create, an_api_key_to_make),
    UseCase("use of an API key", ApiKeyService.note_use, a_use_to_note),
    UseCase("rotation", ApiKeyService.rotate, a_rotation),
    UseCase("revocation", ApiKeyService.revoke, a_revocation),
    UseCase(
        "login that lacks a code",
        AuthService.authenticate_user,
        a_login_that_lacks_a_code,
        refusal=MfaRequired,
        checks_password=True,
    ),
    UseCase(
        "login with a code",
        AuthService.finish_login,
        a_login_with_a_code,
        done_before=InvalidChallenge,
    ),
    UseCase(
        "login with a recovery code",
        AuthService.finish_login,
        a_login_with_a_recovery_code,
        done_before=InvalidChallenge,
    ),
    UseCase(
        "login with a wrong code",
        AuthService.finish_login,
        partial(a_login_with_a_code, code="no code"),
        refusal=InvalidCode,
    ),
    UseCase(
        "login with an unknown challenge",
        AuthService.finish_login,
        a_login_with_an_unknown_challenge,
        refusal=InvalidChallenge,
    ),
    UseCase("enrolment", SecondFactorService.enrol, an_enrolment, asks_password_again=True),
    UseCase(
        "confirmation",
        SecondFactorService.confirm,
        a_confirmation,
        done_before=SecondFactorEnrolled,
    ),
    UseCase(
        "new recovery codes",
        SecondFactorService.new_recovery_codes,
        new_recovery_codes,
        done_before=WrongCode,
        asks_password_again=True,
    ),
    UseCase(
        "removal of a second factor",
        SecondFactorService.remove,
        a_removal_of_a_second_factor,
        done_before=NoSecondFactor,
        asks_password_again=True,
    ),
    UseCase("lost device", UserService.remove_second_factor, a_lost_device),
    UseCase("demand of a second factor", UserService.change_user, a_demand_of_a_second_factor),
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
    UseCase("date brought forward", RangeUnitsService.put_range_units, a_date_brought_forward),
    UseCase("withdrawal", HistoryService.withdraw, a_withdrawal, done_before=UnknownRevision),
    UseCase(
        "reply that is rejected",
        RangeUnitsService.ingest,
        a_reply_that_is_rejected,
        refusal=PayloadRejected,
    ),
    UseCase("sync", SyncService.start, a_sync_to_start, done_before=SyncInProgress),
    UseCase("sync that is due", SyncService.start_due, a_sync_that_is_due),
    UseCase(
        "sync in place of an orphan",
        SyncService.start,
        a_sync_in_place_of_an_orphan,
        done_before=SyncInProgress,
    ),
    UseCase("cancel of a sync", SyncService.cancel, a_sync_to_cancel),
    UseCase(
        "resumption of a sync",
        SyncService.resume,
        a_sync_to_resume,
        done_before=SyncInProgress,
    ),
    UseCase("bundled ladders", RangeUnitsService.load_ladders, bundled_ladders),
)
