"""Stand-ins for the hasher, the token signer and the vault."""

import hashlib
import re
from dataclasses import replace
from itertools import count
from uuid import UUID

from anyio import Event
from anyio.lowlevel import checkpoint

from app.domain.identity.errors import (
    HasherBusy,
    InvalidToken,
)
from app.domain.identity.sessions import AccessClaims, VerificationKey
from app.domain.identity.text import fold
from app.domain.identity.users import is_checkable
from app.ports.identity.security import AccessTokens, CommonPasswords, PasswordHasher, Vault

_FAST, _SLOW = "fast", "slow"


class FastHasher(PasswordHasher):
    """A salted SHA-256 at once: for tests, and only for them.

    Controls: `spent` counts the hashes that verifying cost; `busy` makes every call raise
    `HasherBusy`; while `gate` is an event, verifying waits for it; hashes in `outdated` need
    a rehash. `foreign` makes a hash as another program would.
    """

    def __init__(self) -> None:
        self._salts = count(1)
        self.spent = 0
        self.busy = False
        self.gate: Event | None = None
        self.outdated: set[str] = set()

    async def hash(self, *, password: str) -> str:
        """Hash with the next salt."""
        await self._turn()
        return _fast_hash(password, str(next(self._salts)))

    async def verify(self, *, password: str, stored: str | None) -> bool:
        """Hash with the same salt, and compare."""
        await self._turn()
        self.spent += 1
        if self.gate is not None:
            await self.gate.wait()
        if stored is None or not is_checkable(password) or stored.count("$") != 2:  # noqa: PLR2004 - it has three parts
            return False
        name, salt, _ = stored.split("$")
        return stored == _fast_hash(password, salt, name=name)

    def needs_rehash(self, *, stored: str) -> bool:
        """Whether it is foreign, or a test said so."""
        return stored in self.outdated or not stored.startswith(f"{_FAST}$")

    def accepts(self, *, stored: str) -> bool:
        """Whether `foreign` could have made it."""
        return re.fullmatch(rf"{_SLOW}\$there\$[0-9a-f]{{64}}", stored) is not None

    def foreign(self, password: str) -> str:
        """Hash as nobody here does."""
        return _fast_hash(password, "there", name=_SLOW)

    async def _turn(self) -> None:
        await checkpoint()
        if self.busy:
            raise HasherBusy("Too many passwords wait to be checked.", retry_after=1)


def _fast_hash(password: str, salt: str, *, name: str = _FAST) -> str:
    return f"{name}${salt}${hashlib.sha256(f'{salt}:{password}'.encode()).hexdigest()}"


class PlainTokens(AccessTokens):
    """Remembers what it issued instead of signing it."""

    def __init__(self) -> None:
        self._issued: dict[str, AccessClaims] = {}

    def issue(self, *, claims: AccessClaims) -> str:
        """Name the token after its id."""
        token = f"plain.{claims.token_id}"
        self._issued[token] = replace(
            claims,
            issued_at=claims.issued_at.replace(microsecond=0),
            expires_at=claims.expires_at.replace(microsecond=0),
            authenticated_at=claims.authenticated_at.replace(microsecond=0),
        )
        return token

    def read(self, *, token: str) -> AccessClaims:
        """Look the token up."""
        if token not in self._issued:
            raise InvalidToken
        return self._issued[token]

    def published(self) -> list[VerificationKey]:
        """Give a key that verifies nothing."""
        return [VerificationKey("plain", bytes(32))]


class GlassVault(Vault):
    """Remembers what it sealed; its digests have a key that everyone knows."""

    def __init__(self) -> None:
        self._sealed: dict[tuple[str, UUID], str] = {}

    def digest(self, *, secret: str) -> str:
        """Hash with a name for a key."""
        secret = f"glass:{secret}"
        return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()

    def seal(self, *, secret: str, of: UUID) -> str:
        """Number it."""
        sealed = f"sealed-{len(self._sealed) + 1}"
        self._sealed[sealed, of] = secret
        return sealed

    def open(self, *, sealed: str, of: UUID) -> str | None:
        """Look it up."""
        return self._sealed.get((sealed, of))


class FewCommonPasswords(CommonPasswords):
    """Those in `entries`, folded, which a test may add to."""

    def __init__(self) -> None:
        self.entries = {"password", "qwertyuiop", "1234567890", "letmein"}

    def contains(self, *, password: str) -> bool:
        """Look the folded text up."""
        return fold(password) in self.entries
