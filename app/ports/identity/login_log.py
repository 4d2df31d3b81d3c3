from collections.abc import Collection
from typing import Protocol

from app.domain.identity.login_log import LoginAttempt, LoginLogFilter, LoginLogPosition


class LoginLog(Protocol):
    """Every attempt to log in. Entries are appended, settled once, and never removed here."""

    async def append(self, *, attempts: Collection[LoginAttempt]) -> None:
        """Store new attempts, pending or settled already.

        Their users and sessions need not be there: the log outlives them.
        """
        ...

    async def settle(self, *, attempts: Collection[LoginAttempt]) -> None:
        """Store how the pending attempts of those ids and instants ended.

        That is outcome, reason, session, duration, and whether network and client were new; other
        fields keep what `append` stored. Raises `AttemptNotPending` when any of them is unknown
        or settled already, or comes twice.
        """
        ...

    async def page(
        self, *, matching: LoginLogFilter, before: LoginLogPosition | None, limit: int
    ) -> list[LoginAttempt]:
        """Give attempts that match every given field of the filter, newest first.

        Whoever's `ip` is not an address is in no network.

        By `at`, then id, both descending; strictly older than `before`; at most `limit`. A text
        to look for that could not be stored raises `UnstorableText`.
        """
        ...
