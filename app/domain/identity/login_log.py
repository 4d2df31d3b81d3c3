"""The login log: one entry per attempt to log in, written before the password is checked."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from app.domain.identity.text import escaped, fold

USERNAME_KEPT = 64
USER_AGENT_KEPT = 512


class Outcome(StrEnum):
    """What became of an attempt. A pending one counts as failed."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILED = "failed"
    THROTTLED = "throttled"


class FailReason(StrEnum):
    """The true reason, which the client is not told."""

    UNKNOWN_USER = "unknown_user"
    BAD_PASSWORD = "bad_password"  # noqa: S105 - the name of a reason
    DISABLED = "disabled"
    THROTTLED_USER = "throttled_user"
    THROTTLED_NETWORK = "throttled_network"
    THROTTLED_PAIR = "throttled_pair"
    THROTTLED_GLOBAL = "throttled_global"
    PASSWORD_EXPIRED = "password_expired"  # noqa: S105 - the name of a reason
    MFA_REQUIRED = "mfa_required"
    MFA_FAILED = "mfa_failed"
    MALFORMED = "malformed"
    REFRESH_REUSE = "refresh_reuse"
    RESET_FAILED = "reset_failed"
    BUSY = "busy"
    CANCELLED = "cancelled"
    INTERNAL_ERROR = "internal_error"


ERROR_CODES: dict[FailReason, str] = {
    FailReason.UNKNOWN_USER: "E401",
    FailReason.BAD_PASSWORD: "E401",
    FailReason.DISABLED: "E403",
    FailReason.THROTTLED_USER: "E429",
    FailReason.THROTTLED_NETWORK: "E429",
    FailReason.THROTTLED_PAIR: "E429",
    FailReason.THROTTLED_GLOBAL: "E429",
    FailReason.PASSWORD_EXPIRED: "E403",
    FailReason.MFA_REQUIRED: "E401",
    FailReason.MFA_FAILED: "E401",
    FailReason.MALFORMED: "E400",
    FailReason.REFRESH_REUSE: "E401",
    FailReason.RESET_FAILED: "E401",
    FailReason.BUSY: "E503",
    FailReason.CANCELLED: "E500",
    FailReason.INTERNAL_ERROR: "E500",
}


@dataclass(frozen=True, slots=True)
class Client:
    """From where an attempt came."""

    ip: str | None = None
    user_agent: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """One attempt. `username` is as typed, escaped and cut; the key is what is searched by."""

    id: UUID
    at: datetime
    username: str
    username_key: str
    user_id: UUID | None
    ip: str | None
    user_agent: str | None
    request_id: str | None
    outcome: Outcome = Outcome.PENDING
    fail_reason: FailReason | None = None
    session_id: UUID | None = None
    duration_ms: int | None = None

    @property
    def error_code(self) -> str | None:
        """The class of the reason, after the HTTP status that fits it (`E401`)."""
        return None if self.fail_reason is None else ERROR_CODES[self.fail_reason]

    def settled(
        self, *, at: datetime, reason: FailReason | None, session_id: UUID | None = None
    ) -> "LoginAttempt":
        """Give the attempt as it ended at `at`: a success when there is no reason against it."""
        throttled = reason is not None and reason.startswith("throttled_")
        failed = Outcome.THROTTLED if throttled else Outcome.FAILED
        return replace(
            self,
            outcome=Outcome.SUCCESS if reason is None else failed,
            fail_reason=reason,
            session_id=session_id,
            duration_ms=max(0, (at - self.at) // timedelta(milliseconds=1)),
        )


def pending_attempt(
    *, attempt_id: UUID, at: datetime, username: str, user_id: UUID | None, client: Client
) -> LoginAttempt:
    """Make the entry of an attempt that begins, from whatever the client sent."""
    return LoginAttempt(
        id=attempt_id,
        at=at,
        username=escaped(username, USERNAME_KEPT),
        username_key=username_key(username),
        user_id=user_id,
        ip=client.ip,
        user_agent=None
        if client.user_agent is None
        else escaped(client.user_agent, USER_AGENT_KEPT),
        request_id=client.request_id,
    )


def username_key(username: str) -> str:
    """Give the key under which attempts with that username are found.

    The text is cut before it is folded, so that a megabyte of it costs nothing; folding can
    lengthen it again (one ligature is eighteen letters), so it is cut after, too.
    """
    return escaped(fold(username[: 2 * USERNAME_KEPT]), USERNAME_KEPT)


@dataclass(frozen=True, slots=True)
class LoginLogFilter:
    """Which attempts to give; None: any. `since` is inclusive, `until` exclusive."""

    user_id: UUID | None = None
    username_key: str | None = None
    ip: str | None = None
    outcome: Outcome | None = None
    fail_reason: FailReason | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class LoginLogPosition:
    """A place in the log, for keyset pages."""

    at: datetime
    id: UUID
