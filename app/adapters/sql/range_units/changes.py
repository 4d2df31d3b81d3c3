"""The feed of changes on the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, cast
from uuid import UUID

from sqlalchemy import BigInteger, Index, String, Table, Uuid, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from app.adapters.sql.database import Base
from app.adapters.sql.range_units.catalogue import columns_of
from app.adapters.sql.types import UtcDateTime, code_text
from app.adapters.sql.unit_of_work import SqlTransaction
from app.domain.range_units import storage
from app.domain.range_units.changes import Change, ChangeKind, PlacedChange
from app.domain.range_units.revisions import BEGINNING, Market
from app.ports.range_units.changes import Changes

_ONLY: Final = 1


class ChangeRow(Base):
    """A change. An unknown start is the beginning of time, as with revisions."""

    __tablename__ = "range_unit_changes"

    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    kind: Mapped[str] = mapped_column(String(16))
    exchange: Mapped[str] = mapped_column(code_text(storage.CODE))
    quote: Mapped[str] = mapped_column(code_text(storage.CODE))
    target: Mapped[str] = mapped_column(code_text(storage.CODE))
    revision_id: Mapped[UUID] = mapped_column(Uuid)
    effective_from: Mapped[datetime] = mapped_column(UtcDateTime)
    source: Mapped[str] = mapped_column(String(storage.SOURCE))
    digest: Mapped[str] = mapped_column(String(storage.DIGEST))

    __table_args__ = (Index("ix_range_unit_changes_exchange", "exchange", "position"),)


class PositionRow(Base):
    """The last position taken, in one row; whoever takes one holds it to the commit.

    A sequence would not do: it gives positions in the order of the asking, and a reader would pass
    over the one whose transaction commits after a later one's.
    """

    __tablename__ = "range_unit_change_position"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last: Mapped[int] = mapped_column(BigInteger)


_CHANGE_TABLE = cast("Table", ChangeRow.__table__)


_POSITION: Final = PositionRow.table()
_LATEST: Final = select(_POSITION.c.last).where(_POSITION.c.id == _ONLY)


class SqlChanges(Changes):
    """The changes of a database."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    async def append(self, *, changes: Sequence[Change]) -> None:
        """Take as many positions, which locks their row, and INSERT in bulk."""
        self._transaction.check()
        if not changes:
            return
        count = len(changes)
        with self._transaction.refusing():
            for change in changes:
                storage.check_change(change)
        first = await self._take(count) - count + 1
        rows = [
            {
                "position": position,
                "at": change.at,
                "kind": change.kind.value,
                **columns_of(change.market),
                "revision_id": change.revision_id,
                "effective_from": change.effective_from or BEGINNING,
                "source": change.source,
                "digest": change.digest,
            }
            for position, change in enumerate(changes, first)
        ]
        await self._transaction.execute(insert(_CHANGE_TABLE), rows)

    async def advance(self) -> None:
        """Take a position."""
        await self._take(1)

    async def _take(self, count: int) -> int:
        """Take positions, and give the last of them."""
        row = PositionRow
        statement = self._transaction.insert(row).values(id=_ONLY, last=count)
        taken = await self._transaction.execute(
            statement.on_conflict_do_update(
                index_elements=[row.id], set_={"last": row.last + count}
            ).returning(row.last)
        )
        last: int = taken.scalar_one()
        return last

    async def after(
        self, *, position: int, exchange: str | None = None, limit: int
    ) -> list[PlacedChange]:
        """SELECT beyond a primary key."""
        row = ChangeRow
        query = select(row).where(row.position > position).order_by(row.position).limit(limit)
        if exchange is not None:
            query = query.where(row.exchange == exchange)
        rows = (await self._transaction.execute(query)).scalars()
        return [PlacedChange(found.position, _change_of(found)) for found in rows]

    async def latest(self) -> int:
        """SELECT the one row."""
        return (await self._transaction.execute(_LATEST)).scalar_one_or_none() or 0


def _change_of(row: ChangeRow) -> Change:
    return Change(
        kind=ChangeKind(row.kind),
        at=row.at,
        market=Market(row.exchange, row.quote, row.target),
        revision_id=row.revision_id,
        effective_from=None if row.effective_from == BEGINNING else row.effective_from,
        source=row.source,
        digest=row.digest,
    )
