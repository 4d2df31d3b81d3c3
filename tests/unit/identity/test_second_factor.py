import re
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.identity.errors import MfaRequired, WeakPassword
from app.domain.identity.login_log import FailReason
from app.domain.identity.second_factor import (
    CHALLENGE_LIFETIME,
    MOST_WRONG_CODES,
    is_one_time_code,
    is_recovery_code,
    is_required,
    must_enrol,
    plain_code,
    recovery_code,
    scopes_of,
)
from app.domain.identity.users import check_new_password
from app.domain.principal import SCOPES_OF_ROLE, Role
from app.services.identity.second_factor_service import Enrolment
from tests.builders import a_challenge, a_second_factor, a_user, at, new_id

ADMINS = frozenset({Role.ADMIN})
MICROSECOND = timedelta(microseconds=1)


# -- codes -----------------------------------------------------------------------------------


def test_blanks_and_hyphens_in_a_code_are_how_it_is_read() -> None:
    typed = ["123 456", " 123456 ", "123-456", "abcd-efgh ijkl-MNOP", "123456"]
    assert [plain_code(text) for text in typed] == [
        *["123456"] * 3,
        "ABCDEFGHIJKLMNOP",
        "123456",
    ]


def test_a_code_of_six_digits_is_of_a_device() -> None:
    texts = ["123456", "12345", "1234567", "12345a", "", "123456\n"]
    texts += ["\uff11\uff12\uff13\uff14\uff15\uff16"]
    assert [text for text in texts if is_one_time_code(plain_code(text))] == ["123456"]


def test_a_code_of_twenty_four_letters_is_a_recovery_code() -> None:
    code = recovery_code("secret")
    texts = [code, code.lower(), code[1:], f"{code}A", code.replace("-", "_"), "1" * 24, "", "0"]
    texts += [f"{code[:-1]}\u0131", f"{code[:-1]}\u017f"]  # I and S in upper case
    assert [text for text in texts if is_recovery_code(plain_code(text))] == [code, code.lower()]


def test_a_recovery_code_is_120_bits_in_groups() -> None:
    codes = {recovery_code(f"secret {number}") for number in range(1000)}
    assert len(codes) == 1000
    assert {bool(re.fullmatch("([A-Z2-7]{4}-){5}[A-Z2-7]{4}", code)) for code in codes} == {True}


# -- challenges ------------------------------------------------------------------------------


def test_a_challenge_is_open_until_it_expires() -> None:
    challenge = a_challenge(user_id=new_id())
    end = challenge.expires_at
    assert [challenge.is_open(now) for now in (at(), end - MICROSECOND, end)] == [True, True, False]


def test_a_challenge_that_was_used_is_open_no_more() -> None:
    used = a_challenge(user_id=new_id()).tried(at=at(1), reason=None)
    assert (used.is_open(at(1)), used.used_at, used.wrong_codes) == (False, at(1), 0)


def test_a_challenge_is_worth_five_guesses() -> None:
    challenge = a_challenge(user_id=new_id())
    open_after = []
    for _ in range(MOST_WRONG_CODES):
        challenge = challenge.tried(at=at(1), reason=FailReason.MFA_FAILED)
        open_after.append(challenge.is_open(at(1)))
    assert (open_after, challenge.used_at) == ([True] * 4 + [False], None)


def test_what_became_of_the_user_meanwhile_speaks_against_a_challenge() -> None:
    user = a_user()
    challenge = replace(a_challenge(user_id=user.id), password_changed_at=user.password_changed_at)
    changed = replace(user, password_changed_at=user.password_changed_at + MICROSECOND)
    users = [user, replace(user, disabled=True), changed, replace(changed, disabled=True)]
    assert [challenge.fault_of(each) for each in users] == [
        None,
        FailReason.DISABLED,
        FailReason.BAD_PASSWORD,
        FailReason.DISABLED,
    ]


# -- who has to have one ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "required", "expected"),
    [
        (Role.USER, False, False),
        (Role.USER, True, True),
        (Role.ADMIN, False, True),
        (Role.ADMIN, True, True),
    ],
)
def test_a_second_factor_is_required_of_a_user_or_for_a_role(
    role: Role, *, required: bool, expected: bool
) -> None:
    assert is_required(a_user(role=role, mfa_required=required), ADMINS) is expected


def test_while_nothing_is_said_a_second_factor_is_required_of_nobody() -> None:
    assert not is_required(a_user(role=Role.ADMIN), frozenset())


def test_who_has_to_have_one_and_has_none_may_do_nothing() -> None:
    user = a_user(role=Role.ADMIN)
    assert (must_enrol(user, ADMINS), scopes_of(user, ADMINS)) == (True, frozenset())


def test_who_has_one_may_do_what_their_role_may() -> None:
    user = a_user(role=Role.ADMIN, has_second_factor=True)
    assert not must_enrol(user, ADMINS)
    assert scopes_of(user, ADMINS) == SCOPES_OF_ROLE[Role.ADMIN]


def test_of_whom_none_is_required_may_do_what_their_role_may() -> None:
    assert scopes_of(a_user(), ADMINS) == SCOPES_OF_ROLE[Role.USER]


# -- passwords beside it ---------------------------------------------------------------------


def never(*, password: str) -> bool:
    return not password


def test_beside_a_second_factor_eight_characters_are_enough() -> None:
    check_new_password("k7#dQ!zp", username="trader", common=never, has_second_factor=True)
    with pytest.raises(WeakPassword):
        check_new_password("k7#dQ!zp", username="trader", common=never)


@pytest.mark.parametrize(
    ("password", "message"),
    [
        ("k7#dQ!z", "is shorter than 8 characters"),
        ("traderk7#", "is little more than the username or the name of this product"),
    ],
)
def test_beside_a_second_factor_a_password_is_still_none_to_guess(
    password: str, message: str
) -> None:
    with pytest.raises(WeakPassword) as caught:
        check_new_password(password, username="trader", common=never, has_second_factor=True)
    assert [fault.message for fault in caught.value.faults] == [message]


# -- what must not show ----------------------------------------------------------------------


def test_no_secret_shows_where_its_holder_is_written() -> None:
    refusal = MfaRequired(challenge="opensesame", expires_in=300)
    holders = [
        refusal,
        Enrolment("opensesame", "otpauth://opensesame"),
        a_second_factor(user_id=new_id(), sealed_secret="opensesame"),
    ]
    assert [each for each in holders if "opensesame" in f"{each!r} {each}"] == []


def test_a_client_is_told_how_long_a_challenge_is_good() -> None:
    refusal = MfaRequired(challenge="secret", expires_in=300)
    assert refusal.particulars() == {"mfa_challenge": "secret", "expires_in": 300}
    assert timedelta(minutes=5) == CHALLENGE_LIFETIME
