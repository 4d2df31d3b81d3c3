"""Logging in, staying in, logging out."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, SecretStr
from starlette.exceptions import HTTPException

from app.adapters.http.authentication import Caller, GuardedRoute
from app.adapters.http.context import client_of
from app.adapters.http.errors import responses
from app.adapters.http.identity.asked import Code, NewPassword, Password, Services, services_of
from app.adapters.http.schemas import Sent
from app.domain.identity.errors import (
    HasherBusy,
    InvalidChallenge,
    InvalidCode,
    InvalidCredentials,
    InvalidResetCode,
    InvalidToken,
    MfaRequired,
    RefreshInProgress,
    TooManyAttempts,
    WeakPassword,
)
from app.domain.identity.login_log import (
    FailReason,
)
from app.services.identity.auth_service import Login


class RecordedRoute(GuardedRoute):
    """The login's route: an attempt that is not even a request is in the login log, too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Record, then refuse."""
        handle = super().get_route_handler()

        async def recorded(request: Request) -> Response:
            try:
                return await handle(request)
            except (RequestValidationError, HTTPException) as error:
                body = getattr(error, "body", None)
                username = body.get("username") if isinstance(body, dict) else None
                await services_of(request).login_log.log_login_attempt(
                    username=username if isinstance(username, str) else "",
                    client=client_of(request),
                    reason=FailReason.MALFORMED,
                )
                raise

        return recorded


logins = APIRouter(prefix="/v1/auth", tags=["logins"], route_class=RecordedRoute)
tokens = APIRouter(prefix="/v1/auth", tags=["logins"], route_class=GuardedRoute)
sessions = APIRouter(prefix="/v1/auth", tags=["logins"], route_class=GuardedRoute)


class LoginRequest(Sent):
    """A username and its password, exactly as typed."""

    username: Annotated[str, Field(max_length=1024)]
    password: Password


class MfaRequest(Sent):
    """The challenge of a login that was answered `mfa_required`, and a code."""

    challenge: Annotated[SecretStr, Field(min_length=1, max_length=1024)]
    code: Code


class RefreshRequest(Sent):
    """The refresh token of the last answer."""

    refresh_token: Annotated[str, Field(max_length=1024)]


class ResetRequest(Sent):
    """A code that an administrator gave, with or without its dashes, in either case."""

    username: Annotated[str, Field(max_length=1024)]
    code: Annotated[SecretStr, Field(max_length=1024)]
    new_password: NewPassword


class LoginAnswer(BaseModel):
    """Tokens of a session (RFC 6749, section 5.1). `expires_in` is in seconds."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the name of a scheme
    expires_in: int
    refresh_token: str
    session_id: UUID


def _login_answer(login: Login, response: Response) -> LoginAnswer:
    response.headers["Cache-Control"] = "no-store"
    return LoginAnswer(
        access_token=login.access_token,
        expires_in=login.expires_in,
        refresh_token=login.refresh_token,
        session_id=login.session_id,
    )


@logins.post(
    "/login",
    summary="Log in",
    responses=responses(
        413, 422, 503, InvalidCredentials, MfaRequired, TooManyAttempts, HasherBusy
    ),
)
async def log_in(
    request: Request, response: Response, body: LoginRequest, services: Services
) -> LoginAnswer:
    """Open a session. Every refusal of credentials is the same, whatever the reason.

    Who has a second factor is answered 401 `mfa_required`, with a challenge for `/v1/auth/mfa`.
    """
    login = await services.auth.authenticate_user(
        username=body.username,
        password=body.password.get_secret_value(),
        client=client_of(request),
    )
    return _login_answer(login, response)


@logins.post(
    "/reset",
    summary="Set a new password by a code",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=responses(413, 422, 503, InvalidResetCode, WeakPassword, TooManyAttempts, HasherBusy),
)
async def redeem_reset(request: Request, body: ResetRequest, services: Services) -> None:
    """Set a new password; all sessions of the user end, and the code is spent.

    Nobody is logged in by it, or enabled, and a second factor stays. Every refusal of a code is
    the same, whatever the reason; a weak password leaves the code as it was.
    """
    await services.resets.redeem(
        username=body.username,
        code=body.code.get_secret_value(),
        new_password=body.new_password.get_secret_value(),
        client=client_of(request),
    )


@logins.post(
    "/mfa",
    summary="Log in with a code",
    responses=responses(413, 422, 503, InvalidChallenge, InvalidCode, TooManyAttempts),
)
async def finish_login(
    request: Request, response: Response, body: MfaRequest, services: Services
) -> LoginAnswer:
    """Open a session with a code of the second factor, or with a recovery code.

    A challenge is good once, for five minutes and five codes, and a code is good once. Refused
    are codes as `invalid_code`, and challenges that are not good any more as `invalid_challenge`.
    """
    login = await services.auth.finish_login(
        challenge=body.challenge.get_secret_value(),
        code=body.code.get_secret_value(),
        client=client_of(request),
    )
    return _login_answer(login, response)


@tokens.post(
    "/refresh",
    summary="Refresh",
    responses=responses(413, 422, 503, InvalidToken, RefreshInProgress),
)
async def refresh(
    request: Request, response: Response, body: RefreshRequest, services: Services
) -> LoginAnswer:
    """Exchange a refresh token for new tokens. It is good once; a copy used later ends the session.

    The same token again within ten seconds is answered `refresh_in_progress`.
    """
    login = await services.auth.refresh(refresh_token=body.refresh_token, client=client_of(request))
    return _login_answer(login, response)


@sessions.post(
    "/logout",
    summary="Log out",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=responses(401, 403, 422, 503),
)
async def log_out(principal: Caller, services: Services) -> None:
    """End this session; its tokens stop working at once."""
    await services.auth.log_out(principal=principal)
