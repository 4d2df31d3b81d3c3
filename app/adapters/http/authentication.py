"""Who calls: the bearer token (RFC 6750), checked before anything of the body is read."""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, Request, Response, Security
from fastapi.security import HTTPBearer
from starlette.types import Scope as AsgiScope

from app.adapters.http.access import ACCESS, BEFORE_ENROLMENT, Access
from app.adapters.http.context import Refused, address_of, afterwards, client_of, do_what_is_left
from app.adapters.http.headers import sent
from app.adapters.http.schemas import StrictRoute
from app.domain.errors import StoreUnavailable
from app.domain.identity.api_keys import API_KEY_PREFIX, KeyUse
from app.domain.principal import Principal, Scope
from app.services.identity.admission import Admission
from app.services.identity.api_key_service import ApiKeyService

_documented = HTTPBearer(
    auto_error=False,
    bearerFormat="JWT, or an API key",
    description="The access token of `POST /v1/auth/login`, or an API key, which is for bots.",
)


class GuardedRoute(StrictRoute):
    """A route that asks of its caller what `ACCESS` says; there is none that it does not name.

    FastAPI alone would read the body first: here a stranger learns nothing about it, and makes
    nobody read it.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        [method] = options["methods"]
        self.access = ACCESS[method, path]
        self.is_before_enrolment = (method, path) in BEFORE_ENROLMENT
        if self.access is not Access.PUBLIC:
            scopes = [self.access.value] if isinstance(self.access, Scope) else []
            documented = Security(_documented, scopes=scopes)
            options["dependencies"] = [documented, *(options.get("dependencies") or [])]
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put the checks before the rest."""
        handle = super().get_route_handler()
        access = self.access
        is_before_enrolment = self.is_before_enrolment

        async def guarded(request: Request) -> Response:
            if access is not Access.PUBLIC:
                admit = partial(admitted, request, access, is_before_enrolment=is_before_enrolment)
                await admit()
                request.state.admitted = admit
            return await handle(request)

        return guarded


async def admitted(
    request: Request, access: Access | Scope, *, is_before_enrolment: bool = False
) -> Principal:
    """Tell who calls, if they may. Raises `Refused` and `InvalidToken`."""
    principal = await _authenticate(request)
    request.state.principal = principal  # of those who are refused now, too
    _check(principal, access, is_before_enrolment=is_before_enrolment)
    return principal


def is_admitted(scope: AsgiScope, access: Access | Scope) -> bool:
    """Tell whether it is known who calls, and that they may."""
    admission: Admission = scope["app"].state.identity.admission
    token = _token_of(scope)
    if token is None:
        return False
    principal = (
        admission.known_by_key(key=token, ip=address_of(scope))
        if token.startswith(API_KEY_PREFIX)
        else admission.known_by_token(token=token)
    )
    if principal is None:
        return False
    scope["state"]["principal"] = principal
    try:
        _check(principal, access)
    except Refused:
        return False
    return True


def _check(
    principal: Principal, access: Access | Scope, *, is_before_enrolment: bool = False
) -> None:
    if principal.must_enrol and not is_before_enrolment:
        detail = "Enrol a second factor first: 'POST /v1/users/me/mfa'."
        raise Refused(HTTPStatus.FORBIDDEN, "mfa_enrolment_required", detail)
    if isinstance(access, Scope) and access not in principal.scopes:
        raise Refused(
            HTTPStatus.FORBIDDEN,
            "insufficient_scope",
            f"This needs the scope {access}.",
            {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{access}"'},
        )
    if access is Access.SESSION and principal.session_id is None:
        detail = "This is for those who have logged in: an API key cannot change who may act."
        raise Refused(HTTPStatus.FORBIDDEN, "session_required", detail)


async def _authenticate(request: Request) -> Principal:
    token = _token_of(request.scope)
    if token is None:
        # RFC 6750, section 3.1: who sent no token is told no error code in the header.
        detail = "Send an access token or an API key: 'Authorization: Bearer …'."
        raise Refused(HTTPStatus.UNAUTHORIZED, "missing_token", detail)
    if token.startswith(API_KEY_PREFIX):
        return await _authenticate_key(request, token)
    admission: Admission = request.app.state.identity.admission
    return await admission.by_token(token=token)


def _token_of(scope: AsgiScope) -> str | None:
    said = next(iter(sent(scope, b"authorization")), "")
    scheme, _, token = said.partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else None


async def _authenticate_key(request: Request, key: str) -> Principal:
    admission: Admission = request.app.state.identity.admission
    principal, use = await admission.by_key(key=key, ip=client_of(request).ip)
    if use is not None:
        api_keys: ApiKeyService = request.app.state.identity.api_keys
        afterwards(request, partial(_note, api_keys, use))
    return principal


async def _note(api_keys: ApiKeyService, use: KeyUse) -> None:
    with suppress(StoreUnavailable):  # then the next use is noted
        await api_keys.note_use(use=use)


async def check_again(request: Request) -> None:
    """Refuse, in the middle of a long answer, whoever would be refused now if they asked anew."""
    await request.state.admitted()
    await do_what_is_left(request)


async def _principal(request: Request) -> Principal:
    # Not a plain function: FastAPI would call that in a worker thread.
    principal: Principal = request.state.principal
    return principal


Caller = Annotated[Principal, Depends(_principal)]
"""Who calls, on a route that is not public: `GuardedRoute` has let them in."""
