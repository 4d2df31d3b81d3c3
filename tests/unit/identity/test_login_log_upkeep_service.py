from datetime import timedelta
from functools import partial

import pytest

from app.adapters.memory.identity.unit_of_work import MemoryIdentityUnitOfWork
from app.domain.errors import StoreUnavailable
from app.domain.identity.months import month_of
from app.domain.identity.throttle import Slot
from app.services.identity.login_log_upkeep_service import BATCH
from tests.application import RETENTION, MemoryApplication
from tests.builders import an_attempt, new_id


@pytest.fixture
def application() -> MemoryApplication:
    return MemoryApplication()


def keep(application: MemoryApplication, *, days_ago: int) -> None:
    attempt = an_attempt(at=application.clock.now() - timedelta(days=days_ago))
    application.identity_store.committed.attempts[attempt.id] = attempt


def ages(application: MemoryApplication) -> list[int]:
    now = application.clock.now()
    return [(now - row.at).days for row in application.identity_store.committed.attempts.values()]


async def test_what_is_older_than_the_retention_is_forgotten_by_whole_months(
    application: MemoryApplication,
) -> None:
    for days_ago in (0, RETENTION.days, RETENTION.days + 1, RETENTION.days + 31):
        keep(application, days_ago=days_ago)
    await application.upkeep.keep_up()
    assert ages(application) == [0, RETENTION.days, RETENTION.days + 1]


async def test_without_a_retention_everything_is_kept(application: MemoryApplication) -> None:
    keep(application, days_ago=10_000)
    await application.upkeep_without_retention.keep_up()
    assert ages(application) == [10_000]


async def test_pruning_by_hand_tells_what_is_kept_from_when_on(
    application: MemoryApplication,
) -> None:
    keep(application, days_ago=40)
    keep(application, days_ago=1)
    kept_from = await application.upkeep.prune(older_than=timedelta(days=1))
    assert kept_from == month_of(application.clock.now() - timedelta(days=1))
    assert ages(application) == [1]


async def test_more_than_a_batch_is_forgotten_batch_by_batch(
    application: MemoryApplication,
) -> None:
    for _ in range(BATCH + 1):
        keep(application, days_ago=100)
    await application.upkeep.prune(older_than=timedelta(days=50))
    assert (ages(application), application.identity_store.commits) == ([], 2)


async def test_what_breaks_off_keeps_the_batches_that_are_done(
    application: MemoryApplication,
) -> None:
    for _ in range(BATCH + 1):
        keep(application, days_ago=100)
    application.identity_store.fail_after = 4
    with pytest.raises(StoreUnavailable):
        await application.upkeep.prune(older_than=timedelta(days=50))
    assert len(ages(application)) == 1


async def test_slots_of_guesses_are_forgotten_once_they_have_expired(
    application: MemoryApplication,
) -> None:
    work = partial(MemoryIdentityUnitOfWork, application.identity_store)
    now = application.clock.now()
    slots = [Slot("one", now), Slot("two", now + timedelta(microseconds=1))]
    async with work() as uow:
        await uow.throttle.take(slots={new_id(): slots}, at=now)
        await uow.commit()
    await application.upkeep_without_retention.keep_up()
    assert [slot.key for slot in application.identity_store.committed.slots.values()] == ["two"]
