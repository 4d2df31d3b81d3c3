from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a list that is ordered by an instant, then by id."""

    at: datetime
    id: UUID
