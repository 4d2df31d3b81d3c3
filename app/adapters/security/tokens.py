"""Access tokens: JWTs signed with Ed25519 (RFC 9068, RFC 8037)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self
from uuid import UUID

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from app.adapters.security.key_files import KeysUnreadable, write_once
from app.domain.identity.errors import InvalidToken
from app.domain.identity.sessions import AccessClaims
from app.ports.identity.security import AccessTokens

_ALGORITHM: Final = "EdDSA"
_TYPE: Final = "at+jwt"
_FIRST_KEY: Final = "0001"
_REQUIRED: Final = ["iss", "aud", "sub", "sid", "iat", "exp", "jti"]


class Ed25519AccessTokens(AccessTokens):
    """Signs with the newest of its keys, and takes tokens signed with any of them.

    `keys` are private keys by their id; the greatest id is the newest. Issuer and audience are
    the same name, as the service's tokens are for the service itself.
    """

    def __init__(self, *, keys: Mapping[str, Ed25519PrivateKey], name: str) -> None:
        self._active = max(keys)
        self._signing_key = keys[self._active]
        self._public: dict[str, Ed25519PublicKey] = {
            key_id: key.public_key() for key_id, key in keys.items()
        }
        self._name = name

    @classmethod
    def from_directory(cls, directory: Path, *, name: str) -> Self:
        """Read `ID.pem` files of unencrypted PKCS #8. Raises `KeysUnreadable`."""
        keys = {}
        for path in sorted(directory.glob("*.pem")):
            try:
                key = serialization.load_pem_private_key(path.read_bytes(), password=None)
            except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
                raise KeysUnreadable(f"{path.name} cannot be read: {error}") from error
            if not isinstance(key, Ed25519PrivateKey):
                raise KeysUnreadable(f"{path.name} is not an Ed25519 key")
            keys[path.stem] = key
        if not keys:
            raise KeysUnreadable(f"{directory} holds no key (*.pem)")
        return cls(keys=keys, name=name)

    def issue(self, *, claims: AccessClaims) -> str:
        """Sign."""
        payload = {
            "iss": self._name,
            "aud": self._name,
            "sub": str(claims.user_id),
            "sid": str(claims.session_id),
            "iat": int(claims.issued_at.timestamp()),
            "exp": int(claims.expires_at.timestamp()),
            "jti": str(claims.token_id),
        }
        headers = {"typ": _TYPE, "kid": self._active}
        return jwt.encode(payload, self._signing_key, algorithm=_ALGORITHM, headers=headers)

    def read(self, *, token: str) -> AccessClaims:
        """Verify the signature, issuer and audience; the times are the caller's to judge."""
        try:
            header = jwt.get_unverified_header(token)
            key_id = header.get("kid")
            if header.get("typ") != _TYPE or not isinstance(key_id, str):
                raise InvalidToken
            if key_id not in self._public:
                raise InvalidToken
            payload = jwt.decode(
                token,
                self._public[key_id],
                algorithms=[_ALGORITHM],
                issuer=self._name,
                audience=self._name,
                options={
                    "require": _REQUIRED,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.PyJWTError, UnicodeError) as error:
            raise InvalidToken from error
        return _claims(payload)


def _claims(payload: Mapping[str, Any]) -> AccessClaims:
    try:
        return AccessClaims(
            token_id=UUID(str(payload["jti"])),
            user_id=UUID(str(payload["sub"])),
            session_id=UUID(str(payload["sid"])),
            issued_at=datetime.fromtimestamp(payload["iat"], UTC),
            expires_at=datetime.fromtimestamp(payload["exp"], UTC),
        )
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise InvalidToken from error


def make_first_key(directory: Path) -> None:
    """Put a new key into a directory that holds none.

    Of several processes that do this at once, one makes the key: its file appears whole.
    """
    if any(directory.glob("*.pem")):
        return
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_once(directory / f"{_FIRST_KEY}.pem", pem)
