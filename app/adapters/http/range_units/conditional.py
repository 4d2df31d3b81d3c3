"""Range units that are asked for again: the same, and how long they stay the same."""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Header

from app.services.range_units.range_units_service import RangeUnits

IfNoneMatch = Annotated[list[str] | None, Header(alias="If-None-Match")]

NOT_MODIFIED: Final[dict[str, Any]] = {
    "description": "What `If-None-Match` names is still the answer; there is no body.",
    "headers": {"ETag": {"schema": {"type": "string"}}},
}

_FORM: Final = 1
"""Counted up with every change of how range units are written, as the bodies change with it."""

_REMEMBERED: Final = 1024

_BRIEFLY: Final = "private, max-age=5"
"""For answers that may change at any time: a bot that asks in a loop asks its own cache."""

_FOR_EVER: Final = "private, max-age=31536000, immutable"

# A strong or weak entity tag, and a list of them (RFC 9110, sections 8.8.3 and 5.6.1).
_OPAQUE: Final = r'"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS: Final = re.compile(rf"[ \t,]*(?:W/)?{_OPAQUE}(?:[ \t]*,[ \t]*(?:(?:W/)?{_OPAQUE})?)*[ \t]*")


def validators(units: RangeUnits, *, with_last_seen: bool) -> dict[str, str]:
    """Give the headers that say which answer this is.

    A revision and its table never change, but for when it was last seen: those two make a strong
    validator without looking at the body.
    """
    revision = units.revision
    return {
        "ETag": _tag(revision.id, revision.last_seen if with_last_seen else None),
        "Cache-Control": _FOR_EVER if units.is_final else _BRIEFLY,
    }


@lru_cache(_REMEMBERED)  # bots ask about the same few all day
def _tag(revision_id: UUID, last_seen: datetime | None) -> str:
    seen = "then" if last_seen is None else f"{last_seen:%Y%m%dT%H%M%S.%f}"
    return f'"{_FORM}-{revision_id.hex}-{seen}"'


def of_a_question(units: RangeUnits) -> dict[str, str]:
    """Give those headers for what a table says of a price, which it says as long as it answers.

    The tag is weak: the age in the body goes on.
    """
    headers = validators(units, with_last_seen=True)
    return headers | {"ETag": f"W/{headers['ETag']}"}


def is_current(asked: Sequence[str] | None, etag: str) -> bool:
    """Tell whether `If-None-Match` names the answer: `*`, or its tag, compared weakly.

    What is no such list names nothing.
    """
    if asked is None:
        return False
    header = ", ".join(asked)
    if header.strip() == "*":
        return True
    return _TAGS.fullmatch(header) is not None and etag.removeprefix("W/") in re.findall(
        _OPAQUE, header
    )
