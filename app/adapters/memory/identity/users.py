from collections.abc import Collection
from uuid import UUID

from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.store import MemoryTransaction
from app.domain.errors import TickgateError
from app.domain.identity.errors import (
    EmailTaken,
    UnknownUser,
    UsernameTaken,
)
from app.domain.identity.storage import (
    check_user,
)
from app.domain.identity.users import User
from app.domain.principal import Role
from app.ports.identity.users import Users


class MemoryUsers(Users):
    """The users of a `MemoryStore`."""

    def __init__(self, transaction: MemoryTransaction[IdentityState]) -> None:
        self._transaction = transaction

    async def add(self, *, user: User) -> None:
        """Keep the user, unless a key is taken."""
        async with self._transaction.statement(writes=True) as rows:
            check_user(user)
            self._check_unique(rows, user)
            rows.users[user.id] = user

    async def get(self, *, user_id: UUID) -> User | None:
        """Look the id up."""
        async with self._transaction.statement() as rows:
            return rows.users.get(user_id)

    async def by_usernames(self, *, username_keys: Collection[str]) -> dict[str, User]:
        """Look through all keys."""
        async with self._transaction.statement() as rows:
            return {
                user.username_key: user
                for user in rows.users.values()
                if user.username_key in username_keys
            }

    async def hold(self, *, user_id: UUID) -> User | None:
        """Look the id up as a writer: there is one at a time."""
        async with self._transaction.statement(writes=True) as rows:
            return rows.users.get(user_id)

    async def hold_admins(self) -> list[User]:
        """Sort by id, as a writer: there is one at a time."""
        async with self._transaction.statement(writes=True) as rows:
            admins = [user for user in rows.users.values() if user.role is Role.ADMIN]
            return sorted(admins, key=lambda user: user.id)

    async def replace(self, *, user: User) -> None:
        """Keep the user in place of the one of that id."""
        async with self._transaction.statement(writes=True) as rows:
            check_user(user)
            if user.id not in rows.users:
                raise UnknownUser(f"There is no user {user.id}.")
            self._check_unique(rows, user)
            rows.users[user.id] = user

    async def page(self, *, after: UUID | None, limit: int) -> list[User]:
        """Sort by id."""
        async with self._transaction.statement() as rows:
            ids = sorted(key for key in rows.users if after is None or key > after)
            return [rows.users[key] for key in ids[:limit]]

    def _check_unique(self, rows: IdentityState, user: User) -> None:
        others = [other for other in rows.users.values() if other.id != user.id]
        taken: list[TickgateError] = []
        if any(other.username_key == user.username_key for other in others):
            taken.append(UsernameTaken("That username is taken."))
        if user.email_key is not None and any(
            other.email_key == user.email_key for other in others
        ):
            taken.append(EmailTaken("That e-mail address is taken."))
        if taken:
            raise self._transaction.chance.choice(taken)
