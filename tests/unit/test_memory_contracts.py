from functools import partial
from typing import ClassVar

import pytest

from app.adapters.memory.identity.findings import MemoryLoginFindings
from app.adapters.memory.identity.login_log import MemoryLoginLog
from app.adapters.memory.identity.origins import MemoryOrigins
from app.adapters.memory.identity.security import FastHasher, PlainTokens
from app.adapters.memory.identity.sessions import MemoryRefreshTokens, MemorySessions
from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.identity.unit_of_work import MemoryIdentityUnitOfWork
from app.adapters.memory.identity.upkeep import MemoryLoginLogUpkeep
from app.adapters.memory.identity.user_agents import FewUserAgents
from app.adapters.memory.identity.users import MemoryUsers
from app.adapters.memory.range_units import (
    MemoryCatalogue,
    MemoryRangeUnitsUnitOfWork,
    MemoryRevisions,
    RangeUnitsState,
)
from app.adapters.memory.store import MemoryStore
from app.adapters.memory.system import SequentialIds, SequentialSecrets, SettableClock
from app.ports.clock import Clock
from app.ports.identity.security import AccessTokens, PasswordHasher
from app.ports.identity.user_agents import UserAgents
from app.ports.identity.work import IdentityWork
from app.ports.ids import Ids, Secrets
from app.ports.range_units import RangeUnitsWork
from tests.contracts.identity_security import AccessTokensContract, PasswordHasherContract
from tests.contracts.identity_store import (
    IdentityUnitOfWorkContract,
    LoginLogContract,
    RefreshTokensContract,
    SessionsContract,
    UsersContract,
)
from tests.contracts.login_findings import LoginFindingsContract
from tests.contracts.login_log_upkeep import LoginLogUpkeepContract
from tests.contracts.login_origins import OriginsContract
from tests.contracts.range_units_store import (
    CatalogueContract,
    RangeUnitsUnitOfWorkContract,
    RevisionsContract,
)
from tests.contracts.system import ClockContract, IdsContract, SecretsContract
from tests.contracts.user_agents import UserAgentsContract


class OnMemoryIdentity:
    @pytest.fixture
    def work(self) -> IdentityWork:
        return partial(MemoryIdentityUnitOfWork, MemoryStore(IdentityState()))

    @pytest.fixture
    def reading(self, work: IdentityWork) -> IdentityWork:
        return work


class TestMemoryUsers(OnMemoryIdentity, UsersContract):
    adapter: ClassVar[type] = MemoryUsers


class TestMemoryLoginLog(OnMemoryIdentity, LoginLogContract):
    adapter: ClassVar[type] = MemoryLoginLog


class TestMemoryLoginFindings(OnMemoryIdentity, LoginFindingsContract):
    adapter: ClassVar[type] = MemoryLoginFindings


class TestMemoryOrigins(OnMemoryIdentity, OriginsContract):
    adapter: ClassVar[type] = MemoryOrigins


class TestMemoryLoginLogUpkeep(OnMemoryIdentity, LoginLogUpkeepContract):
    adapter: ClassVar[type] = MemoryLoginLogUpkeep


class TestMemorySessions(OnMemoryIdentity, SessionsContract):
    adapter: ClassVar[type] = MemorySessions


class TestMemoryRefreshTokens(OnMemoryIdentity, RefreshTokensContract):
    adapter: ClassVar[type] = MemoryRefreshTokens


class TestMemoryIdentityUnitOfWork(OnMemoryIdentity, IdentityUnitOfWorkContract):
    adapter: ClassVar[type] = MemoryIdentityUnitOfWork


@pytest.fixture(scope="module")
def user_agents() -> UserAgents:
    return FewUserAgents()


class TestFewUserAgents(UserAgentsContract):
    adapter: ClassVar[type] = FewUserAgents


class TestFastHasher(PasswordHasherContract):
    adapter: ClassVar[type] = FastHasher

    @pytest.fixture
    def hasher(self) -> PasswordHasher:
        return FastHasher()


class TestPlainTokens(AccessTokensContract):
    adapter: ClassVar[type] = PlainTokens

    @pytest.fixture
    def tokens(self) -> AccessTokens:
        return PlainTokens()


class OnMemoryRangeUnits:
    @pytest.fixture
    def work(self) -> RangeUnitsWork:
        return partial(MemoryRangeUnitsUnitOfWork, MemoryStore(RangeUnitsState()))

    @pytest.fixture
    def reading(self, work: RangeUnitsWork) -> RangeUnitsWork:
        return work


class TestMemoryCatalogue(OnMemoryRangeUnits, CatalogueContract):
    adapter: ClassVar[type] = MemoryCatalogue


class TestMemoryRevisions(OnMemoryRangeUnits, RevisionsContract):
    adapter: ClassVar[type] = MemoryRevisions


class TestMemoryRangeUnitsUnitOfWork(OnMemoryRangeUnits, RangeUnitsUnitOfWorkContract):
    adapter: ClassVar[type] = MemoryRangeUnitsUnitOfWork


class TestSettableClock(ClockContract):
    adapter: ClassVar[type] = SettableClock

    @pytest.fixture
    def clock(self) -> Clock:
        return SettableClock()


class TestSequentialIds(IdsContract):
    adapter: ClassVar[type] = SequentialIds
    foretold: ClassVar[bool] = True

    @pytest.fixture
    def ids(self) -> Ids:
        return SequentialIds()


class TestSequentialSecrets(SecretsContract):
    adapter: ClassVar[type] = SequentialSecrets
    foretold: ClassVar[bool] = True

    @pytest.fixture
    def secrets(self) -> Secrets:
        return SequentialSecrets()
