from datetime import datetime
from typing import Protocol

from app.domain.identity.findings import Finding, FindingKind


class LoginFindings(Protocol):
    """What the attempts of a window of time show together."""

    async def find(
        self, *, kind: FindingKind, since: datetime, until: datetime, least: int, limit: int
    ) -> list[Finding]:
        """Give findings of a kind among the attempts from `since` to `until`, both included.

        `many_failures`: networks with at least so many failures; `failures` and the `users`, by
        the names that were typed. `spray`: the same for networks with failures of so many users.
        `many_networks`: known users with attempts from so many networks. `success_after_failures`:
        known users with so many failures before their last success of the window, whose instant
        is `at`. Those with the greatest number come first, then by network or user id.

        `new_network`, `new_client`: each success that was the user's first from there or with
        that, the newest first, then by descending id; `least` says nothing of these.

        A failure is what `is_failure` takes for one. `username` is the greatest of the names that
        stand in the log for the user, folded. At most `limit` are given.
        """
        ...
