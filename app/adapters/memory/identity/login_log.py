from collections.abc import Collection
from dataclasses import replace

from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.store import MemoryTransaction
from app.domain.identity.errors import (
    AttemptNotPending,
)
from app.domain.identity.login_log import (
    LoginAttempt,
    LoginLogFilter,
    LoginLogPosition,
    Outcome,
)
from app.domain.identity.networks import covers
from app.domain.identity.storage import (
    check_attempt,
    check_filter,
)
from app.ports.identity.login_log import LoginLog


class MemoryLoginLog(LoginLog):
    """The login log of a `MemoryStore`."""

    def __init__(self, transaction: MemoryTransaction[IdentityState]) -> None:
        self._transaction = transaction

    async def append(self, *, attempts: Collection[LoginAttempt]) -> None:
        """Keep the attempts."""
        async with self._transaction.statement(writes=True) as rows:
            for attempt in attempts:
                check_attempt(attempt)
                rows.attempts[attempt.id] = attempt

    async def settle(self, *, attempts: Collection[LoginAttempt]) -> None:
        """Change how pending attempts ended."""
        async with self._transaction.statement(writes=True) as rows:
            for attempt in attempts:
                known = rows.attempts.get(attempt.id)
                if known is None or known.at != attempt.at or known.outcome is not Outcome.PENDING:
                    raise AttemptNotPending("An attempt is not pending.")
                rows.attempts[attempt.id] = replace(
                    known,
                    outcome=attempt.outcome,
                    fail_reason=attempt.fail_reason,
                    session_id=attempt.session_id,
                    duration_ms=attempt.duration_ms,
                    new_network=attempt.new_network,
                    new_client=attempt.new_client,
                )

    async def page(
        self, *, matching: LoginLogFilter, before: LoginLogPosition | None, limit: int
    ) -> list[LoginAttempt]:
        """Filter and sort everything."""
        async with self._transaction.statement() as rows:
            check_filter(matching)
            found = [
                attempt
                for attempt in rows.attempts.values()
                if _matches(attempt, matching)
                and (before is None or (attempt.at, attempt.id) < (before.at, before.id))
            ]
            found.sort(key=lambda attempt: (attempt.at, attempt.id), reverse=True)
            return found[:limit]


def _matches(attempt: LoginAttempt, matching: LoginLogFilter) -> bool:
    if matching.since is not None and attempt.at < matching.since:
        return False
    if matching.until is not None and attempt.at >= matching.until:
        return False
    if matching.network is not None and not covers(matching.network, attempt.ip):
        return False
    if attempt.outcome not in matching.outcomes:
        return False
    wanted = (
        (matching.user_id, attempt.user_id),
        (matching.username_key, attempt.username_key),
        (matching.fail_reason, attempt.fail_reason),
    )
    return all(want is None or want == have for want, have in wanted)
