"""What the SQL adapters do that no contract speaks of: columns, constraints, schemas."""

from collections.abc import AsyncIterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest
from anyio import CancelScope
from pydantic import SecretStr
from sqlalchemy import Engine, event, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import InstrumentedAttribute

from app.adapters.sql import schema
from app.adapters.sql.database import AsyncDatabase
from app.adapters.sql.identity.unit_of_work import SqlIdentityUnitOfWork
from app.adapters.sql.range_units.revisions import BandRow, RevisionRow
from app.adapters.sql.range_units.unit_of_work import SqlRangeUnitsUnitOfWork
from app.bootstrap.database import DatabaseApplication, opened
from app.domain.errors import SchemaOutOfDate, SchemaTooNew
from app.domain.range_units.table import WRITTEN_AT_ONCE, Band, RangeUnitTable
from app.settings import Settings
from tests.builders import a_market, a_table, an_exchange
from tests.integration.server import new_postgres_database, opened_database, rows_of

TINIEST = Decimal("0.0000000000000000000000000000000000000001")
LONG = Decimal("1234567890123456789012345678901234567890.0987654321098765432109876543210987654321")


def settings_of(database: AsyncDatabase, directory: Path) -> Settings:
    url = database.url.render_as_string(hide_password=False)
    return Settings(database_url=SecretStr(url), data_dir=directory, bcrypt_cost=4)


@pytest.fixture
async def application(
    committed_database: AsyncDatabase, tmp_path: Path
) -> AsyncIterator[DatabaseApplication]:
    async with opened(settings_of(committed_database, tmp_path)) as application:
        await application.range_units.put_exchange(exchange=an_exchange())
        yield application


@pytest.mark.parametrize("digits", [TINIEST, LONG, Decimal("1E+39"), Decimal("0.1")], ids=str)
async def test_a_number_is_in_the_database_digit_for_digit(
    application: DatabaseApplication, digits: Decimal
) -> None:
    table = a_table(("0", str(digits)))
    await application.range_units.put_range_units(market=a_market(), table=table, source="x")
    [[stored]] = await rows_of(
        application.database, "SELECT CAST(price_unit AS TEXT) FROM range_unit_bands"
    )
    assert stored == format(digits, "f")


async def test_the_bands_of_a_long_table_are_counted_from_zero_in_the_database(
    application: DatabaseApplication,
) -> None:
    starts = range(2 * WRITTEN_AT_ONCE + 1)
    table = RangeUnitTable([Band(Decimal(start), Decimal(1)) for start in starts])
    await application.range_units.put_range_units(market=a_market(), table=table, source="x")
    [counted] = await rows_of(
        application.database,
        """SELECT count(*), min(position), max(position), sum(abs(position - range_min))
        FROM range_unit_bands""",
    )
    assert list(counted) == [len(starts), 0, len(starts) - 1, 0]


NO_PRICES = {
    BandRow.price_unit: ["NaN", "Infinity", "-Infinity", "0", "-1"],
    BandRow.range_min: ["NaN", "Infinity", "-Infinity"],
    RevisionRow.top: ["NaN", "Infinity", "-Infinity"],
    RevisionRow.min_price: ["NaN", "Infinity", "-Infinity"],
    RevisionRow.max_price: ["NaN", "Infinity", "-Infinity"],
}


@pytest.mark.parametrize("migrated_database", ["postgres"], indirect=True)
@pytest.mark.parametrize("column", NO_PRICES, ids=str)
async def test_postgres_itself_refuses_what_is_no_price(
    application: DatabaseApplication, column: InstrumentedAttribute[Decimal | None]
) -> None:
    await application.range_units.put_range_units(market=a_market(), table=a_table(), source="x")
    refused = []
    for value in NO_PRICES[column]:
        async with application.database.sessions() as session:
            with suppress(IntegrityError):
                await session.execute(update(column.class_).values({column: Decimal(value)}))
                continue
        refused.append(value)
    assert refused == NO_PRICES[column]


@pytest.fixture(params=["sqlite", "postgres"])
async def unmigrated_database(
    request: pytest.FixtureRequest, new_sqlite_url: str, postgres_server_url: str
) -> AsyncIterator[AsyncDatabase]:
    if request.param == "sqlite":
        async with opened_database(new_sqlite_url) as database:
            yield database
    else:
        async with (
            new_postgres_database(postgres_server_url) as url,
            opened_database(url) as database,
        ):
            yield database


async def test_users_of_an_unmigrated_database_cannot_be_asked_for(
    unmigrated_database: AsyncDatabase,
) -> None:
    async with SqlIdentityUnitOfWork(unmigrated_database.read_sessions) as uow:
        with pytest.raises(SchemaOutOfDate):
            await uow.users.page(after=None, limit=1)


async def test_nothing_can_be_written_to_an_unmigrated_database(
    unmigrated_database: AsyncDatabase,
) -> None:
    async with SqlRangeUnitsUnitOfWork(unmigrated_database.sessions) as uow:
        with pytest.raises(SchemaOutOfDate):
            await uow.catalogue.put_exchanges(exchanges=[an_exchange()])


async def test_range_units_cannot_be_asked_for_before_their_migration(
    unmigrated_database: AsyncDatabase,
) -> None:
    await schema.upgrade(unmigrated_database, "0001")
    async with SqlRangeUnitsUnitOfWork(unmigrated_database.read_sessions) as uow:
        with pytest.raises(SchemaOutOfDate):
            await uow.catalogue.exchanges(limit=1000)


@pytest.mark.parametrize("revision", ["base", "0001"])
async def test_the_application_is_not_ready_before_the_last_migration(
    unmigrated_database: AsyncDatabase, tmp_path: Path, revision: str
) -> None:
    await schema.upgrade(unmigrated_database)
    await schema.downgrade(unmigrated_database, revision)
    async with opened(settings_of(unmigrated_database, tmp_path)) as application:
        with pytest.raises(SchemaOutOfDate):
            await application.ready()


async def test_the_application_is_ready_after_the_last_migration(
    unmigrated_database: AsyncDatabase, tmp_path: Path
) -> None:
    await schema.upgrade(unmigrated_database)
    async with opened(settings_of(unmigrated_database, tmp_path)) as application:
        await application.ready()


async def test_of_a_newer_schema_a_start_is_refused_and_replicas_that_serve_are_not(
    unmigrated_database: AsyncDatabase, tmp_path: Path
) -> None:
    await schema.upgrade(unmigrated_database)
    async with unmigrated_database.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    async with opened(settings_of(unmigrated_database, tmp_path)) as application:
        await application.ready()
        for start in (application.refuse_unless_migrated, application.prepare):
            with pytest.raises(SchemaTooNew):
                await start()


async def test_an_application_whose_use_is_cancelled_still_closes_its_connections(
    committed_database: AsyncDatabase, tmp_path: Path
) -> None:
    closed: list[Engine] = []
    with CancelScope() as scope:
        async with opened(settings_of(committed_database, tmp_path)) as application:
            engine = application.database.engine.sync_engine
            event.listen(engine, "engine_disposed", closed.append)
            await application.ready()
            scope.cancel()
    assert closed == [engine]


async def test_no_error_of_the_database_tells_the_parameters_of_its_statement(
    committed_database: AsyncDatabase,
) -> None:
    with pytest.raises(DBAPIError) as raised:
        await rows_of(committed_database, "SELECT :hash FROM nowhere", hash="$2b$12$")
    assert "$2b$12$" not in str(raised.value)


async def test_the_connections_in_use_are_told(sqlite_url: str) -> None:
    told: list[int] = []
    async with opened_database(sqlite_url) as database:
        database.watch_pool(told.append)
        async with database.read_sessions() as first, database.read_sessions() as second:
            await first.connection()
            await (await second.connection()).invalidate()
    assert told == [1, 2, 1, 0]
