from collections.abc import Collection, Sequence
from typing import Protocol

from app.domain.identity.users import User


class UserImports(Protocol):
    """Users, many at a time."""

    async def taken(self, *, keys: Collection[str]) -> frozenset[str]:
        """Give those of the keys that users have, as a username's key or as an address's.

        A key nobody can have is nobody's. That a key is free holds for this unit of work only
        where it is a store's one writer: `add_all` may be refused all the same.
        """
        ...

    async def add_all(self, *, users: Sequence[User]) -> None:
        """Store new users, of which there is one at least.

        Raises `UsernameTaken` or `EmailTaken` as `Users.add` does, also where two of them have
        the same key, and waits as that does.
        """
        ...
