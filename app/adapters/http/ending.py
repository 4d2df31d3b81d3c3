"""The end of the process, as its clients see it: told in time, and no request cut off."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from anyio import CancelScope
from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.adapters.http.errors import problem
from app.domain.errors import ErrorKind, TickgateError

_RETRY_AFTER = 1  # seconds: the next replica, or this one once it has started again


class Stopping(TickgateError):
    """The process is about to end, and cannot do it any more."""

    kind = ErrorKind.UNAVAILABLE
    code = "stopping"


class Ending:
    """How far the process is on its way out.

    Once it has been told to stop, it says that it is not ready, and each answer asks its client to
    connect anew, which then leads elsewhere. Once it is late, whatever has not been answered is
    cancelled, and says so: a write that was on its way is wholly there or not at all, as ever.
    """

    def __init__(self) -> None:
        self._is_told = False
        self._is_late = False
        self._running: set[CancelScope] = set()

    @property
    def is_told(self) -> bool:
        """Whether the process has been told to stop."""
        return self._is_told

    def tell(self) -> None:
        """Say that the process has been told to stop."""
        self._is_told = True

    def hurry(self) -> None:
        """Say that it cannot wait for any request any longer."""
        self._is_told = self._is_late = True
        for scope in self._running:
            scope.cancel()

    @contextmanager
    def bounded(self) -> Iterator[CancelScope]:
        """Cancel a block when it is late."""
        with CancelScope() as scope:
            if self._is_late:
                scope.cancel()
            self._running.add(scope)
            try:
                yield scope
            finally:
                self._running.discard(scope)

    def refuse_when_told(self) -> None:
        """Raise the refusal that says so, once the process has been told to stop."""
        if self._is_told:
            raise Stopping("The service is about to stop.", retry_after=_RETRY_AFTER)


class AnswersInTime:
    """ASGI middleware, within `RequestLog`: no request outlives what `Ending` allows.

    An answer that has begun and is not complete by then breaks off, so that nobody takes it for
    whole; any other is a 503.
    """

    def __init__(self, app: ASGIApp, *, ending: Ending) -> None:
        self._app = app
        self._ending = ending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def send_seen(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start" and self._ending.is_told:
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)  # which waits, before it begins, for a client that does not read
            has_begun = True

        with self._ending.bounded() as bound:
            await self._app(scope, receive, send_seen)
        if bound.cancelled_caught and not has_begun:
            answer = problem(
                Request(scope),
                HTTPStatus.SERVICE_UNAVAILABLE,
                Stopping.code,
                "The service stops, and broke this off: what it was to change may have been done.",
                retry_after=_RETRY_AFTER,
            )
            await answer(scope, receive, send_seen)
