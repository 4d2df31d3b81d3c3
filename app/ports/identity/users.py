from collections.abc import Collection
from typing import Protocol
from uuid import UUID

from app.domain.identity.users import User


class Users(Protocol):
    """Everyone who may log in, and everyone who no longer may."""

    async def add(self, *, user: User) -> None:
        """Store a new user.

        Raises `UsernameTaken` or `EmailTaken` here, not at commit, when a user with the same key
        is there, either of them when both are; a second unit of work that adds the same key waits
        for the first to end.
        """
        ...

    async def get(self, *, user_id: UUID) -> User | None:
        """Give the user of that id, or None."""
        ...

    async def by_usernames(self, *, username_keys: Collection[str]) -> dict[str, User]:
        """Give the users whose folded names are those, by these; what is nobody's is left out.

        A key that nobody can have is nobody's.
        """
        ...

    async def hold(self, *, user_id: UUID) -> User | None:
        """Give the user as `get` does, and hold them.

        Until this unit of work ends, another one that holds, or replaces, the same user waits.
        """
        ...

    async def hold_admins(self) -> list[User]:
        """Give all who have the role of administrator, disabled or not, by id, and hold them.

        They are as they are once held. Two who do this at once wait for each other, and never
        each for the other.
        """
        ...

    async def replace(self, *, user: User) -> None:
        """Store all fields of a user of the same id.

        Raises `UnknownUser` when there is none, and `UsernameTaken` or `EmailTaken` as `add`.
        """
        ...

    async def page(self, *, after: UUID | None, limit: int) -> list[User]:
        """Give users by id, ascending, beyond `after`; at most `limit`."""
        ...
