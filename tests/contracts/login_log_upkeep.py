from datetime import UTC, datetime, timedelta
from typing import ClassVar
from uuid import UUID

import pytest

from app.domain.identity.login_log import LoginLogFilter
from app.domain.identity.months import month_after, month_of, months_from
from app.ports.identity.upkeep import LoginLogUpkeep
from app.ports.identity.work import IdentityWork
from tests.builders import an_attempt, new_id
from tests.contracts.races import all_at_once

MARCH = datetime(2021, 3, 1, tzinfo=UTC)
APRIL, MAY = month_after(MARCH), month_after(month_after(MARCH))
MOMENT = timedelta(microseconds=1)
USER = new_id()


async def log(work: IdentityWork, *instants: datetime) -> None:
    async with work() as uow:
        for instant in instants:
            await uow.login_log.append(attempts=[an_attempt(at=instant)])
        await uow.commit()


async def logged(work: IdentityWork) -> list[datetime]:
    """Give when there was an attempt, the oldest first."""
    async with work() as uow:
        found = await uow.login_log.page(matching=LoginLogFilter(), before=None, limit=100)
    return [attempt.at for attempt in found][::-1]


async def make(work: IdentityWork, *months: datetime) -> None:
    async with work() as uow:
        await uow.upkeep.make_months(months=months)
        await uow.commit()


async def prune(work: IdentityWork, before: datetime, limit: int = 100) -> bool:
    async with work() as uow:
        more = await uow.upkeep.prune(before=before, limit=limit)
        await uow.commit()
    return more


async def see(work: IdentityWork, network: str, at: datetime, user_id: UUID = USER) -> None:
    async with work() as uow:
        await uow.origins.see(user_id=user_id, network=network, client=network, at=at)
        await uow.commit()


async def known(work: IdentityWork, *networks: str) -> list[str]:
    async with work() as uow:
        found = await uow.origins.last_successes(pairs=[(USER, network) for network in networks])
        return [network for network in networks if (USER, network) in found]


class LoginLogUpkeepContract:
    port: ClassVar[type] = LoginLogUpkeep
    adapter: ClassVar[type]

    async def test_what_is_tested_is_the_adapter_that_is_named(self, work: IdentityWork) -> None:
        async with work() as uow:
            assert type(uow.upkeep) is self.adapter

    async def test_making_months_keeps_what_is_there(self, work: IdentityWork) -> None:
        instants = [MARCH - MOMENT, MARCH, APRIL - MOMENT, APRIL, MAY]
        await log(work, *instants)
        await make(work, MARCH, APRIL)
        assert await logged(work) == instants
        await make(work, MARCH, APRIL, MAY)
        assert await logged(work) == instants
        assert not await prune(work, month_after(MAY))

    async def test_attempts_are_kept_and_settled_in_a_month_that_was_made(
        self, work: IdentityWork
    ) -> None:
        attempt = an_attempt(at=MARCH)
        await make(work, MARCH)
        async with work() as uow:
            await uow.login_log.append(attempts=[attempt])
            await uow.commit()
        async with work() as uow:
            await uow.login_log.settle(attempts=[attempt.settled(at=MARCH, reason=None)])
            await uow.commit()
        assert await logged(work) == [MARCH]
        await prune(work, APRIL)

    async def test_a_month_that_is_not_committed_is_not_made(self, work: IdentityWork) -> None:
        await log(work, MARCH)
        async with work() as uow:
            await uow.upkeep.make_months(months=[MARCH])
        assert await logged(work) == [MARCH]

    async def test_of_many_who_make_the_same_months_at_once_all_end_well(
        self, work: IdentityWork
    ) -> None:
        await log(work, MARCH, APRIL)

        async def upkeep() -> None:
            await make(work, MARCH, APRIL, MAY)

        await all_at_once(*[upkeep] * 5)
        assert await logged(work) == [MARCH, APRIL]
        await prune(work, month_after(MAY))

    @pytest.mark.parametrize("made", [(), (MARCH,), (APRIL,), (MARCH, APRIL)], ids=str)
    async def test_whole_months_before_an_instant_are_removed(
        self, work: IdentityWork, made: tuple[datetime, ...]
    ) -> None:
        await make(work, *made)
        await log(work, MARCH - MOMENT, MARCH, APRIL - MOMENT, APRIL, MAY)
        assert not await prune(work, MARCH)
        assert await logged(work) == [MARCH, APRIL - MOMENT, APRIL, MAY]
        assert not await prune(work, APRIL)
        assert await logged(work) == [APRIL, MAY]
        await prune(work, month_after(MAY))
        assert await logged(work) == []

    async def test_nothing_is_older_than_the_beginning_of_time(self, work: IdentityWork) -> None:
        first = datetime.min.replace(tzinfo=UTC)
        await log(work, first + MOMENT, MARCH)
        assert not await prune(work, first)
        assert await logged(work) == [first + MOMENT, MARCH]

    async def test_an_empty_log_is_pruned(self, work: IdentityWork) -> None:
        assert not await prune(work, MARCH)

    async def test_at_most_so_many_are_removed_and_the_oldest_first(
        self, work: IdentityWork
    ) -> None:
        instants = [MARCH + timedelta(days=day) for day in range(5)]
        await log(work, *instants[::-1])
        assert await prune(work, MAY, limit=2)
        assert await logged(work) == instants[2:]
        assert await prune(work, MAY, limit=2)
        assert not await prune(work, MAY, limit=2)
        assert await logged(work) == []

    async def test_of_attempts_at_one_instant_so_many_are_removed_too(
        self, work: IdentityWork
    ) -> None:
        await log(work, *[MARCH] * 5)
        assert await prune(work, APRIL, limit=3)
        assert await logged(work) == [MARCH] * 2

    async def test_what_was_not_committed_is_not_removed(self, work: IdentityWork) -> None:
        await make(work, MARCH)
        await log(work, MARCH - MOMENT, MARCH)
        async with work() as uow:
            await uow.upkeep.prune(before=APRIL, limit=100)
        assert await logged(work) == [MARCH - MOMENT, MARCH]
        await prune(work, APRIL)

    async def test_origins_are_forgotten_with_the_log(self, work: IdentityWork) -> None:
        await see(work, "192.0.2.1", MARCH - MOMENT)
        await see(work, "192.0.2.2", MARCH)
        assert not await prune(work, MARCH)
        assert await known(work, "192.0.2.1", "192.0.2.2") == ["192.0.2.2"]

    async def test_an_origin_that_was_seen_again_is_not_forgotten(self, work: IdentityWork) -> None:
        for instant in (MARCH, MAY):
            await see(work, "192.0.2.1", instant)
        await prune(work, MAY)
        assert await known(work, "192.0.2.1") == ["192.0.2.1"]

    async def test_origins_too_are_forgotten_so_many_at_a_time(self, work: IdentityWork) -> None:
        networks = [f"192.0.2.{number}" for number in range(3)]
        for number, network in enumerate(networks):
            await see(work, network, MARCH + number * MOMENT)
        assert await prune(work, APRIL, limit=4)
        assert await known(work, *networks) == networks[2:]
        assert not await prune(work, APRIL, limit=4)
        assert await known(work, *networks) == []

    async def test_months_of_now_and_then_are_made_twice_without_harm(
        self, work: IdentityWork
    ) -> None:
        for _ in range(2):
            await make(work, *months_from(MARCH, 3))
        await log(work, MARCH)
        await prune(work, month_of(month_after(MAY)))
        assert await logged(work) == []
