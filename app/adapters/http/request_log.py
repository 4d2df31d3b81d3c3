"""One line in the log for each request: who asked for what, from where, and what came of it."""

import logging
import re
from typing import Any, Final

import anyio
from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.adapters.http.context import client_of

_LOGGER: Final = logging.getLogger("tickgate.request")
# W3C Trace Context, level 1: version, trace id, parent id, flags; neither id is all zeros.
_TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}"
)
_METHODS: Final = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_DEFECT: Final = 500


class RequestLog:
    """ASGI middleware, within `RequestContext`.

    Nothing that a client makes up is in the line but the request id and the trace, whose forms are
    checked: the route stands for the path, which may hold anything, and there is no query.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and log it when it has been answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = _DEFECT
        began = anyio.current_time()

        async def send_seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, send_seen)
        except Exception:
            _LOGGER.exception("defect", extra=_told(scope))
            raise
        finally:
            spent = round((anyio.current_time() - began) * 1000, 1)
            _LOGGER.info("request", extra={**_told(scope), "status": status, "duration_ms": spent})


def _told(scope: Scope) -> dict[str, Any]:
    request = Request(scope)
    route = scope.get("route")
    principal = getattr(request.state, "principal", None)
    told = {
        "request_id": request.state.request_id,
        "method": scope["method"] if scope["method"] in _METHODS else "OTHER",
        "route": getattr(route, "path", None),
        "principal": None if principal is None else str(principal.user_id),
        "client": client_of(request).ip,
    }
    trace = _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
    return told if trace is None else {**told, "trace_id": trace[1], "parent_id": trace[2]}
