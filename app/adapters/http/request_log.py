"""One line in the log for each request: who asked for what, from where, and what came of it."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from time import perf_counter
from typing import Any, Final, NamedTuple

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.adapters.http.context import client_of

_LOGGER: Final = logging.getLogger("tickgate.request")
_METHODS: Final = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Answered(NamedTuple):
    """What became of a request, in words of which there are only so many."""

    method: str
    """`OTHER` where it is none that any route has."""
    route: str | None
    """The template of the path; None where there is no such route."""
    status: int | None
    """None where there was no answer: the request was broken off."""
    seconds: float


Tell = Callable[[Answered], object]


class RequestLog:
    """ASGI middleware, within `RequestContext`, whose ids are in each line that a request causes.

    Nothing that a client makes up is in the line: the route stands for the path, which may hold
    anything, and there is no query. The same is told to whoever counts.
    """

    def __init__(self, app: ASGIApp, *, tell: Tell) -> None:
        self._app = app
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and log it when it has been answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status: int | None = None
        began = perf_counter()  # an event loop's own clock may be as coarse as a millisecond

        async def send_seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, send_seen)
        except Exception:
            # What the client is told then, unless its answer had begun.
            status = status or HTTPStatus.INTERNAL_SERVER_ERROR.value
            _LOGGER.exception("defect", extra=_asked(scope))
            raise
        finally:
            asked = _asked(scope)
            spent = perf_counter() - began
            self._tell(Answered(asked["method"], asked["route"], status, spent))
            told = {**asked, "status": status, "duration_ms": round(spent * 1000, 2)}
            _LOGGER.info("request", extra=told)


def _asked(scope: Scope) -> dict[str, Any]:
    request = Request(scope)
    principal = getattr(request.state, "principal", None)
    return {
        "method": scope["method"] if scope["method"] in _METHODS else "OTHER",
        "route": getattr(scope.get("route"), "path", None),
        "principal": None if principal is None else str(principal.user_id),
        "client": client_of(request).ip,
    }
