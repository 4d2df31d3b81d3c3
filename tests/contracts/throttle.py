from collections.abc import Collection
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from app.domain.errors import UnitOfWorkFailed, UnstorableText
from app.domain.identity import storage
from app.domain.identity.throttle import Slot, Taken
from app.ports.identity.throttle import Throttle
from app.ports.identity.work import IdentityUnitOfWork, IdentityWork
from tests.builders import at, new_id
from tests.contracts.races import all_at_once, race

FIRST, SECOND = new_id(), new_id()
ONE, TWO = Slot("one", at(10)), Slot("two", at(20))
LONG_AGO = at(-1000)
KEYS = [
    "",
    " a ",
    "login pair 192.0.2.1 \u00e9",
    "e\u0301",
    "\ufeff\U0010ffff",
    "a%_\\'",
    "\U0001f642" * storage.THROTTLE_KEY,
]
NOT_KEYS = ["a\0b", "a\ud800b", "a" * (storage.THROTTLE_KEY + 1)]


async def take(work: IdentityWork, *slots: Slot, guess: Any = FIRST) -> None:
    async with work() as uow:
        await uow.throttle.take(slots={guess: slots}, at=at())
        await uow.commit()


async def settle(work: IdentityWork, how: str, *slots: Slot, guess: Any = FIRST) -> None:
    async with work() as uow:
        await getattr(uow.throttle, how)(slots={guess: slots})
        await uow.commit()


async def taken(
    work: IdentityWork, *keys: str, minutes: int = 0, pending_since: Any = LONG_AGO
) -> dict[str, Taken]:
    async with work() as uow:
        return await uow.throttle.taken(keys=keys, now=at(minutes), pending_since=pending_since)


async def look_around(uow: IdentityUnitOfWork) -> None:
    await uow.users.get(user_id=new_id())


async def commit(uow: IdentityUnitOfWork) -> None:
    await uow.commit()


class ThrottleContract:
    port: ClassVar[type] = Throttle
    adapter: ClassVar[type]

    async def test_what_is_tested_is_the_adapter_that_is_named(self, work: IdentityWork) -> None:
        async with work() as uow:
            assert type(uow.throttle) is self.adapter

    async def test_a_slot_that_was_taken_is_pending(self, work: IdentityWork) -> None:
        await take(work, ONE)
        assert await taken(work, "one") == {"one": Taken(failed=0, pending=1, frees_at=None)}

    async def test_a_slot_that_is_kept_has_failed_until_it_expires(
        self, work: IdentityWork
    ) -> None:
        await take(work, ONE)
        await settle(work, "keep", ONE)
        assert await taken(work, "one") == {"one": Taken(failed=1, pending=0, frees_at=at(10))}

    async def test_a_slot_that_is_given_back_counts_no_more(self, work: IdentityWork) -> None:
        await take(work, ONE)
        await settle(work, "give_back", ONE)
        assert await taken(work, "one") == {"one": Taken()}

    @pytest.mark.parametrize("minutes", [10, 11])
    async def test_a_slot_that_has_expired_does_not_count(
        self, work: IdentityWork, minutes: int
    ) -> None:
        await take(work, ONE)
        assert await taken(work, "one", minutes=minutes) == {"one": Taken()}

    async def test_a_slot_counts_up_to_the_moment_in_which_it_expires(
        self, work: IdentityWork
    ) -> None:
        await take(work, Slot("one", at(10) + timedelta(microseconds=1)))
        assert (await taken(work, "one", minutes=10))["one"].pending == 1

    async def test_a_slot_that_is_pending_for_too_long_has_failed(self, work: IdentityWork) -> None:
        await take(work, ONE)
        since = at() + timedelta(microseconds=1)
        found = await taken(work, "one", pending_since=since)
        assert found == {"one": Taken(failed=1, pending=0, frees_at=at(10))}

    async def test_a_slot_taken_in_the_last_moment_that_counts_is_pending(
        self, work: IdentityWork
    ) -> None:
        await take(work, ONE)
        assert (await taken(work, "one", pending_since=at()))["one"].pending == 1

    async def test_the_first_failure_to_expire_is_the_one_that_frees_a_slot(
        self, work: IdentityWork
    ) -> None:
        for minutes in (30, 20, 40, 10):
            slot = Slot("one", at(minutes))
            await take(work, slot)
            await settle(work, "keep", *[slot] * (minutes != 10))
        assert await taken(work, "one") == {"one": Taken(failed=3, pending=1, frees_at=at(20))}

    async def test_every_key_is_counted_for_itself(self, work: IdentityWork) -> None:
        await take(work, ONE, TWO)
        await take(work, TWO, guess=SECOND)
        await settle(work, "keep", ONE)
        assert await taken(work, "one", "two", "three") == {
            "one": Taken(failed=1, pending=0, frees_at=at(10)),
            "two": Taken(failed=0, pending=2, frees_at=None),
            "three": Taken(),
        }

    async def test_of_no_keys_nothing_is_taken(self, work: IdentityWork) -> None:
        await take(work, ONE)
        assert await taken(work) == {}

    async def test_of_no_slots_nothing_comes(self, work: IdentityWork) -> None:
        await take(work)
        await take(work, ONE)
        await settle(work, "keep")
        await settle(work, "give_back")
        assert (await taken(work, "one"))["one"].pending == 1

    @pytest.mark.parametrize("how", ["keep", "give_back"])
    async def test_the_slots_of_another_guess_stay_as_they_are(
        self, work: IdentityWork, how: str
    ) -> None:
        await take(work, ONE, guess=SECOND)
        await settle(work, how, ONE)
        assert (await taken(work, "one"))["one"] == Taken(pending=1)

    @pytest.mark.parametrize("how", ["keep", "give_back"])
    async def test_only_the_slots_that_are_named_are_settled(
        self, work: IdentityWork, how: str
    ) -> None:
        await take(work, ONE, TWO, Slot("one", at(11)))
        await settle(work, how, ONE)
        found = await taken(work, "one", "two")
        assert (found["one"].pending, found["two"].pending) == (1, 1)

    async def test_slots_of_several_guesses_are_taken_and_settled_together(
        self, work: IdentityWork
    ) -> None:
        third, both = new_id(), {FIRST: [ONE, TWO], SECOND: [ONE]}
        async with work() as uow:
            await uow.throttle.take(slots=both | {third: [ONE, TWO]}, at=at())
            await uow.throttle.keep(slots=both)
            await uow.throttle.give_back(slots={SECOND: [ONE], third: [TWO]})
            await uow.commit()
        assert await taken(work, "one", "two") == {
            "one": Taken(failed=1, pending=1, frees_at=at(10)),
            "two": Taken(failed=1, pending=0, frees_at=at(20)),
        }

    async def test_a_slot_that_was_kept_can_be_given_back(self, work: IdentityWork) -> None:
        await take(work, ONE)
        await settle(work, "keep", ONE)
        await settle(work, "give_back", ONE)
        assert await taken(work, "one") == {"one": Taken()}

    async def test_keys_are_kept_as_they_are(self, work: IdentityWork) -> None:
        for key in KEYS:
            await take(work, Slot(key, at(10)), guess=new_id())
        assert await taken(work, *KEYS) == dict.fromkeys(KEYS, Taken(pending=1))

    @pytest.mark.parametrize("key", NOT_KEYS, ids=["a-nul", "a-lone-surrogate", "over-long"])
    @pytest.mark.parametrize("method", ["hold", "taken", "take", "keep", "give_back"])
    async def test_a_key_that_cannot_be_kept_is_refused(
        self, work: IdentityWork, method: str, key: str
    ) -> None:
        arguments: dict[str, dict[str, object]] = {
            "hold": {"keys": [key]},
            "taken": {"keys": ["one", key], "now": at(), "pending_since": at()},
            "take": {"slots": {FIRST: [ONE], SECOND: [Slot(key, at())]}, "at": at()},
            "keep": {"slots": {FIRST: [Slot(key, at())]}},
            "give_back": {"slots": {FIRST: [], SECOND: [Slot(key, at())]}},
        }
        async with work() as uow:
            with pytest.raises(UnstorableText):
                await getattr(uow.throttle, method)(**arguments[method])
            with pytest.raises(UnitOfWorkFailed):
                await uow.throttle.hold(keys=[])
        assert await taken(work, "one") == {"one": Taken()}

    async def test_only_slots_that_have_expired_are_pruned(self, work: IdentityWork) -> None:
        await take(work, *[Slot("one", at(minutes)) for minutes in (9, 10, 11)])
        async with work() as uow:
            pruned = await uow.throttle.prune(now=at(10), limit=100)
            await uow.commit()
        assert (pruned, (await taken(work, "one"))["one"].pending) == (2, 1)

    async def test_no_more_are_pruned_than_the_limit_says(self, work: IdentityWork) -> None:
        await take(work, *[Slot("one", at(minutes)) for minutes in range(1, 6)])
        pruned = []
        for _ in range(4):
            async with work() as uow:
                pruned.append(await uow.throttle.prune(now=at(10), limit=2))
                await uow.commit()
        assert pruned == [2, 2, 1, 0]

    async def test_what_is_not_committed_is_not_taken(self, work: IdentityWork) -> None:
        async with work() as uow:
            await uow.throttle.take(slots={FIRST: [ONE]}, at=at())
        assert await taken(work, "one") == {"one": Taken()}

    async def test_a_unit_of_work_sees_what_it_has_taken(self, work: IdentityWork) -> None:
        async with work() as uow:
            await uow.throttle.take(slots={FIRST: [ONE]}, at=at())
            found = await uow.throttle.taken(keys=["one"], now=at(), pending_since=LONG_AGO)
        assert found == {"one": Taken(pending=1)}

    @pytest.mark.parametrize("keys", [["one"], ["one", "two"], ["two", "three", "one"]])
    async def test_whoever_holds_one_of_the_same_quotas_waits(
        self, work: IdentityWork, keys: Collection[str]
    ) -> None:
        through = await race(
            work,
            first=lambda uow: uow.throttle.hold(keys=["one", "four"]),
            meanwhile=look_around,
            last=commit,
            second=lambda uow: uow.throttle.hold(keys=keys),
        )
        assert through == ["first", "second"]

    async def test_whoever_held_a_quota_later_sees_what_was_taken(self, work: IdentityWork) -> None:
        seen: list[dict[str, Taken]] = []

        async def hold_and_take(uow: IdentityUnitOfWork) -> None:
            await uow.throttle.hold(keys=["one"])
            await uow.throttle.take(slots={FIRST: [ONE]}, at=at())

        async def hold(uow: IdentityUnitOfWork) -> None:
            await uow.throttle.hold(keys=["one"])
            seen.append(await uow.throttle.taken(keys=["one"], now=at(), pending_since=LONG_AGO))

        await race(work, first=hold_and_take, meanwhile=look_around, last=commit, second=hold)
        assert seen == [{"one": Taken(pending=1)}]

    async def test_those_who_hold_several_quotas_in_any_order_do_not_block_one_another(
        self, work: IdentityWork
    ) -> None:
        keys = [f"key {number}" for number in range(12)]

        def holding(keys: list[str]) -> Any:
            async def hold() -> None:
                async with work() as uow:
                    await uow.throttle.hold(keys=keys)
                    slots = [Slot(key, at(10)) for key in keys]
                    await uow.throttle.take(slots={new_id(): slots}, at=at())
                    await uow.commit()

            return hold

        await all_at_once(*[holding(keys[turn:] + keys[:turn]) for turn in range(8)])
        assert await taken(work, *keys) == dict.fromkeys(keys, Taken(pending=8))
