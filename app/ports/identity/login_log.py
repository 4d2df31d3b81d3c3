from typing import Protocol

from app.domain.identity.login_log import LoginAttempt, LoginLogFilter, LoginLogPosition


class LoginLog(Protocol):
    """Every attempt to log in. Entries are appended, settled once, and never removed here."""

    async def append(self, *, attempt: LoginAttempt) -> None:
        """Store a new attempt, pending or settled already.

        Its user and its session need not be there: the log outlives them.
        """
        ...

    async def settle(self, *, attempt: LoginAttempt) -> None:
        """Store outcome, reason, session and duration of the pending attempt of that id.

        Raises `AttemptNotPending` when it is unknown or settled already. Other fields keep what
        `append` stored.
        """
        ...

    async def page(
        self, *, matching: LoginLogFilter, before: LoginLogPosition | None, limit: int
    ) -> list[LoginAttempt]:
        """Give attempts that match every given field of the filter, newest first.

        By `at`, then id, both descending; strictly older than `before`; at most `limit`. A text
        to look for that could not be stored raises `UnstorableText`.
        """
        ...
