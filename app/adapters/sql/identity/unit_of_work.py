from collections.abc import Callable

from app.adapters.sql.database import Sessions
from app.adapters.sql.identity.api_keys import SqlApiKeys
from app.adapters.sql.identity.findings import SqlLoginFindings
from app.adapters.sql.identity.login_log import SqlLoginLog
from app.adapters.sql.identity.origins import SqlOrigins
from app.adapters.sql.identity.password_resets import SqlPasswordResets
from app.adapters.sql.identity.second_factor import SqlMfaChallenges, SqlSecondFactors
from app.adapters.sql.identity.sessions import SqlRefreshTokens, SqlSessions
from app.adapters.sql.identity.throttle import SqlThrottle
from app.adapters.sql.identity.upkeep import SqlLoginLogUpkeep
from app.adapters.sql.identity.user_imports import SqlUserImports
from app.adapters.sql.identity.users import SqlUsers
from app.adapters.sql.unit_of_work import SqlTransaction
from app.domain.identity.errors import (
    EmailTaken,
    UnknownUser,
    UsernameTaken,
)
from app.ports.identity.api_keys import ApiKeys
from app.ports.identity.findings import LoginFindings
from app.ports.identity.login_log import LoginLog
from app.ports.identity.origins import Origins
from app.ports.identity.password_resets import PasswordResets
from app.ports.identity.second_factor import MfaChallenges, SecondFactors
from app.ports.identity.sessions import RefreshTokens
from app.ports.identity.sessions import Sessions as SessionsPort
from app.ports.identity.throttle import Throttle
from app.ports.identity.upkeep import LoginLogUpkeep
from app.ports.identity.user_imports import UserImports
from app.ports.identity.users import Users
from app.ports.identity.work import IdentityUnitOfWork


class SqlIdentityUnitOfWork(SqlTransaction, IdentityUnitOfWork):
    """A transaction on a database."""

    violations = {  # noqa: RUF012 - never changed, and declared so by the base class
        "uq_users_username_key": UsernameTaken,
        "users.username_key": UsernameTaken,
        "uq_users_email_key": EmailTaken,
        "users.email_key": EmailTaken,
        "fk_sessions_user_id": UnknownUser,
        "fk_password_resets_user_id": UnknownUser,
        "fk_api_keys_user_id": UnknownUser,
        "fk_second_factors_user_id": UnknownUser,
        "fk_recovery_codes_user_id": UnknownUser,
        "fk_mfa_challenges_user_id": UnknownUser,
        # SQLite names no foreign key; no use case stores a token without its session.
        "FOREIGN KEY constraint failed": UnknownUser,
    }

    def __init__(
        self, sessions: Sessions, *, committed: Callable[[], object] = lambda: None
    ) -> None:
        super().__init__(sessions, committed=committed)
        self.users: Users = SqlUsers(self)
        self.login_log: LoginLog = SqlLoginLog(self)
        self.findings: LoginFindings = SqlLoginFindings(self)
        self.origins: Origins = SqlOrigins(self)
        self.sessions: SessionsPort = SqlSessions(self)
        self.upkeep: LoginLogUpkeep = SqlLoginLogUpkeep(self)
        self.refresh_tokens: RefreshTokens = SqlRefreshTokens(self)
        self.throttle: Throttle = SqlThrottle(self)
        self.password_resets: PasswordResets = SqlPasswordResets(self)
        self.user_imports: UserImports = SqlUserImports(self)
        self.api_keys: ApiKeys = SqlApiKeys(self)
        self.second_factors: SecondFactors = SqlSecondFactors(self)
        self.mfa_challenges: MfaChallenges = SqlMfaChallenges(self)
