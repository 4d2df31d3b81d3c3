"""The shipped list of common passwords; `lists/README.md` says where it is from."""

import gzip
from functools import cached_property
from pathlib import Path
from typing import Final

from app.domain.identity.text import fold
from app.ports.identity.security import CommonPasswords

SHIPPED: Final = Path(__file__).parent / "lists" / "common_passwords.txt.gz"


class ShippedCommonPasswords(CommonPasswords):
    """A set in memory, read on first use: that takes some milliseconds, and as many MiB."""

    def __init__(self, file: Path = SHIPPED) -> None:
        self._file = file

    def contains(self, *, password: str) -> bool:
        """Look the folded text up."""
        return fold(password) in self._entries

    @cached_property
    def _entries(self) -> frozenset[str]:
        return frozenset(gzip.decompress(self._file.read_bytes()).decode().split("\n"))
