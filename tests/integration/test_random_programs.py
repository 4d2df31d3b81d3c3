"""The same programs on the in-memory adapters, on SQLite and on Postgres."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
from hypothesis import example, given

from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.identity.unit_of_work import MemoryIdentityUnitOfWork
from app.adapters.memory.range_units.state import RangeUnitsState
from app.adapters.memory.range_units.unit_of_work import MemoryRangeUnitsUnitOfWork
from app.adapters.sql import schema
from app.adapters.sql.database import AsyncDatabase
from app.adapters.sql.identity.unit_of_work import SqlIdentityUnitOfWork
from app.adapters.sql.range_units.unit_of_work import SqlRangeUnitsUnitOfWork
from app.ports.identity.work import IdentityUnitOfWork
from app.ports.range_units.work import RangeUnitsUnitOfWork
from tests.integration.server import BUSY, empty, opened_database, rows_of
from tests.programs.identity import IDENTITY
from tests.programs.identity_operations import AddUser, HoldReset, PutReset, RemoveReset
from tests.programs.memory import on_memory
from tests.programs.program import AtOnce, Claim, Program, Transaction, programs
from tests.programs.range_units import RANGE_UNITS
from tests.programs.runner import Store, answers

WAITING_FOR_A_LOCK = f"{BUSY} AND wait_event_type = 'Lock'"
A_LOOK = "SELECT 1 FROM users LIMIT 1"
REMOVED_AND_PUT_ANEW = AtOnce(
    claim=Claim(
        first=RemoveReset(user=2), second=HoldReset(user=2), given=(AddUser(id=2), PutReset(user=2))
    ),
    first=Transaction(steps=(PutReset(user=2),)),
)
"""Whoever waits for a row that is removed meanwhile has to look for the one in its place."""


@pytest.fixture(scope="module")
async def databases(
    anyio_backend: str,  # noqa: ARG001 - asked for first, so that all share one event loop
    sqlite_url: str,
    postgres_url: str,
) -> AsyncIterator[list[AsyncDatabase]]:
    """Both, side by side; each program wants them emptied."""
    async with opened_database(sqlite_url) as sqlite, opened_database(postgres_url) as postgres:
        both = [sqlite, postgres]
        for database in both:
            await schema.upgrade(database)
        yield both
        for database in both:
            await empty(database)


async def second_waits(database: AsyncDatabase) -> bool:
    """SQLite shows nobody who waits: there, a second one has had the time to get through."""
    if database.url.get_backend_name() == "sqlite":
        for _ in range(5):
            await rows_of(database, A_LOOK)
        return True
    return bool(await rows_of(database, WAITING_FOR_A_LOCK))


@given(program=programs(IDENTITY))
@example(program=REMOVED_AND_PUT_ANEW)
async def test_programs_of_identity_get_the_same_answers_everywhere(
    databases: list[AsyncDatabase], program: Program[IdentityUnitOfWork]
) -> None:
    memory: Store[IdentityUnitOfWork] = on_memory(MemoryIdentityUnitOfWork, IdentityState())
    expected = await answers(IDENTITY, memory, program)
    for database in databases:
        await empty(database)
        store: Store[IdentityUnitOfWork] = Store(
            work=partial(SqlIdentityUnitOfWork, database.sessions),
            reading=partial(SqlIdentityUnitOfWork, database.read_sessions),
            second_waits=partial(second_waits, database),
        )
        assert await answers(IDENTITY, store, program) == expected, database.engine.name


@given(program=programs(RANGE_UNITS))
async def test_programs_of_range_units_get_the_same_answers_everywhere(
    databases: list[AsyncDatabase], program: Program[RangeUnitsUnitOfWork]
) -> None:
    memory: Store[RangeUnitsUnitOfWork] = on_memory(MemoryRangeUnitsUnitOfWork, RangeUnitsState())
    expected = await answers(RANGE_UNITS, memory, program)
    for database in databases:
        await empty(database)
        store: Store[RangeUnitsUnitOfWork] = Store(
            work=partial(SqlRangeUnitsUnitOfWork, database.sessions),
            reading=partial(SqlRangeUnitsUnitOfWork, database.read_sessions),
            second_waits=partial(second_waits, database),
        )
        assert await answers(RANGE_UNITS, store, program) == expected, database.engine.name
