"""The migration of the login log to months keeps what is there, up and down again."""

from datetime import UTC, datetime

from sqlalchemy import text

from app.adapters.sql import schema
from app.adapters.sql.database import AsyncDatabase
from app.adapters.sql.identity.unit_of_work import SqlIdentityUnitOfWork
from app.adapters.sql.types import UtcDateTime
from app.domain.identity.login_log import LoginAttempt, LoginLogFilter, Outcome
from tests.builders import an_attempt, new_id
from tests.integration.server import rows_of
from tests.integration.test_migrations import empty_database, own_postgres_url

__all__ = ["empty_database", "own_postgres_url"]  # fixtures

USER = new_id()
ATTEMPTS = [
    an_attempt(at=datetime(*day, tzinfo=UTC), user_id=USER, ip=ip, outcome=outcome)
    for day, ip, outcome in (
        ((1, 1, 1), None, Outcome.FAILED),
        ((2026, 1, 31), "2001:DB8::1", Outcome.SUCCESS),
        ((2026, 2, 1), "192.0.2.1", Outcome.SUCCESS),
        ((2026, 2, 2), "192.0.2.1", Outcome.PENDING),
        ((2026, 2, 3), "no address", Outcome.SUCCESS),
        ((9999, 12, 31), "192.0.2.1", Outcome.FAILED),
    )
]
ROWS = """SELECT id, at, username, username_key, user_id, ip, user_agent, request_id, outcome,
    fail_reason, session_id, duration_ms FROM login_attempts"""


async def add(database: AsyncDatabase) -> None:
    """Add the attempts to the table that was before."""
    is_sqlite = database.engine.name == "sqlite"
    when = UtcDateTime()
    async with database.engine.begin() as connection:
        for attempt in ATTEMPTS:
            values = {
                "id": attempt.id.hex if is_sqlite else attempt.id,
                "at": when.process_bind_param(attempt.at, database.engine.dialect),
                "user": USER.hex if is_sqlite else USER,
                "ip": attempt.ip,
                "outcome": attempt.outcome.value,
            }
            await connection.execute(
                text(
                    "INSERT INTO login_attempts"
                    " (id, at, username, username_key, user_id, ip, outcome)"
                    " VALUES (:id, :at, 'trader', 'trader', :user, :ip, :outcome)"
                ),
                values,
            )


async def kept(database: AsyncDatabase) -> list[LoginAttempt]:
    async with SqlIdentityUnitOfWork(database.read_sessions) as uow:
        return await uow.login_log.page(matching=LoginLogFilter(), before=None, limit=100)


async def test_attempts_are_kept_on_the_way_up_and_down_and_up(
    empty_database: AsyncDatabase,
) -> None:
    await schema.upgrade(empty_database, "0002")
    await add(empty_database)
    before = sorted(map(str, await rows_of(empty_database, ROWS)))
    await schema.upgrade(empty_database, "0003")
    assert await kept(empty_database) == ATTEMPTS[::-1]
    await schema.downgrade(empty_database, "0002")
    after = sorted(map(str, await rows_of(empty_database, ROWS)))
    assert after == before
    await schema.upgrade(empty_database, "0003")
    assert await kept(empty_database) == ATTEMPTS[::-1]


async def test_what_is_known_of_old_successes_is_known_afterwards(
    empty_database: AsyncDatabase,
) -> None:
    await schema.upgrade(empty_database, "0002")
    await add(empty_database)
    await schema.upgrade(empty_database)
    async with SqlIdentityUnitOfWork(empty_database.read_sessions) as uow:
        networks = ("2001:db8::/64", "192.0.2.1", "no address")
        seen = await uow.origins.last_successes(pairs=[(USER, network) for network in networks])
    assert seen == {
        (USER, "2001:db8::/64"): ATTEMPTS[1].at,
        (USER, "192.0.2.1"): ATTEMPTS[2].at,
    }
