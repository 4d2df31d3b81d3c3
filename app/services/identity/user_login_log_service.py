from app.domain.identity.login_log import (
    Client,
    FailReason,
    LoginAttempt,
    LoginLogFilter,
    LoginLogPosition,
    pending_attempt,
)
from app.ports.clock import Clock
from app.ports.identity.user_agents import UserAgents
from app.ports.identity.work import IdentityWork
from app.ports.ids import Ids


class UserLoginLogService:
    """The login log, for those who operate the service and for each user's own eyes."""

    def __init__(
        self,
        *,
        uow: IdentityWork,
        reading: IdentityWork,
        user_agents: UserAgents,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._uow = uow
        self._reading = reading
        self._user_agents = user_agents
        self._clock = clock
        self._ids = ids

    async def log_login_attempt(
        self, *, username: str, client: Client, reason: FailReason
    ) -> LoginAttempt:
        """Record an attempt that was refused before any password could be checked."""
        now = self._clock.now()
        attempt = pending_attempt(
            attempt_id=self._ids.new_id(),
            at=now,
            username=username,
            user_id=None,
            client=client,
            device=self._user_agents.read(user_agent=client.user_agent),
        ).settled(at=now, reason=reason)
        async with self._uow() as uow:
            await uow.login_log.append(attempt=attempt)
            await uow.commit()
        return attempt

    async def search(
        self, *, matching: LoginLogFilter, before: LoginLogPosition | None = None, limit: int = 50
    ) -> list[LoginAttempt]:
        """Give attempts that match, newest first, strictly older than `before`."""
        async with self._reading() as uow:
            return await uow.login_log.page(matching=matching, before=before, limit=limit)
