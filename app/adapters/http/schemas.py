"""What requests and answers are made of, in either area."""

import base64
import binascii
import re
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Final, Generic, TypeVar

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from app.domain.errors import ErrorKind, TickgateError
from app.domain.instants import parse_instant

T = TypeVar("T")
Found = TypeVar("Found")

_EXTRA: Final = "Extra inputs are not permitted"  # as Pydantic says it


class StrictRoute(APIRoute):
    """A route that refuses query parameters where none is documented, as they may be misspelt.

    Where some are, their model refuses the others.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Look at the query, then go on."""
        handle = super().get_route_handler()
        takes_none = not self.dependant.query_params

        async def strict(request: Request) -> Response:
            if takes_none and request.query_params:
                raise RequestValidationError(
                    [
                        {"type": "extra_forbidden", "loc": ("query", name), "msg": _EXTRA}
                        for name in request.query_params
                    ]
                )
            return await handle(request)

        return strict


class Sent(BaseModel):
    """A request: fields that are not documented are refused, as they may be misspelt."""

    model_config = ConfigDict(extra="forbid")


class Page(BaseModel, Generic[T]):
    """A part of a list. `next_cursor` asks for the next part; null: this is the last."""

    items: list[T]
    next_cursor: str | None = None


def page_of(
    found: Sequence[Found],
    limit: int,
    show: Callable[[Found], T],
    position: Callable[[Found], tuple[str, ...]],
) -> Page[T]:
    """Show `limit` of what was found; where one more was, its predecessor is the cursor."""
    shown = found[:limit]
    next_cursor = cursor_of(*position(shown[-1])) if len(found) > limit else None
    return Page(items=[show(one) for one in shown], next_cursor=next_cursor)


def written_plainly(value: object) -> object:
    """Refuse the whole numbers that Python reads but people do not write: ` 5 `, `1_0`."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,20}", value) is None:
        raise ValueError("is not a whole number")
    return value


Limit = Annotated[
    int,
    # Pydantic documents no bounds that stand after a validator.
    Field(ge=1, le=500, description="How many items at most."),
    BeforeValidator(written_plainly),
]


class PartOfList(Sent):
    """Which part of a list."""

    cursor: str | None = None
    limit: Limit = 50


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
        with suppress(ValueError):
            return parse_instant(value.replace(" ", "+"))
    raise ValueError("is not a time such as 2026-01-31T09:00:00+09:00 (RFC 3339)")


Instant = Annotated[
    datetime,
    BeforeValidator(read_instant),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
