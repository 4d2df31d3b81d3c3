from collections.abc import Callable

from app.adapters.memory.identity.api_keys import MemoryApiKeys
from app.adapters.memory.identity.findings import MemoryLoginFindings
from app.adapters.memory.identity.login_log import MemoryLoginLog
from app.adapters.memory.identity.origins import MemoryOrigins
from app.adapters.memory.identity.password_resets import MemoryPasswordResets
from app.adapters.memory.identity.second_factor import MemoryMfaChallenges, MemorySecondFactors
from app.adapters.memory.identity.sessions import MemoryRefreshTokens, MemorySessions
from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.identity.throttle import MemoryThrottle
from app.adapters.memory.identity.upkeep import MemoryLoginLogUpkeep
from app.adapters.memory.identity.user_imports import MemoryUserImports
from app.adapters.memory.identity.users import MemoryUsers
from app.adapters.memory.store import MemoryStore, MemoryTransaction
from app.ports.identity.api_keys import ApiKeys
from app.ports.identity.findings import LoginFindings
from app.ports.identity.login_log import LoginLog
from app.ports.identity.origins import Origins
from app.ports.identity.password_resets import PasswordResets
from app.ports.identity.second_factor import MfaChallenges, SecondFactors
from app.ports.identity.sessions import RefreshTokens, Sessions
from app.ports.identity.throttle import Throttle
from app.ports.identity.upkeep import LoginLogUpkeep
from app.ports.identity.user_imports import UserImports
from app.ports.identity.users import Users
from app.ports.identity.work import IdentityUnitOfWork


class MemoryIdentityUnitOfWork(MemoryTransaction[IdentityState], IdentityUnitOfWork):
    """A transaction on a store that other units of work share."""

    def __init__(
        self, store: MemoryStore[IdentityState], *, committed: Callable[[], object] = lambda: None
    ) -> None:
        super().__init__(store, committed=committed)
        self.users: Users = MemoryUsers(self)
        self.login_log: LoginLog = MemoryLoginLog(self)
        self.findings: LoginFindings = MemoryLoginFindings(self)
        self.origins: Origins = MemoryOrigins(self)
        self.sessions: Sessions = MemorySessions(self)
        self.upkeep: LoginLogUpkeep = MemoryLoginLogUpkeep(self)
        self.refresh_tokens: RefreshTokens = MemoryRefreshTokens(self)
        self.throttle: Throttle = MemoryThrottle(self)
        self.password_resets: PasswordResets = MemoryPasswordResets(self)
        self.user_imports: UserImports = MemoryUserImports(self)
        self.api_keys: ApiKeys = MemoryApiKeys(self)
        self.second_factors: SecondFactors = MemorySecondFactors(self)
        self.mfa_challenges: MfaChallenges = MemoryMfaChallenges(self)
