import pytest

from app.adapters.sql.database import AsyncDatabase
from app.adapters.sql.identity.unit_of_work import SqlIdentityUnitOfWork
from app.domain.identity.login_log import LoginLogFilter, Outcome
from benchmarks.cost_of_tests import CLIENT, PASSWORD, TIMES
from tests.integration.server import application_on


@pytest.mark.parametrize("_", range(TIMES))
async def test_a_login_opens_a_session_and_is_in_the_log(
    _: int, committed_database: AsyncDatabase
) -> None:
    application = application_on(committed_database)
    await application.users.create_user(username="trader", password=PASSWORD)
    login = await application.auth.authenticate_user(
        username="trader", password=PASSWORD, client=CLIENT
    )
    async with SqlIdentityUnitOfWork(committed_database.read_sessions) as uow:
        (attempt,) = await uow.login_log.page(matching=LoginLogFilter(), before=None, limit=2)
        session = await uow.sessions.get(session_id=login.session_id)
    assert (attempt.outcome, attempt.session_id) == (Outcome.SUCCESS, login.session_id)
    assert session is not None
