"""Every use case that writes, on a store of which any one statement fails, or all of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any

import pytest

from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.identity.unit_of_work import MemoryIdentityUnitOfWork
from app.adapters.memory.store import MemoryStore
from app.domain.errors import StoreUnavailable, TickgateError
from tests.application import MemoryApplication
from tests.builders import a_user
from tests.contracts.races import race
from tests.use_cases import USE_CASES, Call, UseCase


class Stores:
    """The stores of an application, failing together; a use case has to do with one of them."""

    def __init__(self, application: MemoryApplication) -> None:
        self._stores: tuple[MemoryStore[Any], ...] = (
            application.identity_store,
            application.range_units_store,
        )

    def rows(self) -> list[object]:
        return [store.committed for store in self._stores]

    def commits(self) -> int:
        return sum(store.commits for store in self._stores)

    def fail_after(self, statements: int | None) -> None:
        for store in self._stores:
            store.fail_after = statements

    def have_failed(self) -> bool:
        """Whether the failure has come, which it does once."""
        return any(store.fail_after is None for store in self._stores)

    def lose_answer_after(self, commits: int) -> None:
        for store in self._stores:
            store.lose_answer_after = commits

    def have_lost_an_answer(self) -> bool:
        return any(store.lose_answer_after is None for store in self._stores)

    @contextmanager
    def down(self) -> Iterator[None]:
        for store in self._stores:
            store.down = True
        yield
        for store in self._stores:
            store.down = False

    def held(self) -> bool:
        return any(store.writer.locked() for store in self._stores)


async def error_of(call: Call) -> type[TickgateError] | None:
    try:
        await call()
    except TickgateError as error:
        return type(error)
    return None


@pytest.mark.parametrize("use_case", USE_CASES, ids=str)
async def test_whichever_statement_fails_it_is_unavailable_and_its_transaction_did_not_happen(
    use_case: UseCase,
) -> None:
    rows_after: dict[int, list[object]] = {}
    for statements in count():
        application = MemoryApplication()
        call = await use_case.prepare(application)
        stores = Stores(application)
        rows_after.setdefault(0, stores.rows())
        before = stores.commits()
        stores.fail_after(statements)
        error = await error_of(call)
        if not stores.have_failed():
            break
        assert error is StoreUnavailable, statements
        assert not stores.held(), statements
        commits = stores.commits() - before
        assert rows_after.setdefault(commits, stores.rows()) == stores.rows(), statements
    assert error is use_case.refusal
    assert sorted(rows_after) == list(range(stores.commits() - before))
    assert statements > 2


@pytest.mark.parametrize("use_case", USE_CASES, ids=str)
async def test_whichever_statement_failed_the_same_again_ends_as_if_nothing_had_been(
    use_case: UseCase,
) -> None:
    for statements in count():
        application = MemoryApplication()
        call = await use_case.prepare(application)
        stores = Stores(application)
        stores.fail_after(statements)
        await error_of(call)
        if not stores.have_failed():
            break
        stores.fail_after(None)
        assert await error_of(call) is use_case.refusal, statements


@pytest.mark.parametrize("use_case", USE_CASES, ids=str)
async def test_whichever_commit_is_not_heard_of_it_is_unavailable_and_the_same_again_is_told(
    use_case: UseCase,
) -> None:
    for commits in count():
        application = MemoryApplication()
        call = await use_case.prepare(application)
        stores = Stores(application)
        before = stores.commits()
        stores.lose_answer_after(commits)
        error = await error_of(call)
        if not stores.have_lost_an_answer():
            break
        assert error is StoreUnavailable, commits
        assert stores.commits() - before == commits + 1
        assert not stores.held(), commits
        assert await error_of(call) in {use_case.refusal, use_case.done_before}, commits
    assert error is use_case.refusal
    assert commits > 0


@pytest.mark.parametrize("use_case", USE_CASES, ids=str)
async def test_while_the_store_is_down_it_is_unavailable_and_once_it_is_up_it_works(
    use_case: UseCase,
) -> None:
    application = MemoryApplication()
    call = await use_case.prepare(application)
    stores = Stores(application)
    before = stores.rows()
    with stores.down():
        assert await error_of(call) is StoreUnavailable
    assert stores.rows() == before
    assert await error_of(call) is use_case.refusal


async def test_who_would_hold_the_same_users_in_another_order_just_waits() -> None:
    one, other = a_user(), a_user()
    store = MemoryStore(IdentityState(users={user.id: user for user in (one, other)}))
    through = await race(
        partial(MemoryIdentityUnitOfWork, store),
        first=lambda uow: uow.users.hold(user_id=one.id),
        meanwhile=lambda uow: uow.users.hold(user_id=one.id),
        last=lambda uow: uow.users.hold(user_id=other.id),
        second=lambda uow: uow.users.hold(user_id=other.id),
    )
    assert through == ["first", "second"]
