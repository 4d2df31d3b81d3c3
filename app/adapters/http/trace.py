"""Which trace a request belongs to: W3C Trace Context, as its caller sends it."""

import re
from typing import Final, NamedTuple

from starlette.types import Scope

from app.adapters.http.headers import sent

TRACE: Final = "trace"
"""Where whoever makes spans leaves the `Trace` of a request, in the state of its scope."""

# Version, trace id, parent id, flags; neither id is all zeros. Later versions may say more.
_TRACEPARENT: Final = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-[!-~]*)?"
)


class Trace(NamedTuple):
    """Where a request is in a trace, each id in hexadecimal digits."""

    trace_id: str
    span_id: str
    """Of the span that was made for the request here, or else of its caller's."""


def trace_of(scope: Scope) -> Trace | None:
    """Give the trace that a request was put into here, or else the one that its caller names."""
    known: Trace | None = scope.get("state", {}).get(TRACE)
    if known is not None:
        return known
    named = sent(scope, b"traceparent")
    found = _TRACEPARENT.fullmatch(named[0]) if len(named) == 1 else None
    if found is None or (found[1] == "00" and found[4]):
        return None
    return Trace(found[2], found[3])
