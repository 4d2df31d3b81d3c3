"""As such a test is written where there are no fakes: the only mocks of this project."""

from datetime import UTC, datetime, timedelta
from unittest.mock import AsyncMock, MagicMock, patch
from uuid import UUID

import pytest

from app.domain.identity.devices import Device
from app.domain.identity.login_log import Outcome
from app.domain.identity.origins import Familiarity
from app.domain.identity.throttle import Standing
from app.ports.clock import Clock
from app.ports.identity.login_log import LoginLog
from app.ports.identity.origins import Origins
from app.ports.identity.security import AccessTokens, PasswordHasher
from app.ports.identity.sessions import RefreshTokens, Sessions
from app.ports.identity.user_agents import UserAgents
from app.ports.identity.users import Users
from app.ports.identity.work import IdentityUnitOfWork
from app.ports.ids import Ids, Secrets
from app.services.identity.auth_service import AuthService
from app.services.identity.second_factor_service import SecondFactorService
from app.services.identity.throttling import Guess, Throttling
from benchmarks.cost_of_tests import CLIENT, PASSWORD, TIMES
from tests.builders import a_user


@pytest.fixture
def uow() -> AsyncMock:
    uow = AsyncMock(spec=IdentityUnitOfWork)
    uow.__aenter__.return_value = uow
    uow.__aexit__.return_value = None
    uow.users = AsyncMock(spec=Users)
    uow.login_log = AsyncMock(spec=LoginLog)
    uow.origins = AsyncMock(spec=Origins)
    uow.sessions = AsyncMock(spec=Sessions)
    uow.refresh_tokens = AsyncMock(spec=RefreshTokens)
    return uow


@pytest.fixture
def hasher() -> AsyncMock:
    hasher = AsyncMock(spec=PasswordHasher)
    hasher.verify.return_value = True
    hasher.needs_rehash = MagicMock(return_value=False)
    return hasher


@pytest.fixture
def clock() -> MagicMock:
    clock = MagicMock(spec=Clock)
    clock.now.return_value = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return clock


@pytest.mark.parametrize("_", range(TIMES))
async def test_a_login_opens_a_session_and_is_in_the_log(
    _: int, uow: AsyncMock, hasher: AsyncMock, clock: MagicMock
) -> None:
    user = a_user(username="trader")
    uow.users.by_usernames.return_value = {"trader": user}
    uow.users.hold.return_value = user
    ids = MagicMock(spec=Ids)
    ids.new_id.side_effect = [UUID(int=number) for number in range(1, 10)]
    secrets = MagicMock(spec=Secrets)
    secrets.new_secret.return_value = "secret".ljust(43, "x")
    tokens = MagicMock(spec=AccessTokens)
    tokens.issue.return_value = "token"
    user_agents = MagicMock(spec=UserAgents)
    user_agents.read.return_value = Device()
    uow.origins.see.return_value = Familiarity()
    free = Standing(blocked=None, contended=None, slots=(), rate_limit=None)
    throttling = AsyncMock(spec=Throttling)
    throttling.wake = MagicMock()
    throttling.entrance = AsyncMock()
    throttling.claim.return_value = [Guess(UUID(int=1), (), free)]
    service = AuthService(
        uow=lambda: uow,
        recording=lambda: uow,
        reading=lambda: uow,
        hasher=hasher,
        tokens=tokens,
        user_agents=user_agents,
        second_factor=MagicMock(spec=SecondFactorService),
        mfa_required_roles=frozenset(),
        clock=clock,
        ids=ids,
        secrets=secrets,
        throttling=throttling,
        access_token_lifetime=timedelta(minutes=5),
        session_idle_lifetime=timedelta(days=14),
        session_lifetime=timedelta(days=90),
    )
    with patch(
        "app.services.identity.auth_service.refresh_digest", return_value="digest"
    ) as digest:
        login = await service.authenticate_user(username="trader", password=PASSWORD, client=CLIENT)
    digest.assert_called_once_with(secrets.new_secret.return_value)
    [settled] = uow.login_log.settle.await_args.kwargs["attempts"]
    assert (settled.outcome, settled.session_id) == (Outcome.SUCCESS, login.session_id)
    assert uow.sessions.add.await_args.kwargs["session"].id == login.session_id
    assert uow.commit.await_count == 2
