from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Uuid, column, delete, select, table, text, tuple_

from app.adapters.sql.identity.origins import LoginOriginRow
from app.adapters.sql.types import UtcDateTime
from app.adapters.sql.unit_of_work import SqlTransaction
from app.ports.identity.upkeep import LoginLogUpkeep

# One of many processes at a time; «tickmont», as a lock that nobody else takes.
_ALONE: Final = f"PERFORM pg_advisory_xact_lock({0x7469636B6D6F6E74});"

# A partition that is created as one at once would lock the whole log; attached, it locks the
# default partition only, as no row may come into that which the new one is for. Those that did
# move over.
_MAKE: Final = f"""
DO $$
DECLARE first timestamptz; after timestamptz; name text;
BEGIN
    {_ALONE}
    FOREACH first IN ARRAY ARRAY[{{months}}]::timestamptz[] LOOP
        after := (first AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
        name := to_char(first AT TIME ZONE 'UTC', '"login_attempts_"YYYY_MM');
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE login_attempts INCLUDING ALL)', name);
        LOCK TABLE login_attempts_default IN ACCESS EXCLUSIVE MODE;
        EXECUTE format(
            'WITH moved AS (DELETE FROM login_attempts_default WHERE at >= %L AND at < %L'
            ' RETURNING *) INSERT INTO %I SELECT * FROM moved', first, after, name);
        EXECUTE format(
            'ALTER TABLE login_attempts ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            name, first, after);
    END LOOP;
END $$
"""  # noqa: S608 - of constants, and of dates below
# Dropping has to wait for all who read or write the log, and whoever comes later waits behind it:
# so it waits for moments only, and is tried again another time.
_DROP: Final = f"""
DO $$
DECLARE name text;
BEGIN
    {_ALONE}
    PERFORM set_config('lock_timeout', '2s', true);
    FOR name IN
        SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'login_attempts'::regclass AND relname ~ '_[0-9]{{{{4}}}}_[0-9]{{{{2}}}}$'
        AND to_date(right(relname, 7), 'YYYY_MM') + interval '1 month'
            <= '{{before}}'::timestamptz AT TIME ZONE 'UTC'
        ORDER BY relname
    LOOP
        EXECUTE format('DROP TABLE %I', name);
    END LOOP;
END $$
"""  # noqa: S608 - of constants, and of dates below


class SqlLoginLogUpkeep(LoginLogUpkeep):
    """The upkeep of a database: partitions on Postgres, deletions on SQLite."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    async def make_months(self, *, months: Sequence[datetime]) -> None:
        """CREATE TABLE and ATTACH PARTITION, where there are partitions."""
        self._transaction.check()
        if not self._transaction.is_sqlite:
            listed = ", ".join(f"'{month.isoformat()}'" for month in months)
            await self._transaction.execute(text(_MAKE.format(months=listed)))

    async def prune(self, *, before: datetime, limit: int) -> bool:
        """DELETE by primary key; where nothing is left to delete, DROP TABLE by month."""
        is_sqlite = self._transaction.is_sqlite
        log = table(
            "login_attempts" if is_sqlite else "login_attempts_default",
            column("at", UtcDateTime()),
            column("id", Uuid()),
        )
        removed = await self._delete(log, log.c.at, [log.c.at, log.c.id], before, limit)
        row = LoginOriginRow
        keys = [row.last_at, row.kind, row.user_id, row.origin]
        forgotten = await self._delete(row.__table__, row.last_at, keys, before, limit)
        if limit in (removed, forgotten):
            return True
        if not is_sqlite:
            await self._transaction.execute(text(_DROP.format(before=before.isoformat())))
        return False

    async def _delete(
        self,
        where: Any,
        at: Any,
        keys: list[Any],
        before: datetime,
        limit: int,
    ) -> int:
        oldest = select(*keys).where(at < before).order_by(*keys).limit(limit)
        statement = delete(where).where(tuple_(*keys).in_(oldest))
        return (await self._transaction.execute(statement)).rowcount
