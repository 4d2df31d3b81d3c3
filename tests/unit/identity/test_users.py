from dataclasses import replace

import pytest

from app.adapters.memory.identity.security import FewCommonPasswords
from app.domain.errors import UnstorableText
from app.domain.identity.errors import InvalidUser, LastAdmin, WeakPassword
from app.domain.identity.storage import check_user
from app.domain.identity.users import (
    EMAIL_LENGTH,
    PASSWORD_LEAST_CHARACTERS,
    PASSWORD_MOST_BYTES,
    User,
    UserChanges,
    check_admin_is_left,
    check_email,
    check_new_password,
    check_username,
    is_checkable,
    may_unseat,
)
from app.domain.principal import Role
from tests.builders import a_user

USERNAMES = ["abc", "a" * 64, "Grid-Bot_7.krw", "...", "007", "-_-"]

NO_USERNAMES = [
    pytest.param("", id="empty"),
    pytest.param("ab", id="too-short"),
    pytest.param("a" * 65, id="too-long"),
    pytest.param("a" * 1_000_000, id="far-too-long"),
    pytest.param("two words", id="with-a-space"),
    pytest.param("trader\n", id="with-a-line-break"),
    pytest.param("tra\0der", id="with-a-nul"),
    pytest.param("tra\ud800der", id="with-a-lone-surrogate"),
    pytest.param("tr\u0430der", id="with-a-cyrillic-a"),
    pytest.param("\uff54rader", id="with-a-wide-t"),
    pytest.param("trader\u200b", id="with-something-invisible"),
    pytest.param("trader\u0661", id="with-an-arabic-digit"),
    pytest.param("bo\u0308rse", id="with-a-combining-mark"),
    pytest.param("a@b.example", id="an-address"),
    pytest.param("a/b", id="with-a-slash"),
    pytest.param("a\\b", id="with-a-backslash"),
]

EMAILS = [
    "a@b.example",
    "first.last+tag@sub.domain.example",
    "a" * (EMAIL_LENGTH - len("@b.example")) + "@b.example",
    "zoë@bücher.example",
    "코인@example.kr",
]

NO_EMAILS = [
    pytest.param("", id="empty"),
    pytest.param("trader", id="without-an-at"),
    pytest.param("@b.example", id="of-nobody"),
    pytest.param("a@", id="of-nowhere"),
    pytest.param("a@b", id="without-a-dot"),
    pytest.param("a@b@c.example", id="with-two-ats"),
    pytest.param("a@.example", id="with-a-dot-first"),
    pytest.param("a@b..example", id="with-two-dots"),
    pytest.param("a@b.example.", id="with-a-dot-last"),
    pytest.param("a b@c.example", id="with-a-space"),
    pytest.param("a\u3000b@c.example", id="with-a-wide-space"),
    pytest.param("a@b.example\n", id="with-a-line-break"),
    pytest.param("a\0@b.example", id="with-a-nul"),
    pytest.param("a\ud800@b.example", id="with-a-lone-surrogate"),
    pytest.param("a\u200b@b.example", id="with-something-invisible"),
    pytest.param("a" * EMAIL_LENGTH + "@b.example", id="too-long"),
    pytest.param("\ufdfa" * 100 + "@b.example", id="too-long-once-folded"),
]

PASSWORDS = [
    pytest.param("a sentence of it", id="words"),
    pytest.param("x7!" * 4 + "q2?", id="just-long-enough"),
    pytest.param("k" * (PASSWORD_MOST_BYTES - 1) + "z", id="just-not-too-long"),
    pytest.param("\U0001f642" * (PASSWORD_MOST_BYTES // 4 - 1) + "\U0001f680", id="of-emoji"),
    pytest.param("пароль из нескольких слов", id="of-another-script"),
    pytest.param("with a\0nul inside", id="with-a-nul"),
    pytest.param(" \t\r\n blanks around \n", id="with-blanks-around"),
    pytest.param("my tickgate password 7", id="with-the-product-and-enough-beside-it"),
]

WEAK_PASSWORDS = [
    pytest.param("", "is shorter than 15 characters", id="empty"),
    pytest.param("a" * 14, "is shorter than 15 characters", id="a-character-too-short"),
    pytest.param(
        "\U0001f642" * 14, "is shorter than 15 characters", id="too-short-however-many-bytes"
    ),
    pytest.param(
        "k" * (PASSWORD_MOST_BYTES + 1),
        "is longer than 1024 bytes, or is not Unicode text",
        id="a-byte-too-long",
    ),
    pytest.param(
        "é" * PASSWORD_MOST_BYTES,
        "is longer than 1024 bytes, or is not Unicode text",
        id="too-long-in-bytes-only",
    ),
    pytest.param(
        "a lone surrogate \ud800",
        "is longer than 1024 bytes, or is not Unicode text",
        id="not-unicode",
    ),
    pytest.param(
        "trader" * 3,
        "is little more than the username or the name of this product",
        id="the-username-again-and-again",
    ),
    pytest.param(
        "TRADERtrader123456",
        "is little more than the username or the name of this product",
        id="the-username-in-another-case",
    ),
    pytest.param(
        "tickgatetickgate",
        "is little more than the username or the name of this product",
        id="the-product",
    ),
    pytest.param(
        "Tickgate-trader-2026",
        "is little more than the username or the name of this product",
        id="both-and-a-year",
    ),
    pytest.param(
        "Password123456!!", "is a common password, or little more than one", id="a-common-one"
    ),
    pytest.param(
        "qwertyuiopqwertyuiop",
        "is a common password, or little more than one",
        id="a-common-one-twice",
    ),
]


@pytest.mark.parametrize("username", USERNAMES)
def test_a_username_is_3_to_64_letters_digits_and_signs(username: str) -> None:
    check_username(username)


@pytest.mark.parametrize("username", NO_USERNAMES)
def test_any_other_username_is_refused(username: str) -> None:
    with pytest.raises(InvalidUser):
        check_username(username)


def test_the_refusal_of_a_username_says_what_may_be_in_one() -> None:
    with pytest.raises(InvalidUser) as caught:
        check_username("two words")
    assert caught.value.detail == "That username cannot be registered."
    assert [str(fault) for fault in caught.value.faults] == [
        "username: is not 3 to 64 of the letters A-Z and a-z, digits, ., _ and -"
    ]


@pytest.mark.parametrize("email", EMAILS)
def test_what_has_the_form_of_an_address_is_taken(email: str) -> None:
    check_email(email)


@pytest.mark.parametrize("email", NO_EMAILS)
def test_what_has_not_the_form_of_an_address_is_refused(email: str) -> None:
    with pytest.raises(InvalidUser):
        check_email(email)


@pytest.mark.parametrize("email", EMAILS)
def test_every_store_can_keep_an_address_that_is_taken(email: str) -> None:
    check_user(a_user(email=email))


# Folding makes eighteen letters of the first, and one of the two of the second.
ONE_IS_EIGHTEEN, TWO_ARE_ONE = "\ufdfa", "e\u0301"


@pytest.mark.parametrize(
    "user",
    [
        pytest.param(a_user(username=ONE_IS_EIGHTEEN * 4), id="folded-username"),
        pytest.param(a_user(username=TWO_ARE_ONE * 33), id="username-as-written"),
        pytest.param(a_user(email=ONE_IS_EIGHTEEN * 15), id="folded-address"),
        pytest.param(a_user(email=TWO_ARE_ONE * 128), id="address-as-written"),
    ],
)
def test_what_is_over_long_in_one_of_its_two_forms_is_not_kept(user: User) -> None:
    with pytest.raises(UnstorableText):
        check_user(user)


def test_the_refusal_of_an_address_names_the_field() -> None:
    with pytest.raises(InvalidUser) as caught:
        check_email("trader")
    assert caught.value.detail == "That address cannot be registered."
    assert [str(fault) for fault in caught.value.faults] == [
        "email: is not an e-mail address of at most 254 characters"
    ]


def check(password: str, *, username: str, field: str = "password") -> None:
    """Check a password where `password` and `qwertyuiop` are the common ones."""
    common = FewCommonPasswords()
    common.entries = {"password", "qwertyuiop"}
    check_new_password(password, username=username, common=common.contains, field=field)


@pytest.mark.parametrize("password", PASSWORDS)
def test_any_characters_make_a_password(password: str) -> None:
    check(password, username="trader")


@pytest.mark.parametrize(("password", "message"), WEAK_PASSWORDS)
def test_a_weak_password_is_refused_with_what_to_change(password: str, message: str) -> None:
    with pytest.raises(WeakPassword) as caught:
        check(password, username="trader")
    assert caught.value.detail == "That password cannot be set."
    assert [fault.message for fault in caught.value.faults] == [message]


def test_seven_characters_beside_the_username_are_enough() -> None:
    check("trader" * 2 + "7 chars", username="Trader")


def test_six_characters_beside_the_username_are_not() -> None:
    with pytest.raises(WeakPassword):
        check("trader" * 2 + "6chars", username="Trader")


def test_what_is_one_users_name_is_no_matter_to_another() -> None:
    check("trader" * 3, username="other")


def test_the_refusal_names_the_field_that_the_password_came_in() -> None:
    with pytest.raises(WeakPassword) as caught:
        check("short", username="trader", field="new_password")
    assert [fault.field for fault in caught.value.faults] == ["new_password"]


@pytest.mark.parametrize("password", ["hunter2", "trader" * 3, "k" * 2000])
def test_no_refusal_shows_the_password(password: str) -> None:
    with pytest.raises(WeakPassword) as caught:
        check(password, username="trader")
    assert password not in f"{caught.value} {caught.value.faults}"


def test_a_shortest_password_is_as_long_as_the_policy_says() -> None:
    assert PASSWORD_LEAST_CHARACTERS == 15


@pytest.mark.parametrize(
    ("password", "checkable"),
    [
        pytest.param("", True, id="empty"),
        pytest.param("\0", True, id="a-nul"),
        pytest.param("a" * PASSWORD_MOST_BYTES, True, id="the-longest"),
        pytest.param("a" * (PASSWORD_MOST_BYTES + 1), False, id="a-byte-too-long"),
        pytest.param("é" * (PASSWORD_MOST_BYTES // 2), True, id="the-longest-of-two-bytes"),
        pytest.param("é" * (PASSWORD_MOST_BYTES // 2) + "a", False, id="a-byte-longer"),
        pytest.param("\ud800", False, id="a-lone-surrogate"),
    ],
)
def test_a_password_within_bounds_may_be_hashed(password: str, *, checkable: bool) -> None:
    assert is_checkable(password) is checkable


def test_users_are_told_apart_by_their_folded_names() -> None:
    assert a_user(username="Trader").username_key == "trader"


def test_addresses_are_told_apart_by_their_folded_form() -> None:
    assert a_user(email="Zoë@B.Example").email_key == "zoë@b.example"


def test_users_without_an_address_have_no_key_for_it() -> None:
    assert a_user(email=None).email_key is None


# -- administrators --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "unseats"),
    [
        ({}, False),
        ({"email": None, "mfa_required": True}, False),
        ({"role": Role.ADMIN, "disabled": False}, False),
        ({"role": Role.USER}, True),
        ({"disabled": True}, True),
        ({"role": Role.ADMIN, "disabled": True}, True),
    ],
    ids=str,
)
def test_some_changes_take_an_administrator_away(changes: UserChanges, *, unseats: bool) -> None:
    assert may_unseat(changes) is unseats


def test_a_change_is_refused_where_no_other_administrator_is_left() -> None:
    boss = a_user(role=Role.ADMIN)
    others = [a_user(role=Role.ADMIN, disabled=True), a_user()]
    for changed in (replace(boss, role=Role.USER), replace(boss, disabled=True)):
        with pytest.raises(LastAdmin):
            check_admin_is_left(boss, changed, [boss, *others])
        check_admin_is_left(boss, changed, [boss, *others, a_user(role=Role.ADMIN)])


def test_who_administers_nothing_may_be_changed_though_nobody_administers() -> None:
    for user in (a_user(), a_user(role=Role.ADMIN, disabled=True)):
        check_admin_is_left(user, replace(user, role=Role.USER, disabled=True), [])
