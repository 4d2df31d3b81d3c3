"""Errors on the wire: `application/problem+json` (RFC 9457), with a stable `code`."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import RouteContext, iter_route_contexts
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from app.adapters.http.context import (
    REQUEST_ID_HEADER,
    Refused,
    note_cause,
    note_refusal,
    request_id_of,
)
from app.domain.errors import ErrorKind, Fault, RateLimit, TickgateError
from app.domain.identity.errors import InvalidToken, MfaRequired

STATUS_OF_KIND: Final[dict[ErrorKind, HTTPStatus]] = {
    ErrorKind.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorKind.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    ErrorKind.FORBIDDEN: HTTPStatus.FORBIDDEN,
    ErrorKind.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorKind.CONFLICT: HTTPStatus.CONFLICT,
    ErrorKind.THROTTLED: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorKind.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}

PROBLEM: Final = "application/problem+json"
OWN_CODES: Final = "x-own-codes"
_FAULTS_SHOWN: Final = 100
_RETRY_AFTER: Final = 30  # seconds, where nothing better is known: people have to mend it
_PATH: Final = "/:@!$&'()*+,;=~"  # RFC 3986, section 3.3: what needs no escape


class FieldError(BaseModel):
    """One thing wrong with the request: where, and what."""

    field: str = Field(examples=["range_units[3].price_unit"])
    message: str = Field(examples=["is not above zero"])


class Problem(BaseModel):
    """Why a request was refused (RFC 9457). Programs go by `code`, people read `detail`."""

    type: str = "about:blank"
    title: str = Field(examples=["Unprocessable Entity"])
    status: int = Field(examples=[422])
    detail: str
    instance: str = Field(examples=["/v1/users"])
    code: str = Field(examples=["invalid_request"])
    request_id: str
    errors: list[FieldError] | None = None
    retry_after: int | None = Field(None, description="Seconds.")
    mfa_challenge: str | None = Field(
        None, description="Of `mfa_required`: to be sent with a code to `POST /v1/auth/mfa`."
    )
    expires_in: int | None = Field(None, description="Of `mfa_required`: seconds.")
    attempted: int | None = Field(None, description="Of an ingest: markets in the payload.")
    rejected: int | None = None
    rejections: list[dict[str, str]] | None = None
    refused_price: dict[str, str | int | None] | None = Field(
        None, description="Of `price_off_grid`: what `GET …/prices/{price}` says of that price."
    )
    job_id: str | None = Field(None, description="Of `sync_in_progress`: the job in the way.")


def responses(*refusals: int | type[TickgateError]) -> dict[int | str, dict[str, Any]]:
    """Document refusals of a route: statuses that its frame gives, and errors of its own.

    What the codes of those statuses are, and what a problem looks like, `openapi` adds for all
    routes alike: FastAPI would make a serializer of problems for each status of each route.
    """
    found: dict[int | str, dict[str, Any]] = {}
    for refusal in refusals:
        status = refusal if isinstance(refusal, int) else int(STATUS_OF_KIND[refusal.kind])
        response = found.setdefault(status, {OWN_CODES: {}})
        if not isinstance(refusal, int):
            response[OWN_CODES].setdefault(refusal.code, _meaning(refusal))
    return found


def _meaning(error: type[TickgateError]) -> str:
    """Give the first paragraph of what an error says of itself, in one line."""
    return " ".join((error.__doc__ or error.code).partition("\n\n")[0].split())


def install(app: FastAPI) -> None:
    """Answer every error with a problem."""
    app.add_exception_handler(TickgateError, _domain_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _defect)


def problem(  # noqa: PLR0913 - the members of a problem
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    faults: Iterable[Fault] = (),
    retry_after: int | None = None,
    rate_limit: RateLimit | None = None,
    particulars: Mapping[str, Any] | None = None,
) -> JSONResponse:
    """Make the answer."""
    note_refusal(request, code)
    request_id = request_id_of(request)
    answer_headers = {REQUEST_ID_HEADER: request_id, **(headers or {})}
    if retry_after is None and status == HTTPStatus.SERVICE_UNAVAILABLE:
        retry_after = _RETRY_AFTER
    if retry_after is not None:
        answer_headers["Retry-After"] = str(retry_after)
    if rate_limit is not None:
        answer_headers |= _rate_limit(rate_limit)
    if status == HTTPStatus.UNAUTHORIZED:
        # RFC 6750, section 3.1: only who sent a token is told an error.
        challenge = 'Bearer error="invalid_token"' if code == InvalidToken.code else "Bearer"
        answer_headers.setdefault("WWW-Authenticate", challenge)
    errors = [FieldError(field=fault.field, message=fault.message) for fault in faults]
    content = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=quote(request.scope["path"], safe=_PATH),
        code=code,
        request_id=request_id,
        errors=errors[:_FAULTS_SHOWN] or None,
        retry_after=retry_after,
        **(particulars or {}),
    )
    return JSONResponse(
        content.model_dump(exclude_none=True),
        status,
        answer_headers,
        media_type=PROBLEM,
    )


def _rate_limit(limit: RateLimit) -> dict[str, str]:
    """Write the fields of draft-ietf-httpapi-ratelimit-headers, times in whole seconds."""
    second = timedelta(seconds=1)
    return {
        "RateLimit-Policy": f'"{limit.name}";q={limit.quota};w={limit.window // second}',
        "RateLimit": f'"{limit.name}";r={limit.remaining};t={-(-limit.resets_in // second)}',
    }


async def _domain_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TickgateError)  # noqa: S101 - what this handler is registered for
    if error.kind is ErrorKind.UNAVAILABLE and error.__cause__ is not None:
        note_cause(request, error.__cause__)
    return problem(
        request,
        STATUS_OF_KIND[error.kind],
        error.code,
        error.detail,
        # The one refusal that has a secret in it.
        headers={"Cache-Control": "no-store"} if isinstance(error, MfaRequired) else None,
        faults=error.faults,
        retry_after=error.retry_after,
        rate_limit=error.rate_limit,
        particulars=error.particulars(),
    )


async def _invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - see above
    # What was sent is not shown: it may be a password.
    return _not_of_the_form(request, [_fault(found) for found in error.errors()])


def _not_of_the_form(request: Request, faults: list[Fault]) -> JSONResponse:
    detail = "The request is not of the documented form."
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    return problem(request, status, "invalid_request", detail, faults=faults)


def _fault(found: Mapping[str, Any]) -> Fault:
    if found["type"] == "json_invalid":
        return Fault("body", f"is not JSON: {found['ctx']['error']}")
    return Fault(_path(found["loc"]), found["msg"].removeprefix("Value error, "))


def _path(location: tuple[str | int, ...]) -> str:
    """Write ('body', 'prices', 3) as `prices[3]`."""
    path = ""
    for part in location[1:]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.lstrip(".") or str(location[0])


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - see above
    if error.status_code == HTTPStatus.BAD_REQUEST:
        # FastAPI's for bodies that Python cannot even try: bad UTF-8, nesting without end.
        return _not_of_the_form(request, [Fault("body", "cannot be read as JSON")])
    phrase = HTTPStatus(error.status_code).phrase
    code = error.code if isinstance(error, Refused) else phrase.lower().replace(" ", "_")
    headers = error.headers
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"Allow": _allowed(request)}
    return problem(request, error.status_code, code, error.detail, headers=headers)


def _allowed(request: Request) -> str:
    """Name every method of a URL (RFC 9110, 10.2.1); the router knows those of one route only."""
    path = request.scope["path"]
    fitting = [route for route in iter_route_contexts(request.app.routes) if _fits(route, path)]
    return ", ".join(sorted({method for route in fitting for method in route.methods or ()}))


def _fits(route: RouteContext, path: str) -> bool:
    return route.path_regex.match(path) is not None


async def _defect(request: Request, _error: Exception) -> JSONResponse:
    # Starlette raises the error again after this answer, and the server records it in full.
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return problem(request, status, "internal_error", "This is a defect of the service.")
