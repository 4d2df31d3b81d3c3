"""The login log: one entry per attempt to log in, written before the password is checked."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from app.domain.identity.devices import Device, DeviceType, kind_of_client
from app.domain.identity.networks import Network, canonical, client_network
from app.domain.identity.origins import Familiarity
from app.domain.identity.text import escaped, fold

USERNAME_KEPT = 64
USER_AGENT_KEPT = 512


class Outcome(StrEnum):
    """What became of an attempt. A pending one counts as failed."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILED = "failed"
    THROTTLED = "throttled"


FAILURES: Final = (Outcome.FAILED, Outcome.PENDING)


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
    """One attempt. `username` is as typed, escaped and cut; the key is what is searched by.

    `new_network` and `new_client` tell of a success whether it was the user's first from there,
    or with that; None of anything else, and where the network or the client is not known.
    """

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
    device_type: DeviceType = DeviceType.UNKNOWN
    os: str | None = None
    client: str | None = None
    new_network: bool | None = None
    new_client: bool | None = None

    @property
    def network(self) -> str | None:
        """The client network, which limits and findings go by."""
        return client_network(self.ip)

    @property
    def client_kind(self) -> str | None:
        """The client without its versions, which is what is new or not."""
        return kind_of_client(self.client, self.os)

    @property
    def error_code(self) -> str | None:
        """The class of the reason, after the HTTP status that fits it (`E401`)."""
        return None if self.fail_reason is None else ERROR_CODES[self.fail_reason]

    def settled(
        self,
        *,
        at: datetime,
        reason: FailReason | None,
        session_id: UUID | None = None,
        familiarity: Familiarity | None = None,
    ) -> "LoginAttempt":
        """Give the attempt as it ended at `at`: a success when there is no reason against it.

        `familiarity` is what was known of a user who succeeded.
        """
        throttled = reason is not None and reason.startswith("throttled_")
        failed = Outcome.THROTTLED if throttled else Outcome.FAILED
        known = familiarity or Familiarity()
        told = familiarity is not None
        return replace(
            self,
            outcome=Outcome.SUCCESS if reason is None else failed,
            fail_reason=reason,
            session_id=session_id,
            duration_ms=max(0, (at - self.at) // timedelta(milliseconds=1)),
            new_network=known.network_before is None if told and self.network else None,
            new_client=known.client_before is None if told and self.client_kind else None,
        )


def pending_attempt(  # noqa: PLR0913 - what is known of an attempt
    *,
    attempt_id: UUID,
    at: datetime,
    username: str,
    user_id: UUID | None,
    client: Client,
    device: Device,
) -> LoginAttempt:
    """Make the entry of an attempt that begins, from whatever the client sent."""
    return LoginAttempt(
        id=attempt_id,
        at=at,
        username=escaped(username, USERNAME_KEPT),
        username_key=username_key(username),
        user_id=user_id,
        ip=canonical(client.ip),
        user_agent=None
        if client.user_agent is None
        else escaped(client.user_agent, USER_AGENT_KEPT),
        request_id=client.request_id,
        device_type=device.device_type,
        os=device.os,
        client=device.client,
    )


def username_key(username: str) -> str:
    """Give the key under which attempts with that username are found.

    The text is cut before it is folded, so that a megabyte of it costs nothing; folding can
    lengthen it again (one ligature is eighteen letters), so it is cut after, too.
    """
    return escaped(fold(username[: 2 * USERNAME_KEPT]), USERNAME_KEPT)


@dataclass(frozen=True, slots=True)
class LoginLogFilter:
    """Which attempts to give; None: any. `since` is inclusive, `until` exclusive.

    `FAILED` gives pending attempts as well, which count as failed.
    """

    user_id: UUID | None = None
    username_key: str | None = None
    network: Network | None = None
    outcome: Outcome | None = None
    fail_reason: FailReason | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Every outcome that is asked for."""
        if self.outcome is None:
            return tuple(Outcome)
        return FAILURES if self.outcome is Outcome.FAILED else (self.outcome,)


@dataclass(frozen=True, slots=True)
class LoginLogPosition:
    """A place in the log, for keyset pages."""

    at: datetime
    id: UUID
