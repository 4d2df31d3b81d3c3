"""Sessions and the access tokens that speak for them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Session:
    """What a successful login opens. It is over once it is ended, or at `expires_at`."""

    id: UUID
    user_id: UUID
    created_at: datetime
    expires_at: datetime
    ip: str | None
    user_agent: str | None
    ended_at: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """Whether tokens of this session are still good."""
        return self.ended_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What an access token says (RFC 9068): of whom, in which session, from when to when."""

    token_id: UUID
    user_id: UUID
    session_id: UUID
    issued_at: datetime
    expires_at: datetime
