from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import count
from uuid import UUID

import pytest
from anyio import Event, create_task_group
from anyio.lowlevel import checkpoint

from app.adapters.memory.identity.security import FastHasher, PlainTokens
from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.identity.unit_of_work import MemoryIdentityUnitOfWork
from app.adapters.memory.system import SequentialSecrets
from app.domain.errors import StoreUnavailable, TickgateError
from app.domain.identity.devices import Device, DeviceType
from app.domain.identity.errors import (
    HasherBusy,
    InvalidCredentials,
    InvalidToken,
    RefreshInProgress,
)
from app.domain.identity.login_log import (
    Client,
    FailReason,
    LoginAttempt,
    LoginLogFilter,
    Outcome,
)
from app.domain.identity.sessions import REFRESH_GRACE, AccessClaims, Session, refresh_digest
from app.domain.identity.users import User
from app.domain.principal import SCOPES_OF_ROLE, Role
from app.ports.identity.security import AccessTokens, PasswordHasher
from app.services.identity.auth_service import AuthService, Login
from tests.application import (
    ACCESS_TOKEN_LIFETIME,
    PASSWORD,
    SESSION_IDLE_LIFETIME,
    SESSION_LIFETIME,
    MemoryApplication,
)
from tests.builders import new_id
from tests.cancellation import cancelled_at, until
from tests.contracts.races import all_at_once

CLIENT = Client("203.0.113.7", "grid-bot/1.0", "request-1")
MOMENT = timedelta(microseconds=1)

REFUSALS = [
    pytest.param("nobody", PASSWORD, FailReason.UNKNOWN_USER, id="unknown-user"),
    pytest.param("trader", "another password", FailReason.BAD_PASSWORD, id="wrong-password"),
    pytest.param("trader", "", FailReason.BAD_PASSWORD, id="empty-password"),
    pytest.param("trader", "\ud800", FailReason.BAD_PASSWORD, id="password-that-is-no-text"),
    pytest.param("trader", "k" * 100_000, FailReason.BAD_PASSWORD, id="endless-password"),
    pytest.param("disabled", PASSWORD, FailReason.DISABLED, id="disabled"),
    pytest.param("disabled", "another password", FailReason.DISABLED, id="disabled-and-wrong"),
]

HOSTILE_USERNAMES = [
    pytest.param("", id="empty"),
    pytest.param("tra\0der", id="a-nul"),
    pytest.param("tra\ud800der", id="a-lone-surrogate"),
    pytest.param("trader\r\nforged: line", id="a-line-break"),
    pytest.param("\x1b[31mtrader", id="a-terminal-escape"),
    pytest.param("a" * 1_000_000, id="a-megabyte"),
    pytest.param("\ufdfa" * 1_000_000, id="a-million-ligatures"),
    pytest.param("trader ", id="a-blank-at-the-end"),
]


class MeanwhileHasher(FastHasher):
    """Lets something happen while a password is checked."""

    def __init__(self, meanwhile: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    async def verify(self, *, password: str, stored: str | None) -> bool:
        matches = await super().verify(password=password, stored=stored)
        await self._meanwhile()
        return matches


class BrokenHasher(FastHasher):
    """Has a defect."""

    async def verify(self, *, password: str, stored: str | None) -> bool:
        await super().verify(password=password, stored=stored)
        raise ZeroDivisionError("a defect")


class RecordingHasher(FastHasher):
    """Remembers which hashes it was asked to check against."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str | None] = []

    async def verify(self, *, password: str, stored: str | None) -> bool:
        self.seen.append(stored)
        return await super().verify(password=password, stored=stored)


@pytest.fixture
def application() -> MemoryApplication:
    return MemoryApplication()


@pytest.fixture
async def trader(application: MemoryApplication) -> User:
    return await registered(application)


async def registered(
    application: MemoryApplication, username: str = "trader", role: Role = Role.USER
) -> User:
    return await application.users.create_user(username=username, password=PASSWORD, role=role)


def auth_service(
    application: MemoryApplication,
    *,
    hasher: PasswordHasher | None = None,
    tokens: AccessTokens | None = None,
    session_idle_lifetime: timedelta = SESSION_IDLE_LIFETIME,
    session_lifetime: timedelta = SESSION_LIFETIME,
) -> AuthService:
    """Give the application's service, but for what the test says."""
    identity = partial(MemoryIdentityUnitOfWork, application.identity_store)
    return AuthService(
        uow=identity,
        recording=identity,
        reading=identity,
        hasher=hasher or application.hasher,
        tokens=tokens or PlainTokens(),
        user_agents=application.user_agents,
        second_factor=application.second_factor,
        mfa_required_roles=frozenset(),
        clock=application.clock,
        ids=application.ids,
        secrets=SequentialSecrets(),
        throttling=application.throttling,
        access_token_lifetime=ACCESS_TOKEN_LIFETIME,
        session_idle_lifetime=session_idle_lifetime,
        session_lifetime=session_lifetime,
    )


async def log_in(
    auth: AuthService, username: str = "trader", password: str = PASSWORD, client: Client = CLIENT
) -> Login:
    return await auth.authenticate_user(username=username, password=password, client=client)


async def refused(
    auth: AuthService, username: str = "trader", password: str = PASSWORD
) -> InvalidCredentials:
    with pytest.raises(InvalidCredentials) as caught:
        await log_in(auth, username, password)
    return caught.value


async def attempts(application: MemoryApplication) -> list[LoginAttempt]:
    """Give the login log, newest first."""
    return await application.login_log.search(matching=LoginLogFilter(), limit=1000)


async def attempt(application: MemoryApplication) -> LoginAttempt:
    [only] = await attempts(application)
    return only


def rows(application: MemoryApplication) -> IdentityState:
    return application.identity_store.committed


def session(application: MemoryApplication) -> Session:
    [only] = rows(application).sessions.values()
    return only


def sessions_of_successes(application: MemoryApplication) -> set[UUID | None]:
    return {
        attempt.session_id
        for attempt in rows(application).attempts.values()
        if attempt.outcome is Outcome.SUCCESS
    }


async def change(
    application: MemoryApplication,
    user: User,
    *,
    role: Role | None = None,
    disabled: bool | None = None,
) -> None:
    """Change a user where no service method does, or would end the sessions as well."""
    async with MemoryIdentityUnitOfWork(application.identity_store) as uow:
        disabled = user.disabled if disabled is None else disabled
        await uow.users.replace(user=replace(user, role=role or user.role, disabled=disabled))
        await uow.commit()


async def acts(auth: AuthService, login: Login) -> bool:
    try:
        await auth.authenticate_token(token=login.access_token)
    except InvalidToken:
        return False
    return True


# -- a success ---------------------------------------------------------------------------------


async def test_a_login_gives_an_access_token_that_acts_for_the_user(
    application: MemoryApplication, trader: User
) -> None:
    login = await log_in(application.auth)
    principal = await application.auth.authenticate_token(token=login.access_token)
    assert (principal.user_id, principal.username) == (trader.id, "trader")


@pytest.mark.usefixtures("trader")
async def test_a_login_gives_a_refresh_token_that_is_good(application: MemoryApplication) -> None:
    login = await log_in(application.auth)
    await application.auth.refresh(refresh_token=login.refresh_token, client=CLIENT)


@pytest.mark.parametrize("microsecond", [0, 1, 999_999])
@pytest.mark.usefixtures("trader")
async def test_a_login_says_for_how_many_seconds_the_access_token_is_good(
    application: MemoryApplication, microsecond: int
) -> None:
    application.clock.time = application.clock.time.replace(microsecond=microsecond)
    login = await log_in(application.auth)
    assert login.expires_in == ACCESS_TOKEN_LIFETIME.total_seconds()


@pytest.mark.usefixtures("trader")
@pytest.mark.parametrize("username", ["TRADER", "Trader", "\uff54rader"])
async def test_the_username_is_good_in_any_case_and_width(
    application: MemoryApplication, username: str
) -> None:
    await log_in(application.auth, username)
    assert (await attempt(application)).outcome is Outcome.SUCCESS


async def test_a_login_opens_a_session_that_says_whose_and_from_where(
    application: MemoryApplication, trader: User
) -> None:
    login = await log_in(application.auth)
    now = application.clock.now()
    assert session(application) == Session(
        id=login.session_id,
        user_id=trader.id,
        created_at=now,
        last_used_at=now,
        idle_expires_at=now + SESSION_IDLE_LIFETIME,
        expires_at=now + SESSION_LIFETIME,
        ip="203.0.113.7",
        user_agent="grid-bot/1.0",
    )


@pytest.mark.usefixtures("trader")
async def test_a_session_may_not_idle_longer_than_it_lasts(application: MemoryApplication) -> None:
    lifetime = SESSION_IDLE_LIFETIME - MOMENT
    await log_in(auth_service(application, session_lifetime=lifetime))
    assert session(application).idle_expires_at == application.clock.now() + lifetime


@pytest.mark.usefixtures("trader")
async def test_the_secret_of_a_refresh_token_is_not_stored(application: MemoryApplication) -> None:
    login = await log_in(application.auth)
    assert login.refresh_token not in repr(rows(application))


async def test_a_success_is_in_the_log_with_its_session_and_how_long_it_took(
    application: MemoryApplication, trader: User
) -> None:
    async def a_second_passes() -> None:
        application.clock.advance(timedelta(seconds=1, milliseconds=234))

    began = application.clock.now()
    auth = auth_service(application, hasher=MeanwhileHasher(a_second_passes))
    login = await log_in(auth, "Trader")
    row = await attempt(application)
    assert row == LoginAttempt(
        id=row.id,
        at=began,
        username="Trader",
        username_key="trader",
        user_id=trader.id,
        ip="203.0.113.7",
        user_agent="grid-bot/1.0",
        request_id="request-1",
        outcome=Outcome.SUCCESS,
        fail_reason=None,
        session_id=login.session_id,
        duration_ms=1234,
        new_network=True,
    )


@pytest.mark.usefixtures("trader")
async def test_a_success_costs_one_hash(application: MemoryApplication) -> None:
    await log_in(application.auth)
    assert application.hasher.spent == 1


@pytest.mark.usefixtures("trader")
async def test_every_login_opens_a_session_of_its_own(application: MemoryApplication) -> None:
    logins = [await log_in(application.auth) for _ in range(3)]
    assert {login.session_id for login in logins} == rows(application).sessions.keys()


@pytest.mark.usefixtures("trader")
async def test_parallel_logins_with_the_right_password_all_succeed(
    application: MemoryApplication,
) -> None:
    logins: list[Login] = []

    async def one() -> None:
        logins.append(await log_in(application.auth))

    await all_at_once(*[one] * 20)
    assert sessions_of_successes(application) == {login.session_id for login in logins}
    assert len({login.refresh_token for login in logins}) == 20


# -- the claim ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("trader")
async def test_an_attempt_is_in_the_log_before_its_password_is_looked_at(
    application: MemoryApplication,
) -> None:
    application.hasher.gate = Event()
    async with create_task_group() as tasks:
        tasks.start_soon(log_in, application.auth)
        await until(lambda: application.hasher.spent == 1)
        meanwhile = await attempts(application)
        application.hasher.gate.set()
    assert [row.outcome for row in meanwhile] == [Outcome.PENDING]


@pytest.mark.usefixtures("trader")
async def test_no_transaction_is_held_while_the_hash_runs(application: MemoryApplication) -> None:
    async def another_writer() -> None:
        await registered(application, "somebody-else")

    await log_in(auth_service(application, hasher=MeanwhileHasher(another_writer)))
    assert len(rows(application).users) == 2


@pytest.mark.usefixtures("trader")
async def test_an_attempt_that_cannot_be_recorded_is_refused(
    application: MemoryApplication,
) -> None:
    application.identity_store.down = True
    with pytest.raises(StoreUnavailable):
        await log_in(application.auth)


@pytest.mark.usefixtures("trader")
async def test_no_hash_is_spent_on_an_attempt_that_cannot_be_recorded(
    application: MemoryApplication,
) -> None:
    application.identity_store.down = True
    with pytest.raises(StoreUnavailable):
        await log_in(application.auth)
    assert application.hasher.spent == 0


@pytest.mark.usefixtures("trader")
async def test_logging_in_works_again_once_the_store_does(application: MemoryApplication) -> None:
    application.identity_store.down = True
    with pytest.raises(StoreUnavailable):
        await log_in(application.auth)
    application.identity_store.down = False
    assert await acts(application.auth, await log_in(application.auth))


# -- refusals ----------------------------------------------------------------------------------


@pytest.fixture
async def disabled(application: MemoryApplication) -> User:
    user = await registered(application, "disabled")
    return await application.users.set_disabled(user_id=user.id, disabled=True)


@pytest.mark.usefixtures("trader", "disabled")
@pytest.mark.parametrize(("username", "password", "reason"), REFUSALS)
async def test_the_log_knows_the_true_reason(
    application: MemoryApplication, username: str, password: str, reason: FailReason
) -> None:
    await refused(application.auth, username, password)
    row = await attempt(application)
    assert (row.outcome, row.fail_reason) == (Outcome.FAILED, reason)


@pytest.mark.usefixtures("trader", "disabled")
@pytest.mark.parametrize(("username", "password", "reason"), REFUSALS)
async def test_the_client_is_told_the_same_whatever_the_reason(
    application: MemoryApplication, username: str, password: str, reason: FailReason
) -> None:
    error = await refused(application.auth, username, password)
    assert (error.detail, error.faults, error.retry_after, error.particulars()) == (
        "The username or the password is wrong.",
        (),
        None,
        {},
    ), reason


@pytest.mark.usefixtures("trader", "disabled")
@pytest.mark.parametrize(("username", "password", "reason"), REFUSALS)
async def test_every_refusal_costs_one_hash(
    application: MemoryApplication, username: str, password: str, reason: FailReason
) -> None:
    await refused(application.auth, username, password)
    assert application.hasher.spent == 1, reason


@pytest.mark.usefixtures("trader", "disabled")
@pytest.mark.parametrize(("username", "password", "reason"), REFUSALS)
async def test_no_refusal_opens_a_session(
    application: MemoryApplication, username: str, password: str, reason: FailReason
) -> None:
    await refused(application.auth, username, password)
    assert not rows(application).sessions, reason


async def test_a_refusal_is_in_the_log_with_whose_it_was_and_how_long_it_took(
    application: MemoryApplication, trader: User
) -> None:
    async def a_second_passes() -> None:
        application.clock.advance(timedelta(seconds=1))

    auth = auth_service(application, hasher=MeanwhileHasher(a_second_passes))
    await refused(auth, password="another password")
    row = await attempt(application)
    assert (row.user_id, row.session_id, row.duration_ms) == (trader.id, None, 1000)


async def test_an_attempt_of_an_unknown_user_is_nobodys(application: MemoryApplication) -> None:
    await refused(application.auth, "nobody")
    assert (await attempt(application)).user_id is None


@pytest.mark.usefixtures("disabled")
@pytest.mark.parametrize("username", ["disabled", "nobody"])
async def test_who_may_not_log_in_costs_a_hash_of_the_current_cost_and_not_their_own(
    application: MemoryApplication, username: str
) -> None:
    # Their own may be of another cost, and the time would tell them from the others.
    hasher = RecordingHasher()
    await refused(auth_service(application, hasher=hasher), username)
    assert hasher.seen == [None]


async def test_a_user_whose_stored_hash_is_garbage_is_refused_as_for_a_wrong_password(
    application: MemoryApplication, trader: User
) -> None:
    rows(application).users[trader.id] = replace(trader, password_hash="garbage")
    await refused(application.auth)
    assert (await attempt(application)).fail_reason is FailReason.BAD_PASSWORD


@pytest.mark.parametrize("username", HOSTILE_USERNAMES)
async def test_any_username_at_all_is_refused_like_an_unknown_one(
    application: MemoryApplication, username: str
) -> None:
    await refused(application.auth, username)
    assert (await attempt(application)).fail_reason is FailReason.UNKNOWN_USER


@pytest.mark.parametrize("username", HOSTILE_USERNAMES)
async def test_any_username_at_all_is_one_short_line_of_the_log(
    application: MemoryApplication, username: str
) -> None:
    await refused(application.auth, username)
    row = await attempt(application)
    assert row.username.isprintable()
    assert len(row.username) <= 64


# -- when the hasher does not answer -----------------------------------------------------------


@pytest.mark.usefixtures("trader")
async def test_a_busy_hasher_is_the_clients_to_know(application: MemoryApplication) -> None:
    application.hasher.busy = True
    with pytest.raises(HasherBusy) as caught:
        await log_in(application.auth)
    assert caught.value.retry_after == 1


@pytest.mark.usefixtures("trader")
async def test_an_attempt_that_found_the_hasher_busy_says_so(
    application: MemoryApplication,
) -> None:
    application.hasher.busy = True
    with pytest.raises(HasherBusy):
        await log_in(application.auth)
    row = await attempt(application)
    assert (row.outcome, row.fail_reason, row.error_code) == (
        Outcome.FAILED,
        FailReason.BUSY,
        "E503",
    )


@pytest.mark.usefixtures("trader")
async def test_a_defect_of_the_hasher_is_not_hidden(application: MemoryApplication) -> None:
    with pytest.raises(ZeroDivisionError):
        await log_in(auth_service(application, hasher=BrokenHasher()))


@pytest.mark.usefixtures("trader")
async def test_an_attempt_that_ran_into_a_defect_says_so(application: MemoryApplication) -> None:
    with pytest.raises(ZeroDivisionError):
        await log_in(auth_service(application, hasher=BrokenHasher()))
    row = await attempt(application)
    assert (row.outcome, row.fail_reason) == (Outcome.FAILED, FailReason.INTERNAL_ERROR)


@pytest.mark.usefixtures("trader")
async def test_a_defect_of_the_hasher_logs_nobody_in(application: MemoryApplication) -> None:
    with pytest.raises(ZeroDivisionError):
        await log_in(auth_service(application, hasher=BrokenHasher()))
    assert not rows(application).sessions


# -- when the store fails half-way -------------------------------------------------------------


@pytest.mark.usefixtures("trader")
async def test_nobody_is_logged_in_when_the_outcome_cannot_be_recorded(
    application: MemoryApplication,
) -> None:
    async def the_store_goes_down() -> None:
        application.identity_store.down = True

    with pytest.raises(StoreUnavailable):
        await log_in(auth_service(application, hasher=MeanwhileHasher(the_store_goes_down)))
    assert not rows(application).sessions


@pytest.mark.usefixtures("trader")
async def test_an_attempt_whose_outcome_cannot_be_recorded_stays_pending(
    application: MemoryApplication,
) -> None:
    async def the_store_goes_down() -> None:
        application.identity_store.down = True

    with pytest.raises(StoreUnavailable):
        await log_in(auth_service(application, hasher=MeanwhileHasher(the_store_goes_down)))
    application.identity_store.down = False
    assert (await attempt(application)).outcome is Outcome.PENDING


async def test_whichever_statement_fails_nobody_is_logged_in_without_a_row() -> None:
    for statements in count():
        application = MemoryApplication()
        user = await registered(application)
        application.hasher.outdated.add(user.password_hash)
        application.identity_store.fail_after = statements
        login = None
        try:
            login = await log_in(application.auth)
        except StoreUnavailable:
            assert not rows(application).sessions, statements
            assert not rows(application).refresh_tokens, statements
        opened = set() if login is None else {login.session_id}
        assert rows(application).sessions.keys() == opened, statements
        assert sessions_of_successes(application) == opened, statements
        if application.identity_store.fail_after is not None:
            break
    assert login is not None
    assert statements > 5


# -- what changes while the hash runs ----------------------------------------------------------


async def test_a_user_who_is_disabled_while_the_hash_runs_is_refused_as_disabled(
    application: MemoryApplication, trader: User
) -> None:
    disable = partial(application.users.set_disabled, user_id=trader.id, disabled=True)
    await refused(auth_service(application, hasher=MeanwhileHasher(disable)))
    assert (await attempt(application)).fail_reason is FailReason.DISABLED


async def test_a_user_who_was_disabled_when_the_hash_began_is_refused_though_enabled_meanwhile(
    application: MemoryApplication, trader: User
) -> None:
    # Nothing was compared: there is no password that would have been the right one.
    await application.users.set_disabled(user_id=trader.id, disabled=True)
    enable = partial(application.users.set_disabled, user_id=trader.id, disabled=False)
    await refused(auth_service(application, hasher=MeanwhileHasher(enable)))
    assert (await attempt(application)).fail_reason is FailReason.DISABLED


async def test_a_user_who_is_gone_when_the_hash_has_run_is_refused(
    application: MemoryApplication, trader: User
) -> None:
    async def gone() -> None:
        del rows(application).users[trader.id]

    await refused(auth_service(application, hasher=MeanwhileHasher(gone)))
    assert not rows(application).sessions


async def test_a_password_that_is_changed_while_its_hash_runs_is_no_longer_good(
    application: MemoryApplication, trader: User
) -> None:
    async def another_password() -> None:
        application.clock.advance(MOMENT)
        await application.users.set_password(
            user_id=trader.id, new_password="another fine password"
        )

    await refused(auth_service(application, hasher=MeanwhileHasher(another_password)))
    assert (await attempt(application)).fail_reason is FailReason.BAD_PASSWORD


async def test_a_rehash_does_not_bring_back_a_password_that_was_changed_meanwhile(
    application: MemoryApplication, trader: User
) -> None:
    async def another_password() -> None:
        application.clock.advance(MOMENT)
        await application.users.set_password(
            user_id=trader.id, new_password="another fine password"
        )

    hasher = MeanwhileHasher(another_password)
    hasher.outdated.add(trader.password_hash)
    await refused(auth_service(application, hasher=hasher))
    await log_in(application.auth, password="another fine password")


async def test_a_role_that_is_taken_while_the_hash_runs_is_gone(
    application: MemoryApplication,
) -> None:
    admin = await registered(application, "admin", Role.ADMIN)
    auth = auth_service(
        application,
        hasher=MeanwhileHasher(lambda: change(application, admin, role=Role.USER)),
    )
    login = await log_in(auth, "admin")
    principal = await auth.authenticate_token(token=login.access_token)
    assert principal.scopes == SCOPES_OF_ROLE[Role.USER]


async def test_a_hash_that_is_outdated_is_made_anew_on_success(
    application: MemoryApplication, trader: User
) -> None:
    application.hasher.outdated.add(trader.password_hash)
    await log_in(application.auth)
    user = await application.users.get_user_by_id(user_id=trader.id)
    assert user.password_hash != trader.password_hash


async def test_the_password_is_still_good_after_a_rehash(
    application: MemoryApplication, trader: User
) -> None:
    application.hasher.outdated.add(trader.password_hash)
    await log_in(application.auth)
    assert await acts(application.auth, await log_in(application.auth))


async def test_a_rehash_changes_nothing_else_about_the_user(
    application: MemoryApplication, trader: User
) -> None:
    application.hasher.outdated.add(trader.password_hash)
    application.clock.advance(timedelta(days=1))
    await log_in(application.auth)
    user = await application.users.get_user_by_id(user_id=trader.id)
    assert replace(user, password_hash=trader.password_hash) == trader


async def test_a_rehash_does_not_bring_back_a_role_that_was_taken_meanwhile(
    application: MemoryApplication,
) -> None:
    admin = await registered(application, "admin", Role.ADMIN)
    hasher = MeanwhileHasher(lambda: change(application, admin, role=Role.USER))
    await hasher.hash(password="uses up the salt that the user's hash was made with")
    hasher.outdated.add(admin.password_hash)
    await log_in(auth_service(application, hasher=hasher), "admin")
    user = await application.users.get_user_by_id(user_id=admin.id)
    assert (user.role, user.password_hash != admin.password_hash) == (Role.USER, True)


async def test_a_hash_that_is_outdated_is_left_alone_on_a_wrong_password(
    application: MemoryApplication, trader: User
) -> None:
    application.hasher.outdated.add(trader.password_hash)
    await refused(application.auth, password="another password")
    assert await application.users.get_user_by_id(user_id=trader.id) == trader


async def test_parallel_logins_that_all_rehash_all_succeed(
    application: MemoryApplication, trader: User
) -> None:
    application.hasher.outdated.add(trader.password_hash)

    async def one() -> None:
        await log_in(application.auth)

    await all_at_once(*[one] * 5)
    assert len(sessions_of_successes(application)) == 5


# -- cancellation ------------------------------------------------------------------------------


@pytest.mark.usefixtures("trader")
async def test_cancelling_a_login_while_the_hash_runs_cancels_it(
    application: MemoryApplication,
) -> None:
    application.hasher.gate = Event()
    async with create_task_group() as tasks:
        tasks.start_soon(log_in, application.auth)
        await until(lambda: application.hasher.spent == 1)
        tasks.cancel_scope.cancel()
    assert tasks.cancel_scope.cancelled_caught


@pytest.mark.usefixtures("trader")
async def test_a_login_that_is_cancelled_while_the_hash_runs_is_settled_as_cancelled(
    application: MemoryApplication,
) -> None:
    application.hasher.gate = Event()
    async with create_task_group() as tasks:
        tasks.start_soon(log_in, application.auth)
        await until(lambda: application.hasher.spent == 1)
        tasks.cancel_scope.cancel()
    row = rows(application).attempts.popitem()[1]
    assert (row.outcome, row.fail_reason) == (Outcome.FAILED, FailReason.CANCELLED)


async def test_a_login_cancelled_anywhere_leaves_a_session_with_its_row_or_neither() -> None:
    for place in count(1):
        application = MemoryApplication()
        user = await registered(application)
        application.hasher.outdated.add(user.password_hash)
        run = await cancelled_at(place, log_in(application.auth))
        state = rows(application)
        assert run.error is None, place
        assert run.cancelled or run.result is not None, place
        assert len(state.attempts) <= 1, place
        assert state.sessions.keys() == sessions_of_successes(application), place
        assert len(state.refresh_tokens) == len(state.sessions), place
        if run.result is not None:
            assert state.sessions.keys() == {run.result.session_id}, place
        if run.suspensions < place:
            break
    assert run.result is not None
    assert place > 10


async def test_a_login_cancelled_anywhere_has_a_row_that_is_settled_or_none(
    anyio_backend_name: str,
) -> None:
    for place in count(1):
        application = MemoryApplication()
        await registered(application)
        run = await cancelled_at(place, log_in(application.auth, password="another password"))
        reasons = [attempt.fail_reason for attempt in rows(application).attempts.values()]
        expected = [[], [FailReason.CANCELLED]] if run.cancelled else [[FailReason.BAD_PASSWORD]]
        assert reasons in expected, place
        if run.suspensions < place:
            break
    assert isinstance(run.error, InvalidCredentials)
    # On Trio the suspensions of its own tasks are not counted.
    assert place > {"asyncio": 10, "trio": 3}[anyio_backend_name]


async def test_what_a_cancelled_login_left_is_final() -> None:
    for place in count(1):
        application = MemoryApplication()
        await registered(application)
        run = await cancelled_at(place, log_in(application.auth))
        left = rows(application)
        for _ in range(20):
            await checkpoint()
        assert rows(application) is left, place
        if run.suspensions < place:
            break
    assert place > 10


async def test_after_a_cancelled_login_the_next_one_succeeds() -> None:
    for place in count(1):
        application = MemoryApplication()
        await registered(application)
        run = await cancelled_at(place, log_in(application.auth))
        assert await acts(application.auth, await log_in(application.auth)), place
        if run.suspensions < place:
            break
    assert place > 10


# -- refreshing --------------------------------------------------------------------------------


@pytest.fixture
async def login(application: MemoryApplication, trader: User) -> Login:
    return await log_in(application.auth, trader.username)


async def refreshed(application: MemoryApplication, token: str, client: Client = CLIENT) -> Login:
    return await application.auth.refresh(refresh_token=token, client=client)


async def refresh_refused(
    application: MemoryApplication, token: str, error: type[TickgateError] = InvalidToken
) -> None:
    with pytest.raises(error):
        await refreshed(application, token)


async def test_a_refresh_gives_tokens_of_the_same_session(
    application: MemoryApplication, login: Login
) -> None:
    successor = await refreshed(application, login.refresh_token)
    assert successor.session_id == login.session_id
    assert await acts(application.auth, successor)


async def test_a_refresh_gives_another_refresh_token(
    application: MemoryApplication, login: Login
) -> None:
    successor = await refreshed(application, login.refresh_token)
    assert successor.refresh_token != login.refresh_token


async def test_a_refresh_token_is_dated_when_it_is_issued(
    application: MemoryApplication, login: Login
) -> None:
    issued = [(login, application.clock.now())]
    application.clock.advance(timedelta(hours=1))
    issued.append((await refreshed(application, login.refresh_token), application.clock.now()))
    tokens = rows(application).refresh_tokens
    dates = [tokens[refresh_digest(login.refresh_token)].issued_at for login, _ in issued]
    assert dates == [date for _, date in issued]


async def test_refresh_tokens_can_be_exchanged_one_for_the_next_again_and_again(
    application: MemoryApplication, login: Login
) -> None:
    for _ in range(5):
        application.clock.advance(timedelta(hours=1))
        login = await refreshed(application, login.refresh_token)
    assert await acts(application.auth, login)


async def test_the_access_token_before_a_refresh_stays_good_until_it_expires(
    application: MemoryApplication, login: Login
) -> None:
    await refreshed(application, login.refresh_token)
    assert await acts(application.auth, login)


async def test_a_refresh_moves_on_the_end_of_idling(
    application: MemoryApplication, login: Login
) -> None:
    application.clock.advance(timedelta(days=1))
    await refreshed(application, login.refresh_token)
    now = application.clock.now()
    assert (session(application).last_used_at, session(application).idle_expires_at) == (
        now,
        now + SESSION_IDLE_LIFETIME,
    )


async def test_no_refresh_moves_the_end_of_idling_beyond_the_end_of_the_session(
    application: MemoryApplication, login: Login
) -> None:
    while session(application).idle_expires_at < session(application).expires_at:
        application.clock.advance(SESSION_IDLE_LIFETIME - MOMENT)
        login = await refreshed(application, login.refresh_token)
    assert session(application).idle_expires_at == session(application).expires_at


async def test_a_refresh_near_the_end_of_the_session_gives_an_access_token_up_to_it(
    application: MemoryApplication, login: Login
) -> None:
    end = session(application).expires_at
    for _ in range(6):
        application.clock.advance(timedelta(days=13))
        login = await refreshed(application, login.refresh_token)
    application.clock.time = end - timedelta(seconds=60)
    login = await refreshed(application, login.refresh_token)
    assert login.expires_in == 60


async def test_a_refresh_is_no_login_and_not_in_the_log(
    application: MemoryApplication, login: Login
) -> None:
    await refreshed(application, login.refresh_token)
    assert [row.session_id for row in await attempts(application)] == [login.session_id]


@pytest.mark.parametrize("token", ["", "unknown", "a\0b", "\ud800", "é", "a" * 1_000_000])
@pytest.mark.usefixtures("login")
async def test_what_is_no_refresh_token_is_refused(
    application: MemoryApplication, token: str
) -> None:
    await refresh_refused(application, token)


async def test_an_access_token_is_no_refresh_token(
    application: MemoryApplication, login: Login
) -> None:
    await refresh_refused(application, login.access_token)


async def test_the_digest_of_a_refresh_token_is_no_refresh_token(
    application: MemoryApplication, login: Login
) -> None:
    [digest] = rows(application).refresh_tokens
    assert digest != login.refresh_token
    await refresh_refused(application, digest)


async def test_a_session_can_be_refreshed_until_it_has_idled_too_long(
    application: MemoryApplication, login: Login
) -> None:
    application.clock.advance(SESSION_IDLE_LIFETIME - MOMENT)
    await refreshed(application, login.refresh_token)


async def test_a_session_that_has_idled_too_long_cannot_be_refreshed(
    application: MemoryApplication, login: Login
) -> None:
    application.clock.advance(SESSION_IDLE_LIFETIME)
    await refresh_refused(application, login.refresh_token)


async def test_a_session_that_has_lasted_too_long_cannot_be_refreshed_however_busy(
    application: MemoryApplication, login: Login
) -> None:
    end = session(application).expires_at
    for _ in range(6):
        application.clock.advance(timedelta(days=13))
        login = await refreshed(application, login.refresh_token)
    application.clock.time = end
    await refresh_refused(application, login.refresh_token)


async def test_a_session_that_was_logged_out_cannot_be_refreshed(
    application: MemoryApplication, login: Login
) -> None:
    principal = await application.auth.authenticate_token(token=login.access_token)
    await application.auth.log_out(principal=principal)
    await refresh_refused(application, login.refresh_token)


async def test_a_disabled_user_cannot_refresh(
    application: MemoryApplication, trader: User, login: Login
) -> None:
    await change(application, trader, disabled=True)
    await refresh_refused(application, login.refresh_token)


async def test_a_refresh_that_is_refused_changes_nothing(
    application: MemoryApplication, login: Login
) -> None:
    application.clock.advance(SESSION_IDLE_LIFETIME)
    before = rows(application)
    await refresh_refused(application, login.refresh_token)
    assert rows(application) is before


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(timedelta(0), id="at-once"),
        pytest.param(REFRESH_GRACE, id="in-the-last-moment-of-grace"),
    ],
)
async def test_a_refresh_token_used_again_within_ten_seconds_is_a_lost_answer(
    application: MemoryApplication, login: Login, after: timedelta
) -> None:
    successor = await refreshed(application, login.refresh_token)
    application.clock.advance(after)
    await refresh_refused(application, login.refresh_token, RefreshInProgress)
    assert await acts(application.auth, successor)


async def test_a_lost_answer_is_told_when_to_ask_again(
    application: MemoryApplication, login: Login
) -> None:
    await refreshed(application, login.refresh_token)
    with pytest.raises(RefreshInProgress) as caught:
        await refreshed(application, login.refresh_token)
    assert caught.value.retry_after == 1


async def test_a_lost_answer_does_not_start_the_grace_again(
    application: MemoryApplication, login: Login
) -> None:
    await refreshed(application, login.refresh_token)
    application.clock.advance(REFRESH_GRACE)
    await refresh_refused(application, login.refresh_token, RefreshInProgress)
    application.clock.advance(MOMENT)
    await refresh_refused(application, login.refresh_token, InvalidToken)


async def test_of_parallel_refreshes_one_gives_tokens_and_the_others_wait(
    application: MemoryApplication, login: Login
) -> None:
    given: list[Login] = []
    asked_to_wait: list[RefreshInProgress] = []

    async def one() -> None:
        try:
            given.append(await refreshed(application, login.refresh_token))
        except RefreshInProgress as error:
            asked_to_wait.append(error)

    await all_at_once(*[one] * 5)
    assert (len(given), len(asked_to_wait)) == (1, 4)


@pytest.fixture
async def stolen(application: MemoryApplication, login: Login) -> tuple[Login, Login]:
    """A refresh token that is out of grace, and what its owner got for it."""
    successor = await refreshed(application, login.refresh_token)
    application.clock.advance(REFRESH_GRACE + MOMENT)
    return login, successor


async def test_a_refresh_token_used_again_later_is_refused_as_stolen(
    application: MemoryApplication, stolen: tuple[Login, Login]
) -> None:
    await refresh_refused(application, stolen[0].refresh_token)


async def test_the_use_of_a_stolen_refresh_token_ends_the_session(
    application: MemoryApplication, stolen: tuple[Login, Login]
) -> None:
    await refresh_refused(application, stolen[0].refresh_token)
    assert session(application).ended_at == application.clock.now()


async def test_the_tokens_that_the_owner_holds_end_with_the_session(
    application: MemoryApplication, stolen: tuple[Login, Login]
) -> None:
    await refresh_refused(application, stolen[0].refresh_token)
    await refresh_refused(application, stolen[1].refresh_token)
    assert not await acts(application.auth, stolen[1])


async def test_the_use_of_a_stolen_refresh_token_is_in_the_login_log(
    application: MemoryApplication, trader: User, stolen: tuple[Login, Login]
) -> None:
    thief = Client("198.51.100.9", "curl/8.9", "request-2")
    with pytest.raises(InvalidToken):
        await refreshed(application, stolen[0].refresh_token, thief)
    newest = (await attempts(application))[0]
    assert isinstance(newest.id, UUID)
    assert newest == LoginAttempt(
        id=newest.id,
        at=application.clock.now(),
        username="trader",
        username_key="trader",
        user_id=trader.id,
        ip="198.51.100.9",
        user_agent="curl/8.9",
        request_id="request-2",
        outcome=Outcome.FAILED,
        fail_reason=FailReason.REFRESH_REUSE,
        session_id=stolen[0].session_id,
        duration_ms=0,
        device_type=DeviceType.LIBRARY,
        client="curl 8.9",
    )


async def test_theft_is_logged_once_for_a_session(
    application: MemoryApplication, stolen: tuple[Login, Login]
) -> None:
    await refresh_refused(application, stolen[0].refresh_token)
    await refresh_refused(application, stolen[0].refresh_token)
    reasons = [row.fail_reason for row in await attempts(application)]
    assert reasons.count(FailReason.REFRESH_REUSE) == 1


async def test_theft_ends_no_other_session(
    application: MemoryApplication, stolen: tuple[Login, Login]
) -> None:
    other = await log_in(application.auth)
    await refresh_refused(application, stolen[0].refresh_token)
    assert await acts(application.auth, other)


async def test_whichever_statement_of_a_refresh_fails_the_token_stays_good() -> None:
    for statements in count():
        application = MemoryApplication()
        await registered(application)
        login = await log_in(application.auth)
        application.identity_store.fail_after = statements
        try:
            await refreshed(application, login.refresh_token)
        except StoreUnavailable:
            await refreshed(application, login.refresh_token)
        if application.identity_store.fail_after is not None:
            break
    assert statements > 5


# -- access tokens -----------------------------------------------------------------------------


async def refuses_token(auth: AuthService, token: str) -> None:
    with pytest.raises(InvalidToken):
        await auth.authenticate_token(token=token)


@pytest.mark.parametrize("role", Role)
async def test_an_access_token_gives_the_scopes_of_the_users_role(
    application: MemoryApplication, role: Role
) -> None:
    await registered(application, "somebody", role)
    login = await log_in(application.auth, "somebody")
    principal = await application.auth.authenticate_token(token=login.access_token)
    assert (principal.scopes, principal.session_id) == (SCOPES_OF_ROLE[role], login.session_id)


async def test_a_change_of_role_is_in_effect_at_once(
    application: MemoryApplication, trader: User, login: Login
) -> None:
    await change(application, trader, role=Role.ADMIN)
    principal = await application.auth.authenticate_token(token=login.access_token)
    assert principal.scopes == SCOPES_OF_ROLE[Role.ADMIN]


async def test_a_token_that_was_not_issued_here_is_refused(application: MemoryApplication) -> None:
    await refuses_token(application.auth, "forged")


async def test_a_refresh_token_is_no_access_token(
    application: MemoryApplication, login: Login
) -> None:
    await refuses_token(application.auth, login.refresh_token)


async def test_an_access_token_is_good_for_less_than_its_lifetime(
    application: MemoryApplication, login: Login
) -> None:
    # Times in tokens are whole seconds, so that up to one of them is lost.
    application.clock.advance(ACCESS_TOKEN_LIFETIME - timedelta(seconds=1))
    assert await acts(application.auth, login)


async def test_an_access_token_is_refused_at_the_very_second_it_expires(
    application: MemoryApplication, login: Login
) -> None:
    ends = application.clock.now() + ACCESS_TOKEN_LIFETIME
    expiry = ends.replace(microsecond=0) + timedelta(seconds=1)  # rounded up
    application.clock.time = expiry - MOMENT
    assert await acts(application.auth, login)
    application.clock.time = expiry
    await refuses_token(application.auth, login.access_token)


@pytest.mark.usefixtures("trader")
async def test_a_session_that_has_idled_too_long_refuses_its_access_token(
    application: MemoryApplication,
) -> None:
    auth = auth_service(application, session_idle_lifetime=timedelta(minutes=1))
    login = await log_in(auth)
    application.clock.advance(timedelta(minutes=1))
    await refuses_token(auth, login.access_token)


@pytest.mark.usefixtures("trader")
async def test_a_session_that_has_lasted_too_long_refuses_its_access_token(
    application: MemoryApplication,
) -> None:
    auth = auth_service(application, session_lifetime=timedelta(minutes=1))
    login = await log_in(auth)
    application.clock.advance(timedelta(minutes=1))
    await refuses_token(auth, login.access_token)


async def test_a_user_who_is_disabled_is_refused_at_once(
    application: MemoryApplication, trader: User, login: Login
) -> None:
    await application.users.set_disabled(user_id=trader.id, disabled=True)
    await refuses_token(application.auth, login.access_token)


async def test_a_user_who_is_disabled_is_refused_even_in_a_live_session(
    application: MemoryApplication, trader: User, login: Login
) -> None:
    await change(application, trader, disabled=True)
    await refuses_token(application.auth, login.access_token)


async def test_enabling_a_user_again_does_not_bring_old_sessions_back(
    application: MemoryApplication, trader: User, login: Login
) -> None:
    await application.users.set_disabled(user_id=trader.id, disabled=True)
    await application.users.set_disabled(user_id=trader.id, disabled=False)
    await refuses_token(application.auth, login.access_token)


def issued(
    application: MemoryApplication, tokens: PlainTokens, *, user_id: UUID, session_id: UUID
) -> str:
    now = application.clock.now()
    claims = AccessClaims(
        new_id(), user_id, session_id, now, now + ACCESS_TOKEN_LIFETIME, now, frozenset()
    )
    return tokens.issue(claims=claims)


async def test_a_token_of_an_unknown_session_is_refused(
    application: MemoryApplication, trader: User
) -> None:
    tokens = PlainTokens()
    token = issued(application, tokens, user_id=trader.id, session_id=new_id())
    await refuses_token(auth_service(application, tokens=tokens), token)


async def test_a_token_of_another_users_session_is_refused(
    application: MemoryApplication, login: Login
) -> None:
    other = await registered(application, "other")
    tokens = PlainTokens()
    token = issued(application, tokens, user_id=other.id, session_id=login.session_id)
    await refuses_token(auth_service(application, tokens=tokens), token)


async def test_whether_a_token_is_good_is_not_known_while_the_store_is_down(
    application: MemoryApplication, login: Login
) -> None:
    application.identity_store.down = True
    with pytest.raises(StoreUnavailable):
        await application.auth.authenticate_token(token=login.access_token)


# -- logging out -------------------------------------------------------------------------------


async def test_logging_out_ends_the_session(application: MemoryApplication, login: Login) -> None:
    principal = await application.auth.authenticate_token(token=login.access_token)
    await application.auth.log_out(principal=principal)
    assert session(application).ended_at == application.clock.now()


async def test_logging_out_takes_effect_on_the_access_token_at_once(
    application: MemoryApplication, login: Login
) -> None:
    principal = await application.auth.authenticate_token(token=login.access_token)
    await application.auth.log_out(principal=principal)
    await refuses_token(application.auth, login.access_token)


async def test_logging_out_ends_no_other_session(
    application: MemoryApplication, login: Login
) -> None:
    other = await log_in(application.auth)
    principal = await application.auth.authenticate_token(token=login.access_token)
    await application.auth.log_out(principal=principal)
    assert await acts(application.auth, other)


async def test_logging_out_twice_keeps_the_time_of_the_first(
    application: MemoryApplication, login: Login
) -> None:
    principal = await application.auth.authenticate_token(token=login.access_token)
    await application.auth.log_out(principal=principal)
    ended_at = application.clock.now()
    application.clock.advance(timedelta(seconds=1))
    await application.auth.log_out(principal=principal)
    assert session(application).ended_at == ended_at


async def test_a_logout_that_cannot_be_stored_is_not_said_to_have_happened(
    application: MemoryApplication, login: Login
) -> None:
    principal = await application.auth.authenticate_token(token=login.access_token)
    application.identity_store.down = True
    with pytest.raises(StoreUnavailable):
        await application.auth.log_out(principal=principal)


async def test_a_success_says_whether_network_and_client_were_ever_seen_before(
    application: MemoryApplication,
) -> None:
    await registered(application)
    phone = Device(DeviceType.MOBILE, "iOS 17", "Mobile Safari 17")
    newer = Device(DeviceType.MOBILE, "iOS 18", "Mobile Safari 18")
    application.user_agents.known |= {"phone": phone, "newer": newer}
    told = []
    for ip, user_agent in (
        ("2001:db8::1", "phone"),
        ("2001:db8::2", "newer"),
        ("192.0.2.1", "phone"),
        ("192.0.2.1", "curl/8.4"),
        (None, None),
    ):
        await log_in(application.auth, client=Client(ip, user_agent))
        newest = max(application.identity_store.committed.attempts.values(), key=lambda row: row.id)
        told.append((newest.new_network, newest.new_client))
    assert told == [(True, True), (False, False), (True, False), (False, True), (None, None)]


async def test_a_failure_is_no_acquaintance(application: MemoryApplication) -> None:
    await registered(application)
    with pytest.raises(InvalidCredentials):
        await log_in(application.auth, password="wrong")
    await log_in(application.auth)
    first, second = application.identity_store.committed.attempts.values()
    assert (first.new_network, second.new_network) == (None, True)


async def test_an_attempt_says_with_what_it_came(application: MemoryApplication) -> None:
    with pytest.raises(InvalidCredentials):
        await log_in(application.auth, client=Client("::ffff:192.0.2.1", "ccxt/4.2.1"))
    [row] = application.identity_store.committed.attempts.values()
    assert (row.ip, row.network, row.device_type, row.os, row.client) == (
        "192.0.2.1",
        "192.0.2.1",
        DeviceType.LIBRARY,
        None,
        "ccxt 4.2",
    )
