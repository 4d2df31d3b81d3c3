import hashlib
from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Executable,
    Uuid,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.adapters.sql.database import Base
from app.adapters.sql.types import UtcDateTime, code_text, is_one_of
from app.adapters.sql.unit_of_work import SqlTransaction
from app.domain.identity import storage
from app.domain.identity.throttle import Taken
from app.ports.identity.throttle import SlotsOfGuesses, Throttle


class ThrottleSlotRow(Base):
    """A slot that a guess has taken. The primary key is the order in which they are counted."""

    __tablename__ = "throttle_slots"

    key: Mapped[str] = mapped_column(code_text(storage.THROTTLE_KEY), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    guess_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    taken_at: Mapped[datetime] = mapped_column(UtcDateTime)
    pending: Mapped[bool]


_SLOTS: Final = ThrottleSlotRow.table()
_HAS_FAILED: Final = or_(
    _SLOTS.c.pending.is_(False), _SLOTS.c.taken_at < bindparam("pending_since")
)
_HOLD: Final = select(
    func.pg_advisory_xact_lock(
        func.unnest(bindparam("numbers", type_=ARRAY(BigInteger))).column_valued("number")
    )
)
_TAKEN: Final = (
    select(
        _SLOTS.c.key,
        func.count().filter(_HAS_FAILED),
        func.count().filter(~_HAS_FAILED),
        func.min(_SLOTS.c.expires_at).filter(_HAS_FAILED),
    )
    .where(_SLOTS.c.expires_at > bindparam("now"))
    .group_by(_SLOTS.c.key)
)
_TAKEN_ON_POSTGRES: Final = _TAKEN.where(is_one_of(_SLOTS.c.key, "keys"))
_TAKEN_ON_SQLITE: Final = _TAKEN.where(_SLOTS.c.key.in_(bindparam("keys", expanding=True)))
_TAKE: Final = insert(_SLOTS)
_IS: Final = and_(
    _SLOTS.c.key == bindparam("its_key"),
    _SLOTS.c.expires_at == bindparam("its_end"),
    _SLOTS.c.guess_id == bindparam("its_guess"),
)
_KEEP: Final = update(_SLOTS).where(_IS).values(pending=False)
_GIVE_BACK: Final = delete(_SLOTS).where(_IS)


class SqlThrottle(Throttle):
    """The slots of a database."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    async def hold(self, *, keys: Collection[str]) -> None:
        """Take advisory locks, in one order; SQLite's writers are one at a time anyway.

        The order is that of the keys, backwards: everyone's quota comes last, so that nobody has
        it while they wait for a lock of somebody in particular. Locks on rows would need a row for
        each key, and leave a dead one behind at every guess.
        """
        with self._transaction.refusing():
            storage.check_throttle_keys(keys)
        if self._transaction.is_sqlite or not keys:
            return
        ordered = dict.fromkeys(_number(key) for key in sorted(keys, reverse=True))
        await self._transaction.execute(_HOLD, {"numbers": list(ordered)})

    async def taken(
        self, *, keys: Collection[str], now: datetime, pending_since: datetime
    ) -> dict[str, Taken]:
        """SELECT … GROUP BY key."""
        with self._transaction.refusing():
            storage.check_throttle_keys(keys)
        parameters = {"keys": list(keys), "now": now, "pending_since": pending_since}
        count = _TAKEN_ON_SQLITE if self._transaction.is_sqlite else _TAKEN_ON_POSTGRES
        found = map(tuple, await self._transaction.execute(count, parameters))
        taken = {key: Taken(failed, pending, frees) for key, failed, pending, frees in found}
        return {key: taken.get(key, Taken()) for key in keys}

    async def take(self, *, slots: SlotsOfGuesses, at: datetime) -> None:
        """INSERT, in one round trip."""
        with self._transaction.refusing():
            places = _places(slots)
        values = [
            {"key": key, "expires_at": end, "guess_id": guess, "taken_at": at, "pending": True}
            for key, end, guess in places
        ]
        if values:
            await self._transaction.execute(_TAKE, values)

    async def keep(self, *, slots: SlotsOfGuesses) -> None:
        """UPDATE by primary keys, in one round trip."""
        await self._settle(_KEEP, slots)

    async def give_back(self, *, slots: SlotsOfGuesses) -> None:
        """DELETE by primary keys, in one round trip."""
        await self._settle(_GIVE_BACK, slots)

    async def _settle(self, statement: Executable, slots: SlotsOfGuesses) -> None:
        with self._transaction.refusing():
            places = _places(slots)
        each = [{"its_key": key, "its_end": end, "its_guess": guess} for key, end, guess in places]
        if each:
            await self._transaction.execute(statement, each)

    async def prune(self, *, now: datetime, limit: int) -> int:
        """DELETE of some, passing over those that somebody else is at."""
        row = ThrottleSlotRow
        key = tuple_(row.key, row.expires_at, row.guess_id)
        expired = select(row.key, row.expires_at, row.guess_id).where(row.expires_at <= now)
        expired = expired.limit(limit).with_for_update(skip_locked=True)
        pruned = await self._transaction.execute(delete(row).where(key.in_(expired)))
        return pruned.rowcount


def _places(slots: SlotsOfGuesses) -> list[tuple[str, datetime, UUID]]:
    places = [(slot.key, slot.expires_at, guess) for guess in slots for slot in slots[guess]]
    storage.check_throttle_keys(key for key, _, _ in places)
    return places


def _number(key: str) -> int:
    """Give the lock of a key; two that share one wait for each other without need."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), signed=True)
