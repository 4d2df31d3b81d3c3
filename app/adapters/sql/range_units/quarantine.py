"""Rejected payloads on the database."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Index, LargeBinary, String, Text, Uuid, case, delete, select, tuple_
from sqlalchemy.orm import Mapped, mapped_column

from app.adapters.sql.database import Base
from app.adapters.sql.range_units.catalogue import columns_of
from app.adapters.sql.types import UtcDateTime, code_text
from app.adapters.sql.unit_of_work import SqlTransaction
from app.domain.errors import Fault
from app.domain.range_units import notes, storage
from app.domain.range_units.places import Place
from app.domain.range_units.quarantine import Quarantined
from app.domain.range_units.revisions import Market
from app.ports.range_units.quarantine import Quarantine

_SAME: Final = ("exchange", "quote", "target", "source", "digest")


class QuarantinedRow(Base):
    """A rejected payload; its faults are JSON in ASCII, as what they quote may be any text."""

    __tablename__ = "quarantined_payloads"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    exchange: Mapped[str] = mapped_column(code_text(storage.CODE))
    quote: Mapped[str] = mapped_column(code_text(storage.CODE))
    target: Mapped[str] = mapped_column(code_text(storage.CODE))
    source: Mapped[str] = mapped_column(String(storage.SOURCE))
    digest: Mapped[str] = mapped_column(String(storage.DIGEST))
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_seen: Mapped[datetime] = mapped_column(UtcDateTime)
    times: Mapped[int]
    size: Mapped[int]
    reason: Mapped[str] = mapped_column(String(notes.NOTE))
    faults: Mapped[str] = mapped_column(Text)
    payload: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)

    __table_args__ = (
        Index("uq_quarantined_payloads_same", *_SAME, unique=True),
        Index("ix_quarantined_payloads_received", "exchange", "received_at", "id"),
    )


class SqlQuarantine(Quarantine):
    """The rejected payloads of a database."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    async def put(self, *, entry: Quarantined, payload: bytes) -> None:
        """INSERT … ON CONFLICT DO UPDATE."""
        with self._transaction.refusing():
            storage.check_quarantined(entry)
        row = QuarantinedRow
        statement = self._transaction.insert(row).values(**_values(entry), payload=payload)
        new = statement.excluded
        later = case((row.last_seen < new.last_seen, new.last_seen), else_=row.last_seen)
        await self._transaction.execute(
            statement.on_conflict_do_update(
                index_elements=list(_SAME),
                set_={"times": row.times + new.times, "last_seen": later},
            )
        )

    async def trim(self, *, exchange: str, keep: int) -> None:
        """DELETE beyond the newest."""
        row = QuarantinedRow
        newest = (
            select(row.id)
            .where(row.exchange == exchange)
            .order_by(row.received_at.desc(), row.id.desc())
            .limit(keep)
        )
        statement = delete(row).where(row.exchange == exchange, row.id.not_in(newest))
        await self._transaction.execute(statement)

    async def entry(self, *, entry_id: UUID) -> Quarantined | None:
        """SELECT by primary key, without the bytes."""
        query = select(QuarantinedRow).where(QuarantinedRow.id == entry_id)
        row = (await self._transaction.execute(query)).scalar_one_or_none()
        return None if row is None else _entry_of(row)

    async def payload(self, *, entry_id: UUID) -> bytes | None:
        """SELECT by primary key, the bytes alone."""
        query = select(QuarantinedRow.payload).where(QuarantinedRow.id == entry_id)
        return (await self._transaction.execute(query)).scalar_one_or_none()

    async def page(self, *, exchange: str, after: Place | None, limit: int) -> list[Quarantined]:
        """SELECT older than a place in the list."""
        row = QuarantinedRow
        query = select(row).where(row.exchange == exchange)
        if after is not None:
            place = tuple_(after.at, after.id, types=[row.received_at.type, row.id.type])
            query = query.where(tuple_(row.received_at, row.id) < place)
        query = query.order_by(row.received_at.desc(), row.id.desc()).limit(limit)
        return [_entry_of(found) for found in (await self._transaction.execute(query)).scalars()]


def _values(entry: Quarantined) -> dict[str, Any]:
    faults = [[fault.field, fault.message, fault.about] for fault in entry.faults]
    return {
        "id": entry.id,
        **columns_of(entry.market),
        "source": entry.source,
        "digest": entry.digest,
        "received_at": entry.received_at,
        "last_seen": entry.last_seen,
        "times": entry.times,
        "size": entry.size,
        "reason": entry.reason,
        "faults": json.dumps(faults),
    }


def _entry_of(row: QuarantinedRow) -> Quarantined:
    return Quarantined(
        id=row.id,
        market=Market(row.exchange, row.quote, row.target),
        source=row.source,
        received_at=row.received_at,
        last_seen=row.last_seen,
        times=row.times,
        digest=row.digest,
        size=row.size,
        reason=row.reason,
        faults=tuple(
            Fault(*fault)
            for fault in json.loads(row.faults, parse_float=Decimal, parse_int=Decimal)
        ),
    )
