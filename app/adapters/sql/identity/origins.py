from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import Executable, Index, String, Uuid, bindparam, case, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from app.adapters.sql.database import Base
from app.adapters.sql.types import UtcDateTime, code_text, unnested
from app.adapters.sql.unit_of_work import SqlTransaction
from app.domain.identity import storage
from app.domain.identity.origins import Familiarity
from app.domain.text import is_storable
from app.ports.identity.origins import Origins


class _Kind(StrEnum):
    NETWORK = "network"
    CLIENT = "client"


class LoginOriginRow(Base):
    """A network or a client that a user has succeeded with: when last, and when before that."""

    __tablename__ = "login_origins"

    user_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    kind: Mapped[str] = mapped_column(String(8), primary_key=True)
    origin: Mapped[str] = mapped_column(code_text(storage.ORIGIN), primary_key=True)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)
    before_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (Index("ix_login_origins_last_at", "last_at"),)


_ORIGINS: Final = LoginOriginRow.table()
_LAST_SUCCESSES: Final = select(_ORIGINS.c.user_id, _ORIGINS.c.origin, _ORIGINS.c.last_at).where(
    _ORIGINS.c.kind == _Kind.NETWORK.value
)
_ASKED: Final = unnested("asked", users=Uuid(), networks=String())
_LAST_SUCCESSES_ON_POSTGRES: Final = _LAST_SUCCESSES.where(
    _ORIGINS.c.user_id == _ASKED.c.users, _ORIGINS.c.origin == _ASKED.c.networks
)
_LAST_SUCCESSES_ON_SQLITE: Final = _LAST_SUCCESSES.where(
    tuple_(_ORIGINS.c.user_id, _ORIGINS.c.origin).in_(bindparam("pairs", expanding=True))
)


def _see(insert: postgresql.Insert | sqlite.Insert) -> Executable:
    latest = case(
        (insert.excluded.last_at > _ORIGINS.c.last_at, insert.excluded.last_at),
        else_=_ORIGINS.c.last_at,
    )
    return insert.on_conflict_do_update(
        index_elements=[_ORIGINS.c.user_id, _ORIGINS.c.kind, _ORIGINS.c.origin],
        set_={"before_at": _ORIGINS.c.last_at, "last_at": latest},
    ).returning(_ORIGINS.c.kind, _ORIGINS.c.before_at)


_SEE_ON_POSTGRES: Final = _see(postgresql.insert(_ORIGINS))
_SEE_ON_SQLITE: Final = _see(sqlite.insert(_ORIGINS))


class SqlOrigins(Origins):
    """The origins of a database."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    async def see(
        self, *, user_id: UUID, network: str | None, client: str | None, at: datetime
    ) -> Familiarity:
        """INSERT … ON CONFLICT DO UPDATE; the row itself remembers what it was before.

        Reading first would let two that are the first at once both find nothing.
        """
        with self._transaction.refusing():
            storage.check_origin(network)
            storage.check_origin(client)
        # Always in this order, so that two of a user cannot wait for each other.
        seen = {_Kind.NETWORK: network, _Kind.CLIENT: client}
        values = [
            {"user_id": user_id, "kind": kind.value, "origin": origin, "last_at": at}
            for kind, origin in seen.items()
            if origin is not None
        ]
        if not values:
            return Familiarity()
        see = _SEE_ON_SQLITE if self._transaction.is_sqlite else _SEE_ON_POSTGRES
        found = await self._transaction.execute(see, values)
        before = {each.kind: each.before_at for each in found}
        return Familiarity(before.get(_Kind.NETWORK), before.get(_Kind.CLIENT))

    async def last_successes(
        self, *, pairs: Collection[tuple[UUID, str]]
    ) -> dict[tuple[UUID, str], datetime]:
        """SELECT by primary keys."""
        self._transaction.check()
        asked = [pair for pair in pairs if is_storable(pair[1], storage.ORIGIN)]
        if not asked:
            return {}
        if self._transaction.is_sqlite:
            found = await self._transaction.execute(_LAST_SUCCESSES_ON_SQLITE, {"pairs": asked})
        else:
            parameters = {
                "users": [user_id for user_id, _ in asked],
                "networks": [network for _, network in asked],
            }
            found = await self._transaction.execute(_LAST_SUCCESSES_ON_POSTGRES, parameters)
        return {(row.user_id, row.origin): row.last_at for row in found}
