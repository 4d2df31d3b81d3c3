from datetime import timedelta
from ipaddress import ip_network

import pytest

from app.domain.errors import StoreUnavailable
from app.domain.identity.login_log import (
    Client,
    FailReason,
    LoginAttempt,
    LoginLogFilter,
    LoginLogPosition,
    Outcome,
    username_key,
)
from tests.application import MemoryApplication

CLIENT = Client("203.0.113.7", "grid-bot/1.0", "request-1")
ANY = LoginLogFilter()


@pytest.fixture
def application() -> MemoryApplication:
    return MemoryApplication()


async def logged(
    application: MemoryApplication,
    username: str = "trader",
    client: Client = CLIENT,
    reason: FailReason = FailReason.MALFORMED,
) -> LoginAttempt:
    """Log an attempt, a second after the one before."""
    application.clock.advance(timedelta(seconds=1))
    return await application.login_log.log_login_attempt(
        username=username, client=client, reason=reason
    )


async def found(application: MemoryApplication, matching: LoginLogFilter) -> list[LoginAttempt]:
    return await application.login_log.search(matching=matching)


async def test_an_attempt_that_came_to_no_check_is_logged_as_what_it_was(
    application: MemoryApplication,
) -> None:
    attempt = await logged(application, "Trader")
    assert attempt == LoginAttempt(
        id=attempt.id,
        at=application.clock.now(),
        username="Trader",
        username_key="trader",
        user_id=None,
        ip="203.0.113.7",
        user_agent="grid-bot/1.0",
        request_id="request-1",
        outcome=Outcome.FAILED,
        fail_reason=FailReason.MALFORMED,
        session_id=None,
        duration_ms=0,
    )


async def test_what_was_logged_is_found(application: MemoryApplication) -> None:
    attempt = await logged(application)
    assert await found(application, ANY) == [attempt]


async def test_a_throttled_attempt_is_logged_as_throttled(application: MemoryApplication) -> None:
    attempt = await logged(application, reason=FailReason.THROTTLED_USER)
    assert attempt.outcome is Outcome.THROTTLED


@pytest.mark.parametrize("text", ["", "a\0b", "\ud800", "a\r\nb", "a" * 1_000_000])
async def test_any_username_and_user_agent_can_be_logged(
    application: MemoryApplication, text: str
) -> None:
    attempt = await logged(application, text, Client(user_agent=text))
    assert await found(application, ANY) == [attempt]


async def test_an_attempt_that_cannot_be_logged_is_not_said_to_be(
    application: MemoryApplication,
) -> None:
    application.identity_store.down = True
    with pytest.raises(StoreUnavailable):
        await logged(application)


async def test_the_newest_attempt_comes_first(application: MemoryApplication) -> None:
    logged_in_order = [await logged(application) for _ in range(3)]
    assert await found(application, ANY) == logged_in_order[::-1]


async def test_pages_join_without_gap_or_repetition(application: MemoryApplication) -> None:
    everything = [await logged(application) for _ in range(5)][::-1]
    pages: list[LoginAttempt] = []
    before = None
    while page := await application.login_log.search(matching=ANY, before=before, limit=2):
        pages += page
        before = LoginLogPosition(page[-1].at, page[-1].id)
    assert pages == everything


async def test_a_page_holds_fifty_attempts_unless_asked_otherwise(
    application: MemoryApplication,
) -> None:
    for _ in range(51):
        await logged(application)
    assert len(await found(application, ANY)) == 50


@pytest.mark.parametrize(
    "matching",
    [
        pytest.param(LoginLogFilter(username_key=username_key("TRADER")), id="username"),
        pytest.param(LoginLogFilter(network=ip_network("203.0.113.7")), id="address"),
        pytest.param(LoginLogFilter(outcome=Outcome.FAILED), id="outcome"),
        pytest.param(LoginLogFilter(fail_reason=FailReason.MALFORMED), id="reason"),
        pytest.param(
            LoginLogFilter(
                username_key="trader", network=ip_network("203.0.113.7"), outcome=Outcome.FAILED
            ),
            id="several-at-once",
        ),
    ],
)
async def test_attempts_are_found_by_what_they_were(
    application: MemoryApplication, matching: LoginLogFilter
) -> None:
    wanted = await logged(application, "Trader")
    await logged(application, "other", Client(ip="198.51.100.9"), FailReason.THROTTLED_GLOBAL)
    assert await found(application, matching) == [wanted]


async def test_attempts_are_found_from_an_instant_on_and_before_another(
    application: MemoryApplication,
) -> None:
    first, second, third = [await logged(application) for _ in range(3)]
    between = LoginLogFilter(since=second.at, until=third.at)
    assert first not in await found(application, between)
    assert await found(application, between) == [second]


async def test_a_users_own_attempts_are_found_by_their_id(application: MemoryApplication) -> None:
    user = await application.users.create_user(
        username="trader", password="correct horse battery staple"
    )
    await logged(application, "nobody")
    login = await application.auth.authenticate_user(
        username="trader", password="correct horse battery staple", client=CLIENT
    )
    [attempt] = await found(application, LoginLogFilter(user_id=user.id))
    assert attempt.session_id == login.session_id
