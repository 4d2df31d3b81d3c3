"""What holds of the units of work of every area; an area says what there is to write and read."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, ClassVar

import pytest
from anyio import create_task_group, fail_after
from anyio.lowlevel import checkpoint

from app.domain.errors import TickgateError, UnitOfWorkFailed
from app.ports.unit_of_work import UnitOfWork
from tests.contracts.races import PATIENCE, all_at_once

Work = Callable[[], Any]
Operation = Callable[[Any], Awaitable[object]]


class UnitOfWorkContract:
    """The contract, to be completed by an area.

    `before` is the first thing that every test calls. `WRITES` change something that is there
    then, and `REFUSALS` are refused then; `OPERATIONS` is every method of every store, by name.
    """

    port: ClassVar[type] = UnitOfWork
    adapter: ClassVar[type]
    OPERATIONS: ClassVar[dict[str, Operation]]
    WRITES: ClassVar[dict[str, Operation]]
    REFUSALS: ClassVar[dict[str, tuple[Operation, type[TickgateError]]]]

    async def before(self, work: Work) -> object:
        """Commit what is there at first, and give all that there is, as `seen` does."""
        raise NotImplementedError

    async def seen(self, work: Work) -> object:
        """Give all that can be read without holding any of it."""
        raise NotImplementedError

    async def held(self, work: Work) -> object:
        """Give what cannot be read but by holding it."""
        raise NotImplementedError

    async def write(self, uow: Any) -> None:
        """Add something new: the same each time, so that no two of these can both be kept."""
        raise NotImplementedError

    async def refused(self, uow: Any) -> None:
        """Do what is always refused."""
        raise NotImplementedError

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        for argument, table in (("operation", self.OPERATIONS), ("write", self.WRITES)):
            if argument in metafunc.fixturenames:
                metafunc.parametrize(argument, list(table.values()), ids=list(table))
        if "refusal" in metafunc.fixturenames:
            metafunc.parametrize(
                ("refusal", "error"), list(self.REFUSALS.values()), ids=list(self.REFUSALS)
            )

    async def everything(self, work: Work) -> object:
        return await self.seen(work), await self.held(work)

    async def kept(self, work: Work) -> None:
        async with work() as uow:
            await self.write(uow)
            await uow.commit()

    async def fail(self, work: Work, error: Exception) -> None:
        async with work() as uow:
            await self.write(uow)
            raise error

    async def be_cancelled(self, work: Work, *, commits: bool = False) -> list[str]:
        """Be cancelled after a write; give how far it came nevertheless."""
        reached: list[str] = []

        async def cancelled_half_way() -> None:
            async with work() as uow:
                await self.write(uow)
                tasks.cancel_scope.cancel()
                if commits:
                    await uow.commit()
                    reached.append("the end of the commit")
                await checkpoint()
                reached.append("beyond")  # pragma: no cover - a failure

        async with create_task_group() as tasks:
            tasks.start_soon(cancelled_half_way)
        return reached

    def test_what_is_tested_is_the_adapter_that_is_named(self, work: Work) -> None:
        assert type(work()) is self.adapter

    def test_each_unit_of_work_is_a_fresh_one(self, work: Work) -> None:
        assert work() is not work()

    async def test_a_write_without_commit_is_not_kept(self, work: Work, write: Operation) -> None:
        await self.before(work)
        before = await self.everything(work)
        async with work() as uow:
            await write(uow)
        assert await self.everything(work) == before

    async def test_a_write_is_kept_by_the_commit(self, work: Work, write: Operation) -> None:
        await self.before(work)
        before = await self.everything(work)
        async with work() as uow:
            await write(uow)
            await uow.commit()
        assert await self.everything(work) != before

    async def test_a_write_is_seen_by_no_other_before_the_commit(
        self, work: Work, reading: Work, write: Operation
    ) -> None:
        before = await self.before(work)
        with fail_after(PATIENCE):
            async with work() as uow:
                await write(uow)
                assert await self.seen(reading) == before
                await uow.commit()

    async def test_an_error_on_the_way_keeps_nothing(self, work: Work) -> None:
        before = await self.before(work)
        with suppress(LookupError):
            await self.fail(work, LookupError())
        assert await self.seen(work) == before

    async def test_an_error_on_the_way_comes_out_as_it_is(self, work: Work) -> None:
        await self.before(work)
        error = LookupError()
        with pytest.raises(LookupError) as raised:
            await self.fail(work, error)
        assert raised.value is error

    async def test_an_error_after_the_commit_takes_nothing_back(self, work: Work) -> None:
        before = await self.before(work)
        with suppress(LookupError):
            async with work() as uow:
                await self.write(uow)
                await uow.commit()
                raise LookupError
        assert await self.seen(work) != before

    async def test_a_commit_of_nothing_is_one(self, work: Work) -> None:
        before = await self.before(work)
        async with work() as uow:
            await uow.commit()
        assert await self.seen(work) == before

    async def test_what_is_committed_is_seen_by_others_before_leaving(
        self, work: Work, reading: Work
    ) -> None:
        before = await self.before(work)
        with fail_after(PATIENCE):
            async with work() as uow:
                await self.write(uow)
                await uow.commit()
                assert await self.seen(reading) != before

    async def test_one_that_entered_before_the_commit_sees_it_when_it_first_reads_after(
        self, work: Work, reading: Work
    ) -> None:
        before = await self.before(work)
        async with reading() as uow:
            await self.kept(work)
            assert await self.seen(lambda: Entered(uow)) != before

    async def test_what_is_committed_after_the_first_read_is_seen_by_the_next(
        self, work: Work, reading: Work
    ) -> None:
        before = await self.before(work)
        async with reading() as uow:
            assert await self.seen(lambda: Entered(uow)) == before
            await self.kept(work)
            later = await self.seen(lambda: Entered(uow))
        assert later == await self.seen(reading) != before

    async def test_after_the_commit_nobody_is_held_back_any_more(self, work: Work) -> None:
        await self.before(work)
        with fail_after(PATIENCE):
            async with work() as uow:
                await self.write(uow)
                await uow.commit()
                async with work() as second:
                    with pytest.raises(TickgateError):
                        await self.refused(second)

    async def test_a_reader_holds_no_writer_back(self, work: Work, reading: Work) -> None:
        before = await self.before(work)
        with fail_after(PATIENCE):
            async with reading() as uow:
                await self.seen(lambda: Entered(uow))
                await self.kept(work)
        assert await self.seen(work) != before

    async def test_many_read_at_once(self, work: Work, reading: Work) -> None:
        before = await self.before(work)
        found: list[object] = []

        async def read() -> None:
            found.append(await self.seen(reading))

        await all_at_once(*[read] * 4)
        assert found == [before] * 4

    async def test_a_cancelled_unit_of_work_keeps_nothing(self, work: Work) -> None:
        before = await self.before(work)
        await self.be_cancelled(work)
        assert await self.seen(work) == before

    async def test_a_cancelled_unit_of_work_holds_nobody_back(self, work: Work) -> None:
        before = await self.before(work)
        with fail_after(PATIENCE):
            await self.be_cancelled(work)
            await self.kept(work)
        assert await self.seen(work) != before

    async def test_a_commit_runs_to_its_end_even_when_cancelled(self, work: Work) -> None:
        before = await self.before(work)
        await self.be_cancelled(work, commits=True)
        assert await self.seen(work) != before

    async def test_a_cancellation_during_the_commit_is_delivered_afterwards(
        self, work: Work
    ) -> None:
        await self.before(work)
        assert "beyond" not in await self.be_cancelled(work, commits=True)

    async def test_a_refusal_keeps_nothing_of_what_came_before(
        self, work: Work, refusal: Operation, error: type[TickgateError]
    ) -> None:
        before = await self.before(work)
        async with work() as uow:
            await self.write(uow)
            with pytest.raises(error):
                await refusal(uow)
        assert await self.seen(work) == before

    async def test_a_refusal_makes_a_commit_impossible(
        self, work: Work, refusal: Operation, error: type[TickgateError]
    ) -> None:
        await self.before(work)
        async with work() as uow:
            with suppress(error):
                await refusal(uow)
            with pytest.raises(UnitOfWorkFailed):
                await uow.commit()

    async def test_a_refusal_leaves_the_store_to_the_next(
        self, work: Work, refusal: Operation, error: type[TickgateError]
    ) -> None:
        before = await self.before(work)
        with fail_after(PATIENCE):
            async with work() as uow:
                with suppress(error):
                    await refusal(uow)
            await self.kept(work)
        assert await self.seen(work) != before

    async def test_after_a_refusal_every_operation_is_refused(
        self, work: Work, operation: Operation
    ) -> None:
        await self.before(work)
        async with work() as uow:
            with suppress(TickgateError):
                await self.refused(uow)
            with pytest.raises(UnitOfWorkFailed):
                await operation(uow)

    async def test_a_failed_unit_of_work_stays_failed(self, work: Work) -> None:
        await self.before(work)
        async with work() as uow:
            with suppress(TickgateError):
                await self.refused(uow)
            for _ in range(2):
                with pytest.raises(UnitOfWorkFailed):
                    await self.write(uow)


class Entered:
    """A unit of work that has been entered already, and is left by somebody else."""

    def __init__(self, uow: Any) -> None:
        self._uow = uow

    async def __aenter__(self) -> Any:
        return self._uow

    async def __aexit__(self, *_: object) -> None:
        return None
