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

    def send_400_response(self, _reason: str) -> None:
        """Answer with a problem, and hang up; log where it came from, which the server does not.

        That is the socket's peer: what a proxy says of others could not be read.
        """
        client = self.client[0] if self.client else None
        _LOGGER.warning(_PROBLEM["code"], extra={"client": client})
        self.transport.write(_ANSWER)
        self.transport.close()
