from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, String, Uuid, insert, select, tuple_, update
from sqlalchemy.orm import Mapped, mapped_column

from app.adapters.sql.database import Base
from app.adapters.sql.types import UtcDateTime, code_text
from app.adapters.sql.unit_of_work import SqlTransaction
from app.domain.identity import storage
from app.domain.identity.errors import (
    AttemptNotPending,
)
from app.domain.identity.login_log import (
    FailReason,
    LoginAttempt,
    LoginLogFilter,
    LoginLogPosition,
    Outcome,
)
from app.ports.identity.login_log import LoginLog


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
