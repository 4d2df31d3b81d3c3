from collections.abc import Collection
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Index, Row, String, Uuid, bindparam, false, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from app.adapters.sql.database import Base
from app.adapters.sql.types import UtcDateTime, code_text, is_one_of
from app.adapters.sql.unit_of_work import SqlTransaction
from app.domain.identity import storage
from app.domain.identity.errors import (
    UnknownUser,
)
from app.domain.identity.users import User
from app.domain.principal import Role
from app.domain.text import is_storable
from app.ports.identity.users import Users


class UserRow(Base):
    """A user."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    username: Mapped[str] = mapped_column(String(storage.USERNAME))
    username_key: Mapped[str] = mapped_column(code_text(storage.USERNAME), unique=True)
    email: Mapped[str | None] = mapped_column(String(storage.EMAIL))
    email_key: Mapped[str | None] = mapped_column(code_text(storage.EMAIL), unique=True)
    password_hash: Mapped[str] = mapped_column(String(storage.PASSWORD_HASH))
    role: Mapped[str] = mapped_column(String(16))
    disabled: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    password_changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    password_expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    mfa_required: Mapped[bool] = mapped_column(server_default=false())
    has_second_factor: Mapped[bool] = mapped_column(server_default=false())


_IS_ADMIN = UserRow.role == Role.ADMIN.value
# There are few among many.
Index("ix_users_admins", UserRow.id, sqlite_where=_IS_ADMIN, postgresql_where=_IS_ADMIN)


_USERS: Final = UserRow.table()
_KEY: Final = _USERS.c.username_key
_BY_USERNAMES_ON_POSTGRES: Final = select(_USERS).where(is_one_of(_KEY, "keys"))
_BY_USERNAMES_ON_SQLITE: Final = select(_USERS).where(_KEY.in_(bindparam("keys", expanding=True)))
_GET: Final = select(_USERS).where(_USERS.c.id == bindparam("user_id"))
_HOLD: Final = _GET.with_for_update()


class SqlUsers(Users):
    """The users of a database."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    async def add(self, *, user: User) -> None:
        """INSERT; the unique keys refuse duplicates."""
        with self._transaction.refusing():
            storage.check_user(user)
        await self._transaction.execute(insert(UserRow).values(user_values(user)))

    async def get(self, *, user_id: UUID) -> User | None:
        """SELECT by primary key."""
        return _user((await self._transaction.execute(_GET, {"user_id": user_id})).one_or_none())

    async def by_usernames(self, *, username_keys: Collection[str]) -> dict[str, User]:
        """SELECT by unique key."""
        self._transaction.check()
        keys = [key for key in username_keys if is_storable(key, storage.USERNAME)]
        if not keys:
            return {}
        is_sqlite = self._transaction.is_sqlite
        select_users = _BY_USERNAMES_ON_SQLITE if is_sqlite else _BY_USERNAMES_ON_POSTGRES
        found = await self._transaction.execute(select_users, {"keys": keys})
        return {row.username_key: user_of(row) for row in found}

    async def hold(self, *, user_id: UUID) -> User | None:
        """SELECT … FOR UPDATE; SQLite's writers are one at a time from their beginning."""
        return _user((await self._transaction.execute(_HOLD, {"user_id": user_id})).one_or_none())

    async def hold_admins(self) -> list[User]:
        """SELECT … FOR UPDATE, which locks in the order in which it sorts."""
        query = select(UserRow).where(_IS_ADMIN).order_by(UserRow.id).with_for_update()
        return [user_of(row) for row in (await self._transaction.execute(query)).scalars()]

    async def replace(self, *, user: User) -> None:
        """UPDATE by primary key."""
        with self._transaction.refusing():
            storage.check_user(user)
        statement = update(UserRow).where(UserRow.id == user.id).values(user_values(user))
        replaced = await self._transaction.execute(statement)
        with self._transaction.refusing():
            if replaced.rowcount == 0:
                raise UnknownUser(f"There is no user {user.id}.")

    async def page(self, *, after: UUID | None, limit: int) -> list[User]:
        """SELECT beyond a primary key."""
        query = select(UserRow).order_by(UserRow.id).limit(limit)
        if after is not None:
            query = query.where(UserRow.id > after)
        rows = (await self._transaction.execute(query)).scalars()
        return [user_of(row) for row in rows]


def user_values(user: User) -> dict[str, Any]:
    """Give every column of a user."""
    return {
        "id": user.id,
        "username": user.username,
        "username_key": user.username_key,
        "email": user.email,
        "email_key": user.email_key,
        "password_hash": user.password_hash,
        "role": user.role.value,
        "disabled": user.disabled,
        "created_at": user.created_at,
        "password_changed_at": user.password_changed_at,
        "password_expires_at": user.password_expires_at,
        "mfa_required": user.mfa_required,
        "has_second_factor": user.has_second_factor,
    }


def _user(row: UserRow | Row[Any] | None) -> User | None:
    return None if row is None else user_of(row)


def user_of(row: UserRow | Row[Any]) -> User:
    """Give the user that a row holds."""
    return User(
        id=row.id,
        username=row.username,
        email=row.email,
        password_hash=row.password_hash,
        role=Role(row.role),
        disabled=row.disabled,
        created_at=row.created_at,
        password_changed_at=row.password_changed_at,
        password_expires_at=row.password_expires_at,
        mfa_required=row.mfa_required,
        has_second_factor=row.has_second_factor,
    )
