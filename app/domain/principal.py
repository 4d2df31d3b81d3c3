"""Who acts: the one thing that identity tells every other part of the service."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Scope(StrEnum):
    """What a principal may do; spelled as in an OAuth scope (RFC 6749, section 3.3)."""

    RANGE_UNITS_READ = "range-units:read"
    RANGE_UNITS_WRITE = "range-units:write"
    USERS_ADMIN = "users:admin"
    LOGIN_LOG_READ = "login-log:read"


class Role(StrEnum):
    """A user's role; its scopes are `SCOPES_OF_ROLE`."""

    ADMIN = "admin"
    USER = "user"


SCOPES_OF_ROLE: dict[Role, frozenset[Scope]] = {
    Role.ADMIN: frozenset(Scope),
    Role.USER: frozenset({Scope.RANGE_UNITS_READ}),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated user: in a live session, or by one of their API keys."""

    user_id: UUID
    username: str
    session_id: UUID | None
    scopes: frozenset[Scope]
    api_key_id: UUID | None = None
    must_enrol: bool = False
    """Whether they have to enrol a second factor before they may do anything else."""
    good_until: datetime | None = field(default=None, compare=False)
    """When what proved it ends of itself, as a token or a session does; None: never."""
