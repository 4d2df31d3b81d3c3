from copy import copy
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

from app.domain.identity.api_keys import ApiKey
from app.domain.identity.login_log import (
    LoginAttempt,
)
from app.domain.identity.sessions import RefreshToken, Session
from app.domain.identity.users import User


@dataclass
class IdentityState:
    """All rows of the area."""

    users: dict[UUID, User] = field(default_factory=dict)
    attempts: dict[UUID, LoginAttempt] = field(default_factory=dict)
    sessions: dict[UUID, Session] = field(default_factory=dict)
    refresh_tokens: dict[str, RefreshToken] = field(default_factory=dict)
    api_keys: dict[UUID, ApiKey] = field(default_factory=dict)

    def __copy__(self) -> Self:
        """Copy the dictionaries; the rows are immutable."""
        return type(self)(
            copy(self.users),
            copy(self.attempts),
            copy(self.sessions),
            copy(self.refresh_tokens),
            copy(self.api_keys),
        )
