"""Users: registered and listed by administrators, seen and changed by themselves."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field, StrictBool

from app.adapters.http.authentication import Caller, GuardedRoute
from app.adapters.http.errors import responses
from app.adapters.http.identity.asked import (
    NewOwnPassword,
    NewPassword,
    Password,
    Services,
    id_of_cursor,
)
from app.adapters.http.schemas import InvalidCursor, Page, PartOfList, Sent, page_of, parts_of
from app.domain.identity.errors import (
    EmailTaken,
    HasherBusy,
    InvalidUser,
    LastAdmin,
    OwnReset,
    TooManyAttempts,
    UnknownUser,
    UsernameTaken,
    WeakPassword,
    WrongPassword,
)
from app.domain.identity.users import User, UserChanges
from app.domain.principal import Role

users = APIRouter(prefix="/v1/users", tags=["users"], route_class=GuardedRoute)


class NewUser(Sent):
    """A user to register. The username is 3 to 64 of `A-Z a-z 0-9 . _ -`."""

    username: Annotated[
        str,
        Field(
            max_length=1024,
            examples=["grid-bot-7"],
            json_schema_extra={"maxLength": 64, "pattern": "^[A-Za-z0-9._-]{3,64}$"},
        ),
    ]
    email: Annotated[str | None, Field(max_length=1024)] = None
    password: NewPassword
    role: Role = Role.USER


class UserAnswer(BaseModel):
    """A user. Nothing of the password is ever shown."""

    id: UUID
    username: str
    email: str | None
    role: Role
    disabled: bool
    created_at: datetime
    password_changed_at: datetime
    password_expires_at: datetime | None
    """From when on it lets nobody in; null: never."""
    mfa_required: bool = Field(description="Whether they may do nothing without a second factor.")
    has_second_factor: bool = Field(description="Whether one is enrolled.")


def _absent() -> Any:
    """Stand for a field that was not sent, of which the document shows no default."""


class UserChange(Sent):
    """What is to become of a user. What is not sent stays; an `email` of null is removed."""

    email: Annotated[str | None, Field(max_length=1024, default_factory=_absent)]
    role: Annotated[Role, Field(default_factory=_absent)]
    disabled: Annotated[StrictBool, Field(default_factory=_absent)]
    mfa_required: Annotated[StrictBool, Field(default_factory=_absent)]


class PasswordChange(Sent):
    """One's own password, and the one to take its place."""

    current_password: Password
    new_password: NewOwnPassword


class ResetAnswer(BaseModel):
    """A code for the user, shown this once."""

    code: str = Field(examples=["ABCDE-FGHJK-LMNPQ-RSTUV-WXYZ2"])
    expires_at: datetime


def _user_answer(user: User) -> UserAnswer:
    return UserAnswer(
        id=user.id,
        username=user.username,
        email=user.email,
        role=user.role,
        disabled=user.disabled,
        created_at=user.created_at,
        password_changed_at=user.password_changed_at,
        password_expires_at=user.password_expires_at,
        mfa_required=user.mfa_required,
        has_second_factor=user.has_second_factor,
    )


@users.get("/me", summary="Who am I", responses=responses(401, 422, 503))
async def get_me(principal: Caller, services: Services) -> UserAnswer:
    """Give the user of the access token."""
    return _user_answer(await services.users.get_user_by_id(user_id=principal.user_id))


@users.post(
    "/me/password",
    summary="Change my password",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=responses(
        401, 403, 413, 422, 503, WrongPassword, WeakPassword, TooManyAttempts, HasherBusy
    ),
)
async def change_password(principal: Caller, body: PasswordChange, services: Services) -> None:
    """Change one's own password; one's other sessions end."""
    await services.users.change_password(
        principal=principal,
        current_password=body.current_password.get_secret_value(),
        new_password=body.new_password.get_secret_value(),
    )


@users.post(
    "",
    summary="Register a user",
    status_code=HTTPStatus.CREATED,
    responses=responses(
        401, 403, 413, 422, 503, UsernameTaken, EmailTaken, InvalidUser, WeakPassword, HasherBusy
    ),
)
async def create_user(body: NewUser, services: Services, response: Response) -> UserAnswer:
    """Register a user, who may log in from now on."""
    user = await services.users.create_user(
        username=body.username,
        email=body.email,
        password=body.password.get_secret_value(),
        role=body.role,
    )
    response.headers["Location"] = f"{users.prefix}/{user.id}"
    return _user_answer(user)


@users.get("", summary="List users", responses=responses(401, 403, 422, 503, InvalidCursor))
async def list_users(page: Annotated[PartOfList, Query()], services: Services) -> Page[UserAnswer]:
    """Give users in the order in which they were registered."""
    after = None if page.cursor is None else id_of_cursor(*parts_of(page.cursor, 1))
    found = await services.users.list_users(after=after, limit=page.limit + 1)
    return page_of(found, page.limit, _user_answer, lambda user: (str(user.id),))


@users.get(
    "/{user_id}", summary="Show a user", responses=responses(401, 403, 422, 503, UnknownUser)
)
async def get_user(user_id: UUID, services: Services) -> UserAnswer:
    """Give one user."""
    return _user_answer(await services.users.get_user_by_id(user_id=user_id))


@users.post(
    "/{user_id}/reset",
    summary="Reset a user's password",
    responses=responses(401, 403, 422, 503, OwnReset, UnknownUser),
)
async def reset_password(
    principal: Caller, user_id: UUID, services: Services, response: Response
) -> ResetAnswer:
    """Give a code that sets a new password at `/v1/auth/reset`, once, within the hour.

    It takes the place of an earlier one. Until it is used, nothing changes for the user. Nobody
    resets themselves: 403 `own_reset`.
    """
    issued = await services.resets.issue(user_id=user_id, by=principal.user_id)
    response.headers["Cache-Control"] = "no-store"
    return ResetAnswer(code=issued.code, expires_at=issued.expires_at)


@users.patch(
    "/{user_id}",
    summary="Change a user",
    responses=responses(401, 403, 413, 422, 503, UnknownUser, EmailTaken, LastAdmin, InvalidUser),
)
async def change_user(user_id: UUID, body: UserChange, services: Services) -> UserAnswer:
    """Change what is sent. Disabling ends all sessions; one administrator has to be left."""
    changes = cast("UserChanges", body.model_dump(exclude_unset=True))
    return _user_answer(await services.users.change_user(user_id=user_id, changes=changes))
