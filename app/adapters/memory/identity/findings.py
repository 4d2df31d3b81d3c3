from collections.abc import Callable, Hashable, Iterable
from datetime import datetime
from typing import TypeVar

from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.store import MemoryTransaction
from app.domain.identity.findings import Finding, FindingKind, is_failure
from app.domain.identity.login_log import LoginAttempt, Outcome
from app.ports.identity.findings import LoginFindings

K = TypeVar("K", bound=Hashable)
Attempts = list[LoginAttempt]


class MemoryLoginFindings(LoginFindings):
    """The findings in a `MemoryStore`."""

    def __init__(self, transaction: MemoryTransaction[IdentityState]) -> None:
        self._transaction = transaction

    async def find(
        self, *, kind: FindingKind, since: datetime, until: datetime, least: int, limit: int
    ) -> list[Finding]:
        """Group everything."""
        async with self._transaction.statement() as rows:
            within = [row for row in rows.attempts.values() if since <= row.at <= until]
            match kind:
                case FindingKind.MANY_FAILURES | FindingKind.SPRAY:
                    found = _of_networks(kind, within, least)
                case FindingKind.MANY_NETWORKS:
                    found = _many_networks(within, least)
                case FindingKind.SUCCESS_AFTER_FAILURES:
                    found = _after_failures(within, least)
                case FindingKind.NEW_NETWORK | FindingKind.NEW_CLIENT:
                    found = _news(kind, within)
            return found[:limit]


def _grouped(
    attempts: Iterable[LoginAttempt], by: Callable[[LoginAttempt], K | None]
) -> dict[K, Attempts]:
    groups: dict[K, Attempts] = {}
    for attempt in attempts:
        key = by(attempt)
        if key is not None:
            groups.setdefault(key, []).append(attempt)
    return groups


def _of_networks(kind: FindingKind, within: Attempts, least: int) -> list[Finding]:
    groups = _grouped(filter(is_failure, within), lambda attempt: attempt.network)
    found = [
        Finding(
            kind,
            max(attempt.at for attempt in group),
            network=network,
            failures=len(group),
            users=len({attempt.username_key for attempt in group}),
        )
        for network, group in groups.items()
    ]

    def number(one: Finding) -> int:
        return (one.failures if kind is FindingKind.MANY_FAILURES else one.users) or 0

    found.sort(key=lambda one: (-number(one), one.network))
    return [one for one in found if number(one) >= least]


def _many_networks(within: Attempts, least: int) -> list[Finding]:
    found = []
    for user_id, group in sorted(_grouped(within, lambda attempt: attempt.user_id).items()):
        networks = len({attempt.network for attempt in group} - {None})
        if networks >= least:
            last = max(attempt.at for attempt in group)
            name = max(attempt.username_key for attempt in group)
            found.append(
                Finding(
                    FindingKind.MANY_NETWORKS,
                    last,
                    user_id=user_id,
                    username=name,
                    networks=networks,
                )
            )
    return sorted(found, key=lambda one: -(one.networks or 0))


def _after_failures(within: Attempts, least: int) -> list[Finding]:
    found = []
    for user_id, group in sorted(_grouped(within, lambda attempt: attempt.user_id).items()):
        successes = [attempt.at for attempt in group if attempt.outcome is Outcome.SUCCESS]
        before = [row for row in group if is_failure(row) and successes and row.at < max(successes)]
        if before and len(before) >= least:
            name = max(attempt.username_key for attempt in before)
            found.append(
                Finding(
                    FindingKind.SUCCESS_AFTER_FAILURES,
                    max(successes),
                    user_id=user_id,
                    username=name,
                    failures=len(before),
                )
            )
    return sorted(found, key=lambda one: -(one.failures or 0))


def _news(kind: FindingKind, within: Attempts) -> list[Finding]:
    news = [
        row
        for row in within
        if (row.new_network if kind is FindingKind.NEW_NETWORK else row.new_client)
    ]
    return [
        Finding(
            kind,
            row.at,
            network=row.network,
            user_id=row.user_id,
            username=row.username_key,
            client=row.client,
        )
        for row in sorted(news, key=lambda row: (row.at, row.id), reverse=True)
    ]
