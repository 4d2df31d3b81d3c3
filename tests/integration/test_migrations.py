from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from anyio import create_task_group, run_process
from sqlalchemy import func, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.adapters.sql import migrations, schema
from app.adapters.sql.database import AsyncDatabase
from app.adapters.sql.identity.users import UserRow
from app.domain.errors import SchemaOutOfDate
from tests.builders import a_user
from tests.integration.server import (
    command,
    environment_of,
    new_postgres_database,
    opened_database,
    rows_of,
)

SCRIPTS = ScriptDirectory(str(Path(migrations.__file__).parent))
REVISIONS = [script.revision for script in SCRIPTS.walk_revisions()][::-1]
BEFORE = dict(zip(REVISIONS, ["base", *REVISIONS], strict=False))
ALEMBICS_OWN = "alembic_version"
DEFINITIONS = {
    "sqlite": ["SELECT name, sql FROM sqlite_master"],
    "postgresql": [
        """SELECT table_name, column_name, data_type, character_maximum_length, collation_name,
        column_default, is_nullable FROM information_schema.columns
        WHERE table_schema = 'public'""",
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
        """SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace""",
    ],
}


@pytest.fixture(scope="module")
async def own_postgres_url(
    anyio_backend: str,  # noqa: ARG001 - asked for first, so that all share one event loop
    postgres_server_url: str,
) -> AsyncIterator[str]:
    async with new_postgres_database(postgres_server_url) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
async def empty_database(
    request: pytest.FixtureRequest, new_sqlite_url: str, own_postgres_url: str
) -> AsyncIterator[AsyncDatabase]:
    url = new_sqlite_url if request.param == "sqlite" else own_postgres_url
    async with opened_database(url) as database:
        yield database
        if request.param == "postgres":
            async with database.engine.begin() as connection:
                await connection.execute(text("DROP SCHEMA public CASCADE"))
                await connection.execute(text("CREATE SCHEMA public"))


async def shape(database: AsyncDatabase) -> list[str]:
    """Everything that the database itself says of its tables, but for Alembic's."""
    backend = database.url.get_backend_name()
    said = [str(row) for query in DEFINITIONS[backend] for row in await rows_of(database, query)]
    return sorted(line for line in said if ALEMBICS_OWN not in line)


async def table_names(database: AsyncDatabase) -> list[str]:
    async with database.engine.connect() as connection:
        return await connection.run_sync(lambda found: inspect(found).get_table_names())


def a_row() -> UserRow:
    user = a_user()
    return UserRow(
        id=user.id,
        username=user.username,
        username_key=user.username_key,
        password_hash=user.password_hash,
        role=user.role,
        disabled=user.disabled,
        created_at=user.created_at,
        password_changed_at=user.password_changed_at,
    )


async def add_a_user(database: AsyncDatabase) -> None:
    async with database.sessions() as session:
        session.add(a_row())
        await session.commit()


async def count_users(session: AsyncSession) -> int:
    counted = await session.scalar(select(func.count()).select_from(UserRow))
    return counted or 0


async def test_an_upgrade_makes_every_revision(empty_database: AsyncDatabase) -> None:
    await schema.upgrade(empty_database)
    assert await schema.current(empty_database) == schema.head() == REVISIONS[-1]


async def test_each_revision_can_be_taken_back_and_made_again(
    empty_database: AsyncDatabase,
) -> None:
    for revision in REVISIONS:
        before = await shape(empty_database)
        await schema.upgrade(empty_database, revision)
        made = await shape(empty_database)
        await schema.downgrade(empty_database, BEFORE[revision])
        # Alembic's own table is left by the first, and no part of the shape.
        assert await shape(empty_database) == before, revision
        await schema.upgrade(empty_database, revision)
        assert await shape(empty_database) == made != before, revision


async def test_the_migrations_make_what_the_code_declares(empty_database: AsyncDatabase) -> None:
    await schema.upgrade(empty_database)
    assert await schema.drift(empty_database) == []


async def test_a_column_too_many_is_drift(empty_database: AsyncDatabase) -> None:
    await schema.upgrade(empty_database)
    async with empty_database.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE exchanges ADD COLUMN motto VARCHAR(10)"))
    [difference] = await schema.drift(empty_database)
    assert "motto" in difference


async def test_a_schema_of_an_earlier_version_is_out_of_date_not_drifted(
    empty_database: AsyncDatabase,
) -> None:
    await schema.upgrade(empty_database)
    for revision in reversed(BEFORE.values()):
        await schema.downgrade(empty_database, revision)
        with pytest.raises(SchemaOutOfDate):
            await schema.drift(empty_database)


async def test_a_database_without_a_schema_is_at_no_revision(
    empty_database: AsyncDatabase,
) -> None:
    assert await schema.current(empty_database) is None
    assert await table_names(empty_database) == []


async def test_the_current_revision_is_the_one_upgraded_to(empty_database: AsyncDatabase) -> None:
    for revision in REVISIONS:
        await schema.upgrade(empty_database, revision)
        assert await schema.current(empty_database) == revision


async def test_all_the_way_down_leaves_nothing_but_alembics_own_table(
    empty_database: AsyncDatabase,
) -> None:
    await schema.upgrade(empty_database)
    await schema.downgrade(empty_database, "base")
    assert await table_names(empty_database) == [ALEMBICS_OWN]
    assert await schema.current(empty_database) is None


async def test_upgrading_again_changes_nothing(empty_database: AsyncDatabase) -> None:
    await schema.upgrade(empty_database)
    await add_a_user(empty_database)
    made = await shape(empty_database)
    await schema.upgrade(empty_database)
    async with empty_database.read_sessions() as session:
        assert (await shape(empty_database), await count_users(session)) == (made, 1)


async def test_taking_one_area_back_leaves_the_rows_of_the_other(
    empty_database: AsyncDatabase,
) -> None:
    await schema.upgrade(empty_database)
    await add_a_user(empty_database)
    await schema.downgrade(empty_database, "0001")
    async with empty_database.read_sessions() as session:
        assert await count_users(session) == 1


async def test_two_processes_that_upgrade_at_once_both_end_well(
    empty_database: AsyncDatabase, tmp_path: Path
) -> None:
    url = empty_database.url.render_as_string(hide_password=False)
    ended: list[tuple[int, bytes]] = []

    async def upgrade() -> None:
        process = await run_process(
            command("db", "upgrade"),
            cwd=tmp_path,
            env=environment_of({"TICKGATE_DATABASE_URL": url}),
            check=False,
        )
        ended.append((process.returncode, process.stderr))

    async with create_task_group() as tasks:
        tasks.start_soon(upgrade)
        tasks.start_soon(upgrade)
    assert ended == [(0, b""), (0, b"")]


async def test_an_upgrade_that_fails_changes_nothing(empty_database: AsyncDatabase) -> None:
    async with empty_database.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE range_unit_bands (a INTEGER)"))
    with pytest.raises(DBAPIError):
        await schema.upgrade(empty_database)
    assert await table_names(empty_database) == ["range_unit_bands"]


async def test_there_is_no_going_up_to_an_unknown_revision(empty_database: AsyncDatabase) -> None:
    with pytest.raises(schema.UnknownSchemaRevision, match="9999"):
        await schema.upgrade(empty_database, "9999")


async def test_there_is_no_going_down_to_an_unknown_revision(
    empty_database: AsyncDatabase,
) -> None:
    await schema.upgrade(empty_database)
    with pytest.raises(schema.UnknownSchemaRevision, match="9999"):
        await schema.downgrade(empty_database, "9999")


async def test_the_schema_of_a_later_version_is_left_alone(empty_database: AsyncDatabase) -> None:
    await schema.upgrade(empty_database)
    async with empty_database.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(schema.UnknownSchemaRevision, match="9999"):
        await schema.upgrade(empty_database)


async def test_the_refusal_of_an_unknown_revision_is_one_sentence(
    empty_database: AsyncDatabase,
) -> None:
    with pytest.raises(schema.UnknownSchemaRevision) as refused:
        await schema.upgrade(empty_database, "9999")
    assert refused.value.detail == "Can't locate revision identified by '9999'."


@pytest.fixture
async def unchanged_users(migrated_database: AsyncDatabase) -> AsyncIterator[AsyncDatabase]:
    """Asked for before `async_db_session`, it looks after that has been undone."""
    yield migrated_database
    assert await rows_of(migrated_database, "SELECT username FROM users") == []


async def test_a_session_works_on_the_schema_of_the_migrations(
    async_db_session: AsyncSession,
) -> None:
    found = await async_db_session.scalar(text("SELECT version_num FROM alembic_version"))
    assert found == schema.head()


async def test_what_a_test_commits_in_its_session_is_gone_afterwards(
    unchanged_users: AsyncDatabase,  # noqa: ARG001 - looks when the session is gone
    async_db_session: AsyncSession,
) -> None:
    async_db_session.add(a_row())
    await async_db_session.commit()
    assert await count_users(async_db_session) == 1


async def test_what_a_session_committed_outlives_its_rollback(
    async_db_session: AsyncSession,
) -> None:
    async_db_session.add(a_row())
    await async_db_session.commit()
    async_db_session.add(a_row())
    await async_db_session.flush()
    await async_db_session.rollback()
    assert await count_users(async_db_session) == 1
