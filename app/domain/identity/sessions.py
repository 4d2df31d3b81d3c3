"""Sessions and the access tokens that speak for them."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app.domain.principal import Scope


@dataclass(frozen=True, slots=True)
class Session:
    """What a successful login opens.

    It is over once it is ended, at `expires_at`, and when it has not been refreshed by
    `idle_expires_at`, which each refresh moves on.
    """

    id: UUID
    user_id: UUID
    created_at: datetime
    last_used_at: datetime
    idle_expires_at: datetime
    expires_at: datetime
    ip: str | None
    user_agent: str | None
    ended_at: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """Whether tokens of this session are still good."""
        return self.ended_at is None and now < min(self.idle_expires_at, self.expires_at)


REFRESH_GRACE = timedelta(seconds=10)
"""How long the second use of a refresh token is taken for a lost answer, not for theft."""


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token, known by the digest of its secret, and good for one use."""

    digest: str
    session_id: UUID
    issued_at: datetime
    used_at: datetime | None = None

    def is_in_grace(self, now: datetime) -> bool:
        """Whether a use now, after the first one, may still be the client's own."""
        return self.used_at is not None and now - self.used_at <= REFRESH_GRACE


def refresh_digest(secret: str) -> str:
    """Give what is stored of a refresh token: 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What an access token says (RFC 9068): of whom, in which session, from when to when.

    The scopes are those at the time of issue, for services that verify without asking.
    """

    token_id: UUID
    user_id: UUID
    session_id: UUID
    issued_at: datetime
    expires_at: datetime
    authenticated_at: datetime
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key of Ed25519, 32 bytes, that access tokens are verified with."""

    key_id: str
    public_key: bytes
