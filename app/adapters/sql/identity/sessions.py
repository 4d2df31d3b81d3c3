from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Row, String, Uuid, bindparam, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from app.adapters.sql.database import Base
from app.adapters.sql.types import UtcDateTime, code_text
from app.adapters.sql.unit_of_work import SqlTransaction
from app.domain.identity import storage
from app.domain.identity.sessions import RefreshToken, Session
from app.domain.text import is_storable
from app.ports.identity.sessions import RefreshTokens
from app.ports.identity.sessions import Sessions as SessionsPort


class SessionRow(Base):
    """A session of a user."""

    __tablename__ = "sessions"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime] = mapped_column(UtcDateTime)
    idle_expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ip: Mapped[str | None] = mapped_column(code_text(storage.IP))
    user_agent: Mapped[str | None] = mapped_column(String(storage.USER_AGENT))
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


# What is asked by user is asked of those that have not ended: the others only grow in number.
Index(
    "ix_sessions_not_ended",
    SessionRow.user_id,
    SessionRow.id,
    sqlite_where=SessionRow.ended_at.is_(None),
    postgresql_where=SessionRow.ended_at.is_(None),
)


class RefreshTokenRow(Base):
    """A refresh token of a session; used ones are kept, so that a second use is recognised."""

    __tablename__ = "refresh_tokens"

    digest: Mapped[str] = mapped_column(String(storage.REFRESH_DIGEST), primary_key=True)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id"), index=True)
    issued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


_SESSIONS: Final = SessionRow.table()
_GET_SESSION: Final = select(_SESSIONS).where(_SESSIONS.c.id == bindparam("session_id"))
_ADD_SESSION: Final = insert(_SESSIONS)
_ADD_TOKEN: Final = insert(RefreshTokenRow.table())


class SqlSessions(SessionsPort):
    """The sessions of a database."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    async def add(self, *, session: Session) -> None:
        """INSERT; the foreign key refuses unknown users."""
        with self._transaction.refusing():
            storage.check_session(session)
        values = {
            "id": session.id,
            "user_id": session.user_id,
            "created_at": session.created_at,
            "last_used_at": session.last_used_at,
            "idle_expires_at": session.idle_expires_at,
            "expires_at": session.expires_at,
            "ip": session.ip,
            "user_agent": session.user_agent,
            "ended_at": session.ended_at,
        }
        await self._transaction.execute(_ADD_SESSION, values)

    async def get(self, *, session_id: UUID) -> Session | None:
        """SELECT by primary key."""
        found = await self._transaction.execute(_GET_SESSION, {"session_id": session_id})
        row = found.one_or_none()
        return None if row is None else _session_of(row)

    async def use(self, *, session_id: UUID, at: datetime, idle_expires_at: datetime) -> None:
        """UPDATE by primary key."""
        statement = (
            update(SessionRow)
            .where(SessionRow.id == session_id)
            .values(last_used_at=at, idle_expires_at=idle_expires_at)
        )
        await self._transaction.execute(statement)

    async def end(self, *, session_id: UUID, at: datetime) -> bool:
        """UPDATE where it has not ended."""
        statement = (
            update(SessionRow)
            .where(SessionRow.id == session_id, SessionRow.ended_at.is_(None))
            .values(ended_at=at)
        )
        return (await self._transaction.execute(statement)).rowcount > 0

    async def end_all(self, *, user_id: UUID, except_id: UUID | None, at: datetime) -> int:
        """UPDATE where they have not ended."""
        statement = (
            update(SessionRow)
            .where(SessionRow.user_id == user_id, SessionRow.ended_at.is_(None))
            .values(ended_at=at)
        )
        if except_id is not None:
            statement = statement.where(SessionRow.id != except_id)
        return (await self._transaction.execute(statement)).rowcount

    async def page_of_user(
        self, *, user_id: UUID, now: datetime, before: UUID | None, limit: int
    ) -> list[Session]:
        """SELECT below a primary key."""
        query = (
            select(SessionRow)
            .where(
                SessionRow.user_id == user_id,
                SessionRow.ended_at.is_(None),
                SessionRow.idle_expires_at > now,
                SessionRow.expires_at > now,
            )
            .order_by(SessionRow.id.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(SessionRow.id < before)
        return [_session_of(row) for row in (await self._transaction.execute(query)).scalars()]


def _session_of(row: SessionRow | Row[Any]) -> Session:
    return Session(
        id=row.id,
        user_id=row.user_id,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        idle_expires_at=row.idle_expires_at,
        expires_at=row.expires_at,
        ip=row.ip,
        user_agent=row.user_agent,
        ended_at=row.ended_at,
    )


class SqlRefreshTokens(RefreshTokens):
    """The refresh tokens of a database."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    async def add(self, *, token: RefreshToken) -> None:
        """INSERT."""
        with self._transaction.refusing():
            storage.check_refresh_token(token)
        values = {
            "digest": token.digest,
            "session_id": token.session_id,
            "issued_at": token.issued_at,
            "used_at": token.used_at,
        }
        await self._transaction.execute(_ADD_TOKEN, values)

    async def hold(self, *, digest: str) -> RefreshToken | None:
        """SELECT … FOR UPDATE; SQLite's writers are one at a time from their beginning."""
        self._transaction.check()
        if not is_storable(digest, storage.REFRESH_DIGEST):
            return None
        query = select(RefreshTokenRow).where(RefreshTokenRow.digest == digest).with_for_update()
        row = (await self._transaction.execute(query)).scalar_one_or_none()
        if row is None:
            return None
        return RefreshToken(row.digest, row.session_id, row.issued_at, row.used_at)

    async def use(self, *, digest: str, at: datetime) -> None:
        """UPDATE by primary key."""
        self._transaction.check()
        if not is_storable(digest, storage.REFRESH_DIGEST):
            return
        statement = update(RefreshTokenRow).where(RefreshTokenRow.digest == digest)
        await self._transaction.execute(statement.values(used_at=at))
