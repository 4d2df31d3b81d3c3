"""What surrounds every request: its id, its client, and a bound on its body."""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from app.adapters.http.client_address import client_address
from app.adapters.http.headers import sent
from app.adapters.http.trace import trace_of
from app.domain.identity.login_log import Client
from app.ports.ids import Ids

REQUEST_ID_HEADER: Final = "X-Request-ID"

_LOGGER: Final = logging.getLogger("tickgate.request")
# Shorter than any token or key, which somebody may send in its place: it is logged as it comes.
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,40}")
_LARGE_BODIES: Final = "/v1/exchanges/"


class Refused(HTTPException):
    """A refusal that only HTTP knows, with a code."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, headers)
        self.code = code


class RequestContext:
    """ASGI middleware: gives each request an id, and refuses bodies over a limit.

    Whatever is logged meanwhile has that id, and the trace that the request belongs to. What was
    left to be done `afterwards` is done once the client has its answer.

    A well-formed `X-Request-ID` of the client is kept. The limit, in bytes, is `payload_limit`
    where range units and prices come in bulk, and `body_limit` elsewhere. It shows where the body
    is read, as a 413, so that a route can record it.
    """

    def __init__(self, app: ASGIApp, *, ids: Ids, body_limit: int, payload_limit: int) -> None:
        self._app = app
        self._ids = ids
        self._body_limit = body_limit
        self._payload_limit = payload_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wanted = sent(scope, b"x-request-id")
        is_kept = bool(wanted) and _REQUEST_ID.fullmatch(wanted[0])
        request_id = wanted[0] if is_kept else str(self._ids.new_id())
        left: list[Callable[[], Awaitable[None]]] = []
        scope.setdefault("state", {}).update(request_id=request_id, left=left)
        is_large = scope["path"].startswith(_LARGE_BODIES)
        limit = self._payload_limit if is_large else self._body_limit
        read = 0

        async def receive_bounded() -> Message:
            nonlocal read
            announced = next(iter(sent(scope, b"content-length")), "")
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit or (announced.isdecimal() and int(announced[:20]) > limit):
                detail = f"The body is larger than {limit} bytes."
                raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", detail)
            return message

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        trace = trace_of(scope)
        said = bind_contextvars(request_id=request_id, **(trace._asdict() if trace else {}))
        try:
            await self._app(scope, receive_bounded, send_with_id)
            try:
                await _do_all(left)
            except Exception:
                # The client has its answer: nobody but the log is left to be told.
                _LOGGER.exception("What was left to do after an answer has failed.")
        finally:
            reset_contextvars(**said)


def request_id_of(request: Request) -> str:
    """Give the id of a request."""
    return str(request.state.request_id)


def afterwards(request: Request, work: Callable[[], Awaitable[None]]) -> None:
    """Leave something to be done when the request has been answered, unless by a defect."""
    request.state.left.append(work)


async def do_what_is_left(request: Request) -> None:
    """Do it now: an answer that goes on for days is no reason to put it off, or to heap it up."""
    await _do_all(request.state.left)


async def _do_all(left: list[Callable[[], Awaitable[None]]]) -> None:
    while left:
        await left.pop(0)()


def note_refusal(request: Request, code: str) -> None:
    """Note by which code a request is refused, for the line that is logged of it."""
    request.state.code = code


def note_cause(request: Request, error: BaseException) -> None:
    """Note what kind of error is at the bottom of this one, for the same line.

    Its text is left out: that is a library's, and may quote anything.
    """
    while error.__cause__ is not None:
        error = error.__cause__
    request.state.cause = type(error).__name__


def client_of(request: Request) -> Client:
    """Give whom a request comes from, and what it says of itself."""
    return Client(
        ip=address_of(request.scope),
        user_agent=request.headers.get("user-agent"),
        request_id=request_id_of(request),
    )


def address_of(scope: Scope) -> str | None:
    """Give the address that a request comes from, as far as it can be believed."""
    peer = scope.get("client")
    forwarded_for = sent(scope, b"x-forwarded-for")
    return client_address(peer and peer[0], forwarded_for, scope["app"].state.trusted_proxies)
