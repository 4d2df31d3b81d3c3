"""What the identity routes have in common."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from pydantic import Field, SecretStr

from app.adapters.http.schemas import InvalidCursor
from app.domain.identity.users import (
    PASSWORD_LEAST_CHARACTERS,
    PASSWORD_LEAST_CHARACTERS_WITH_SECOND_FACTOR,
    PASSWORD_MOST_BYTES,
)
from app.services.identity.admission import Admission
from app.services.identity.api_key_service import ApiKeyService
from app.services.identity.auth_service import AuthService
from app.services.identity.password_reset_service import PasswordResetService
from app.services.identity.second_factor_service import SecondFactorService
from app.services.identity.session_service import SessionService
from app.services.identity.user_login_log_service import UserLoginLogService
from app.services.identity.user_service import UserService


@dataclass(frozen=True, slots=True)
class IdentityServices:
    """What these routes call."""

    admission: Admission
    auth: AuthService
    users: UserService
    login_log: UserLoginLogService
    resets: PasswordResetService
    api_keys: ApiKeyService
    sessions: SessionService
    second_factor: SecondFactorService


def services_of(request: Request) -> IdentityServices:
    """Give what the application was made with."""
    services: IdentityServices = request.app.state.identity
    return services


async def _services(request: Request) -> IdentityServices:
    # Not a plain function: FastAPI would call that in a worker thread.
    return services_of(request)


Services = Annotated[IdentityServices, Depends(_services)]
Password = Annotated[SecretStr, Field(min_length=1, max_length=PASSWORD_MOST_BYTES)]
# Only documented here: the domain refuses it, as a password that is too weak.
NewPassword = Annotated[
    Password,
    Field(
        description="At least 15 characters, of any kind.",
        json_schema_extra={"minLength": PASSWORD_LEAST_CHARACTERS},
    ),
]
NewOwnPassword = Annotated[
    Password,
    Field(
        description="At least 15 characters, or 8 with a second factor, of any kind.",
        json_schema_extra={"minLength": PASSWORD_LEAST_CHARACTERS_WITH_SECOND_FACTOR},
    ),
]
Code = Annotated[
    SecretStr,
    Field(
        min_length=1,
        max_length=64,
        description="Six digits that the device shows, or a recovery code.",
        examples=["123 456"],
    ),
]


def id_of_cursor(text: str) -> UUID:
    """Read the id in a cursor. Raises `InvalidCursor`."""
    try:
        return UUID(text)
    except ValueError:
        raise InvalidCursor from None
