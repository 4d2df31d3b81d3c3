"""The application on a database. Whoever needs none does without importing this."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import anyio
from sqlalchemy import URL

from app.adapters.clients.user_agents import UapUserAgents
from app.adapters.exchanges.curated import bundled
from app.adapters.metrics.instruments import Instruments
from app.adapters.security.common_passwords import ShippedCommonPasswords
from app.adapters.sql import schema
from app.adapters.sql.database import AsyncDatabase
from app.adapters.sql.identity.unit_of_work import SqlIdentityUnitOfWork
from app.adapters.sql.range_units.locks import SqlSyncLocks
from app.adapters.sql.range_units.unit_of_work import SqlRangeUnitsUnitOfWork
from app.adapters.sql.replica import sessions_on_replica
from app.adapters.system import SystemClock
from app.bootstrap.application import Adapters, Application, signing_tokens, vault
from app.domain.errors import SchemaOutOfDate, SchemaTooNew, StoreUnavailable
from app.settings import Pooler, Settings, Store, WrongSetting

READY_SECONDS = 2


class DatabaseApplication(Application):
    """Every service, wired to one database. Nothing is connected before it is used."""

    def __init__(self, settings: Settings, instruments: Instruments) -> None:
        self.database = _database(settings, settings.async_db_url)
        self.database.watch_pool(instruments.pool_in_use.set)
        instruments.pool_size.set(2 * settings.database_pool)  # as many more may overflow it
        self._replica: AsyncDatabase | None = None
        past = self.database.read_sessions
        if settings.replica_url is not None:
            self._replica = _database(settings, settings.replica_url)
            past = sessions_on_replica(self._replica, self.database)
        super().__init__(
            settings,
            Adapters(
                identity=partial(SqlIdentityUnitOfWork, self.database.sessions),
                identity_reading=partial(SqlIdentityUnitOfWork, self.database.read_sessions),
                identity_past=partial(SqlIdentityUnitOfWork, past),
                range_units=partial(SqlRangeUnitsUnitOfWork, self.database.sessions),
                range_units_reading=partial(SqlRangeUnitsUnitOfWork, self.database.read_sessions),
                range_units_past=partial(SqlRangeUnitsUnitOfWork, past),
                sync_locks=SqlSyncLocks(self.database),
                clock=SystemClock(),
                user_agents=UapUserAgents(),
                common_passwords=ShippedCommonPasswords(),
                tokens=partial(signing_tokens, settings),
                vault=partial(vault, settings),
            ),
            instruments,
        )

    async def close(self) -> None:
        """Close what was opened, and the connections to the database."""
        await super().close()
        await self.database.dispose()
        if self._replica is not None:
            await self._replica.dispose()

    async def upgrade(self, revision: str) -> None:
        """Bring the schema up to a revision."""
        await schema.upgrade(self.database, revision)

    async def downgrade(self, revision: str) -> None:
        """Take the schema back to a revision."""
        await schema.downgrade(self.database, revision)

    async def current(self) -> str:
        """Say which revision the schema is at, or nothing where there is none."""
        return await schema.current(self.database) or ""

    async def drift(self) -> list[str]:
        """List where the schema is not what the code expects."""
        return await schema.drift(self.database)

    async def ready(self) -> None:
        """Raise a `TickgateError` unless the database answers, with the schema that is needed.

        A schema that is newer will do: a new version migrates while replicas of the one before it
        still serve, and all of them would be unready at once.
        """
        with suppress(SchemaTooNew):
            await self.refuse_unless_migrated()

    async def refuse_unless_migrated(self) -> None:
        """Raise a `TickgateError` unless the database answers, with just the schema needed."""
        try:
            with anyio.fail_after(READY_SECONDS):
                await schema.refuse_unless_migrated(self.database)
        except TimeoutError as error:
            raise StoreUnavailable("The database does not answer.", retry_after=1) from error

    async def prepare(self) -> tuple[str, str] | None:
        """Make an empty database ready: schema, bundled range units, first administrator.

        Whatever is there already stays as it is. Gives the administrator's name and password
        when it was made just now.
        """
        with suppress(SchemaOutOfDate):
            await schema.refuse_unless_migrated(self.database)
        await schema.upgrade(self.database)
        exchanges, observations = bundled()
        await self.range_units.load_ladders(exchanges=exchanges, observations=observations)
        made = await self.users.create_first_admin()
        return None if made is None else (made[0].username, made[1])


def _database(settings: Settings, url: URL) -> AsyncDatabase:
    pooled = settings.database_pooler is Pooler.TRANSACTION
    return AsyncDatabase(url, pool_size=settings.database_pool, pooled=pooled)


@asynccontextmanager
async def opened(
    settings: Settings, *, makes: bool = False, instruments: Instruments | None = None
) -> AsyncIterator[DatabaseApplication]:
    """Give the application, and close its connections afterwards.

    An embedded database that is not there is made only where that is said; raises
    `SchemaOutOfDate` otherwise, as SQLite would make an empty one.
    """
    if settings.store is Store.MEMORY:
        raise WrongSetting(
            "TICKGATE_STORE: in memory there is nothing for this command to work on;"
            " only 'tickgate serve' takes it"
        )
    if settings.is_embedded:
        try:
            _find(Path(settings.async_db_url.database or ""), makes=makes)
        except OSError as error:
            variable = "DATA_DIR" if settings.database_url is None else "DATABASE_URL"
            raise WrongSetting(f"TICKGATE_{variable}: {error}") from error
    application = DatabaseApplication(settings, instruments or Instruments())
    try:
        yield application
    finally:
        with anyio.CancelScope(shield=True):
            await application.close()


def _find(file: Path, *, makes: bool) -> None:
    if makes:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite would make it readable for everyone; what it makes beside it has the same mode.
        file.touch(mode=0o600, exist_ok=True)
    elif not file.exists():
        raise SchemaOutOfDate
