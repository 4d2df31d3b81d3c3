"""The second factor, as its users and those who are after their accounts use it."""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from anyio import create_task_group

from app.domain.errors import TickgateError
from app.domain.identity.errors import (
    InvalidChallenge,
    InvalidCode,
    MfaRequired,
    NoSecondFactor,
    OwnSecondFactor,
    SecondFactorEnrolled,
    TooManyAttempts,
    UnknownUser,
    WeakPassword,
    WrongCode,
    WrongPassword,
)
from app.domain.identity.login_log import FailReason, LoginAttempt, LoginLogFilter, Outcome
from app.domain.identity.second_factor import CHALLENGE_KEPT, CHALLENGE_LIFETIME, MOST_WRONG_CODES
from app.domain.identity.users import User
from app.domain.principal import Principal, Role
from app.services.identity.auth_service import Login
from tests.application import PASSWORD, MemoryApplication
from tests.builders import new_id
from tests.use_cases import (
    CLIENT,
    OTHER_PASSWORD,
    STEP,
    Device,
    challenge_of,
    enrolled,
    enrolling,
    log_in,
    principal_of,
    registered,
)

Refusals = list[type[TickgateError] | None]
WRONG = "no code"


@pytest.fixture
def application() -> MemoryApplication:
    return MemoryApplication()


@pytest.fixture
async def trader(application: MemoryApplication) -> tuple[Principal, Device, tuple[str, ...]]:
    return await enrolled(application)


@pytest.fixture
def principal(trader: tuple[Principal, Device, tuple[str, ...]]) -> Principal:
    return trader[0]


@pytest.fixture
def device(trader: tuple[Principal, Device, tuple[str, ...]]) -> Device:
    return trader[1]


@pytest.fixture
def recovery_codes(trader: tuple[Principal, Device, tuple[str, ...]]) -> tuple[str, ...]:
    return trader[2]


async def finish(application: MemoryApplication, challenge: str, code: str) -> Login:
    return await application.auth.finish_login(challenge=challenge, code=code, client=CLIENT)


async def refusal_of(call: Awaitable[object]) -> type[TickgateError] | None:
    try:
        await call
    except TickgateError as error:
        return type(error)
    return None


async def all_at_once(
    *calls: Callable[[], Coroutine[Any, Any, object]],
) -> Refusals:
    """Make calls in parallel, and give how they were refused, sorted."""
    refusals: Refusals = []

    async def make(call: Callable[[], Coroutine[Any, Any, object]]) -> None:
        refusals.append(await refusal_of(call()))

    async with create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(make, call)
    return sorted(refusals, key=str)


async def attempts(application: MemoryApplication) -> list[LoginAttempt]:
    """Give the login log, newest first."""
    return await application.login_log.search(matching=LoginLogFilter(), limit=1000)


def user_of(application: MemoryApplication, principal: Principal) -> User:
    return application.identity_store.committed.users[principal.user_id]


def live_sessions(application: MemoryApplication) -> set[object]:
    sessions = application.identity_store.committed.sessions.values()
    return {session.id for session in sessions if session.ended_at is None}


# -- logging in ------------------------------------------------------------------------------


async def test_the_right_password_alone_opens_no_session(
    application: MemoryApplication, principal: Principal
) -> None:
    before = live_sessions(application)
    with pytest.raises(MfaRequired):
        await log_in(application)
    [attempt, *_] = await attempts(application)
    assert live_sessions(application) == before
    assert (attempt.outcome, attempt.fail_reason) == (Outcome.FAILED, FailReason.MFA_REQUIRED)
    assert (attempt.user_id, attempt.session_id) == (principal.user_id, None)


@pytest.mark.usefixtures("trader")
async def test_a_wrong_password_is_refused_as_anybodys(application: MemoryApplication) -> None:
    wrong = await refusal_of(log_in(application, password=OTHER_PASSWORD))
    nobodys = await refusal_of(log_in(application, username="nobody"))
    assert wrong is nobodys is not MfaRequired


async def test_a_code_finishes_the_login_and_is_in_the_log(
    application: MemoryApplication, principal: Principal, device: Device
) -> None:
    login = await finish(application, await challenge_of(application), device.code())
    [attempt, *_] = await attempts(application)
    assert (attempt.outcome, attempt.session_id) == (Outcome.SUCCESS, login.session_id)
    assert (attempt.username, attempt.user_id) == ("trader", principal.user_id)
    assert (attempt.ip, attempt.user_agent) == (CLIENT.ip, CLIENT.user_agent)
    assert (await application.auth.authenticate_token(token=login.access_token)).user_id


@pytest.mark.parametrize("drift", [-1, 0, 1])
async def test_a_clock_that_is_one_step_off_is_accepted(
    application: MemoryApplication, device: Device, drift: int
) -> None:
    application.clock.advance(STEP)
    assert await finish(application, await challenge_of(application), device.code(drift=drift))


@pytest.mark.parametrize("drift", [-2, 2])
async def test_a_clock_that_is_two_steps_off_is_refused(
    application: MemoryApplication, device: Device, drift: int
) -> None:
    application.clock.advance(2 * STEP)
    challenge = await challenge_of(application)
    assert await refusal_of(finish(application, challenge, device.code(drift=drift))) is InvalidCode


async def test_a_code_may_be_typed_as_it_is_shown(
    application: MemoryApplication, device: Device
) -> None:
    code = device.code()
    assert await finish(application, await challenge_of(application), f"{code[:3]} {code[3:]}")


async def test_digits_of_other_scripts_are_no_code(
    application: MemoryApplication, device: Device
) -> None:
    code = device.code()
    others = [
        code.translate({ord("0") + digit: zero + digit for digit in range(10)})
        for zero in (0x0660, 0xFF10)
    ]
    challenge = await challenge_of(application)
    refusals = [await refusal_of(finish(application, challenge, other)) for other in others]
    assert refusals == [InvalidCode, InvalidCode]


async def test_a_code_is_good_once(application: MemoryApplication, device: Device) -> None:
    code = device.code()
    await finish(application, await challenge_of(application), code)
    again = finish(application, await challenge_of(application), code)
    assert await refusal_of(again) is InvalidCode


async def test_after_a_newer_code_the_one_of_the_step_before_is_good_no_more(
    application: MemoryApplication, device: Device
) -> None:
    application.clock.advance(STEP)
    older = device.code(drift=-1)
    await finish(application, await challenge_of(application), device.code())
    replayed = finish(application, await challenge_of(application), older)
    assert await refusal_of(replayed) is InvalidCode


async def test_the_code_that_confirmed_the_device_is_no_code_for_a_login(
    application: MemoryApplication, device: Device
) -> None:
    confirming = device.code(drift=-1)
    challenge = await challenge_of(application)
    assert await refusal_of(finish(application, challenge, confirming)) is InvalidCode


async def test_of_two_parallel_uses_of_one_code_one_succeeds(
    application: MemoryApplication, device: Device
) -> None:
    code = device.code()
    challenges = [await challenge_of(application) for _ in range(2)]
    refusals = await all_at_once(
        *(
            lambda challenge=challenge: finish(application, challenge, code)
            for challenge in challenges
        )
    )
    assert refusals == [InvalidCode, None]


async def test_of_two_parallel_answers_to_one_challenge_one_succeeds(
    application: MemoryApplication, device: Device, recovery_codes: tuple[str, ...]
) -> None:
    challenge = await challenge_of(application)
    codes = (device.code(), recovery_codes[0])
    refusals = await all_at_once(
        *(lambda code=code: finish(application, challenge, code) for code in codes)
    )
    assert refusals == [InvalidChallenge, None]


async def test_a_recovery_code_is_good_once(
    application: MemoryApplication, recovery_codes: tuple[str, ...]
) -> None:
    code = recovery_codes[3]
    await finish(application, await challenge_of(application), code)
    again = finish(application, await challenge_of(application), code)
    assert await refusal_of(again) is InvalidCode


async def test_a_recovery_code_may_be_typed_in_small_letters_without_hyphens(
    application: MemoryApplication, recovery_codes: tuple[str, ...]
) -> None:
    typed = recovery_codes[0].replace("-", "").lower()
    assert await finish(application, await challenge_of(application), typed)


async def test_of_two_parallel_uses_of_one_recovery_code_one_succeeds(
    application: MemoryApplication, recovery_codes: tuple[str, ...]
) -> None:
    challenges = [await challenge_of(application) for _ in range(2)]
    refusals = await all_at_once(
        *(
            lambda challenge=challenge: finish(application, challenge, recovery_codes[0])
            for challenge in challenges
        )
    )
    assert refusals == [InvalidCode, None]


async def other_user(application: MemoryApplication) -> tuple[Device, tuple[str, ...]]:
    await application.users.create_user(username="other", password=PASSWORD)
    login = await log_in(application, username="other")
    principal = await application.auth.authenticate_token(token=login.access_token)
    begun = await application.second_factor.enrol(principal=principal, current_password=PASSWORD)
    device = Device(application, begun.secret)
    codes = await application.second_factor.confirm(principal=principal, code=device.code())
    application.clock.advance(STEP)
    return device, codes


@pytest.mark.usefixtures("trader")
async def test_the_codes_of_another_user_answer_no_challenge(
    application: MemoryApplication,
) -> None:
    device, codes = await other_user(application)
    challenge = await challenge_of(application)
    refusals = [
        await refusal_of(finish(application, challenge, code)) for code in (device.code(), codes[0])
    ]
    assert refusals == [InvalidCode, InvalidCode]


async def test_a_challenge_is_good_once(
    application: MemoryApplication, device: Device, recovery_codes: tuple[str, ...]
) -> None:
    challenge = await challenge_of(application)
    await finish(application, challenge, device.code())
    assert await refusal_of(finish(application, challenge, recovery_codes[0])) is InvalidChallenge


async def test_five_wrong_codes_are_the_end_of_a_challenge(
    application: MemoryApplication, device: Device
) -> None:
    challenge = await challenge_of(application)
    refusals = [
        await refusal_of(finish(application, challenge, WRONG)) for _ in range(MOST_WRONG_CODES)
    ]
    right = finish(application, challenge, device.code())
    assert [*refusals, await refusal_of(right)] == [InvalidCode] * 5 + [InvalidChallenge]


@pytest.mark.usefixtures("trader")
async def test_of_many_parallel_guesses_five_are_looked_at(application: MemoryApplication) -> None:
    challenge = await challenge_of(application)
    refusals = await all_at_once(*[lambda: finish(application, challenge, WRONG)] * 20)
    assert refusals == [InvalidChallenge] * 15 + [InvalidCode] * 5
    assert (
        len([each for each in await attempts(application) if each.fail_reason == "mfa_failed"])
        == 20
    )


@pytest.mark.usefixtures("trader")
async def test_a_wrong_code_is_in_the_log(
    application: MemoryApplication, principal: Principal
) -> None:
    await refusal_of(finish(application, await challenge_of(application), WRONG))
    [attempt, *_] = await attempts(application)
    assert (attempt.outcome, attempt.fail_reason) == (Outcome.FAILED, FailReason.MFA_FAILED)
    assert (attempt.username, attempt.user_id) == ("trader", principal.user_id)


@pytest.mark.parametrize("challenge", ["", "unknown", "\ud800", "a\0b", "x" * 100_000])
async def test_an_unknown_challenge_is_refused_and_in_the_log_without_a_name(
    application: MemoryApplication, challenge: str
) -> None:
    assert await refusal_of(finish(application, challenge, "123456")) is InvalidChallenge
    [attempt] = await attempts(application)
    assert (attempt.username, attempt.user_id) == ("", None)
    assert attempt.fail_reason is FailReason.MFA_FAILED


async def test_a_challenge_is_good_until_just_before_it_expires(
    application: MemoryApplication, device: Device
) -> None:
    challenge = await challenge_of(application)
    application.clock.advance(CHALLENGE_LIFETIME - timedelta(microseconds=1))
    assert await finish(application, challenge, device.code())


async def test_a_challenge_expires(application: MemoryApplication, device: Device) -> None:
    challenge = await challenge_of(application)
    application.clock.advance(CHALLENGE_LIFETIME)
    assert await refusal_of(finish(application, challenge, device.code())) is InvalidChallenge


async def test_a_challenge_is_worth_nothing_once_the_user_is_disabled(
    application: MemoryApplication, principal: Principal, device: Device
) -> None:
    challenge = await challenge_of(application)
    await application.users.set_disabled(user_id=principal.user_id, disabled=True)
    assert await refusal_of(finish(application, challenge, device.code())) is InvalidCode
    assert (await attempts(application))[0].fail_reason is FailReason.DISABLED


async def test_a_challenge_is_worth_nothing_once_the_password_is_another(
    application: MemoryApplication, principal: Principal, device: Device
) -> None:
    challenge = await challenge_of(application)
    application.clock.advance(timedelta(seconds=1))
    await application.users.set_password(user_id=principal.user_id, new_password=OTHER_PASSWORD)
    assert await refusal_of(finish(application, challenge, device.code())) is InvalidCode
    assert (await attempts(application))[0].fail_reason is FailReason.BAD_PASSWORD


async def test_a_challenge_is_worth_nothing_once_the_second_factor_is_removed(
    application: MemoryApplication, principal: Principal, device: Device
) -> None:
    challenge = await challenge_of(application)
    await application.users.remove_second_factor(user_id=principal.user_id)
    assert await refusal_of(finish(application, challenge, device.code())) is InvalidCode


@pytest.mark.usefixtures("trader")
async def test_challenges_that_expired_long_ago_are_not_kept(
    application: MemoryApplication,
) -> None:
    await challenge_of(application)
    application.clock.advance(CHALLENGE_LIFETIME + CHALLENGE_KEPT)
    await challenge_of(application)
    assert len(application.identity_store.committed.mfa_challenges) == 1


@pytest.mark.usefixtures("trader")
async def test_nothing_that_is_kept_gives_a_secret_away(
    application: MemoryApplication, recovery_codes: tuple[str, ...]
) -> None:
    challenge = await challenge_of(application)
    kept = repr(application.identity_store.committed)
    plain = [code.replace("-", "") for code in recovery_codes]
    assert [each for each in (challenge, *recovery_codes, *plain) if each in kept] == []


async def test_a_secret_that_the_vault_does_not_open_makes_every_code_wrong(
    application: MemoryApplication, principal: Principal, device: Device
) -> None:
    factors = application.identity_store.committed.second_factors
    factors[principal.user_id] = replace(factors[principal.user_id], sealed_secret="another's")
    challenge = await challenge_of(application)
    assert await refusal_of(finish(application, challenge, device.code())) is InvalidCode


# -- enrolling -------------------------------------------------------------------------------


async def test_until_it_is_confirmed_a_login_asks_for_no_code(
    application: MemoryApplication,
) -> None:
    await enrolling(application)
    assert await log_in(application)


async def test_enrolling_gives_what_a_device_needs(application: MemoryApplication) -> None:
    await registered(application)
    principal = await principal_of(application)
    begun = await application.second_factor.enrol(principal=principal, current_password=PASSWORD)
    assert begun.uri.startswith("otpauth://totp/tickgate:trader?")
    assert begun.secret in begun.uri


@pytest.mark.parametrize("password", ["", OTHER_PASSWORD, "\ud800", "x" * 10_000])
async def test_without_the_password_nothing_is_enrolled(
    application: MemoryApplication, password: str
) -> None:
    await registered(application)
    enrol = application.second_factor.enrol(
        principal=await principal_of(application), current_password=password
    )
    assert await refusal_of(enrol) is WrongPassword
    assert application.identity_store.committed.second_factors == {}


async def test_beginning_anew_forgets_what_was_begun(application: MemoryApplication) -> None:
    principal, first = await enrolling(application)
    begun = await application.second_factor.enrol(principal=principal, current_password=PASSWORD)
    second = Device(application, begun.secret)
    confirm = application.second_factor.confirm
    assert await refusal_of(confirm(principal=principal, code=first.code())) is WrongCode
    assert await confirm(principal=principal, code=second.code())


async def test_one_that_is_confirmed_has_to_be_removed_before_another_is_enrolled(
    application: MemoryApplication, principal: Principal, device: Device
) -> None:
    service = application.second_factor
    enrol = service.enrol(principal=principal, current_password=PASSWORD)
    confirm = service.confirm(principal=principal, code=device.code())
    refusals = [await refusal_of(enrol), await refusal_of(confirm)]
    assert refusals == [SecondFactorEnrolled, SecondFactorEnrolled]


async def test_where_nothing_was_begun_nothing_is_confirmed(
    application: MemoryApplication,
) -> None:
    await registered(application)
    principal = await principal_of(application)
    confirm = application.second_factor.confirm(principal=principal, code="123456")
    assert await refusal_of(confirm) is NoSecondFactor


async def test_a_wrong_code_confirms_nothing(application: MemoryApplication) -> None:
    principal, device = await enrolling(application)
    before = application.identity_store.committed
    wrong = application.second_factor.confirm(principal=principal, code=device.code(drift=2))
    assert await refusal_of(wrong) is WrongCode
    assert application.identity_store.committed == before


async def test_confirming_gives_ten_recovery_codes_and_ends_the_other_sessions(
    application: MemoryApplication, principal: Principal, recovery_codes: tuple[str, ...]
) -> None:
    assert len(set(recovery_codes)) == 10
    assert live_sessions(application) == {principal.session_id}
    assert user_of(application, principal).has_second_factor


async def test_of_two_parallel_confirmations_one_gives_codes(
    application: MemoryApplication,
) -> None:
    principal, device = await enrolling(application)
    code = device.code()
    confirm = application.second_factor.confirm
    refusals = await all_at_once(*[lambda: confirm(principal=principal, code=code)] * 2)
    assert refusals == [SecondFactorEnrolled, None]


async def test_a_password_that_is_changed_meanwhile_enrols_nothing(
    application: MemoryApplication,
) -> None:
    user = await registered(application)
    principal = await principal_of(application)
    application.clock.advance(timedelta(seconds=1))
    reset = application.users.set_password
    refusals = await all_at_once(
        lambda: application.second_factor.enrol(principal=principal, current_password=PASSWORD),
        lambda: reset(user_id=user.id, new_password=OTHER_PASSWORD),
    )
    is_enrolled = bool(application.identity_store.committed.second_factors)
    assert (refusals == [None, None]) is is_enrolled


async def test_who_is_gone_enrols_nothing(application: MemoryApplication) -> None:
    nobody = Principal(new_id(), "nobody", None, frozenset())
    enrol = application.second_factor.enrol(principal=nobody, current_password=PASSWORD)
    assert await refusal_of(enrol) is UnknownUser


# -- changing it -----------------------------------------------------------------------------


async def test_new_recovery_codes_take_the_place_of_those_before(
    application: MemoryApplication,
    principal: Principal,
    device: Device,
    recovery_codes: tuple[str, ...],
) -> None:
    new = await application.second_factor.new_recovery_codes(
        principal=principal, current_password=PASSWORD, code=device.code()
    )
    assert not {*new} & {*recovery_codes}
    old = finish(application, await challenge_of(application), recovery_codes[0])
    assert await refusal_of(old) is InvalidCode
    assert await finish(application, await challenge_of(application), new[9])


async def test_a_change_needs_the_password_and_a_code(
    application: MemoryApplication, principal: Principal, device: Device
) -> None:
    before = application.identity_store.committed
    service, code = application.second_factor, device.code()
    refusals = [
        await refusal_of(change(principal=principal, current_password=password, code=typed))
        for change in (service.new_recovery_codes, service.remove)
        for password, typed in ((OTHER_PASSWORD, code), (PASSWORD, WRONG), (PASSWORD, ""))
    ]
    assert refusals == [WrongPassword, WrongCode, WrongCode] * 2
    counted = replace(application.identity_store.committed, slots=before.slots)
    assert counted == before


async def test_codes_for_ones_own_changes_are_not_guessed_without_end(
    application: MemoryApplication, principal: Principal, device: Device
) -> None:
    def remove(code: str) -> Coroutine[Any, Any, object]:
        return application.second_factor.remove(
            principal=principal, current_password=PASSWORD, code=code
        )

    refusals = [await refusal_of(remove(WRONG)) for _ in range(5)]
    assert refusals == [WrongCode] * 5
    assert await refusal_of(remove(device.code())) is TooManyAttempts


async def test_a_login_is_not_guessed_at_by_one_challenge_after_another(
    application: MemoryApplication, device: Device
) -> None:
    for _ in range(5):
        guess = finish(application, await challenge_of(application), WRONG)
        assert await refusal_of(guess) is InvalidCode
    last = finish(application, await challenge_of(application), device.code())
    assert await refusal_of(last) is TooManyAttempts
    [row] = await application.login_log.search(matching=LoginLogFilter(), limit=1)
    assert (row.outcome, row.fail_reason) == (Outcome.THROTTLED, FailReason.THROTTLED_PAIR)


async def test_a_code_that_was_not_looked_at_is_no_guess_at_its_challenge(
    application: MemoryApplication, device: Device
) -> None:
    for _ in range(5):
        await refusal_of(finish(application, await challenge_of(application), WRONG))
    challenge = await challenge_of(application)
    for _ in range(6):
        await refusal_of(finish(application, challenge, WRONG))
    application.clock.advance(timedelta(minutes=4, seconds=59))
    assert await refusal_of(finish(application, challenge, device.code())) is TooManyAttempts


async def test_who_knows_the_code_gives_back_what_they_took(
    application: MemoryApplication, recovery_codes: tuple[str, ...]
) -> None:
    for code in recovery_codes:
        assert await finish(application, await challenge_of(application), code)
    assert application.identity_store.committed.slots == {}


async def test_where_there_is_none_nothing_is_changed(application: MemoryApplication) -> None:
    principal, device = await enrolling(application)
    service = application.second_factor
    refusals = [
        await refusal_of(change(principal=principal, current_password=PASSWORD, code=device.code()))
        for change in (service.new_recovery_codes, service.remove)
    ]
    assert refusals == [NoSecondFactor, NoSecondFactor]


async def test_after_a_removal_a_login_asks_for_no_code(
    application: MemoryApplication, principal: Principal, device: Device
) -> None:
    await finish(application, await challenge_of(application), device.code())
    application.clock.advance(STEP)
    await application.second_factor.remove(
        principal=principal, current_password=PASSWORD, code=device.code()
    )
    assert live_sessions(application) == {principal.session_id}
    assert await log_in(application)
    assert not user_of(application, principal).has_second_factor


async def test_a_recovery_code_removes_the_device_that_is_lost(
    application: MemoryApplication, principal: Principal, recovery_codes: tuple[str, ...]
) -> None:
    await application.second_factor.remove(
        principal=principal, current_password=PASSWORD, code=recovery_codes[0]
    )
    assert application.identity_store.committed.recovery_codes == {}


async def test_a_short_password_is_changed_before_the_second_factor_is_removed(
    application: MemoryApplication, principal: Principal, device: Device
) -> None:
    application.clock.advance(STEP)
    await application.users.change_password(
        principal=principal, current_password=PASSWORD, new_password="k7#dQ!zp"
    )
    remove = application.second_factor.remove(
        principal=principal, current_password="k7#dQ!zp", code=device.code()
    )
    assert await refusal_of(remove) is WeakPassword
    assert user_of(application, principal).has_second_factor


async def test_without_a_second_factor_a_password_stays_long(
    application: MemoryApplication,
) -> None:
    principal, _ = await enrolling(application)
    change = application.users.change_password(
        principal=principal, current_password=PASSWORD, new_password="k7#dQ!zp"
    )
    assert await refusal_of(change) is WeakPassword


async def test_an_administrator_removes_what_is_lost_and_all_sessions_end(
    application: MemoryApplication, principal: Principal
) -> None:
    admin = Principal(new_id(), "admin", None, frozenset())
    user = await application.users.remove_second_factor(user_id=principal.user_id, by=admin)
    assert (user.has_second_factor, live_sessions(application)) == (False, set())
    assert application.identity_store.committed.second_factors == {}
    assert await log_in(application)


async def test_where_there_is_none_removing_it_ends_no_session(
    application: MemoryApplication,
) -> None:
    user = await registered(application)
    login = await log_in(application)
    await application.users.remove_second_factor(user_id=user.id)
    assert live_sessions(application) == {login.session_id}


async def test_nobody_removes_their_own_as_an_administrator(
    application: MemoryApplication, principal: Principal
) -> None:
    remove = application.users.remove_second_factor(user_id=principal.user_id, by=principal)
    assert await refusal_of(remove) is OwnSecondFactor
    assert user_of(application, principal).has_second_factor


# -- who has to have one ---------------------------------------------------------------------


async def test_who_has_to_have_one_logs_in_and_may_do_nothing(
    application: MemoryApplication,
) -> None:
    user = await registered(application)
    await application.users.change_user(user_id=user.id, changes={"mfa_required": True})
    principal = await principal_of(application)
    assert (principal.scopes, principal.must_enrol) == (frozenset(), True)


async def test_once_they_have_one_they_may_do_what_their_role_may(
    application: MemoryApplication, principal: Principal, device: Device
) -> None:
    await application.users.change_user(user_id=principal.user_id, changes={"mfa_required": True})
    login = await finish(application, await challenge_of(application), device.code())
    after = await application.auth.authenticate_token(token=login.access_token)
    assert (after.scopes, after.must_enrol) == (principal.scopes, False)


async def test_a_role_that_has_to_have_one_is_told_so() -> None:
    application = MemoryApplication(mfa_required_roles=frozenset({Role.USER}))
    await registered(application)
    principal = await principal_of(application)
    status = await application.second_factor.status(principal=principal)
    assert (principal.must_enrol, status.required, status.enrolled) == (True, True, False)


async def test_one_is_told_how_it_stands(
    application: MemoryApplication, principal: Principal, recovery_codes: tuple[str, ...]
) -> None:
    await finish(application, await challenge_of(application), recovery_codes[0])
    status = await application.second_factor.status(principal=principal)
    assert (status.enrolled, status.required, status.recovery_codes_left) == (True, False, 9)
    assert status.confirmed_at == application.clock.now() - STEP
