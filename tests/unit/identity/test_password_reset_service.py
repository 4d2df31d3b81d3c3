import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from anyio import Event, create_task_group

from app.adapters.memory.identity.security import FastHasher, GlassVault
from app.adapters.memory.identity.unit_of_work import MemoryIdentityUnitOfWork
from app.adapters.memory.system import SequentialSecrets
from app.domain.errors import TickgateError
from app.domain.identity.errors import (
    HasherBusy,
    InvalidCredentials,
    InvalidResetCode,
    InvalidToken,
    UnknownUser,
    WeakPassword,
)
from app.domain.identity.login_log import FailReason, Outcome
from app.domain.identity.password_resets import RESET_LIFETIME, canonical_code, reset_code
from app.domain.identity.users import User
from app.services.identity.password_reset_service import PasswordResetService
from tests.application import PASSWORD, MemoryApplication
from tests.builders import new_id
from tests.use_cases import CLIENT, log_in, registered

NEW_PASSWORD = "another fine password"
MOMENT = timedelta(microseconds=1)


@pytest.fixture
def application() -> MemoryApplication:
    return MemoryApplication()


@pytest.fixture
async def trader(application: MemoryApplication) -> User:
    return await registered(application)


async def code_of(application: MemoryApplication, user: User) -> str:
    return (await application.resets.issue(user_id=user.id)).code


async def redeem(
    application: MemoryApplication,
    code: str,
    *,
    username: str = "trader",
    new_password: str = NEW_PASSWORD,
) -> None:
    await application.resets.redeem(
        username=username, code=code, new_password=new_password, client=CLIENT
    )


def kept(application: MemoryApplication, user: User) -> User:
    return application.identity_store.committed.users[user.id]


def change(application: MemoryApplication, user: User, **fields: object) -> None:
    """Change a stored user by hand."""
    rows = application.identity_store.committed.users
    rows[user.id] = replace(rows[user.id], **fields)  # type: ignore[arg-type] # any of them


def service_with(application: MemoryApplication, hasher: FastHasher) -> PasswordResetService:
    """Give the application's service with another hasher."""
    return PasswordResetService(
        uow=partial(MemoryIdentityUnitOfWork, application.identity_store),
        hasher=hasher,
        common=application.common_passwords,
        vault=GlassVault(),
        clock=application.clock,
        ids=application.ids,
        secrets=SequentialSecrets(),
        user_agents=application.user_agents,
        throttling=application.throttling,
    )


# -- codes -------------------------------------------------------------------------------------


def test_a_code_is_five_groups_without_letters_and_digits_that_look_alike() -> None:
    codes = [reset_code(f"secret {number}") for number in range(200)]
    pattern = "([A-HJ-NP-Z2-9]{5}-){4}[A-HJ-NP-Z2-9]{5}"
    assert [code for code in codes if re.fullmatch(pattern, code) is None] == []


def test_every_character_of_a_code_takes_every_value() -> None:
    codes = [reset_code(f"secret {number}") for number in range(2000)]
    assert {len(set(column)) for column in zip(*codes, strict=True)} == {1, 32}


def test_different_secrets_give_different_codes() -> None:
    assert len({reset_code(f"secret {number}") for number in range(1000)}) == 1000


@pytest.mark.parametrize(
    "typed",
    [
        "abcde-fghjk",
        "ABCDEFGHJK",
        " ABCDE FGHJK\r\n",
        "ABCDE\u2013FGHJK",
        "A-B-C-D-E-F-G-H-J-K",
        "ABCDE\u00a0- FGHJK",
    ],
)
def test_a_code_is_the_same_however_it_is_typed(typed: str) -> None:
    assert canonical_code(typed) == "ABCDEFGHJK"


# -- issuing -----------------------------------------------------------------------------------


async def test_a_code_is_good_for_an_hour(application: MemoryApplication, trader: User) -> None:
    issued = await application.resets.issue(user_id=trader.id)
    assert issued.expires_at == application.clock.now() + timedelta(hours=1)


async def test_the_code_itself_is_not_stored(application: MemoryApplication, trader: User) -> None:
    code = await code_of(application, trader)
    stored = repr(application.identity_store.committed)
    assert [text in stored for text in (code, canonical_code(code))] == [False, False]


async def test_nobody_gets_no_code(application: MemoryApplication) -> None:
    with pytest.raises(UnknownUser):
        await application.resets.issue(user_id=new_id())


async def test_until_it_is_redeemed_a_code_changes_nothing(
    application: MemoryApplication, trader: User
) -> None:
    login = await log_in(application)
    await code_of(application, trader)
    await application.auth.authenticate_token(token=login.access_token)
    await log_in(application)
    assert kept(application, trader) == trader


# -- redeeming ---------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", [str, str.lower, lambda code: code.replace("-", " ")])
@pytest.mark.parametrize("username", ["trader", "TRADER"])
async def test_a_code_sets_a_new_password_which_is_the_only_good_one(
    application: MemoryApplication, trader: User, typed: Callable[[str], str], username: str
) -> None:
    code = await code_of(application, trader)
    await redeem(application, typed(code), username=username)
    await log_in(application, password=NEW_PASSWORD)
    with pytest.raises(InvalidCredentials):
        await log_in(application)


async def test_redeeming_ends_all_sessions_of_the_user(
    application: MemoryApplication, trader: User
) -> None:
    logins = [await log_in(application) for _ in range(2)]
    await redeem(application, await code_of(application, trader))
    for login in logins:
        with pytest.raises(InvalidToken):
            await application.auth.authenticate_token(token=login.access_token)


async def test_redeeming_logs_nobody_in_and_is_no_attempt(
    application: MemoryApplication, trader: User
) -> None:
    await redeem(application, await code_of(application, trader))
    rows = application.identity_store.committed
    assert (rows.sessions, rows.attempts) == ({}, {})


async def test_redeeming_dates_the_password_and_takes_its_expiry_away_and_no_more(
    application: MemoryApplication, trader: User
) -> None:
    change(application, trader, password_expires_at=trader.created_at, has_second_factor=True)
    before = kept(application, trader)
    application.clock.advance(MOMENT)
    code = await code_of(application, trader)
    await redeem(application, code)
    after = kept(application, trader)
    assert after == replace(
        before,
        password_hash=after.password_hash,
        password_changed_at=application.clock.now(),
        password_expires_at=None,
    )


async def test_a_moment_before_its_hour_is_over_a_code_is_good(
    application: MemoryApplication, trader: User
) -> None:
    code = await code_of(application, trader)
    application.clock.advance(RESET_LIFETIME - MOMENT)
    await redeem(application, code)
    await log_in(application, password=NEW_PASSWORD)


async def test_a_weak_password_leaves_the_code_as_it_was(
    application: MemoryApplication, trader: User
) -> None:
    code = await code_of(application, trader)
    for weak in ("short", "Password123456!!", "tradertradertrader", "x" * 1025):
        with pytest.raises(WeakPassword) as caught:
            await redeem(application, code, new_password=weak)
        assert [fault.field for fault in caught.value.faults] == ["new_password"]
    assert application.identity_store.committed.attempts == {}
    await redeem(application, code)


async def test_a_busy_hasher_leaves_the_code_as_it_was(
    application: MemoryApplication, trader: User
) -> None:
    code = await code_of(application, trader)
    application.hasher.busy = True
    with pytest.raises(HasherBusy):
        await redeem(application, code)
    application.hasher.busy = False
    await redeem(application, code)


# -- what is refused ---------------------------------------------------------------------------


async def spent(application: MemoryApplication, user: User) -> str:
    code = await code_of(application, user)
    await redeem(application, code)
    return code


async def replaced(application: MemoryApplication, user: User) -> str:
    code = await code_of(application, user)
    await code_of(application, user)
    return code


async def expired(application: MemoryApplication, user: User) -> str:
    code = await code_of(application, user)
    application.clock.advance(RESET_LIFETIME)
    return code


async def of_who_is_disabled(application: MemoryApplication, user: User) -> str:
    code = await code_of(application, user)
    await application.users.set_disabled(user_id=user.id, disabled=True)
    return code


async def of_who_changed_the_password(application: MemoryApplication, user: User) -> str:
    code = await code_of(application, user)
    login = await log_in(application)
    await application.users.change_password(
        principal=await application.auth.authenticate_token(token=login.access_token),
        current_password=PASSWORD,
        new_password="yet another password",
    )
    return code


async def whose_password_was_set(application: MemoryApplication, user: User) -> str:
    code = await code_of(application, user)
    await application.users.set_password(user_id=user.id, new_password="yet another password")
    return code


async def of_somebody_else(application: MemoryApplication, user: User) -> str:
    await code_of(application, user)
    other = await application.users.create_user(username="other", password=PASSWORD)
    return await code_of(application, other)


async def wrong(application: MemoryApplication, user: User) -> str:
    code = await code_of(application, user)
    return code[:-1] + ("A" if code[-1] != "A" else "B")


async def never_issued(_application: MemoryApplication, _user: User) -> str:
    return "ABCDE-FGHJK-LMNPQ-RSTUV-WXYZ2"


async def hostile(application: MemoryApplication, user: User) -> str:
    await code_of(application, user)
    return "\0\ud800" * 10_000


BAD = [
    spent,
    replaced,
    expired,
    of_who_is_disabled,
    of_who_changed_the_password,
    whose_password_was_set,
    of_somebody_else,
    wrong,
    never_issued,
    hostile,
]


@pytest.mark.parametrize("make", BAD)
async def test_a_code_that_is_not_good_changes_nothing_and_is_in_the_log(
    application: MemoryApplication,
    trader: User,
    make: Callable[[MemoryApplication, User], Awaitable[str]],
) -> None:
    code = await make(application, trader)
    before, hashes = application.identity_store.committed, application.hasher.spent
    with pytest.raises(InvalidResetCode) as caught:
        await redeem(application, code)
    rows = application.identity_store.committed
    [attempt] = [rows.attempts[key] for key in rows.attempts.keys() - before.attempts.keys()]
    assert (rows.users, rows.sessions) == (before.users, before.sessions)
    assert (rows.password_resets, application.hasher.spent) == (before.password_resets, hashes)
    assert caught.value.detail == str(InvalidResetCode())
    assert (attempt.outcome, attempt.fail_reason) == (Outcome.FAILED, FailReason.RESET_FAILED)
    assert (attempt.error_code, attempt.user_id) == ("E401", trader.id)
    assert (attempt.username, attempt.ip) == ("trader", CLIENT.ip)


async def test_a_code_for_an_unknown_user_is_refused_alike_and_is_in_the_log(
    application: MemoryApplication, trader: User
) -> None:
    code = await code_of(application, trader)
    with pytest.raises(InvalidResetCode):
        await redeem(application, code, username="nobody")
    [attempt] = application.identity_store.committed.attempts.values()
    assert (attempt.username, attempt.user_id) == ("nobody", None)
    assert attempt.fail_reason is FailReason.RESET_FAILED


async def test_a_code_of_who_is_enabled_again_is_good(
    application: MemoryApplication, trader: User
) -> None:
    code = await of_who_is_disabled(application, trader)
    await application.users.set_disabled(user_id=trader.id, disabled=False)
    await redeem(application, code)


async def test_redeeming_does_not_enable_who_is_disabled_meanwhile(
    application: MemoryApplication, trader: User
) -> None:
    code = await code_of(application, trader)
    before = kept(application, trader).password_hash
    gate, begun = Event(), Event()

    class WaitingHasher(FastHasher):
        async def hash(self, *, password: str) -> str:
            begun.set()
            await gate.wait()
            return await super().hash(password=password)

    async def end() -> None:
        with pytest.raises(InvalidResetCode):
            await redeem(application, code)

    application.resets = service_with(application, WaitingHasher())
    async with create_task_group() as tasks:
        tasks.start_soon(end)
        await begun.wait()
        change(application, trader, disabled=True)
        gate.set()
    assert (kept(application, trader).password_hash, kept(application, trader).disabled) == (
        before,
        True,
    )


async def test_of_many_who_redeem_one_code_at_once_one_succeeds(
    application: MemoryApplication, trader: User
) -> None:
    code = await code_of(application, trader)
    ends: list[type[TickgateError] | None] = []

    async def attempt(number: int) -> None:
        try:
            await redeem(application, code, new_password=f"a fine password {number}")
        except TickgateError as error:
            ends.append(type(error))
        else:
            ends.append(None)

    async with create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(attempt, number)
    assert (ends.count(None), ends.count(InvalidResetCode)) == (1, 9)
    assert len(application.identity_store.committed.attempts) == 9
