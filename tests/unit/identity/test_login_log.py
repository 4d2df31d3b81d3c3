from datetime import timedelta

import pytest

from app.domain.identity.devices import Device
from app.domain.identity.login_log import (
    ERROR_CODES,
    USER_AGENT_KEPT,
    USERNAME_KEPT,
    Client,
    FailReason,
    LoginAttempt,
    Outcome,
    pending_attempt,
    username_key,
)
from app.domain.identity.storage import check_attempt
from app.domain.identity.text import fold
from tests.builders import an_attempt, at, new_id

HOSTILE = [
    pytest.param("a\0b", id="a-nul"),
    pytest.param("\ud800", id="a-lone-surrogate"),
    pytest.param("a\r\nb: forged", id="a-line-break"),
    pytest.param("\x1b]0;owned\x07", id="a-terminal-escape"),
    pytest.param("\ufdfa" * 64, id="a-ligature-of-eighteen-letters"),
    pytest.param("\0" * 1_000_000, id="a-megabyte-of-nul"),
    pytest.param("a" * 1_000_000, id="a-megabyte"),
]


def pending(username: str = "trader", client: Client | None = None) -> LoginAttempt:
    return pending_attempt(
        attempt_id=new_id(),
        at=at(),
        username=username,
        user_id=None,
        client=client or Client(),
        device=Device(),
    )


def test_an_attempt_begins_as_pending() -> None:
    attempt = pending()
    assert (attempt.outcome, attempt.fail_reason, attempt.duration_ms) == (
        Outcome.PENDING,
        None,
        None,
    )


def test_an_attempt_says_from_where_it_came() -> None:
    attempt = pending(client=Client("203.0.113.7", "grid-bot/1.0", "request-1"))
    assert (attempt.ip, attempt.user_agent, attempt.request_id) == (
        "203.0.113.7",
        "grid-bot/1.0",
        "request-1",
    )


def test_nothing_is_made_up_about_a_client_that_says_nothing() -> None:
    attempt = pending(client=Client())
    assert (attempt.ip, attempt.user_agent, attempt.request_id) == (None, None, None)


def test_the_username_is_kept_as_it_was_typed_and_found_as_it_is_folded() -> None:
    attempt = pending("\uff34rader")
    assert (attempt.username, attempt.username_key) == ("\uff34rader", "trader")


@pytest.mark.parametrize("username", HOSTILE)
def test_every_store_can_keep_an_attempt_whatever_the_username(username: str) -> None:
    check_attempt(pending(username))


@pytest.mark.parametrize("username", HOSTILE)
def test_a_username_is_one_line_whatever_was_typed(username: str) -> None:
    attempt = pending(username)
    assert (attempt.username + attempt.username_key).isprintable()


@pytest.mark.parametrize("user_agent", HOSTILE)
def test_every_store_can_keep_an_attempt_whatever_the_user_agent(user_agent: str) -> None:
    check_attempt(pending(client=Client(user_agent=user_agent)))


def test_a_user_agent_is_kept_up_to_its_limit() -> None:
    user_agent = pending(client=Client(user_agent="a" * (USER_AGENT_KEPT + 1))).user_agent
    assert user_agent == "a" * (USER_AGENT_KEPT - 1) + "…"


def test_a_pasted_secret_is_not_kept_whole() -> None:
    # Who mistakes the field sends a password there; long ones are not to be read in the log.
    assert len(pending("s3cret" * 100).username) == USERNAME_KEPT


def test_a_name_that_can_be_registered_is_found_under_its_folded_form() -> None:
    name = "A" * USERNAME_KEPT
    assert username_key(name) == fold(name)


def test_a_longer_name_is_never_found_under_that_of_a_user() -> None:
    assert username_key("a" * (USERNAME_KEPT + 1)) != "a" * USERNAME_KEPT


def test_a_name_is_folded_before_it_is_cut() -> None:
    # Sixty-five code points, which compose to sixty-four.
    assert username_key("a" * 63 + "e\u0301") == "a" * 63 + "é"


def test_of_a_very_long_name_no_more_than_twice_what_is_kept_is_folded() -> None:
    three_in_one = "e\u0302\u0301" * USERNAME_KEPT
    assert username_key(three_in_one) == username_key(three_in_one[: 2 * USERNAME_KEPT])


def test_an_attempt_without_a_reason_against_it_is_a_success() -> None:
    settled = pending().settled(at=at(), reason=None)
    assert (settled.outcome, settled.error_code) == (Outcome.SUCCESS, None)


def test_an_attempt_with_a_reason_against_it_has_failed() -> None:
    settled = pending().settled(at=at(), reason=FailReason.BAD_PASSWORD)
    assert (settled.outcome, settled.fail_reason) == (Outcome.FAILED, FailReason.BAD_PASSWORD)


@pytest.mark.parametrize(
    "reason",
    [
        FailReason.THROTTLED_USER,
        FailReason.THROTTLED_NETWORK,
        FailReason.THROTTLED_PAIR,
        FailReason.THROTTLED_GLOBAL,
    ],
)
def test_an_attempt_that_was_not_even_looked_at_is_throttled(reason: FailReason) -> None:
    assert pending().settled(at=at(), reason=reason).outcome is Outcome.THROTTLED


def test_settling_keeps_everything_else() -> None:
    attempt = an_attempt(ip="203.0.113.7", user_agent="grid-bot/1.0", request_id="request-1")
    settled = attempt.settled(at=at(), reason=FailReason.BUSY)
    assert settled == an_attempt(
        attempt_id=attempt.id,
        ip="203.0.113.7",
        user_agent="grid-bot/1.0",
        request_id="request-1",
        outcome=Outcome.FAILED,
        fail_reason=FailReason.BUSY,
        duration_ms=0,
    )


def test_a_success_names_its_session() -> None:
    session_id = new_id()
    assert pending().settled(at=at(), reason=None, session_id=session_id).session_id == session_id


@pytest.mark.parametrize(
    ("took", "milliseconds"),
    [
        pytest.param(timedelta(0), 0, id="no-time"),
        pytest.param(timedelta(microseconds=999), 0, id="less-than-one"),
        pytest.param(timedelta(milliseconds=1), 1, id="one"),
        pytest.param(timedelta(seconds=1, microseconds=1999), 1001, id="begun-ones-do-not-count"),
        pytest.param(timedelta(seconds=-1), 0, id="with-the-clock-stepped-back"),
    ],
)
def test_an_attempt_took_whole_milliseconds(took: timedelta, milliseconds: int) -> None:
    assert pending().settled(at=at() + took, reason=None).duration_ms == milliseconds


def test_a_pending_attempt_has_no_error_code() -> None:
    assert pending().error_code is None


@pytest.mark.parametrize("reason", FailReason)
def test_every_reason_has_an_error_code(reason: FailReason) -> None:
    assert pending().settled(at=at(), reason=reason).error_code == ERROR_CODES[reason]


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (FailReason.MALFORMED, "E400"),
        (FailReason.UNKNOWN_USER, "E401"),
        (FailReason.BAD_PASSWORD, "E401"),
        (FailReason.DISABLED, "E403"),
        (FailReason.THROTTLED_USER, "E429"),
        (FailReason.CANCELLED, "E500"),
        (FailReason.INTERNAL_ERROR, "E500"),
        (FailReason.BUSY, "E503"),
    ],
)
def test_an_error_code_is_named_after_the_status_that_fits(reason: FailReason, code: str) -> None:
    assert ERROR_CODES[reason] == code
