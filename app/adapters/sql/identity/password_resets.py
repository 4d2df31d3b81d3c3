from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from app.adapters.sql.database import Base
from app.adapters.sql.types import UtcDateTime
from app.adapters.sql.unit_of_work import SqlTransaction
from app.domain.identity import storage
from app.domain.identity.password_resets import PasswordReset
from app.ports.identity.password_resets import PasswordResets


class PasswordResetRow(Base):
    """The reset of a user, of which there is one at most."""

    __tablename__ = "password_resets"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(String(storage.RESET_DIGEST))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SqlPasswordResets(PasswordResets):
    """The resets of a database."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    async def put(self, *, reset: PasswordReset) -> None:
        """INSERT … ON CONFLICT DO UPDATE; the foreign key refuses unknown users."""
        with self._transaction.refusing():
            storage.check_password_reset(reset)
        news = {
            "digest": reset.digest,
            "created_at": reset.created_at,
            "expires_at": reset.expires_at,
        }
        statement = self._transaction.insert(PasswordResetRow)
        statement = statement.values(user_id=reset.user_id, **news)
        await self._transaction.execute(
            statement.on_conflict_do_update(index_elements=["user_id"], set_=news)
        )

    async def hold(self, *, user_id: UUID) -> PasswordReset | None:
        """SELECT … FOR UPDATE; SQLite's writers are one at a time from their beginning.

        Postgres finds none where the one that was waited for is removed, and another has been put
        in its place: that one only a second look sees.
        """
        query = select(PasswordResetRow).where(PasswordResetRow.user_id == user_id)
        query = query.with_for_update()
        row = (await self._transaction.execute(query)).scalar_one_or_none()
        if row is None and not self._transaction.is_sqlite:
            row = (await self._transaction.execute(query)).scalar_one_or_none()
        if row is None:
            return None
        return PasswordReset(row.user_id, row.digest, row.created_at, row.expires_at)

    async def remove(self, *, user_id: UUID) -> None:
        """DELETE by primary key."""
        statement = delete(PasswordResetRow).where(PasswordResetRow.user_id == user_id)
        await self._transaction.execute(statement)
