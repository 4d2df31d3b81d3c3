from collections.abc import Collection, Sequence
from itertools import islice
from typing import Final

from sqlalchemy import insert, or_, select

from app.adapters.sql.identity.users import UserRow, user_values
from app.adapters.sql.unit_of_work import SqlTransaction
from app.domain.identity import storage
from app.domain.identity.users import User
from app.domain.text import is_storable
from app.ports.identity.user_imports import UserImports

# Each key is a parameter twice, of which a statement may have some 32,000.
_AT_ONCE: Final = 10_000


class SqlUserImports(UserImports):
    """The users of a database, many at a time."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    async def taken(self, *, keys: Collection[str]) -> frozenset[str]:
        """SELECT by unique keys."""
        self._transaction.check()
        asked = frozenset(key for key in keys if is_storable(key, storage.EMAIL))
        found: set[str | None] = set()
        rest = iter(asked)
        while some := list(islice(rest, _AT_ONCE)):
            query = select(UserRow.username_key, UserRow.email_key)
            query = query.where(or_(UserRow.username_key.in_(some), UserRow.email_key.in_(some)))
            for row in await self._transaction.execute(query):
                found.update(row)
        return frozenset(key for key in asked if key in found)

    async def add_all(self, *, users: Sequence[User]) -> None:
        """INSERT, once for all; the unique keys refuse duplicates."""
        with self._transaction.refusing():
            for user in users:
                storage.check_user(user)
        await self._transaction.execute(insert(UserRow), [user_values(user) for user in users])
