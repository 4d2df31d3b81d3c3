"""The password that is asked for again: as exact as at a login, and apart from it."""

from collections import Counter
from functools import partial

import pytest
from anyio import Event, create_task_group

from app.domain.errors import TickgateError
from app.domain.identity.errors import (
    HasherBusy,
    TooManyAttempts,
    UnknownUser,
    WrongPassword,
)
from app.domain.identity.throttle import Kind
from app.domain.principal import Principal
from tests.application import LIMITS, PASSWORD, MemoryApplication
from tests.builders import new_id
from tests.cancellation import until
from tests.use_cases import log_in, principal_of, registered

WRONG = "another password"


@pytest.fixture
def application() -> MemoryApplication:
    return MemoryApplication()


@pytest.fixture
async def principal(application: MemoryApplication) -> Principal:
    await registered(application)
    return await principal_of(application)


async def refusal(
    application: MemoryApplication, principal: Principal, password: str = WRONG
) -> type[TickgateError] | None:
    try:
        await application.own_password.check(principal=principal, password=password)
    except TickgateError as error:
        return type(error)
    return None


async def test_whoever_knows_it_is_told_whose_it_is(
    application: MemoryApplication, principal: Principal
) -> None:
    user = await application.own_password.check(principal=principal, password=PASSWORD)
    assert user.id == principal.user_id


async def test_it_is_not_guessed_without_end(
    application: MemoryApplication, principal: Principal
) -> None:
    refusals = [await refusal(application, principal) for _ in range(7)]
    assert refusals == [WrongPassword] * 5 + [TooManyAttempts] * 2


async def test_no_hash_is_spent_on_who_guessed_too_often(
    application: MemoryApplication, principal: Principal
) -> None:
    before = application.hasher.spent
    for _ in range(20):
        await refusal(application, principal)
    assert application.hasher.spent == before + 5


async def test_of_parallel_guesses_only_the_limit_is_checked(
    application: MemoryApplication, principal: Principal
) -> None:
    told: Counter[object] = Counter()

    async def guess() -> None:
        told[await refusal(application, principal)] += 1

    async with create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(guess)
    assert told == {WrongPassword: 5, TooManyAttempts: 25}


async def test_one_may_try_again_when_the_window_has_passed(
    application: MemoryApplication, principal: Principal
) -> None:
    for _ in range(5):
        await refusal(application, principal)
    application.clock.advance(LIMITS[Kind.PAIR].window)
    assert await refusal(application, principal, PASSWORD) is None


async def test_whoever_guesses_with_a_stolen_session_keeps_nobody_from_logging_in(
    application: MemoryApplication, principal: Principal
) -> None:
    for _ in range(10):
        await refusal(application, principal)
    assert await log_in(application)


async def test_a_busy_hasher_is_no_guess(
    application: MemoryApplication, principal: Principal
) -> None:
    application.hasher.busy = True
    assert [await refusal(application, principal) for _ in range(10)] == [HasherBusy] * 10
    application.hasher.busy = False
    assert await refusal(application, principal, PASSWORD) is None


async def test_who_is_no_user_has_none(application: MemoryApplication) -> None:
    nobody = Principal(new_id(), "nobody", new_id(), frozenset())
    assert await refusal(application, nobody) is UnknownUser


async def test_nothing_is_left_taken_by_who_knows_it(
    application: MemoryApplication, principal: Principal
) -> None:
    await refusal(application, principal, PASSWORD)
    assert application.identity_store.committed.slots == {}


async def test_a_guess_that_is_cancelled_while_its_hash_runs_counts(
    application: MemoryApplication, principal: Principal
) -> None:
    application.hasher.spent = 0
    for guess in range(1, 6):
        application.hasher.gate = Event()
        async with create_task_group() as tasks:
            tasks.start_soon(refusal, application, principal)
            await until(partial(has_spent, application, guess))
            tasks.cancel_scope.cancel()
    application.hasher.gate = None
    assert await refusal(application, principal, PASSWORD) is TooManyAttempts


def has_spent(application: MemoryApplication, hashes: int) -> bool:
    return application.hasher.spent == hashes
