"""What the server answers by itself: a request that is not HTTP, and never becomes one of ours."""

import json
import logging
from http import HTTPStatus
from typing import Final

from uvicorn.protocols.http.auto import AutoHTTPProtocol

_LOGGER: Final = logging.getLogger("tickgate.request")
_PROBLEM: Final = {
    "type": "about:blank",
    "title": HTTPStatus.BAD_REQUEST.phrase,
    "status": HTTPStatus.BAD_REQUEST,
    "detail": "This is not a request of HTTP/1.1.",
    "code": "malformed_http",
}
_BODY: Final = json.dumps(_PROBLEM).encode("ascii")
_ANSWER: Final = (
    b"HTTP/1.1 400 Bad Request\r\n"
    b"content-type: application/problem+json\r\n"
    b"content-length: %d\r\n"
    b"connection: close\r\n\r\n"
    b"%s" % (len(_BODY), _BODY)
)


class HttpProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type] # whichever there is
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
        """Answer with a problem, and hang up; log where it came from, which the server does not.

        That is the socket's peer: what a proxy says of others could not be read.
        """
        client = self.client[0] if self.client else None
        _LOGGER.warning(_PROBLEM["code"], extra={"client": client})
        self.transport.write(_ANSWER)
        self.transport.close()
