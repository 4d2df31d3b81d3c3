"""The database: its engine, and sessions that write or only read."""

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any, Final

from sqlalchemy import URL, Connection, Dialect, MetaData, Table, event, exc, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import (
    ConnectionPoolEntry,
    PoolProxiedConnection,
    PoolResetState,
    QueuePool,
)

Sessions = async_sessionmaker[AsyncSession]

IDLE_SECONDS: Final = 5
"""How long a connection to Postgres is trusted after its last use."""

_READ_ONLY = "tickgate_read_only"
_IDLE_SINCE: Final = "tickgate_idle_since"
_BOUNDS = {
    # Commits are not cancelled from here, so the server bounds every statement.
    "statement_timeout": "60s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
}
_BOUND_TRANSACTION = "SELECT " + ", ".join(
    f"set_config('{name}', '{bound}', true)" for name, bound in _BOUNDS.items()
)


class Base(DeclarativeBase):
    """Every table of the service; its constraints have names that errors are told apart by."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        }
    )

    @classmethod
    def table(cls) -> Table:
        """Give the table itself, for statements in which no mapped class takes part."""
        return cls.metadata.tables[cls.__tablename__]


class AsyncDatabase:
    """An engine on Postgres (asyncpg) or SQLite (aiosqlite), connected to when first used.

    `sessions` are for units of work that write, `read_sessions` for those that only read: on
    SQLite the former take the write lock when they begin, as a transaction that reads first and
    writes later could not get it any more once another one has written; the latter read without
    a transaction, so that each read sees what is committed by then.

    `pooled`: between here and Postgres is a pooler that gives each transaction any connection, as
    PgBouncer does in its mode `transaction`. Nothing that outlives a transaction can be relied on
    then: statements are not prepared for later ones, and bounds are set again for each.

    A connection to Postgres that was lost while it was idle is replaced before it is used. One
    that the server has closed is known by that; one that was idle for `idle_seconds` is asked.
    """

    def __init__(
        self,
        url: str | URL,
        *,
        pool_size: int = 10,
        pooled: bool = False,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self.url: URL = make_url(url)
        is_sqlite = self.url.get_backend_name() == "sqlite"
        options = _sqlite_options() if is_sqlite else _postgres_options(pooled=pooled)
        self.engine: AsyncEngine = create_async_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=5,
            # The one used last knows the statements, and has not been idle: few need be asked.
            pool_use_lifo=True,
            hide_parameters=True,  # errors are logged, and hashes and addresses are among them
            **options,
        )
        if is_sqlite:
            event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self.engine.sync_engine, "begin", _begin_sqlite)
            event.listen(self.engine.sync_engine, "reset", _end_sqlite)
        else:
            event.listen(self.engine.sync_engine, "checkin", _begin_to_idle)
            check = partial(_check_alive, self.engine.dialect, idle_seconds)
            event.listen(self.engine.sync_engine, "checkout", check)
        if pooled:
            event.listen(self.engine.sync_engine, "begin", _bound_transaction)
        reader = self.engine.execution_options(**{_READ_ONLY: True})
        self.sessions: Sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self.read_sessions: Sessions = async_sessionmaker(reader, expire_on_commit=False)

    def watch_pool(self, tell: Callable[[int], object]) -> None:
        """Tell how many connections are in use, whenever that changes."""
        pool = self.engine.pool
        assert isinstance(pool, QueuePool)  # noqa: S101 - what both drivers are given

        def taken(*_: object) -> None:
            tell(pool.checkedout())

        def given_back(*_: object) -> None:
            tell(pool.checkedout() - 1)  # it is about to be

        event.listen(pool, "checkout", taken)
        event.listen(pool, "checkin", given_back)

    @staticmethod
    def get_base() -> type[Base]:
        """Give the declarative base that all tables hang on."""
        return Base

    async def dispose(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


def _postgres_options(*, pooled: bool) -> dict[str, Any]:
    # What PgBouncer lets through at the start of a connection, and keeps for each client.
    settings = {"application_name": "tickgate", "timezone": "UTC"}
    connecting: dict[str, Any] = {
        "timeout": 5,
        # For a network that goes silent; a little more than the server's own bound.
        "command_timeout": 65,
    }
    if pooled:
        connecting |= {
            "server_settings": settings,
            "statement_cache_size": 0,  # the driver's
            "prepared_statement_cache_size": 0,  # SQLAlchemy's
            "prepared_statement_name_func": str,  # no name: nothing to collide, or to be left
        }
    else:
        connecting["server_settings"] = settings | _BOUNDS
    return {"connect_args": connecting}


def _sqlite_options() -> dict[str, Any]:
    return {"connect_args": {"timeout": 10}}


def _begin_to_idle(_connection: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
    entry.info[_IDLE_SINCE] = perf_counter()


def _check_alive(
    dialect: Dialect,
    idle_seconds: float,
    connection: DBAPIConnection,
    entry: ConnectionPoolEntry,
    _proxy: PoolProxiedConnection,
) -> None:
    # To ask takes as many round trips as a statement in a transaction of its own.
    idle_since = entry.info.pop(_IDLE_SINCE, None)
    if idle_since is None:  # it is new
        return
    is_idle = perf_counter() - idle_since >= idle_seconds
    if connection.driver_connection.is_closed() or (is_idle and not _answers(dialect, connection)):
        raise exc.InvalidatePoolError  # the others were lost with it, for all that is known


def _answers(dialect: Dialect, connection: DBAPIConnection) -> bool:
    try:
        return dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error:
        return False


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    # The driver begins no transactions of its own: `_begin_sqlite` does.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")  # readers and a writer side by side
    cursor.execute("PRAGMA synchronous = FULL")  # what is committed outlives a loss of power
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _end_sqlite(
    connection: DBAPIConnection, _entry: ConnectionPoolEntry, state: PoolResetState
) -> None:
    # A commit that SQLite refuses leaves its transaction open; SQLAlchemy takes it for ended.
    if state.asyncio_safe and connection.driver_connection.in_transaction:
        connection.rollback()


def _begin_sqlite(connection: Connection) -> None:
    # Who only reads is in no transaction, which would keep to what was committed at its first read.
    if not connection.get_execution_options().get(_READ_ONLY, False):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _bound_transaction(connection: Connection) -> None:
    connection.exec_driver_sql(_BOUND_TRANSACTION)
