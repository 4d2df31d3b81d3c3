"""Cursors of lists that are ordered by an instant, then by id."""

from uuid import UUID

from app.adapters.http.schemas import InvalidCursor, parts_of, read_instant
from app.domain.range_units.places import Place


def cursor_parts(place: Place) -> tuple[str, str]:
    """Give what a cursor of this place is made of."""
    return place.at.isoformat(), str(place.id)


def place_of(cursor: str | None) -> Place | None:
    """Read a cursor; None is before all. Raises `InvalidCursor`."""
    if cursor is None:
        return None
    at, entry_id = parts_of(cursor, 2)
    try:
        return Place(read_instant(at), UUID(entry_id))
    except ValueError:
        raise InvalidCursor from None
