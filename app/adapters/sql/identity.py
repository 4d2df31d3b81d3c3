"""Identity on the database: users, login log and sessions."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String, Uuid, insert, select, tuple_, update
from sqlalchemy.orm import Mapped, mapped_column

from app.adapters.sql.database import Base, Sessions
from app.adapters.sql.types import UtcDateTime, code_text
from app.adapters.sql.unit_of_work import SqlTransaction
from app.domain.identity import storage
from app.domain.identity.errors import (
    AttemptNotPending,
    EmailTaken,
    UnknownUser,
    UsernameTaken,
)
from app.domain.identity.login_log import (
    FailReason,
    LoginAttempt,
    LoginLogFilter,
    LoginLogPosition,
    Outcome,
)
from app.domain.identity.sessions import RefreshToken, Session
from app.domain.identity.users import User
from app.domain.principal import Role
from app.domain.text import is_storable
from app.ports.identity import IdentityUnitOfWork, LoginLog, RefreshTokens, Users
from app.ports.identity import Sessions as SessionsPort


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


class LoginAttemptRow(Base):
    """An attempt to log in. References no user: the log outlives them, and takes strangers in."""

    __tablename__ = "login_attempts"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    username: Mapped[str] = mapped_column(String(storage.USERNAME))
    username_key: Mapped[str] = mapped_column(code_text(storage.USERNAME))
    user_id: Mapped[UUID | None] = mapped_column(Uuid)
    ip: Mapped[str | None] = mapped_column(code_text(storage.IP))
    user_agent: Mapped[str | None] = mapped_column(String(storage.USER_AGENT))
    request_id: Mapped[str | None] = mapped_column(String(storage.REQUEST_ID))
    outcome: Mapped[str] = mapped_column(String(16))
    fail_reason: Mapped[str | None] = mapped_column(String(32))
    session_id: Mapped[UUID | None] = mapped_column(Uuid)
    duration_ms: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        Index("ix_login_attempts_at", "at", "id"),
        Index("ix_login_attempts_user_id", "user_id", "at", "id"),
        Index("ix_login_attempts_username_key", "username_key", "at", "id"),
        Index("ix_login_attempts_ip", "ip", "at", "id"),
    )


class SessionRow(Base):
    """A session of a user."""

    __tablename__ = "sessions"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime] = mapped_column(UtcDateTime)
    idle_expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ip: Mapped[str | None] = mapped_column(code_text(storage.IP))
    user_agent: Mapped[str | None] = mapped_column(String(storage.USER_AGENT))
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RefreshTokenRow(Base):
    """A refresh token of a session; used ones are kept, so that a second use is recognised."""

    __tablename__ = "refresh_tokens"

    digest: Mapped[str] = mapped_column(String(storage.REFRESH_DIGEST), primary_key=True)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id"), index=True)
    issued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SqlUsers(Users):
    """The users of a database."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    async def add(self, *, user: User) -> None:
        """INSERT; the unique keys refuse duplicates."""
        with self._transaction.refusing():
            storage.check_user(user)
        await self._transaction.execute(insert(UserRow).values(_user_values(user)))

    async def get(self, *, user_id: UUID) -> User | None:
        """SELECT by primary key."""
        found = await self._transaction.execute(select(UserRow).where(UserRow.id == user_id))
        return _user(found.scalar_one_or_none())

    async def by_username(self, *, username_key: str) -> User | None:
        """SELECT by unique key."""
        self._transaction.check()
        if not is_storable(username_key, storage.USERNAME):
            return None
        query = select(UserRow).where(UserRow.username_key == username_key)
        return _user((await self._transaction.execute(query)).scalar_one_or_none())

    async def hold(self, *, user_id: UUID) -> User | None:
        """SELECT … FOR UPDATE; SQLite's writers are one at a time from their beginning."""
        query = select(UserRow).where(UserRow.id == user_id).with_for_update()
        return _user((await self._transaction.execute(query)).scalar_one_or_none())

    async def replace(self, *, user: User) -> None:
        """UPDATE by primary key."""
        with self._transaction.refusing():
            storage.check_user(user)
        statement = update(UserRow).where(UserRow.id == user.id).values(_user_values(user))
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
        return [_user_of(row) for row in rows]


def _user_values(user: User) -> dict[str, Any]:
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
    }


def _user(row: UserRow | None) -> User | None:
    return None if row is None else _user_of(row)


def _user_of(row: UserRow) -> User:
    return User(
        id=row.id,
        username=row.username,
        email=row.email,
        password_hash=row.password_hash,
        role=Role(row.role),
        disabled=row.disabled,
        created_at=row.created_at,
        password_changed_at=row.password_changed_at,
    )


class SqlLoginLog(LoginLog):
    """The login log of a database."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    async def append(self, *, attempt: LoginAttempt) -> None:
        """INSERT."""
        with self._transaction.refusing():
            storage.check_attempt(attempt)
        values = {
            "id": attempt.id,
            "at": attempt.at,
            "username": attempt.username,
            "username_key": attempt.username_key,
            "user_id": attempt.user_id,
            "ip": attempt.ip,
            "user_agent": attempt.user_agent,
            "request_id": attempt.request_id,
        }
        statement = insert(LoginAttemptRow).values(values | _settlement(attempt))
        await self._transaction.execute(statement)

    async def settle(self, *, attempt: LoginAttempt) -> None:
        """UPDATE where it is pending still."""
        statement = (
            update(LoginAttemptRow)
            .where(LoginAttemptRow.id == attempt.id)
            .where(LoginAttemptRow.outcome == Outcome.PENDING.value)
            .values(_settlement(attempt))
        )
        settled = await self._transaction.execute(statement)
        with self._transaction.refusing():
            if settled.rowcount == 0:
                raise AttemptNotPending(f"Attempt {attempt.id} is not pending.")

    async def page(
        self, *, matching: LoginLogFilter, before: LoginLogPosition | None, limit: int
    ) -> list[LoginAttempt]:
        """SELECT older than a place in the log."""
        with self._transaction.refusing():
            storage.check_filter(matching)
        row = LoginAttemptRow
        query = select(row).order_by(row.at.desc(), row.id.desc()).limit(limit)
        wanted = {
            row.user_id: matching.user_id,
            row.username_key: matching.username_key,
            row.ip: matching.ip,
            row.outcome: matching.outcome and matching.outcome.value,
            row.fail_reason: matching.fail_reason and matching.fail_reason.value,
        }
        query = query.where(*[c == value for c, value in wanted.items() if value is not None])
        if matching.since is not None:
            query = query.where(row.at >= matching.since)
        if matching.until is not None:
            query = query.where(row.at < matching.until)
        if before is not None:
            place = tuple_(before.at, before.id, types=[row.at.type, row.id.type])
            query = query.where(tuple_(row.at, row.id) < place)
        rows = (await self._transaction.execute(query)).scalars()
        return [_attempt_of(found) for found in rows]


def _settlement(attempt: LoginAttempt) -> dict[str, Any]:
    return {
        "outcome": attempt.outcome.value,
        "fail_reason": attempt.fail_reason and attempt.fail_reason.value,
        "session_id": attempt.session_id,
        "duration_ms": attempt.duration_ms,
    }


def _attempt_of(row: LoginAttemptRow) -> LoginAttempt:
    return LoginAttempt(
        id=row.id,
        at=row.at,
        username=row.username,
        username_key=row.username_key,
        user_id=row.user_id,
        ip=row.ip,
        user_agent=row.user_agent,
        request_id=row.request_id,
        outcome=Outcome(row.outcome),
        fail_reason=None if row.fail_reason is None else FailReason(row.fail_reason),
        session_id=row.session_id,
        duration_ms=row.duration_ms,
    )


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
        await self._transaction.execute(insert(SessionRow).values(values))

    async def get(self, *, session_id: UUID) -> Session | None:
        """SELECT by primary key."""
        query = select(SessionRow).where(SessionRow.id == session_id)
        row = (await self._transaction.execute(query)).scalar_one_or_none()
        if row is None:
            return None
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
        await self._transaction.execute(insert(RefreshTokenRow).values(values))

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


class SqlIdentityUnitOfWork(SqlTransaction, IdentityUnitOfWork):
    """A transaction on a database."""

    violations = {  # noqa: RUF012 - never changed, and declared so by the base class
        "uq_users_username_key": UsernameTaken,
        "users.username_key": UsernameTaken,
        "uq_users_email_key": EmailTaken,
        "users.email_key": EmailTaken,
        "fk_sessions_user_id": UnknownUser,
        # SQLite names no foreign key; no use case stores a token without its session.
        "FOREIGN KEY constraint failed": UnknownUser,
    }

    def __init__(self, sessions: Sessions) -> None:
        super().__init__(sessions)
        self.users: Users = SqlUsers(self)
        self.login_log: LoginLog = SqlLoginLog(self)
        self.sessions: SessionsPort = SqlSessions(self)
        self.refresh_tokens: RefreshTokens = SqlRefreshTokens(self)
