from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Final

from app.domain.identity.findings import LEAST, MOST_FINDINGS, Finding, FindingKind, Findings
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

PAGE: Final = 500


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
            await uow.login_log.append(attempts=[attempt])
            await uow.commit()
        return attempt

    async def search(
        self, *, matching: LoginLogFilter, before: LoginLogPosition | None = None, limit: int = 50
    ) -> list[LoginAttempt]:
        """Give attempts that match, newest first, strictly older than `before`."""
        async with self._reading() as uow:
            return await uow.login_log.page(matching=matching, before=before, limit=limit)

    async def pages(self, *, matching: LoginLogFilter) -> AsyncGenerator[list[LoginAttempt], None]:
        """Give all attempts that match, newest first, a page at a time and none of them empty.

        Each page is read for itself, so that a slow reader holds nothing; what comes in meanwhile
        is newer, and not among them.
        """
        before = None
        while page := await self.search(matching=matching, before=before, limit=PAGE):
            yield page
            before = LoginLogPosition(page[-1].at, page[-1].id)

    async def findings(self, *, window: timedelta) -> Findings:
        """Tell what the attempts of the last so much time show together."""
        until = self._clock.now()
        since = until - window
        found: list[Finding] = []
        async with self._reading() as uow:
            for kind in FindingKind:
                found += await uow.findings.find(
                    kind=kind, since=since, until=until, least=LEAST[kind], limit=MOST_FINDINGS
                )
        return Findings(since, until, tuple(found))
