from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Integer,
    String,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.adapters.sql.database import Base
from app.adapters.sql.types import UtcDateTime
from app.adapters.sql.unit_of_work import SqlTransaction
from app.domain.identity import storage
from app.domain.identity.second_factor import MfaChallenge, SecondFactor
from app.domain.text import is_storable
from app.ports.identity.second_factor import MfaChallenges, SecondFactors


class SecondFactorRow(Base):
    """The second factor of a user."""

    __tablename__ = "second_factors"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    sealed_secret: Mapped[str] = mapped_column(String(storage.SEALED_SECRET))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_step: Mapped[int | None] = mapped_column(BigInteger)


class RecoveryCodeRow(Base):
    """A recovery code of a user; used ones are kept until they are replaced."""

    __tablename__ = "recovery_codes"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(String(storage.MFA_DIGEST), primary_key=True)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class MfaChallengeRow(Base):
    """A login that lacks a code."""

    __tablename__ = "mfa_challenges"

    digest: Mapped[str] = mapped_column(String(storage.MFA_DIGEST), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    password_changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    wrong_codes: Mapped[int] = mapped_column(Integer)


class SqlSecondFactors(SecondFactors):
    """The second factors of a database."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    async def put(self, *, factor: SecondFactor) -> None:
        """INSERT, or UPDATE where there is one; the foreign key refuses unknown users."""
        with self._transaction.refusing():
            storage.check_second_factor(factor)
        values = {
            "sealed_secret": factor.sealed_secret,
            "created_at": factor.created_at,
            "confirmed_at": factor.confirmed_at,
            "last_step": factor.last_step,
        }
        row = SecondFactorRow
        statement = self._transaction.insert(row).values(user_id=factor.user_id, **values)
        await self._transaction.execute(
            statement.on_conflict_do_update(index_elements=[row.user_id], set_=values)
        )

    async def get(self, *, user_id: UUID) -> SecondFactor | None:
        """SELECT by primary key."""
        query = select(SecondFactorRow).where(SecondFactorRow.user_id == user_id)
        row = (await self._transaction.execute(query)).scalar_one_or_none()
        if row is None:
            return None
        return SecondFactor(
            user_id=row.user_id,
            sealed_secret=row.sealed_secret,
            created_at=row.created_at,
            confirmed_at=row.confirmed_at,
            last_step=row.last_step,
        )

    async def use_step(self, *, user_id: UUID, step: int) -> bool:
        """UPDATE where it is later; a second one waits for the row, and compares then."""
        row = SecondFactorRow
        statement = (
            update(row)
            .where(row.user_id == user_id, or_(row.last_step.is_(None), row.last_step < step))
            .values(last_step=step)
        )
        return (await self._transaction.execute(statement)).rowcount > 0

    async def remove(self, *, user_id: UUID) -> bool:
        """DELETE both."""
        await self._forget_codes(user_id)
        statement = delete(SecondFactorRow).where(SecondFactorRow.user_id == user_id)
        return (await self._transaction.execute(statement)).rowcount > 0

    async def put_recovery_codes(self, *, user_id: UUID, digests: Sequence[str]) -> None:
        """DELETE, then INSERT all of them in one statement."""
        with self._transaction.refusing():
            storage.check_recovery_codes(digests)
        await self._forget_codes(user_id)
        if digests:
            rows = [{"user_id": user_id, "digest": digest} for digest in digests]
            await self._transaction.execute(insert(RecoveryCodeRow), rows)

    async def use_recovery_code(self, *, user_id: UUID, digest: str, at: datetime) -> bool:
        """UPDATE where it is unused; a second one waits for the row, and looks again then."""
        self._transaction.check()
        if not is_storable(digest, storage.MFA_DIGEST):
            return False
        row = RecoveryCodeRow
        statement = (
            update(row)
            .where(row.user_id == user_id, row.digest == digest, row.used_at.is_(None))
            .values(used_at=at)
        )
        return (await self._transaction.execute(statement)).rowcount > 0

    async def count_recovery_codes(self, *, user_id: UUID) -> int:
        """SELECT count(*)."""
        row = RecoveryCodeRow
        query = (
            select(func.count())
            .select_from(row)
            .where(row.user_id == user_id, row.used_at.is_(None))
        )
        counted: int = (await self._transaction.execute(query)).scalar_one()
        return counted

    async def _forget_codes(self, user_id: UUID) -> None:
        statement = delete(RecoveryCodeRow).where(RecoveryCodeRow.user_id == user_id)
        await self._transaction.execute(statement)


class SqlMfaChallenges(MfaChallenges):
    """The challenges of a database."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    async def add(self, *, challenge: MfaChallenge) -> None:
        """INSERT; the foreign key refuses unknown users."""
        with self._transaction.refusing():
            storage.check_challenge(challenge)
        values = {
            "digest": challenge.digest,
            "user_id": challenge.user_id,
            "password_changed_at": challenge.password_changed_at,
            "created_at": challenge.created_at,
            "expires_at": challenge.expires_at,
            "used_at": challenge.used_at,
            "wrong_codes": challenge.wrong_codes,
        }
        await self._transaction.execute(insert(MfaChallengeRow).values(values))

    async def hold(self, *, digest: str) -> MfaChallenge | None:
        """SELECT … FOR UPDATE; SQLite's writers are one at a time from their beginning."""
        self._transaction.check()
        if not is_storable(digest, storage.MFA_DIGEST):
            return None
        query = select(MfaChallengeRow).where(MfaChallengeRow.digest == digest).with_for_update()
        row = (await self._transaction.execute(query)).scalar_one_or_none()
        if row is None:
            return None
        return MfaChallenge(
            digest=row.digest,
            user_id=row.user_id,
            password_changed_at=row.password_changed_at,
            created_at=row.created_at,
            expires_at=row.expires_at,
            used_at=row.used_at,
            wrong_codes=row.wrong_codes,
        )

    async def replace(self, *, challenge: MfaChallenge) -> None:
        """UPDATE by primary key."""
        self._transaction.check()
        if not is_storable(challenge.digest, storage.MFA_DIGEST):
            return
        statement = (
            update(MfaChallengeRow)
            .where(MfaChallengeRow.digest == challenge.digest)
            .values(used_at=challenge.used_at, wrong_codes=challenge.wrong_codes)
        )
        await self._transaction.execute(statement)

    async def remove_expired(self, *, user_id: UUID, until: datetime) -> int:
        """DELETE by user and time."""
        row = MfaChallengeRow
        statement = delete(row).where(row.user_id == user_id, row.expires_at <= until)
        return (await self._transaction.execute(statement)).rowcount
