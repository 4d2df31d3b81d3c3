from typing import Protocol

from app.domain.identity.sessions import AccessClaims


class PasswordHasher(Protocol):
    """Turns passwords into what may be stored, slowly on purpose and off the event loop."""

    async def hash(self, *, password: str) -> str:
        """Hash a password, every byte of it significant; equal passwords give different hashes.

        Raises `HasherBusy` when too many are waiting. The password is one `is_checkable` takes.
        """
        ...

    async def verify(self, *, password: str, stored: str | None) -> bool:
        """Whether `stored` is a hash of exactly this password.

        Costs the same whatever the answer: without a hash (None), with one that is empty,
        garbage, truncated or dearer than the bound, and with a password that `is_checkable`
        refuses, one hash at the current cost is spent and the answer is False. Never raises but
        for `HasherBusy`.
        """
        ...

    def needs_rehash(self, *, stored: str) -> bool:
        """Whether a hash that verified should be made anew: foreign, or of a lower cost."""
        ...


class AccessTokens(Protocol):
    """Signs and reads access tokens. Knows no time: expiry is the caller's to check."""

    def issue(self, *, claims: AccessClaims) -> str:
        """Give a signed token that says `claims`, times cut to whole seconds."""
        ...

    def read(self, *, token: str) -> AccessClaims:
        """Give the claims of a token that was issued here.

        Raises `InvalidToken` for anything else: forged, malformed, of another kind, issuer or
        audience, or with a claim missing.
        """
        ...
