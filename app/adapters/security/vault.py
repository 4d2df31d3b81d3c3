"""Secrets in the database: keyed digests, and authenticated encryption."""

import base64
import binascii
import hashlib
import hmac
import os
from pathlib import Path
from typing import Final, Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.adapters.security.key_files import KeysUnreadable, write_once
from app.ports.identity.security import Vault

_KEY_FILE: Final = "vault.key"
_KEY_BYTES: Final = 32
_SEALED: Final = "aes256gcm:"
_NONCE_BYTES: Final = 12  # NIST SP 800-38D, section 8.2: what may be drawn at random for a key


class KeyVault(Vault):
    """HMAC-SHA-256 for digests, AES-256-GCM for what is sealed.

    Their keys are derived from `key`, at least 32 random bytes, by HKDF (RFC 5869), so that
    neither says anything about the other.
    """

    def __init__(self, *, key: bytes) -> None:
        self._digest_key = _derived(key, b"tickgate digests")
        self._cipher = AESGCM(_derived(key, b"tickgate seals"))

    @classmethod
    def new(cls) -> Self:
        """Draw a key that is kept nowhere."""
        return cls(key=os.urandom(_KEY_BYTES))

    @classmethod
    def from_directory(cls, directory: Path) -> Self:
        """Read the key that `make_vault_key` made. Raises `KeysUnreadable`."""
        try:
            key = (directory / _KEY_FILE).read_bytes()
        except OSError as error:
            raise KeysUnreadable(f"{_KEY_FILE} cannot be read: {error}") from error
        if len(key) < _KEY_BYTES:
            raise KeysUnreadable(f"{_KEY_FILE} has fewer than {_KEY_BYTES} bytes")
        return cls(key=key)

    def digest(self, *, secret: str) -> str:
        """Key a hash."""
        return hmac.digest(self._digest_key, _bytes(secret), hashlib.sha256).hex()

    def seal(self, *, secret: str, of: UUID) -> str:
        """Encrypt under a new nonce, bound to the owner."""
        nonce = os.urandom(_NONCE_BYTES)
        boxed = self._cipher.encrypt(nonce, _bytes(secret), of.bytes)
        return _SEALED + base64.b64encode(nonce + boxed).decode()

    def open(self, *, sealed: str, of: UUID) -> str | None:
        """Decrypt, where nothing was changed."""
        try:
            raw = base64.b64decode(sealed.removeprefix(_SEALED), validate=True)
            plain = self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], of.bytes)
        except (InvalidTag, binascii.Error, ValueError):
            return None
        return plain.decode(errors="surrogatepass") if sealed.startswith(_SEALED) else None


def make_vault_key(directory: Path) -> None:
    """Put a random key into a directory that has none; what one there seals stays readable."""
    write_once(directory / _KEY_FILE, os.urandom(_KEY_BYTES))


def _derived(key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(key)


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
