from functools import partial
from typing import ClassVar

import pytest

from app.adapters.sql.database import AsyncDatabase
from app.adapters.sql.identity.api_keys import SqlApiKeys
from app.adapters.sql.identity.findings import SqlLoginFindings
from app.adapters.sql.identity.login_log import SqlLoginLog
from app.adapters.sql.identity.origins import SqlOrigins
from app.adapters.sql.identity.password_resets import SqlPasswordResets
from app.adapters.sql.identity.second_factor import SqlMfaChallenges, SqlSecondFactors
from app.adapters.sql.identity.sessions import SqlRefreshTokens, SqlSessions
from app.adapters.sql.identity.throttle import SqlThrottle
from app.adapters.sql.identity.unit_of_work import SqlIdentityUnitOfWork
from app.adapters.sql.identity.upkeep import SqlLoginLogUpkeep
from app.adapters.sql.identity.user_imports import SqlUserImports
from app.adapters.sql.identity.users import SqlUsers
from app.adapters.sql.range_units.catalogue import SqlCatalogue
from app.adapters.sql.range_units.changes import SqlChanges
from app.adapters.sql.range_units.jobs import SqlJobParts, SqlJobs
from app.adapters.sql.range_units.locks import SqlSyncLocks
from app.adapters.sql.range_units.overviews import SqlOverviews
from app.adapters.sql.range_units.quarantine import SqlQuarantine
from app.adapters.sql.range_units.revisions import SqlRevisions
from app.adapters.sql.range_units.timeline import SqlTimeline
from app.adapters.sql.range_units.unit_of_work import SqlRangeUnitsUnitOfWork
from app.ports.identity.work import IdentityWork
from app.ports.range_units.locks import SyncLocks
from app.ports.range_units.work import RangeUnitsWork
from tests.contracts.api_keys import ApiKeysContract
from tests.contracts.identity_store import (
    IdentityUnitOfWorkContract,
    LoginLogContract,
    RefreshTokensContract,
    SessionsContract,
    UsersContract,
)
from tests.contracts.jobs import JobPartsContract, JobsContract
from tests.contracts.login_findings import LoginFindingsContract
from tests.contracts.login_log_upkeep import LoginLogUpkeepContract
from tests.contracts.login_origins import OriginsContract
from tests.contracts.password_resets import PasswordResetsContract
from tests.contracts.quarantine import QuarantineContract
from tests.contracts.range_units_changes import ChangesContract
from tests.contracts.range_units_overviews import OverviewsContract
from tests.contracts.range_units_store import (
    CatalogueContract,
    RangeUnitsUnitOfWorkContract,
    RevisionsContract,
)
from tests.contracts.range_units_timeline import TimelineContract
from tests.contracts.second_factor import MfaChallengesContract, SecondFactorsContract
from tests.contracts.sync_locks import SyncLocksContract
from tests.contracts.throttle import ThrottleContract
from tests.contracts.user_imports import UserImportsContract


class OnSqlIdentity:
    @pytest.fixture
    def work(self, committed_database: AsyncDatabase) -> IdentityWork:
        return partial(SqlIdentityUnitOfWork, committed_database.sessions)

    @pytest.fixture
    def reading(self, committed_database: AsyncDatabase) -> IdentityWork:
        return partial(SqlIdentityUnitOfWork, committed_database.read_sessions)


class TestSqlUsers(OnSqlIdentity, UsersContract):
    adapter: ClassVar[type] = SqlUsers


class TestSqlLoginLog(OnSqlIdentity, LoginLogContract):
    adapter: ClassVar[type] = SqlLoginLog


class TestSqlLoginFindings(OnSqlIdentity, LoginFindingsContract):
    adapter: ClassVar[type] = SqlLoginFindings


class TestSqlOrigins(OnSqlIdentity, OriginsContract):
    adapter: ClassVar[type] = SqlOrigins


class TestSqlLoginLogUpkeep(OnSqlIdentity, LoginLogUpkeepContract):
    adapter: ClassVar[type] = SqlLoginLogUpkeep


class TestSqlSessions(OnSqlIdentity, SessionsContract):
    adapter: ClassVar[type] = SqlSessions


class TestSqlRefreshTokens(OnSqlIdentity, RefreshTokensContract):
    adapter: ClassVar[type] = SqlRefreshTokens


class TestSqlThrottle(OnSqlIdentity, ThrottleContract):
    adapter: ClassVar[type] = SqlThrottle


class TestSqlPasswordResets(OnSqlIdentity, PasswordResetsContract):
    adapter: ClassVar[type] = SqlPasswordResets


class TestSqlUserImports(OnSqlIdentity, UserImportsContract):
    adapter: ClassVar[type] = SqlUserImports


class TestSqlApiKeys(OnSqlIdentity, ApiKeysContract):
    adapter: ClassVar[type] = SqlApiKeys


class TestSqlSecondFactors(OnSqlIdentity, SecondFactorsContract):
    adapter: ClassVar[type] = SqlSecondFactors


class TestSqlMfaChallenges(OnSqlIdentity, MfaChallengesContract):
    adapter: ClassVar[type] = SqlMfaChallenges


class TestSqlIdentityUnitOfWork(OnSqlIdentity, IdentityUnitOfWorkContract):
    adapter: ClassVar[type] = SqlIdentityUnitOfWork


class OnSqlRangeUnits:
    @pytest.fixture
    def work(self, committed_database: AsyncDatabase) -> RangeUnitsWork:
        return partial(SqlRangeUnitsUnitOfWork, committed_database.sessions)

    @pytest.fixture
    def reading(self, committed_database: AsyncDatabase) -> RangeUnitsWork:
        return partial(SqlRangeUnitsUnitOfWork, committed_database.read_sessions)


class TestSqlCatalogue(OnSqlRangeUnits, CatalogueContract):
    adapter: ClassVar[type] = SqlCatalogue


class TestSqlRevisions(OnSqlRangeUnits, RevisionsContract):
    adapter: ClassVar[type] = SqlRevisions


class TestSqlChanges(OnSqlRangeUnits, ChangesContract):
    adapter: ClassVar[type] = SqlChanges


class TestSqlTimeline(OnSqlRangeUnits, TimelineContract):
    adapter: ClassVar[type] = SqlTimeline


class TestSqlJobs(OnSqlRangeUnits, JobsContract):
    adapter: ClassVar[type] = SqlJobs


class TestSqlJobParts(OnSqlRangeUnits, JobPartsContract):
    adapter: ClassVar[type] = SqlJobParts


class TestSqlQuarantine(OnSqlRangeUnits, QuarantineContract):
    adapter: ClassVar[type] = SqlQuarantine


class TestSqlOverviews(OnSqlRangeUnits, OverviewsContract):
    adapter: ClassVar[type] = SqlOverviews


class TestSqlSyncLocks(SyncLocksContract):
    adapter: ClassVar[type] = SqlSyncLocks

    @pytest.fixture
    def locks(self, committed_database: AsyncDatabase) -> SyncLocks:
        return SqlSyncLocks(committed_database)


class TestSqlRangeUnitsUnitOfWork(OnSqlRangeUnits, RangeUnitsUnitOfWorkContract):
    adapter: ClassVar[type] = SqlRangeUnitsUnitOfWork
