"""Counts how attempts to log in end, where they are recorded."""

from collections.abc import Callable, Collection
from types import TracebackType
from typing import Self

from app.domain.identity.login_log import LoginAttempt, LoginLogFilter, LoginLogPosition, Outcome
from app.ports.identity.login_log import LoginLog
from app.ports.identity.work import IdentityUnitOfWork

Count = Callable[[LoginAttempt], object]


class CountingIdentityUnitOfWork(IdentityUnitOfWork):
    """A unit of work of any kind, which tells of the attempts that have ended in it.

    They are told once they are committed, so that the counts are those of the login log.
    """

    def __init__(self, counted: IdentityUnitOfWork, count: Count) -> None:
        self._counted = counted
        self._count = count
        self._ended: list[LoginAttempt] = []
        self.users = counted.users
        self.login_log: LoginLog = _CountingLoginLog(counted.login_log, self._ended)
        self.findings = counted.findings
        self.origins = counted.origins
        self.sessions = counted.sessions
        self.upkeep = counted.upkeep
        self.refresh_tokens = counted.refresh_tokens
        self.throttle = counted.throttle
        self.password_resets = counted.password_resets
        self.user_imports = counted.user_imports
        self.api_keys = counted.api_keys
        self.second_factors = counted.second_factors
        self.mfa_challenges = counted.mfa_challenges

    async def commit(self) -> None:
        """Commit, and tell."""
        await self._counted.commit()
        for attempt in self._ended:
            self._count(attempt)

    async def __aenter__(self) -> Self:
        await self._counted.__aenter__()
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        await self._counted.__aexit__(error_type, error, traceback)


class _CountingLoginLog(LoginLog):
    def __init__(self, counted: LoginLog, ended: list[LoginAttempt]) -> None:
        self._counted = counted
        self._ended = ended

    async def append(self, *, attempts: Collection[LoginAttempt]) -> None:
        await self._counted.append(attempts=attempts)
        self._ended += [each for each in attempts if each.outcome is not Outcome.PENDING]

    async def settle(self, *, attempts: Collection[LoginAttempt]) -> None:
        await self._counted.settle(attempts=attempts)
        self._ended += attempts

    async def page(
        self, *, matching: LoginLogFilter, before: LoginLogPosition | None, limit: int
    ) -> list[LoginAttempt]:
        return await self._counted.page(matching=matching, before=before, limit=limit)
