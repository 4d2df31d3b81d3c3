import pytest

from app.domain.identity.login_log import Outcome
from benchmarks.cost_of_tests import CLIENT, PASSWORD, TIMES
from tests.application import MemoryApplication


@pytest.mark.parametrize("_", range(TIMES))
async def test_a_login_opens_a_session_and_is_in_the_log(_: int) -> None:
    application = MemoryApplication()
    await application.users.create_user(username="trader", password=PASSWORD)
    login = await application.auth.authenticate_user(
        username="trader", password=PASSWORD, client=CLIENT
    )
    rows = application.identity_store.committed
    (attempt,) = rows.attempts.values()
    assert (attempt.outcome, attempt.session_id) == (Outcome.SUCCESS, login.session_id)
    assert login.session_id in rows.sessions
