from copy import copy
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Self
from uuid import UUID

from app.domain.identity.login_log import (
    LoginAttempt,
)
from app.domain.identity.second_factor import MfaChallenge, SecondFactor
from app.domain.identity.sessions import RefreshToken, Session
from app.domain.identity.users import User


@dataclass
class IdentityState:
    """All rows of the area."""

    users: dict[UUID, User] = field(default_factory=dict)
    attempts: dict[UUID, LoginAttempt] = field(default_factory=dict)
    sessions: dict[UUID, Session] = field(default_factory=dict)
    refresh_tokens: dict[str, RefreshToken] = field(default_factory=dict)
    second_factors: dict[UUID, SecondFactor] = field(default_factory=dict)
    recovery_codes: dict[tuple[UUID, str], datetime | None] = field(default_factory=dict)
    mfa_challenges: dict[str, MfaChallenge] = field(default_factory=dict)

    def __copy__(self) -> Self:
        """Copy the dictionaries; the rows are immutable."""
        return type(self)(**{each.name: copy(getattr(self, each.name)) for each in fields(self)})
