"""Codes with which a user sets a new password, though nobody knows the old one."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from app.domain.identity.users import User

RESET_LIFETIME: Final = timedelta(hours=1)
"""How long a code is good, once an operator has it."""

# RFC 4648's base32 but for I and O, which look like digits; 0 and 1, which look like letters, are
# in neither. 25 characters are 125 bits.
_ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_GROUPS: Final = 5
_GROUP: Final = 5
# Whatever chat programs make of a dash, and of a line that is broken.
_BETWEEN: Final = re.compile(r"[\s\-\u2010-\u2015\u2212]+")


@dataclass(frozen=True, slots=True)
class PasswordReset:
    """The one reset that a user has waiting, known by the digest of its code."""

    user_id: UUID
    digest: str
    created_at: datetime
    expires_at: datetime


def may_redeem(user: User | None, reset: PasswordReset | None, digest: str, now: datetime) -> bool:
    """Whether a code of that digest sets a password for that user now."""
    if user is None or user.disabled or reset is None:
        return False
    return hmac.compare_digest(reset.digest, digest) and now < reset.expires_at


def reset_code(secret: str) -> str:
    """Make the code of a secret that has more bits than a code: `ABCDE-FGHJK-LMNPQ-RSTUV-WXYZ2`."""
    number = int.from_bytes(hashlib.sha256(secret.encode()).digest())
    digits = []
    for _ in range(_GROUPS * _GROUP):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    groups = [digits[place : place + _GROUP] for place in range(0, len(digits), _GROUP)]
    return "-".join("".join(group) for group in groups)


def canonical_code(typed: str) -> str:
    """Give what is kept, as a digest, of a code however it was typed or pasted."""
    return _BETWEEN.sub("", typed).upper()
