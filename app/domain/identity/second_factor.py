"""The second factor: codes from a device, those that stand in for it, and who has to have one."""

import base64
import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from app.domain.identity.login_log import FailReason
from app.domain.identity.users import User
from app.domain.principal import SCOPES_OF_ROLE, Role, Scope

RECOVERY_CODES: Final = 10
CHALLENGE_LIFETIME: Final = timedelta(minutes=5)
CHALLENGE_KEPT: Final = timedelta(days=1)
"""How long a challenge is kept when it has expired: far longer than anyone may still hold it."""
MOST_WRONG_CODES: Final = 5
"""How many guesses a challenge is worth."""

_RECOVERY_BYTES: Final = 15  # ASVS 6.5.2: from 112 bits on a plain keyed digest is enough
_GROUP: Final = 4
_ONE_TIME_CODE: Final = re.compile("[0-9]{6}")
_RECOVERY_CODE: Final = re.compile("[A-Z2-7]{24}")


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """What a user's device makes codes from. It counts once a first code has confirmed it."""

    user_id: UUID
    sealed_secret: str = field(repr=False)
    created_at: datetime
    confirmed_at: datetime | None = None
    last_step: int | None = None
    """The latest step of time whose code was used; only later ones are good."""


@dataclass(frozen=True, slots=True)
class MfaChallenge:
    """A login whose password was right, and that lacks a code; known by a digest of its secret."""

    digest: str
    user_id: UUID
    password_changed_at: datetime
    """Of the user, when their password was checked: another password is another login."""
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    wrong_codes: int = 0

    def is_open(self, now: datetime) -> bool:
        """Whether a code may be tried."""
        is_spent = self.used_at is not None or self.wrong_codes >= MOST_WRONG_CODES
        return not is_spent and now < self.expires_at

    def fault_of(self, user: User) -> FailReason | None:
        """Tell what has become of the user meanwhile that no code makes good."""
        if user.disabled:
            return FailReason.DISABLED
        if user.password_changed_at != self.password_changed_at:
            return FailReason.BAD_PASSWORD
        return None

    def tried(self, *, at: datetime, reason: FailReason | None) -> "MfaChallenge":
        """Give the challenge after a code: used when there was no reason against it."""
        if reason is None:
            return replace(self, used_at=at)
        return replace(self, wrong_codes=self.wrong_codes + 1)


@dataclass(frozen=True, slots=True)
class SecondFactorStatus:
    """What a user may know of their second factor."""

    enrolled: bool
    confirmed_at: datetime | None
    recovery_codes_left: int
    required: bool


def plain_code(typed: str) -> str:
    """Give a code without what people put in to read it; letters in either case."""
    # Only ASCII has cases here: other scripts have letters that become plain ones in upper case.
    return re.sub("[ -]", "", typed).upper() if typed.isascii() else ""


def is_one_time_code(code: str) -> bool:
    """Whether that has the form of a code from a device: six digits of ASCII."""
    return _ONE_TIME_CODE.fullmatch(code) is not None


def is_recovery_code(code: str) -> bool:
    """Whether that has the form of a recovery code, with nothing between its letters."""
    return _RECOVERY_CODE.fullmatch(code) is not None


def recovery_code(secret: str) -> str:
    """Make a recovery code of 120 bits out of a secret that nobody can guess."""
    drawn = hashlib.sha256(secret.encode()).digest()[:_RECOVERY_BYTES]
    code = base64.b32encode(drawn).decode()
    return "-".join(code[place : place + _GROUP] for place in range(0, len(code), _GROUP))


def is_required(user: User, roles: Collection[Role]) -> bool:
    """Whether a user has to have a second factor: of themselves, or for one of these roles."""
    return user.mfa_required or user.role in roles


def must_enrol(user: User, roles: Collection[Role]) -> bool:
    """Whether a user may do nothing but enrol the second factor that they have to have."""
    return is_required(user, roles) and not user.has_second_factor


def scopes_of(user: User, roles: Collection[Role]) -> frozenset[Scope]:
    """Give what a user may do: what their role may, but nothing while they must enrol."""
    return frozenset() if must_enrol(user, roles) else SCOPES_OF_ROLE[user.role]
