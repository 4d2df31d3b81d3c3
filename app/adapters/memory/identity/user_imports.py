from collections.abc import Collection, Sequence

from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.store import MemoryTransaction
from app.domain.errors import TickgateError
from app.domain.identity.errors import EmailTaken, UsernameTaken
from app.domain.identity.storage import check_user
from app.domain.identity.users import User
from app.ports.identity.user_imports import UserImports


class MemoryUserImports(UserImports):
    """The users of a `MemoryStore`, many at a time."""

    def __init__(self, transaction: MemoryTransaction[IdentityState]) -> None:
        self._transaction = transaction

    async def taken(self, *, keys: Collection[str]) -> frozenset[str]:
        """Look through all keys."""
        async with self._transaction.statement() as rows:
            usernames, emails = _keys(rows)
            return frozenset(keys) & (usernames | emails)

    async def add_all(self, *, users: Sequence[User]) -> None:
        """Keep the users, unless a key is taken."""
        async with self._transaction.statement(writes=True) as rows:
            usernames, emails = _keys(rows)
            for user in users:
                check_user(user)
            for user in users:
                refusals: list[TickgateError] = []
                if user.username_key in usernames:
                    refusals.append(UsernameTaken("That username is taken."))
                if user.email_key in emails:
                    refusals.append(EmailTaken("That e-mail address is taken."))
                if refusals:
                    raise self._transaction.chance.choice(refusals)
                usernames.add(user.username_key)
                if user.email_key is not None:
                    emails.add(user.email_key)
                rows.users[user.id] = user


def _keys(rows: IdentityState) -> tuple[set[str], set[str]]:
    users = rows.users.values()
    return (
        {user.username_key for user in users},
        {user.email_key for user in users if user.email_key is not None},
    )
