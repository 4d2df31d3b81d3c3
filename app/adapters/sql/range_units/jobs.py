"""Jobs and their parts on the database."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ForeignKey,
    Index,
    String,
    Uuid,
    case,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.adapters.sql.database import Base
from app.adapters.sql.range_units.catalogue import ExchangeRow
from app.adapters.sql.types import UtcDateTime, code_text
from app.adapters.sql.unit_of_work import SqlTransaction
from app.domain.range_units import notes, storage
from app.domain.range_units.errors import UnknownExchange
from app.domain.range_units.jobs import (
    ACTIVE,
    PART_NOTE,
    Counts,
    Failure,
    Job,
    JobState,
    PartNote,
    PartOutcome,
    Progress,
)
from app.domain.range_units.places import Place
from app.ports.range_units.jobs import JobParts, Jobs

_IS_ACTIVE: Final = text("state IN ('queued', 'running', 'cancelling')")


class JobRow(Base):
    """A sync of an exchange, which has one at a time that has not ended."""

    __tablename__ = "sync_jobs"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    exchange: Mapped[str] = mapped_column(ForeignKey("exchanges.code"))
    state: Mapped[str] = mapped_column(String(16))
    requested_by: Mapped[str] = mapped_column(String(storage.REQUESTED_BY))
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    heartbeat: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(String(notes.NOTE))

    __table_args__ = (
        Index(
            "uq_sync_jobs_active",
            "exchange",
            unique=True,
            postgresql_where=_IS_ACTIVE,
            sqlite_where=_IS_ACTIVE,
        ),
        Index("ix_sync_jobs_requested", "requested_at", "id"),
        Index("ix_sync_jobs_of_exchange", "exchange", "requested_at", "id"),
    )


class JobPartRow(Base):
    """A part of a job, and what became of it once it was `tried`."""

    __tablename__ = "sync_job_parts"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("sync_jobs.id"), primary_key=True)
    part: Mapped[str] = mapped_column(code_text(storage.PART), primary_key=True)
    place: Mapped[int]
    tried: Mapped[bool]
    attempted: Mapped[int]
    inserted: Mapped[int]
    updated: Mapped[int]
    unchanged: Mapped[int]
    rejected: Mapped[int]
    checked: Mapped[int] = mapped_column(server_default="0")
    disagreeing: Mapped[int] = mapped_column(server_default="0")
    failure: Mapped[str | None] = mapped_column(String(notes.NOTE))
    note: Mapped[str | None] = mapped_column(String(PART_NOTE))


class SqlJobs(Jobs):
    """The syncs of a database."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    async def add(self, *, job: Job) -> None:
        """INSERT."""
        with self._transaction.refusing():
            storage.check_job(job)
        values = {"id": job.id, "exchange": job.exchange, "requested_by": job.requested_by}
        values |= {"requested_at": job.requested_at, **_changing(job)}
        await self._transaction.execute(self._transaction.insert(JobRow).values(values))

    async def active(self, *, exchange: str) -> Job | None:
        """Lock the exchange, then SELECT by the partial index."""
        locking = select(ExchangeRow.code).where(ExchangeRow.code == exchange).with_for_update()
        found = (await self._transaction.execute(locking)).scalar_one_or_none()
        with self._transaction.refusing():
            if found is None:
                raise UnknownExchange(f"There is no exchange {exchange}.")
        query = select(JobRow).where(
            JobRow.exchange == exchange, JobRow.state.in_([state.value for state in ACTIVE])
        )
        row = (await self._transaction.execute(query)).scalar_one_or_none()
        return None if row is None else _job_of(row)

    async def job(self, *, job_id: UUID) -> Job | None:
        """SELECT by primary key."""
        query = select(JobRow).where(JobRow.id == job_id)
        row = (await self._transaction.execute(query)).scalar_one_or_none()
        return None if row is None else _job_of(row)

    async def hold(self, *, job_id: UUID) -> Job | None:
        """SELECT … FOR UPDATE; on SQLite there is one writer at a time."""
        query = select(JobRow).where(JobRow.id == job_id).with_for_update()
        row = (await self._transaction.execute(query)).scalar_one_or_none()
        return None if row is None else _job_of(row)

    async def put(self, *, job: Job) -> None:
        """UPDATE."""
        with self._transaction.refusing():
            storage.check_job(job)
        statement = update(JobRow).where(JobRow.id == job.id).values(**_changing(job))
        await self._transaction.execute(statement)

    async def beat(self, *, job_id: UUID, at: datetime) -> JobState | None:
        """UPDATE … RETURNING."""
        beaten_at = literal(at, JobRow.heartbeat.type)
        later = case((JobRow.heartbeat < beaten_at, beaten_at), else_=JobRow.heartbeat)
        statement = (
            update(JobRow)
            .where(JobRow.id == job_id)
            .values(heartbeat=later)
            .returning(JobRow.state)
        )
        state = (await self._transaction.execute(statement)).scalar_one_or_none()
        return None if state is None else JobState(state)

    async def page(self, *, exchange: str | None, after: Place | None, limit: int) -> list[Job]:
        """SELECT older than a place in the list."""
        row = JobRow
        query = select(row)
        if exchange is not None:
            query = query.where(row.exchange == exchange)
        if after is not None:
            place = tuple_(after.at, after.id, types=[row.requested_at.type, row.id.type])
            query = query.where(tuple_(row.requested_at, row.id) < place)
        query = query.order_by(row.requested_at.desc(), row.id.desc()).limit(limit)
        return [_job_of(found) for found in (await self._transaction.execute(query)).scalars()]


class SqlJobParts(JobParts):
    """The parts of the syncs of a database."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    async def plan(self, *, job_id: UUID, parts: Sequence[str]) -> None:
        """INSERT … ON CONFLICT DO NOTHING."""
        with self._transaction.refusing():
            for part in parts:
                storage.check_part(part)
        if not parts:
            return
        untried = {"tried": False, "failure": None, "note": None, **_columns_of(Counts())}
        rows = [
            {"job_id": job_id, "part": part, "place": place, **untried}
            for place, part in enumerate(parts)
        ]
        statement = self._transaction.insert(JobPartRow).on_conflict_do_nothing()
        await self._transaction.execute(statement, rows)

    async def remaining(self, *, job_id: UUID) -> list[str]:
        """SELECT those without a success."""
        row = JobPartRow
        query = (
            select(row.part)
            .where(row.job_id == job_id, or_(~row.tried, row.failure.is_not(None)))
            .order_by(row.place, row.part)
        )
        return list((await self._transaction.execute(query)).scalars())

    async def record(self, *, job_id: UUID, outcome: PartOutcome) -> None:
        """UPDATE."""
        with self._transaction.refusing():
            storage.check_outcome(outcome)
        statement = (
            update(JobPartRow)
            .where(JobPartRow.job_id == job_id, JobPartRow.part == outcome.part)
            .values(
                tried=True,
                failure=outcome.failure,
                note=outcome.note,
                **_columns_of(outcome.counts),
            )
        )
        await self._transaction.execute(statement)

    async def progress(self, *, job_ids: Collection[UUID]) -> Mapping[UUID, Progress]:
        """SELECT sums, by job."""
        self._transaction.check()
        if not job_ids:
            return {}
        row = JobPartRow
        summed = [func.sum(getattr(row, name)) for name in _COUNTS]
        tried = func.sum(case((row.tried, 1), else_=0))
        query = (
            select(row.job_id, func.count(), tried, func.count(row.failure), *summed)
            .where(row.job_id.in_(job_ids))
            .group_by(row.job_id)
        )
        found: Sequence[Any] = (await self._transaction.execute(query)).all()
        return {
            job_id: Progress(Counts(*counts), parts, done, failed)
            for job_id, parts, done, failed, *counts in found
        }

    async def failures(self, *, job_id: UUID, limit: int) -> list[Failure]:
        """SELECT those that failed."""
        row = JobPartRow
        query = (
            select(row.part, row.failure)
            .where(row.job_id == job_id, row.failure.is_not(None))
            .order_by(row.place, row.part)
            .limit(limit)
        )
        found: Sequence[Any] = (await self._transaction.execute(query)).all()
        return [Failure(part, failure) for part, failure in found]

    async def notes(self, *, job_id: UUID, limit: int) -> list[PartNote]:
        """SELECT those that have one."""
        row = JobPartRow
        query = (
            select(row.part, row.note)
            .where(row.job_id == job_id, row.note.is_not(None))
            .order_by(row.place, row.part)
            .limit(limit)
        )
        found: Sequence[Any] = (await self._transaction.execute(query)).all()
        return [PartNote(part, note) for part, note in found]


_COUNTS: Final = tuple(field.name for field in fields(Counts))


def _columns_of(counts: Counts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in _COUNTS}


def _changing(job: Job) -> dict[str, Any]:
    return {
        "state": job.state.value,
        "heartbeat": job.heartbeat,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "reason": job.reason,
    }


def _job_of(row: JobRow) -> Job:
    return Job(
        id=row.id,
        exchange=row.exchange,
        state=JobState(row.state),
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        heartbeat=row.heartbeat,
        started_at=row.started_at,
        ended_at=row.ended_at,
        reason=row.reason,
    )
