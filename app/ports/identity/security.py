from typing import Protocol
from uuid import UUID

from app.domain.identity.sessions import AccessClaims, VerificationKey


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
        refuses, one hash at the current cost is spent and the answer is False; with one of a
        lower cost, as much. Hashes that `accepts` takes verify as where they were made. Never
        raises but for `HasherBusy`.
        """
        ...

    def needs_rehash(self, *, stored: str) -> bool:
        """Whether a hash that verified should be made anew: foreign, or of a lower cost."""
        ...

    def accepts(self, *, stored: str) -> bool:
        """Whether a text is a hash of another program's that `verify` would check.

        Well-formed to the last character, and not dearer than the bound. A hash of this hasher's
        own making is none: what it was keyed with elsewhere is not known here.
        """
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

    def published(self) -> list[VerificationKey]:
        """Give the keys that verify what is read here, newest first, each with an id of its own."""
        ...


class Vault(Protocol):
    """Keeps secrets so that the database alone gives none of them away.

    A text with a lone surrogate is taken like any other. What a vault of another key has made is
    of no use: its digests do not match, and it does not open.
    """

    def digest(self, *, secret: str) -> str:
        """Give what is stored of a secret that nobody can guess: 64 hexadecimal digits.

        Equal secrets give equal digests, which tell nothing without the vault's key.
        """
        ...

    def seal(self, *, secret: str, of: UUID) -> str:
        """Lock away a secret that will be needed again; each time it looks different.

        The sealed text is plain ASCII, at most 200 characters for a secret of 64 bytes.
        """
        ...

    def open(self, *, sealed: str, of: UUID) -> str | None:
        """Give what was sealed for the same owner; None for anything else."""
        ...


class CommonPasswords(Protocol):
    """The passwords that are guessed first."""

    def contains(self, *, password: str) -> bool:
        """Whether the text is a common password, whatever its case and width.

        Any text may be asked for, one that no password can be, too. Suspends nowhere, and what
        it costs is no matter to an event loop.
        """
        ...
