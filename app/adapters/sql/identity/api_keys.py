from datetime import datetime
from ipaddress import ip_network
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text, Uuid, func, insert, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from app.adapters.sql.database import Base
from app.adapters.sql.identity.users import UserRow, user_of
from app.adapters.sql.types import UtcDateTime, code_text
from app.adapters.sql.unit_of_work import SqlTransaction
from app.domain.identity import storage
from app.domain.identity.api_keys import ApiKey
from app.domain.identity.errors import UnknownApiKey
from app.domain.identity.users import User
from app.domain.principal import Scope
from app.domain.text import check_storable
from app.ports.identity.api_keys import ApiKeys


class ApiKeyRow(Base):
    """An API key; scopes and networks as words between blanks, since they are never asked for."""

    __tablename__ = "api_keys"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(storage.API_KEY_NAME))
    scopes: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(String(storage.API_KEY_DIGEST))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    allowed_networks: Mapped[str] = mapped_column(Text)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_ip: Mapped[str | None] = mapped_column(code_text(storage.IP))
    retires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (Index("ix_api_keys_user_id", "user_id", "id"),)


class SqlApiKeys(ApiKeys):
    """The API keys of a database."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    async def add(self, *, api_key: ApiKey) -> None:
        """INSERT; the foreign key refuses unknown users."""
        with self._transaction.refusing():
            storage.check_api_key(api_key)
        await self._transaction.execute(insert(ApiKeyRow).values(_values(api_key)))

    async def with_owner(self, *, key_id: UUID) -> tuple[ApiKey, User] | None:
        """SELECT both by primary key."""
        query = (
            select(ApiKeyRow, UserRow)
            .join(UserRow, UserRow.id == ApiKeyRow.user_id)
            .where(ApiKeyRow.id == key_id)
        )
        found = (await self._transaction.execute(query)).mappings().one_or_none()
        if found is None:
            return None
        return _api_key_of(found[ApiKeyRow]), user_of(found[UserRow])

    async def hold(self, *, key_id: UUID) -> ApiKey | None:
        """SELECT … FOR UPDATE; SQLite's writers are one at a time from their beginning."""
        query = select(ApiKeyRow).where(ApiKeyRow.id == key_id).with_for_update()
        row = (await self._transaction.execute(query)).scalar_one_or_none()
        return None if row is None else _api_key_of(row)

    async def replace(self, *, api_key: ApiKey) -> None:
        """UPDATE by primary key."""
        with self._transaction.refusing():
            storage.check_api_key(api_key)
        statement = (
            update(ApiKeyRow)
            .where(ApiKeyRow.id == api_key.id, ApiKeyRow.user_id == api_key.user_id)
            .values(_values(api_key))
        )
        replaced = await self._transaction.execute(statement)
        with self._transaction.refusing():
            if replaced.rowcount == 0:
                raise UnknownApiKey(f"There is no API key {api_key.id}.")

    async def use(self, *, key_id: UUID, at: datetime, ip: str | None) -> None:
        """UPDATE by primary key."""
        with self._transaction.refusing():
            check_storable(ip, storage.IP)
        statement = update(ApiKeyRow).where(ApiKeyRow.id == key_id)
        await self._transaction.execute(statement.values(last_used_at=at, last_used_ip=ip))

    async def count_live(self, *, user_id: UUID, at: datetime) -> int:
        """SELECT count, of at most as many rows as the user ever made keys."""
        row = ApiKeyRow
        query = select(func.count()).where(
            row.user_id == user_id,
            row.revoked_at.is_(None),
            or_(row.expires_at.is_(None), row.expires_at > at),
            or_(row.retires_at.is_(None), row.retires_at > at),
        )
        count: int = (await self._transaction.execute(query)).scalar_one()
        return count

    async def page(self, *, user_id: UUID | None, before: UUID | None, limit: int) -> list[ApiKey]:
        """SELECT below an id."""
        query = select(ApiKeyRow).order_by(ApiKeyRow.id.desc()).limit(limit)
        if user_id is not None:
            query = query.where(ApiKeyRow.user_id == user_id)
        if before is not None:
            query = query.where(ApiKeyRow.id < before)
        rows = (await self._transaction.execute(query)).scalars()
        return [_api_key_of(row) for row in rows]


def _values(api_key: ApiKey) -> dict[str, Any]:
    return {
        "id": api_key.id,
        "user_id": api_key.user_id,
        "name": api_key.name,
        "scopes": " ".join(sorted(api_key.scopes)),
        "digest": api_key.digest,
        "created_at": api_key.created_at,
        "expires_at": api_key.expires_at,
        "allowed_networks": " ".join(map(str, api_key.allowed_networks)),
        "last_used_at": api_key.last_used_at,
        "last_used_ip": api_key.last_used_ip,
        "retires_at": api_key.retires_at,
        "revoked_at": api_key.revoked_at,
    }


def _api_key_of(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        user_id=row.user_id,
        name=row.name,
        scopes=frozenset(map(Scope, row.scopes.split())),
        digest=row.digest,
        created_at=row.created_at,
        expires_at=row.expires_at,
        allowed_networks=tuple(map(ip_network, row.allowed_networks.split())),
        last_used_at=row.last_used_at,
        last_used_ip=row.last_used_ip,
        retires_at=row.retires_at,
        revoked_at=row.revoked_at,
    )
