"""Users, their names and their passwords."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from app.domain.errors import Fault
from app.domain.identity.common_passwords import Lookup, is_common
from app.domain.identity.errors import InvalidUser, LastAdmin, WeakPassword
from app.domain.identity.text import fold
from app.domain.principal import Role

USERNAME_LENGTHS = range(3, 65)
EMAIL_LENGTH = 254
PASSWORD_LEAST_CHARACTERS = 15
PASSWORD_LEAST_CHARACTERS_WITH_SECOND_FACTOR = 8
PASSWORD_MOST_BYTES = 1024
PRODUCT = "tickgate"

# ASCII on purpose: then no two usernames look alike, and none holds an invisible character.
_USERNAME = re.compile(r"[A-Za-z0-9._-]+")
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")


@dataclass(frozen=True, slots=True)
class User:
    """A person or a program that may log in."""

    id: UUID
    username: str
    email: str | None
    password_hash: str
    role: Role
    disabled: bool
    created_at: datetime
    password_changed_at: datetime
    password_expires_at: datetime | None = None
    """From when on the password is good for nothing but being replaced; None: never."""
    mfa_required: bool = False
    """Whether this user may do nothing without a second factor, whatever their role."""
    has_second_factor: bool = False
    """Whether a second factor is enrolled, and confirmed."""

    def is_password_expired(self, now: datetime) -> bool:
        """Whether the password no longer lets anyone in."""
        return self.password_expires_at is not None and now >= self.password_expires_at

    @property
    def administers(self) -> bool:
        """Whether this user may administer the service now."""
        return self.role is Role.ADMIN and not self.disabled

    @property
    def username_key(self) -> str:
        """What is unique among users."""
        return fold(self.username)

    @property
    def email_key(self) -> str | None:
        """What is unique among users that have an e-mail address."""
        return None if self.email is None else fold(self.email)


class UserChanges(TypedDict, total=False):
    """What is to become of a user; a field that is not there stays as it is."""

    email: str | None
    role: Role
    disabled: bool
    mfa_required: bool


def may_unseat(changes: UserChanges) -> bool:
    """Whether an administrator to whom this is done is none afterwards."""
    return changes.get("role", Role.ADMIN) is not Role.ADMIN or changes.get("disabled", False)


def check_admin_is_left(before: User, after: User, admins: Iterable[User]) -> None:
    """Raise `LastAdmin` where the change takes away the last of `admins` who is not disabled."""
    others = (admin for admin in admins if admin.id != before.id)
    if before.administers and not after.administers and not any(o.administers for o in others):
        raise LastAdmin


def check_username(username: str) -> None:
    """Raise `InvalidUser` unless the name is 3 to 64 letters, digits, `.`, `_` or `-`."""
    if len(username) not in USERNAME_LENGTHS or _USERNAME.fullmatch(username) is None:
        message = "is not 3 to 64 of the letters A-Z and a-z, digits, ., _ and -"
        raise InvalidUser(
            "That username cannot be registered.", faults=[Fault("username", message)]
        )


def check_email(email: str) -> None:
    """Raise `InvalidUser` unless the text has the form of an e-mail address."""
    too_long = max(len(email), len(fold(email))) > EMAIL_LENGTH  # folding can lengthen it
    if too_long or not email.isprintable() or _EMAIL.fullmatch(email) is None:
        message = f"is not an e-mail address of at most {EMAIL_LENGTH} characters"
        raise InvalidUser("That address cannot be registered.", faults=[Fault("email", message)])


def check_new_password(
    password: str,
    *,
    username: str,
    common: Lookup,
    field: str = "password",
    has_second_factor: bool = False,
) -> None:
    """Raise `WeakPassword` unless the password may be set.

    At least 15 characters, or 8 beside a second factor, and at most 1,024 bytes of UTF-8, any
    characters, in any mixture; what it has beside the username and the product's name must not
    be next to nothing, and it must not be a common password, dressed up or not.
    """
    least = check_length(password, field=field, has_second_factor=has_second_factor)
    rest = fold(password).replace(fold(username), "").replace(PRODUCT, "")
    message = None
    if not is_checkable(password):
        message = f"is longer than {PASSWORD_MOST_BYTES} bytes, or is not Unicode text"
    elif len(rest) < least // 2:
        message = "is little more than the username or the name of this product"
    elif is_common(password, common):
        message = "is a common password, or little more than one"
    if message is not None:
        raise WeakPassword("That password cannot be set.", faults=[Fault(field, message)])


def check_length(password: str, *, field: str, has_second_factor: bool) -> int:
    """Raise `WeakPassword` where a password is too short; give how long it has to be.

    Beside a second factor it is not all that is asked for, and may be shorter.
    """
    least = PASSWORD_LEAST_CHARACTERS
    if has_second_factor:
        least = PASSWORD_LEAST_CHARACTERS_WITH_SECOND_FACTOR
    if len(password) < least:
        faults = [Fault(field, f"is shorter than {least} characters")]
        raise WeakPassword("That password cannot be set.", faults=faults)
    return least


def is_checkable(password: str) -> bool:
    """Whether a password is within the bounds of what may be hashed at all."""
    try:
        return len(password.encode()) <= PASSWORD_MOST_BYTES
    except UnicodeEncodeError:  # a lone surrogate
        return False
