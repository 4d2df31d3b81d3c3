"""The keys that access tokens are signed with: `ID.pem` files of a directory.

The greatest id is the newest. Keys come and go while the service runs.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from app.adapters.security.key_files import KeysUnreadable, write_once
from app.domain.errors import ErrorKind, TickgateError

_FIRST: Final = "0001"
_LOOK_EVERY: Final = 1.0
"""Seconds between two looks at a directory."""

_log = logging.getLogger(__name__)


class UnknownSigningKey(TickgateError):
    """No key has that id."""

    kind = ErrorKind.NOT_FOUND
    code = "unknown_signing_key"


class SigningKeyInUse(TickgateError):
    """The newest key signs, and cannot be taken away before there is a newer one."""

    kind = ErrorKind.CONFLICT
    code = "signing_key_in_use"


class SigningKeys:
    """Keys by their ids; the newest signs, and all of them verify."""

    def __init__(self, keys: Mapping[str, Ed25519PrivateKey]) -> None:
        self._take(keys)
        self._active = max(keys)

    def signing(self) -> tuple[str, Ed25519PrivateKey]:
        """Give the key to sign with, behind its id."""
        return self._active, self._private[self._active]

    def verifying(self, key_id: str) -> Ed25519PublicKey | None:
        """Give the key of an id that a token names, or None."""
        return self._public.get(key_id)

    def published(self) -> Mapping[str, Ed25519PublicKey]:
        """Give all keys that verify, by their ids."""
        return self._public

    def _take(self, keys: Mapping[str, Ed25519PrivateKey]) -> None:
        self._private = dict(keys)
        self._public = {key_id: keys[key_id].public_key() for key_id in sorted(keys)}


def new_keys() -> SigningKeys:
    """Make a key that is kept nowhere: what it signs is good for as long as the process lives."""
    return SigningKeys({_FIRST: Ed25519PrivateKey.generate()})


class WatchedKeys(SigningKeys):
    """The keys of a directory, looked at again as they are used, and read again when it changed.

    A look lists the names, and is had at most once a second; in addition, likewise at most once a
    second, when a token names a key that is not known. A new key verifies at once, and signs once
    it has been known for a second: by then every other process has had reason to look, and none
    refuses what is signed with it. What cannot be read leaves the keys as they were.
    """

    def __init__(self, directory: Path, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._seconds = seconds
        self._seen: object = _look(directory)
        super().__init__(read_keys(directory))
        self._looked = self._missed = self._changed = seconds()
        self._missed -= _LOOK_EVERY
        self._complained = False

    def signing(self) -> tuple[str, Ed25519PrivateKey]:
        """Look; then give the newest key that has been known for long enough."""
        self._look_again()
        if self._seconds() - self._changed >= _LOOK_EVERY:
            self._active = max(self._private)
        return super().signing()

    def verifying(self, key_id: str) -> Ed25519PublicKey | None:
        """Look; and where the key is unknown, look once more."""
        self._look_again()
        now = self._seconds()
        if key_id not in self._public and now - self._missed >= _LOOK_EVERY:
            self._missed = now
            self._read_again()
        return super().verifying(key_id)

    def published(self) -> Mapping[str, Ed25519PublicKey]:
        """Look."""
        self._look_again()
        return super().published()

    def _look_again(self) -> None:
        now = self._seconds()
        if now - self._looked >= _LOOK_EVERY:
            self._looked = now
            self._read_again()

    def _read_again(self) -> None:
        try:
            seen = _look(self._directory)
            if seen == self._seen:
                return
            self._take(read_keys(self._directory))
        except (KeysUnreadable, OSError) as error:
            if not self._complained:
                _log.warning("The signing keys stay as they were: %s", error)
            self._complained = True
            return
        self._seen, self._complained = seen, False
        self._changed = self._seconds()
        if self._active not in self._private:
            self._active = max(self._private)


def _look(directory: Path) -> object:
    """Tell one state of a directory from another without reading its files."""
    files = ((path.name, path.lstat()) for path in sorted(directory.glob("*.pem")))
    return [(name, stat.st_ino, stat.st_mtime_ns, stat.st_size) for name, stat in files]


def read_keys(directory: Path) -> dict[str, Ed25519PrivateKey]:
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
    return keys


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key in a directory, and whether it is the one that signs."""

    key_id: str
    made_at: datetime
    signs: bool


def list_keys(directory: Path) -> list[KeyFile]:
    """Give the keys of a directory, newest first. Raises `KeysUnreadable`."""
    newest, *older = sorted(read_keys(directory), reverse=True)
    made = {
        key_id: datetime.fromtimestamp((directory / f"{key_id}.pem").stat().st_mtime, UTC)
        for key_id in (newest, *older)
    }
    return [KeyFile(key_id, made[key_id], signs=key_id == newest) for key_id in made]


def make_first_key(directory: Path) -> None:
    """Put a new key into a directory that holds none.

    Of several processes that do this at once, one makes the key: its file appears whole.
    """
    if not any(directory.glob("*.pem")):
        _make_key(directory, _FIRST)


def make_next_key(directory: Path) -> str:
    """Put a new key into a directory, which is newer than all that are there, and give its id.

    Of several processes that do this at once, each makes a key, or finds the one just made.
    """
    ids = [path.stem for path in directory.glob("*.pem")]
    key_id = _after(max(ids)) if ids else _FIRST
    _make_key(directory, key_id)
    return key_id


def remove_key(directory: Path, key_id: str) -> None:
    """Take a key away: what it signed is refused from then on.

    Raises `UnknownSigningKey`, and `SigningKeyInUse` for the newest.
    """
    ids = {path.stem for path in directory.glob("*.pem")}
    if key_id not in ids:
        raise UnknownSigningKey(f"There is no signing key {key_id}.")
    if key_id == max(ids):
        raise SigningKeyInUse(f"The key {key_id} signs: make a newer one first.")
    (directory / f"{key_id}.pem").unlink(missing_ok=True)


def _make_key(directory: Path, key_id: str) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_once(directory / f"{key_id}.pem", pem)


def _after(key_id: str) -> str:
    """Give an id that is greater: ids are compared as texts."""
    head, number = re.fullmatch(r"(.*?)([0-9]*)", key_id, re.DOTALL).groups()  # type: ignore[union-attr] # whatever it is
    if not number.strip("9"):
        return f"{key_id}-{_FIRST}"
    return f"{head}{int(number) + 1:0{len(number)}}"
