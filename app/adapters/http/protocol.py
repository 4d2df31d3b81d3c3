"""What the server answers by itself: requests that it cannot read, or that are too large to."""

import json
import logging
from http import HTTPStatus
from typing import Final

from uvicorn.protocols.http.auto import AutoHTTPProtocol

_LOGGER: Final = logging.getLogger("tickgate.request")
HEAD_LIMIT: Final = 64 * 1024
"""Bytes of a request's target and headers, and of trailers; httptools itself knows no limit."""


def _answer(status: HTTPStatus, code: str, detail: str) -> bytes:
    told = {"type": "about:blank", "title": status.phrase, "status": status}
    body = json.dumps({**told, "detail": detail, "code": code}).encode("ascii")
    return (
        b"HTTP/1.1 %d %s\r\n"
        b"content-type: application/problem+json\r\n"
        b"content-length: %d\r\n"
        b"connection: close\r\n\r\n"
        b"%s" % (status, status.phrase.encode("ascii"), len(body), body)
    )


_ANSWERS: Final = {
    code: _answer(status, code, detail)
    for status, code, detail in (
        (HTTPStatus.BAD_REQUEST, "malformed_http", "This is not a request of HTTP/1.1."),
        (
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers_too_large",
            "The target and the headers of a request may have 64 KiB together.",
        ),
    )
}


class _TooLarge(Exception):
    """There are more headers than a request may have."""


class _Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type] # whichever there is
    """The server's protocol: httptools' where that is installed, which it is by default.

    Nothing of what was sent is repeated. The answer has no `request_id`, as there is no request.
    """

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: who asks for another protocol may, and is answered in this one."""

    def shutdown(self) -> None:
        """Close when all is answered, and hang up shortly before the server cancels what is not.

        The server closes no connection whose client asks on, or does not read what it is told, and
        what it cancels then would wait for that client once more.
        """
        super().shutdown()
        patience = self.config.timeout_graceful_shutdown
        if patience is not None:
            self.loop.call_later(max(patience - 1, patience / 2), self.transport.abort)

    def send_400_response(self, _reason: str) -> None:
        """Answer with a problem, and hang up."""
        self.refuse("malformed_http")

    def refuse(self, code: str) -> None:
        """Answer with this problem, and hang up; log where it came from, as the server does not.

        That is the socket's peer: what a proxy says of others could not be read.
        """
        client = self.client[0] if self.client else None
        _LOGGER.warning(code, extra={"client": client})
        self.transport.write(_ANSWERS[code])
        self.transport.close()


class _Measured(_Protocol):
    """Httptools' protocol, with a limit to what it keeps of a request before anyone looks at it.

    What the parser has called back with is counted exactly. It keeps a header that is not complete
    to itself: of that, what was received since it last called.
    """

    _counted = _pending = 0
    _has_called = False

    def data_received(self, data: bytes) -> None:
        """Parse, and refuse what has grown too large."""
        self._has_called = False
        super().data_received(data)
        self._pending = 0 if self._has_called else self._pending + len(data)
        is_large = self._counted + self._pending > HEAD_LIMIT
        if self._pending and is_large and not self.transport.is_closing():
            self.refuse("headers_too_large")

    def send_400_response(self, reason: str) -> None:
        """Tell what is too large from what is malformed: both end the parser."""
        if self._counted > HEAD_LIMIT:
            self.refuse("headers_too_large")
        else:
            super().send_400_response(reason)

    def on_message_begin(self) -> None:
        """Count anew."""
        self._counted = 0
        self._has_called = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count the target, which may come in parts."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header, or a trailer."""
        self._count(len(name) + len(value) + len(b": \r\n"))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin the request."""
        self._has_called = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, which has a limit of its own."""
        self._has_called = True
        super().on_body(body)

    def _count(self, size: int) -> None:
        self._has_called = True
        self._counted += size
        if self._counted > HEAD_LIMIT:
            raise _TooLarge


# Where httptools cannot be installed there is h11, which has a limit, and other callbacks.
HttpProtocol: Final = _Measured if hasattr(AutoHTTPProtocol, "on_header") else _Protocol
