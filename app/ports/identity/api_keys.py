from datetime import datetime
from typing import Protocol
from uuid import UUID

from app.domain.identity.api_keys import ApiKey
from app.domain.identity.users import User


class ApiKeys(Protocol):
    """Every API key that was made, over or not."""

    async def add(self, *, api_key: ApiKey) -> None:
        """Store a new key. Its user is known: raises `UnknownUser` otherwise."""
        ...

    async def with_owner(self, *, key_id: UUID) -> tuple[ApiKey, User] | None:
        """Give the key of that id, over or not, and its user, as both are at one time; or None."""
        ...

    async def hold(self, *, key_id: UUID) -> ApiKey | None:
        """Give the key of that id, or None.

        Until this unit of work ends, another one that holds, replaces or uses the same key waits,
        and then sees what this one left.
        """
        ...

    async def replace(self, *, api_key: ApiKey) -> None:
        """Store all fields of a key of the same id and user; raises `UnknownApiKey` if none is."""
        ...

    async def use(self, *, key_id: UUID, at: datetime, ip: str | None) -> None:
        """Store when and from where a key was last used, as told; unknown ids pass."""
        ...

    async def count_live(self, *, user_id: UUID, at: datetime) -> int:
        """Count the keys of a user that are live at that time."""
        ...

    async def page(self, *, user_id: UUID | None, before: UUID | None, limit: int) -> list[ApiKey]:
        """Give keys of a user, or of everyone, by id, descending, below `before`.

        At most `limit`. As ids are time-ordered, the newest come first.
        """
        ...
