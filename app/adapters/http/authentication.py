"""Who calls: the bearer token (RFC 6750), checked before anything of the body is read."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.adapters.http.context import Refused
from app.adapters.http.schemas import StrictRoute
from app.domain.principal import Principal, Scope
from app.services.identity.auth_service import AuthService

_documented = HTTPBearer(
    auto_error=False,
    bearerFormat="JWT",
    description="The access token of `POST /v1/auth/login`.",
)


class GuardedRoute(StrictRoute):
    """A route for authenticated callers only, with the scope that its principal is declared by.

    FastAPI alone would read the body first: here a stranger learns nothing about it, and makes
    nobody read it.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put the checks before the rest."""
        handle = super().get_route_handler()
        calls = [dependency.call for dependency in self.dependant.dependencies]
        scopes = [call.scope for call in calls if isinstance(call, Allowed)]

        async def guarded(request: Request) -> Response:
            principal = await _authenticate(request)
            for scope in scopes:
                _check(principal, scope)
            request.state.principal = principal
            return await handle(request)

        return guarded


async def _authenticate(request: Request) -> Principal:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        # RFC 6750, section 3.1: who sent no token is told no error code in the header.
        detail = "Send an access token: 'Authorization: Bearer …'."
        raise Refused(HTTPStatus.UNAUTHORIZED, "missing_token", detail)
    auth: AuthService = request.app.state.identity.auth
    return await auth.authenticate_token(token=token.strip())


async def _principal(
    request: Request,
    _: Annotated[HTTPAuthorizationCredentials | None, Depends(_documented)],
) -> Principal:
    principal: Principal = request.state.principal
    return principal


def _check(principal: Principal, scope: Scope) -> None:
    if scope not in principal.scopes:
        raise Refused(
            HTTPStatus.FORBIDDEN,
            "insufficient_scope",
            f"This needs the scope {scope}.",
            {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
        )


@dataclass(frozen=True, slots=True)
class Allowed:
    """The dependency that gives the principal, and declares the scope it must have."""

    scope: Scope

    async def __call__(self, principal: Annotated[Principal, Depends(_principal)]) -> Principal:
        """Give what `GuardedRoute` has checked."""
        return principal


Anyone = Annotated[Principal, Depends(_principal)]
"""Any authenticated caller, about what is their own."""

Reader = Annotated[Principal, Depends(Allowed(Scope.RANGE_UNITS_READ))]
Writer = Annotated[Principal, Depends(Allowed(Scope.RANGE_UNITS_WRITE))]
UsersAdmin = Annotated[Principal, Depends(Allowed(Scope.USERS_ADMIN))]
LogReader = Annotated[Principal, Depends(Allowed(Scope.LOGIN_LOG_READ))]
