import hashlib
from datetime import timedelta

import pytest

from app.domain.identity.sessions import REFRESH_GRACE, refresh_digest
from tests.builders import a_refresh_token, a_session, at

MOMENT = timedelta(microseconds=1)


def test_a_session_is_live_once_it_is_opened() -> None:
    assert a_session(created_at=at()).is_live(at())


def test_a_session_is_live_until_it_has_idled_too_long() -> None:
    session = a_session(idle_expires_at=at(10), expires_at=at(20))
    assert [session.is_live(time) for time in (at(10) - MOMENT, at(10))] == [True, False]


def test_a_session_is_live_until_it_expires_however_busy() -> None:
    session = a_session(idle_expires_at=at(20), expires_at=at(10))
    assert [session.is_live(time) for time in (at(10) - MOMENT, at(10))] == [True, False]


def test_a_session_that_was_ended_is_over() -> None:
    assert not a_session(ended_at=at(1)).is_live(at(1))


def test_a_session_that_was_ended_is_over_even_if_the_clock_steps_back() -> None:
    assert not a_session(ended_at=at(1)).is_live(at())


def test_the_grace_is_ten_seconds() -> None:
    assert timedelta(seconds=10) == REFRESH_GRACE


def test_a_token_that_was_never_used_needs_no_grace() -> None:
    assert not a_refresh_token().is_in_grace(at())


@pytest.mark.parametrize(
    ("after", "in_grace"),
    [
        pytest.param(timedelta(0), True, id="at-once"),
        pytest.param(REFRESH_GRACE, True, id="in-its-last-moment"),
        pytest.param(REFRESH_GRACE + MOMENT, False, id="a-moment-after"),
        pytest.param(-MOMENT, True, id="with-the-clock-stepped-back"),
    ],
)
def test_a_second_use_is_in_grace_for_ten_seconds(after: timedelta, *, in_grace: bool) -> None:
    assert a_refresh_token(used_at=at()).is_in_grace(at() + after) is in_grace


def test_a_refresh_token_is_known_by_a_sha_256() -> None:
    assert refresh_digest("secret") == hashlib.sha256(b"secret").hexdigest()


@pytest.mark.parametrize("secret", ["", "a\0b", "\ud800", "é", "a" * 1_000_000])
def test_whatever_is_sent_as_a_refresh_token_has_a_digest(secret: str) -> None:
    assert len(refresh_digest(secret)) == 64


def test_refresh_tokens_that_differ_have_different_digests() -> None:
    sent = ["", "a", "A", "a ", "a\0", "\ud800", "\udc00", "é", "e\u0301"]
    assert len({refresh_digest(secret) for secret in sent}) == len(sent)
