"""Access tokens: JWTs signed with Ed25519 (RFC 9068, RFC 8037)."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, Self
from uuid import UUID

import jwt

from app.adapters.security.signing_keys import SigningKeys, WatchedKeys
from app.domain.identity.errors import InvalidToken
from app.domain.identity.sessions import AccessClaims, VerificationKey
from app.domain.principal import Scope
from app.ports.identity.security import AccessTokens

_ALGORITHM: Final = "EdDSA"
_TYPE: Final = "at+jwt"
_CLIENT: Final = "tickgate"
"""RFC 9068 wants a client named; those who log in here do so as themselves, with any program."""
_LONGEST: Final = 4096
"""Characters; those that are issued have a fifth of that."""
_REQUIRED: Final = [
    *("iss", "aud", "sub", "client_id", "sid", "iat", "exp", "auth_time", "jti", "scope"),
]


class Ed25519AccessTokens(AccessTokens):
    """Signs with the newest of its keys, and takes tokens signed with any of them.

    Issuer and audience are the same name, as the service's tokens are for the service itself.
    """

    def __init__(self, *, keys: SigningKeys, name: str) -> None:
        self._keys = keys
        self._name = name

    @classmethod
    def from_directory(cls, directory: Path, *, name: str) -> Self:
        """Use the keys of a directory, as they come and go. Raises `KeysUnreadable`."""
        return cls(keys=WatchedKeys(directory), name=name)

    def issue(self, *, claims: AccessClaims) -> str:
        """Sign."""
        payload = {
            "iss": self._name,
            "aud": self._name,
            "sub": str(claims.user_id),
            "client_id": _CLIENT,
            "sid": str(claims.session_id),
            "iat": int(claims.issued_at.timestamp()),
            "exp": int(claims.expires_at.timestamp()),
            "auth_time": int(claims.authenticated_at.timestamp()),
            "jti": str(claims.token_id),
            "scope": " ".join(sorted(claims.scopes)),
        }
        key_id, key = self._keys.signing()
        headers = {"typ": _TYPE, "kid": key_id}
        return jwt.encode(payload, key, algorithm=_ALGORITHM, headers=headers)

    def read(self, *, token: str) -> AccessClaims:
        """Verify the signature, issuer and audience; the times are the caller's to judge."""
        try:
            header, payload = _parts(token)
            key_id = header.get("kid")
            if header.get("typ") != _TYPE or not isinstance(key_id, str):
                raise InvalidToken
            key = self._keys.verifying(key_id)
            if key is None:
                raise InvalidToken
            jwt.decode(
                token,
                key,
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
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise InvalidToken from error
        return _claims(payload)

    def published(self) -> list[VerificationKey]:
        """Give the public halves, newest first."""
        return [
            VerificationKey(key_id, key.public_bytes_raw())
            for key_id, key in sorted(
                self._keys.published().items(), key=itemgetter(0), reverse=True
            )
        ]


def _parts(token: str) -> list[dict[str, Any]]:
    """Give header and payload, not verified.

    A name that is there twice is refused: which of the two counts differs from reader to reader.
    """
    if len(token) > _LONGEST:
        raise InvalidToken
    parts = [_object(part) for part in token.split(".")[:2]]
    if len(parts) != 2:  # noqa: PLR2004 - header and payload
        raise InvalidToken
    return parts


def _object(part: str) -> dict[str, Any]:
    content = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    found = json.loads(content, object_pairs_hook=_without_duplicates)
    if not isinstance(found, dict):
        raise InvalidToken
    return found


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InvalidToken
    return found


def _claims(payload: Mapping[str, Any]) -> AccessClaims:
    try:
        return AccessClaims(
            token_id=UUID(str(payload["jti"])),
            user_id=UUID(str(payload["sub"])),
            session_id=UUID(str(payload["sid"])),
            issued_at=_time(payload["iat"]),
            expires_at=_time(payload["exp"]),
            authenticated_at=_time(payload["auth_time"]),
            # Another version of this service may know more of them.
            scopes=frozenset(Scope) & frozenset(payload["scope"].split(" ")),
        )
    except (TypeError, ValueError, OverflowError, OSError, AttributeError) as error:
        raise InvalidToken from error


def _time(seconds: object) -> datetime:
    if type(seconds) is not int:  # neither a fraction nor a truth value was ever issued
        raise InvalidToken
    return datetime.fromtimestamp(seconds, UTC)
