"""One code, redeemed by many at once, on both databases."""

from collections import Counter

from anyio import create_task_group

from app.adapters.sql.database import AsyncDatabase
from app.domain.errors import TickgateError
from tests.integration.server import application_on, rows_of
from tests.use_cases import CLIENT, log_in, registered

MANY = 5  # as many as the limit lets through


async def test_of_many_who_redeem_one_code_at_once_one_succeeds(
    committed_database: AsyncDatabase,
) -> None:
    application = application_on(committed_database)
    user = await registered(application)
    await log_in(application)
    issued = await application.resets.issue(user_id=user.id)
    ends: list[str] = []

    async def redeem(number: int) -> None:
        try:
            await application.resets.redeem(
                username="trader",
                code=issued.code,
                new_password=f"a fine password {number}",
                client=CLIENT,
            )
        except TickgateError as error:
            ends.append(error.code)
        else:
            ends.append(f"a fine password {number}")

    async with create_task_group() as tasks:
        for number in range(MANY):
            tasks.start_soon(redeem, number)
    counted = Counter(ends)
    assert counted.pop("invalid_reset_code") == MANY - 1
    [password] = counted
    await log_in(application, password=password)
    refused = "SELECT id FROM login_attempts WHERE fail_reason = 'reset_failed'"
    assert len(await rows_of(committed_database, refused)) == MANY - 1
    live = "SELECT id FROM sessions WHERE ended_at IS NULL"
    assert len(await rows_of(committed_database, live)) == 1
