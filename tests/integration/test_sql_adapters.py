"""What the SQL adapters do that no contract speaks of: statements, columns, constraints."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, event, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute

from app.adapters.security.tokens import make_first_key
from app.adapters.sql import schema
from app.adapters.sql.database import AsyncDatabase
from app.adapters.sql.identity import SqlIdentityUnitOfWork
from app.adapters.sql.range_units import BandRow, RevisionRow, SqlRangeUnitsUnitOfWork
from app.bootstrap import Application, opened
from app.domain.errors import SchemaOutOfDate
from app.domain.identity.errors import InvalidCredentials
from app.domain.identity.login_log import Client
from app.domain.range_units.revisions import Market
from app.settings import Settings
from tests.application import PASSWORD
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
) -> AsyncIterator[Application]:
    settings = settings_of(committed_database, tmp_path)
    make_first_key(settings.token_keys_dir)
    async with opened(settings) as application:
        await application.range_units.put_exchange(exchange=an_exchange())
        yield application


@contextmanager
def statements_of(application: Application) -> Iterator[list[str]]:
    """Statements that reach the driver meanwhile, executemany as one; SQLite's BEGIN is none."""
    statements: list[str] = []

    def note(_connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            statements.append(statement)

    engine = application.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


def reply(bands: int) -> bytes:
    """A reply of Coinone with that many bands; the unit tells one from another."""
    return json.dumps(
        {
            "result": "success",
            "error_code": "0",
            "range_price_units": [
                {"range_min": low, "next_range_min": low + 1, "price_unit": 1 / 2 ** (low % 2)}
                for low in range(bands)
            ],
        }
    ).encode()


async def ingest(application: Application, payload: bytes) -> None:
    await application.range_units.ingest(market=a_market(), payload=payload, source="a reply")


async def log_in(application: Application, password: str) -> None:
    await application.auth().authenticate_user(
        username="trader", password=password, client=Client(ip="203.0.113.7")
    )


@pytest.mark.parametrize("bands", [1, 100, 10_000])
async def test_a_first_ingest_takes_six_statements_however_many_bands_it_brings(
    application: Application, bands: int
) -> None:
    with statements_of(application) as statements:
        await ingest(application, reply(bands))
    assert len(statements) == 6, statements


async def test_an_ingest_that_replaces_takes_as_many_statements_whatever_its_size(
    application: Application,
) -> None:
    await ingest(application, reply(2))
    counts = {}
    for bands in (1, 1_000):
        with statements_of(application) as statements:
            await ingest(application, reply(bands))
        counts[bands] = len(statements)
    assert set(counts.values()) == {6}, counts


async def test_an_ingest_that_confirms_takes_as_many_statements_whatever_its_size(
    application: Application,
) -> None:
    counts = {}
    for bands in (1, 1_000):
        await ingest(application, reply(bands))
        with statements_of(application) as statements:
            await ingest(application, reply(bands))
        counts[bands] = len(statements)
    assert set(counts.values()) == {5}, counts


async def test_a_login_takes_six_statements_however_long_the_log_is(
    application: Application,
) -> None:
    await application.users.create_user(username="trader", password=PASSWORD)
    counts = []
    for _ in range(10):
        with statements_of(application) as statements:
            await log_in(application, PASSWORD)
        counts.append(len(statements))
    assert set(counts) == {6}, counts


async def test_a_refused_login_takes_three_statements(application: Application) -> None:
    await application.users.create_user(username="trader", password=PASSWORD)
    with statements_of(application) as statements, pytest.raises(InvalidCredentials):
        await log_in(application, "another password")
    assert len(statements) == 3, statements


@pytest.mark.parametrize("market", [a_market(), a_market(target="*")], ids=["own", "ladder"])
async def test_reading_a_price_takes_at_most_four_statements(
    application: Application, market: Market
) -> None:
    await application.range_units.put_range_units(market=market, table=a_table(), source="x")
    with statements_of(application) as statements:
        await application.prices.check(market=a_market(), prices=[Decimal(1000)])
    assert len(statements) <= 4, statements


@pytest.mark.parametrize("digits", [TINIEST, LONG, Decimal("1E+39"), Decimal("0.1")], ids=str)
async def test_a_number_is_in_the_database_digit_for_digit(
    application: Application, digits: Decimal
) -> None:
    table = a_table(("0", str(digits)))
    await application.range_units.put_range_units(market=a_market(), table=table, source="x")
    [[stored]] = await rows_of(
        application.database, "SELECT CAST(price_unit AS TEXT) FROM range_unit_bands"
    )
    assert stored == format(digits, "f")


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
    application: Application, column: InstrumentedAttribute[Decimal | None]
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
