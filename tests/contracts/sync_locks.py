from typing import ClassVar

import pytest
from anyio import Event, create_task_group

from app.ports.range_units.locks import SyncLocks


class SyncLocksContract:
    port: ClassVar[type] = SyncLocks
    adapter: ClassVar[type]

    async def test_what_is_tested_is_the_adapter_that_is_named(self, locks: SyncLocks) -> None:
        assert type(locks) is self.adapter

    async def test_a_second_holder_is_told_so_at_once_until_the_first_has_left(
        self, locks: SyncLocks
    ) -> None:
        async with locks.hold(exchange="coinone") as first:
            async with locks.hold(exchange="coinone") as second:
                assert second is None
            # That the second has left frees nothing of the first's.
            async with locks.hold(exchange="coinone") as third:
                assert third is None
            assert first is not None
            assert await first()
        async with locks.hold(exchange="coinone") as after:
            assert after is not None

    async def test_exchanges_do_not_hold_each_other_up(self, locks: SyncLocks) -> None:
        async with (
            locks.hold(exchange="coinone") as one,
            locks.hold(exchange="korbit") as other,
        ):
            assert one is not None
            assert other is not None

    async def test_of_two_that_race_one_gets_it(self, locks: SyncLocks) -> None:
        got: list[bool] = []
        both = Event()

        async def compete() -> None:
            async with locks.hold(exchange="coinone") as is_held:
                got.append(is_held is not None)
                if len(got) == 2:
                    both.set()
                await both.wait()

        async with create_task_group() as tasks:
            tasks.start_soon(compete)
            tasks.start_soon(compete)
        assert sorted(got) == [False, True]

    async def test_it_is_free_when_its_holder_failed_or_was_cancelled(
        self, locks: SyncLocks
    ) -> None:
        with pytest.raises(LookupError):
            async with locks.hold(exchange="coinone"):
                raise LookupError
        async with create_task_group() as tasks, locks.hold(exchange="coinone") as is_held:
            assert is_held is not None
            tasks.cancel_scope.cancel()
            await Event().wait()
        async with locks.hold(exchange="coinone") as after:
            assert after is not None
