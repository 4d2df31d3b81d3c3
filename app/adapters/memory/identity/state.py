from copy import copy
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Self
from uuid import UUID

from app.domain.identity.api_keys import ApiKey
from app.domain.identity.login_log import (
    LoginAttempt,
)
from app.domain.identity.password_resets import PasswordReset
from app.domain.identity.second_factor import MfaChallenge, SecondFactor
from app.domain.identity.sessions import RefreshToken, Session
from app.domain.identity.users import User


@dataclass(frozen=True, slots=True)
class TakenSlot:
    """A slot of a guess, pending until it is known to have failed."""

    key: str
    expires_at: datetime
    taken_at: datetime
    pending: bool


@dataclass
class IdentityState:
    """All rows of the area."""

    users: dict[UUID, User] = field(default_factory=dict)
    attempts: dict[UUID, LoginAttempt] = field(default_factory=dict)
    sessions: dict[UUID, Session] = field(default_factory=dict)
    refresh_tokens: dict[str, RefreshToken] = field(default_factory=dict)
    slots: dict[tuple[UUID, str, datetime], TakenSlot] = field(default_factory=dict)
    networks: dict[tuple[UUID, str], datetime] = field(default_factory=dict)
    clients: dict[tuple[UUID, str], datetime] = field(default_factory=dict)
    password_resets: dict[UUID, PasswordReset] = field(default_factory=dict)
    api_keys: dict[UUID, ApiKey] = field(default_factory=dict)
    second_factors: dict[UUID, SecondFactor] = field(default_factory=dict)
    recovery_codes: dict[tuple[UUID, str], datetime | None] = field(default_factory=dict)
    mfa_challenges: dict[str, MfaChallenge] = field(default_factory=dict)

    def __copy__(self) -> Self:
        """Copy the dictionaries; the rows are immutable."""
        return type(self)(*(copy(getattr(self, rows.name)) for rows in fields(self)))
