"""One line in the log for each request: who asked for what, from where, and what came of it."""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from time import perf_counter
from typing import Any, Final, NamedTuple
from uuid import UUID

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.types import FilteringBoundLogger

from app.adapters.http.context import address_of
from app.domain.principal import Principal

_LOGGER: Final = logging.getLogger("tickgate.request")
_METHODS: Final = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_DEFECT: Final = "internal_error"


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
    anything, and there is no query. Of a path there is its id, where that has the form of ours; of
    a refusal its code, which is one of those that are documented, and of a 503 the kind of error
    that was its cause.
    """

    def __init__(self, app: ASGIApp, *, log: FilteringBoundLogger, tell: Tell) -> None:
        self._app = app
        self._log = log
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and log it when it has been answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status: int | None = None
        is_defect = False
        began = perf_counter()  # an event loop's own clock may be as coarse as a millisecond

        async def send_seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, send_seen)
        except Exception:
            is_defect = True
            # What the client is told then, unless its answer had begun.
            status = status or HTTPStatus.INTERNAL_SERVER_ERROR.value
            _LOGGER.exception("defect", extra=_asked(scope))
            raise
        finally:
            asked = _asked(scope)
            spent = perf_counter() - began
            self._tell(Answered(asked["method"], asked["route"], status, spent))
            state = scope["state"]
            self._log.info(
                "request",
                **asked,
                status=status,
                duration_ms=round(spent * 1000, 2),
                code=_DEFECT if is_defect else state.get("code"),
                cause=None if is_defect else state.get("cause"),
            )


def _asked(scope: Scope) -> dict[str, Any]:
    principal: Principal | None = scope["state"].get("principal")
    return {
        "method": scope["method"] if scope["method"] in _METHODS else "OTHER",
        "route": getattr(scope.get("route"), "path", None),
        "object": _object(scope.get("path_params", {})),
        "principal": _id(principal.user_id if principal else None),
        "session": _id(principal.session_id if principal else None),
        "api_key": _id(principal.api_key_id if principal else None),
        "client": address_of(scope),
    }


def _id(known: UUID | None) -> str | None:
    return None if known is None else str(known)


def _object(path_params: Mapping[str, Any]) -> str | None:
    """Give the id that a path has, spelled anew; None where it is none that could be ours."""
    for name, value in path_params.items():
        if name.endswith("_id"):
            with suppress(ValueError):
                return str(UUID(str(value)))
    return None
