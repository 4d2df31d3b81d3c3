"""What requests and answers are made of, in either area."""

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Annotated, Final, Generic, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)

from app.domain.errors import ErrorKind, TickgateError

T = TypeVar("T")

_RFC_3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


class Sent(BaseModel):
    """A request: fields that are not documented are refused, as they may be misspelt."""

    model_config = ConfigDict(extra="forbid")


class Page(BaseModel, Generic[T]):
    """A part of a list. `next_cursor` asks for the next part; null: this is the last."""

    items: list[T]
    next_cursor: str | None = None


Limit = Annotated[int, Field(ge=1, le=500, description="How many items at most.")]


class InvalidCursor(TickgateError):
    """A cursor that this service did not give."""

    kind = ErrorKind.INVALID
    code = "invalid_cursor"

    def __init__(self) -> None:
        super().__init__("The cursor is not one that this service gave.")


def cursor_of(*parts: str) -> str:
    """Write a position in a list as one opaque word."""
    return base64.urlsafe_b64encode("\n".join(parts).encode()).decode().rstrip("=")


def parts_of(cursor: str, count: int) -> list[str]:
    """Read a cursor of `count` parts. Raises `InvalidCursor`."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        parts = base64.b64decode(padded, altchars=b"-_", validate=True).decode().split("\n")
    except (binascii.Error, UnicodeError, ValueError):
        raise InvalidCursor from None
    if len(parts) != count:
        raise InvalidCursor
    return parts


def read_instant(value: object) -> datetime:
    """Read RFC 3339 with an offset, to the microsecond, as UTC."""
    if isinstance(value, str):
        # In a query, an unescaped + arrives as a blank, and nothing else can be meant by it.
        value = value.replace(" ", "+")
        if _RFC_3339.fullmatch(value):
            try:
                return datetime.fromisoformat(value.upper()).astimezone(UTC)
            except (ValueError, OverflowError):
                pass
    raise ValueError("is not a time such as 2026-01-31T09:00:00+09:00 (RFC 3339)")


Instant = Annotated[
    datetime,
    BeforeValidator(read_instant),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
