"""What operators look for in the login log."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from app.domain.identity.login_log import FailReason, LoginAttempt, Outcome

SHORTEST_WINDOW: Final = timedelta(minutes=1)
LONGEST_WINDOW: Final = timedelta(days=7)
MOST_FINDINGS: Final = 100


class FindingKind(StrEnum):
    """What was found."""

    MANY_FAILURES = "many_failures"
    SPRAY = "spray"
    MANY_NETWORKS = "many_networks"
    SUCCESS_AFTER_FAILURES = "success_after_failures"
    NEW_NETWORK = "new_network"
    NEW_CLIENT = "new_client"


LEAST: Final[dict[FindingKind, int]] = {
    # Who has forgotten a password gives up or asks for help before; a bot with an old one does not.
    FindingKind.MANY_FAILURES: 20,
    # More people than share a desk or a home, all of whom mistype within the window.
    FindingKind.SPRAY: 5,
    # Home, office, a phone and a train are four.
    FindingKind.MANY_NETWORKS: 5,
    # As many guesses as the limit of a user lets through at once.
    FindingKind.SUCCESS_AFTER_FAILURES: 5,
    FindingKind.NEW_NETWORK: 1,
    FindingKind.NEW_CLIENT: 1,
}
"""How many it takes to be worth a look, within a window of any length."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found; `at` is the last attempt of it. What a kind has no word for is None."""

    kind: FindingKind
    at: datetime
    network: str | None = None
    user_id: UUID | None = None
    username: str | None = None
    client: str | None = None
    failures: int | None = None
    users: int | None = None
    networks: int | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found from one instant to another, both included."""

    since: datetime
    until: datetime
    items: tuple[Finding, ...]


def is_failure(attempt: LoginAttempt) -> bool:
    """Whether somebody tried and did not get in; to be asked for a second factor is no failure."""
    return (
        attempt.outcome is not Outcome.SUCCESS
        and attempt.fail_reason is not FailReason.MFA_REQUIRED
    )
