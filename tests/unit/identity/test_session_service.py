from datetime import timedelta

import pytest

from app.domain.identity.errors import InvalidToken, UnknownSession, UnknownUser
from app.domain.identity.login_log import Client, FailReason, LoginLogFilter
from app.domain.principal import Role, Scope
from app.services.identity.auth_service import Login
from tests.application import PASSWORD, MemoryApplication
from tests.builders import new_id


class Recording(MemoryApplication):
    """The application, with what its access tokens say."""

    async def registered(self, username: str = "alice", role: Role = Role.USER) -> None:
        await self.users.create_user(username=username, password=PASSWORD, role=role)

    async def logged_in(self, username: str = "alice") -> Login:
        return await self.auth.authenticate_user(
            username=username, password=PASSWORD, client=Client()
        )


@pytest.fixture
def app() -> Recording:
    return Recording()


async def test_a_session_of_another_user_is_unknown_and_stays(app: Recording) -> None:
    await app.registered()
    await app.registered("bob")
    hers, his = await app.logged_in(), await app.logged_in("bob")
    bob = await app.auth.authenticate_token(token=his.access_token)
    with pytest.raises(UnknownSession):
        await app.sessions.end_session(principal=bob, session_id=hers.session_id)
    await app.auth.authenticate_token(token=hers.access_token)


async def test_sessions_of_nobody_cannot_be_ended(app: Recording) -> None:
    with pytest.raises(UnknownUser):
        await app.sessions.end_sessions_of_user(user_id=new_id())


async def test_a_refresh_token_an_hour_later_ends_the_session_and_is_in_the_log(
    app: Recording,
) -> None:
    await app.registered()
    login = await app.logged_in()
    renewed = await app.auth.refresh(refresh_token=login.refresh_token, client=Client())
    app.clock.advance(timedelta(hours=1))
    with pytest.raises(InvalidToken):
        await app.auth.refresh(refresh_token=login.refresh_token, client=Client())
    with pytest.raises(InvalidToken):
        await app.auth.refresh(refresh_token=renewed.refresh_token, client=Client())
    matching = LoginLogFilter(fail_reason=FailReason.REFRESH_REUSE)
    [attempt] = await app.login_log.search(matching=matching)
    assert attempt.session_id == login.session_id


async def test_a_token_says_the_scopes_of_its_time_of_issue(app: Recording) -> None:
    await app.registered("one", Role.ADMIN)
    await app.registered("two", Role.ADMIN)
    before = await app.logged_in("one")
    one = await app.users.get_user_by_username(username="one")
    await app.users.change_user(user_id=one.id, changes={"role": Role.USER})
    after = await app.auth.refresh(refresh_token=before.refresh_token, client=Client())
    said = [app.tokens.read(token=login.access_token).scopes for login in (before, after)]
    assert said == [frozenset(Scope), frozenset({Scope.RANGE_UNITS_READ})]


async def test_a_token_says_when_the_password_was_checked(app: Recording) -> None:
    await app.registered()
    login = await app.logged_in()
    at = app.clock.now().replace(microsecond=0)
    app.clock.advance(timedelta(hours=1))
    renewed = await app.auth.refresh(refresh_token=login.refresh_token, client=Client())
    assert app.tokens.read(token=renewed.access_token).authenticated_at == at
