"""The controls of the in-memory adapters, which the other unit tests steer by."""

from collections.abc import Callable, Coroutine
from copy import copy
from datetime import timedelta
from inspect import iscoroutinefunction
from itertools import count
from typing import Any

import pytest
from anyio import CancelScope, Event, create_task_group

from app.adapters.memory.identity.security import FastHasher
from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.identity.unit_of_work import MemoryIdentityUnitOfWork
from app.adapters.memory.range_units.state import RangeUnitsState
from app.adapters.memory.range_units.unit_of_work import MemoryRangeUnitsUnitOfWork
from app.adapters.memory.store import MemoryStore
from app.adapters.memory.system import SequentialIds, SequentialSecrets, SettableClock
from app.domain.errors import StoreUnavailable, UnitOfWorkFailed
from app.domain.identity.errors import EmailTaken, HasherBusy, UnknownUser, UsernameTaken
from app.domain.identity.login_log import LoginLogFilter
from app.ports.identity.login_log import LoginLog
from app.ports.identity.security import PasswordHasher
from app.ports.identity.sessions import RefreshTokens, Sessions
from app.ports.identity.users import Users
from app.ports.range_units.catalogue import Catalogue
from app.ports.range_units.revisions import Revisions
from tests.builders import (
    a_market,
    a_refresh_token,
    a_revision,
    a_session,
    a_user,
    an_attempt,
    an_exchange,
    at,
    new_id,
)
from tests.cancellation import cancelled_at, suspensions_of, until

USER = a_user()
ATTEMPT = an_attempt()
SESSION = a_session(user_id=USER.id)
TOKEN = a_refresh_token(session_id=SESSION.id)
MARKET = a_market()
REVISION = a_revision(market=MARKET)

IdentityStatement = Callable[[MemoryIdentityUnitOfWork], Coroutine[Any, Any, object]]
RangeUnitsStatement = Callable[[MemoryRangeUnitsUnitOfWork], Coroutine[Any, Any, object]]

IDENTITY: dict[str, IdentityStatement] = {
    "Users.add": lambda uow: uow.users.add(user=a_user()),
    "Users.get": lambda uow: uow.users.get(user_id=USER.id),
    "Users.by_usernames": lambda uow: uow.users.by_usernames(username_keys=["trader"]),
    "Users.hold": lambda uow: uow.users.hold(user_id=USER.id),
    "Users.hold_admins": lambda uow: uow.users.hold_admins(),
    "Users.replace": lambda uow: uow.users.replace(user=USER),
    "Users.page": lambda uow: uow.users.page(after=None, limit=1),
    "LoginLog.append": lambda uow: uow.login_log.append(attempts=[an_attempt()]),
    "LoginLog.settle": lambda uow: uow.login_log.settle(
        attempts=[ATTEMPT.settled(at=at(), reason=None)]
    ),
    "LoginLog.page": lambda uow: uow.login_log.page(
        matching=LoginLogFilter(), before=None, limit=1
    ),
    "Sessions.add": lambda uow: uow.sessions.add(session=a_session(user_id=USER.id)),
    "Sessions.get": lambda uow: uow.sessions.get(session_id=SESSION.id),
    "Sessions.use": lambda uow: uow.sessions.use(
        session_id=SESSION.id, at=at(), idle_expires_at=at(1)
    ),
    "Sessions.end": lambda uow: uow.sessions.end(session_id=SESSION.id, at=at()),
    "Sessions.end_all": lambda uow: uow.sessions.end_all(user_id=USER.id, except_id=None, at=at()),
    "Sessions.page_of_user": lambda uow: uow.sessions.page_of_user(
        user_id=USER.id, now=at(), before=None, limit=1
    ),
    "RefreshTokens.add": lambda uow: uow.refresh_tokens.add(
        token=a_refresh_token(session_id=SESSION.id)
    ),
    "RefreshTokens.hold": lambda uow: uow.refresh_tokens.hold(digest=TOKEN.digest),
    "RefreshTokens.use": lambda uow: uow.refresh_tokens.use(digest=TOKEN.digest, at=at()),
}

RANGE_UNITS: dict[str, RangeUnitsStatement] = {
    "Catalogue.put_exchanges": lambda uow: uow.catalogue.put_exchanges(exchanges=[an_exchange()]),
    "Catalogue.exchange": lambda uow: uow.catalogue.exchange(code="coinone"),
    "Catalogue.exchanges": lambda uow: uow.catalogue.exchanges(limit=1000),
    "Catalogue.hold_markets": lambda uow: uow.catalogue.hold_markets(markets=[MARKET]),
    "Catalogue.markets": lambda uow: uow.catalogue.markets(exchange="coinone", after=None, limit=1),
    "Revisions.add": lambda uow: uow.revisions.add(
        revisions=[a_revision(market=MARKET, effective_from=at())]
    ),
    "Revisions.in_force": lambda uow: uow.revisions.in_force(markets=[MARKET], as_of=at()),
    "Revisions.table": lambda uow: uow.revisions.table(revision_id=REVISION[0].id),
    "Revisions.confirm": lambda uow: uow.revisions.confirm(revision_ids=[REVISION[0].id], at=at()),
    "Revisions.supersede": lambda uow: uow.revisions.supersede(
        revision_ids=[REVISION[0].id], at=at()
    ),
    "Revisions.history": lambda uow: uow.revisions.history(market=MARKET, after=None, limit=1),
}


def identity_store() -> MemoryStore[IdentityState]:
    """Give a store that knows what the statements speak of."""
    return MemoryStore(
        IdentityState(
            users={USER.id: USER},
            attempts={ATTEMPT.id: ATTEMPT},
            sessions={SESSION.id: SESSION},
            refresh_tokens={TOKEN.digest: TOKEN},
        )
    )


def range_units_store() -> MemoryStore[RangeUnitsState]:
    """Give a store that knows what the statements speak of."""
    revision, table = REVISION
    exchange = an_exchange()
    return MemoryStore(
        RangeUnitsState(
            exchanges={exchange.code: exchange},
            markets={MARKET: (revision.id,)},
            revisions={revision.id: revision},
            tables={revision.id: table},
        )
    )


async def runs(store: MemoryStore[IdentityState], statement: IdentityStatement) -> None:
    async with MemoryIdentityUnitOfWork(store) as uow:
        await statement(uow)
        await uow.commit()


async def adds_a_user(store: MemoryStore[IdentityState]) -> None:
    await runs(store, IDENTITY["Users.add"])


# -- suspension --------------------------------------------------------------------------------


def test_the_statements_are_all_that_the_ports_of_the_stores_have() -> None:
    ports = (Users, LoginLog, Sessions, RefreshTokens, Catalogue, Revisions)
    methods = {
        f"{port.__name__}.{name}"
        for port in ports
        for name, member in vars(port).items()
        if iscoroutinefunction(member)
    }
    assert IDENTITY.keys() | RANGE_UNITS.keys() == methods


@pytest.mark.parametrize("statement", IDENTITY.values(), ids=IDENTITY.keys())
async def test_every_statement_about_identity_suspends(statement: IdentityStatement) -> None:
    async with MemoryIdentityUnitOfWork(identity_store()) as uow:
        assert await suspensions_of(statement(uow)) > 0


@pytest.mark.parametrize("statement", RANGE_UNITS.values(), ids=RANGE_UNITS.keys())
async def test_every_statement_about_range_units_suspends(statement: RangeUnitsStatement) -> None:
    async with MemoryRangeUnitsUnitOfWork(range_units_store()) as uow:
        assert await suspensions_of(statement(uow)) > 0


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(lambda uow: uow.__aenter__(), id="entering"),
        pytest.param(lambda uow: uow.commit(), id="committing"),
        pytest.param(lambda uow: uow.__aexit__(None, None, None), id="leaving"),
    ],
)
async def test_entering_committing_and_leaving_suspend(step: IdentityStatement) -> None:
    assert await suspensions_of(step(MemoryIdentityUnitOfWork(identity_store()))) > 0


@pytest.mark.parametrize("statement", IDENTITY.values(), ids=IDENTITY.keys())
async def test_a_unit_of_work_that_is_cancelled_anywhere_is_committed_or_has_not_happened(
    statement: IdentityStatement,
) -> None:
    for place in count(1):
        store = identity_store()
        before = store.committed
        run = await cancelled_at(place, runs(store, statement))
        assert run.error is None, place
        assert store.commits == 1 or store.committed is before, place
        assert not store.writer.locked(), place
        if run.suspensions < place:
            break
    assert (store.commits, store.rollbacks) == (1, 0)
    assert place > 4


async def test_after_a_statement_that_was_cancelled_the_unit_of_work_can_only_be_left() -> None:
    async def child() -> None:
        async with MemoryIdentityUnitOfWork(identity_store()) as uow:
            with CancelScope() as scope:
                scope.cancel()
                await uow.users.get(user_id=USER.id)
            with pytest.raises(UnitOfWorkFailed):
                await uow.users.get(user_id=USER.id)

    async with create_task_group() as tasks:
        tasks.start_soon(child)


async def test_a_commit_that_is_cancelled_runs_to_its_end() -> None:
    committed: list[int] = []

    async def child() -> None:
        store = identity_store()
        with CancelScope() as scope:
            async with MemoryIdentityUnitOfWork(store) as uow:
                await uow.users.add(user=a_user())
                scope.cancel()
                await uow.commit()
        committed.append(len(store.committed.users))

    async with create_task_group() as tasks:
        tasks.start_soon(child)
    assert committed == [2]


async def test_a_unit_of_work_that_is_cancelled_while_it_waits_lets_the_next_one_in() -> None:
    store = identity_store()
    async with MemoryIdentityUnitOfWork(store) as writing:
        await writing.users.add(user=a_user())
        async with create_task_group() as waiting:
            waiting.start_soon(adds_a_user, store)
            await until(lambda: store.writer.statistics().tasks_waiting == 1)
            waiting.cancel_scope.cancel()
    await adds_a_user(store)
    assert len(store.committed.users) == 2


# -- down and fail_after -----------------------------------------------------------------------


@pytest.mark.parametrize("statement", IDENTITY.values(), ids=IDENTITY.keys())
async def test_every_statement_about_identity_fails_while_the_store_is_down(
    statement: IdentityStatement,
) -> None:
    store = identity_store()
    async with MemoryIdentityUnitOfWork(store) as uow:
        store.down = True
        with pytest.raises(StoreUnavailable):
            await statement(uow)


@pytest.mark.parametrize("statement", RANGE_UNITS.values(), ids=RANGE_UNITS.keys())
async def test_every_statement_about_range_units_fails_while_the_store_is_down(
    statement: RangeUnitsStatement,
) -> None:
    store = range_units_store()
    async with MemoryRangeUnitsUnitOfWork(store) as uow:
        store.down = True
        with pytest.raises(StoreUnavailable):
            await statement(uow)


async def test_nothing_can_begin_while_the_store_is_down() -> None:
    store = identity_store()
    store.down = True
    with pytest.raises(StoreUnavailable):
        await adds_a_user(store)


async def test_nothing_can_be_committed_while_the_store_is_down() -> None:
    store = identity_store()
    before = store.committed
    async with MemoryIdentityUnitOfWork(store) as uow:
        await uow.users.add(user=a_user())
        store.down = True
        with pytest.raises(StoreUnavailable):
            await uow.commit()
    assert store.committed is before


async def test_a_store_that_is_up_again_works() -> None:
    store = identity_store()
    store.down = True
    with pytest.raises(StoreUnavailable):
        await adds_a_user(store)
    store.down = False
    await adds_a_user(store)
    assert len(store.committed.users) == 2


async def test_after_a_failure_the_unit_of_work_can_only_be_left() -> None:
    store = identity_store()
    async with MemoryIdentityUnitOfWork(store) as uow:
        store.fail_after = 0
        with pytest.raises(StoreUnavailable):
            await uow.users.get(user_id=USER.id)
        with pytest.raises(UnitOfWorkFailed):
            await uow.users.get(user_id=USER.id)


@pytest.mark.parametrize("statements", [0, 1, 2])
async def test_the_one_after_the_next_n_fails(statements: int) -> None:
    store = identity_store()
    store.fail_after = statements
    reached: list[str] = []

    async def work() -> None:
        async with MemoryIdentityUnitOfWork(store) as uow:
            reached.append("entered")
            await uow.users.add(user=a_user())
            reached.append("written")
            await uow.commit()

    with pytest.raises(StoreUnavailable):
        await work()
    assert reached == ["entered", "written"][:statements]


async def test_a_failure_ordered_beyond_the_last_statement_does_not_come() -> None:
    store = identity_store()
    store.fail_after = 3
    await adds_a_user(store)
    assert (store.commits, store.fail_after) == (1, 0)


async def test_a_failure_comes_once() -> None:
    store = identity_store()
    store.fail_after = 0
    with pytest.raises(StoreUnavailable):
        await adds_a_user(store)
    await adds_a_user(store)
    assert store.fail_after is None


# -- commits and rollbacks ---------------------------------------------------------------------


async def test_a_commit_is_counted() -> None:
    store = identity_store()
    await adds_a_user(store)
    await adds_a_user(store)
    assert (store.commits, store.rollbacks) == (2, 0)


async def test_leaving_with_writes_that_were_not_committed_is_a_rollback() -> None:
    store = identity_store()
    async with MemoryIdentityUnitOfWork(store) as uow:
        await uow.users.add(user=a_user())
    assert (store.commits, store.rollbacks) == (0, 1)


async def test_commits_and_rollbacks_are_counted_one_by_one() -> None:
    store = identity_store()
    for _ in range(2):
        await adds_a_user(store)
        async with MemoryIdentityUnitOfWork(store) as uow:
            await uow.users.add(user=a_user())
    assert (store.commits, store.rollbacks) == (2, 2)


async def test_leaving_by_an_error_is_a_rollback() -> None:
    store = identity_store()
    with pytest.raises(UnknownUser):
        await runs(store, lambda uow: uow.users.replace(user=a_user()))
    assert (store.commits, store.rollbacks) == (0, 1)


async def test_a_commit_that_failed_is_a_rollback() -> None:
    store = identity_store()
    store.fail_after = 2
    with pytest.raises(StoreUnavailable):
        await adds_a_user(store)
    assert (store.commits, store.rollbacks) == (0, 1)


async def test_leaving_without_having_written_is_neither() -> None:
    store = identity_store()
    async with MemoryIdentityUnitOfWork(store) as uow:
        await uow.users.get(user_id=USER.id)
    assert (store.commits, store.rollbacks) == (0, 0)


@pytest.mark.parametrize("statement", IDENTITY.values(), ids=IDENTITY.keys())
async def test_of_no_statement_about_identity_anything_is_kept_without_a_commit(
    statement: IdentityStatement,
) -> None:
    store = identity_store()
    before = copy(store.committed)
    async with MemoryIdentityUnitOfWork(store) as uow:
        await statement(uow)
    assert store.committed == before


@pytest.mark.parametrize("statement", RANGE_UNITS.values(), ids=RANGE_UNITS.keys())
async def test_of_no_statement_about_range_units_anything_is_kept_without_a_commit(
    statement: RangeUnitsStatement,
) -> None:
    store = range_units_store()
    before = copy(store.committed)
    async with MemoryRangeUnitsUnitOfWork(store) as uow:
        await statement(uow)
    assert store.committed == before


@pytest.mark.parametrize("commits", [True, False])
async def test_whoever_has_left_holds_nobody_up(*, commits: bool) -> None:
    store = identity_store()
    async with MemoryIdentityUnitOfWork(store) as uow:
        await uow.users.add(user=a_user())
        if commits:
            await uow.commit()
    assert not store.writer.locked()


# -- chance ------------------------------------------------------------------------------------

SEEDS: dict[str, list[int | None]] = {"seeded": [*range(40)], "unseeded": [None] * 40}


async def answer_where_two_apply(seed: int | None) -> type[Exception]:
    """Register a name and an address that are both taken; give what the store says to that."""
    user = a_user(username="trader", email="trader@example.com")
    store = MemoryStore(IdentityState(users={user.id: user}), seed=seed)
    async with MemoryIdentityUnitOfWork(store) as uow:
        with pytest.raises((UsernameTaken, EmailTaken)) as refusal:
            await uow.users.add(user=a_user(username="trader", email="trader@example.com"))
    return refusal.type


async def order_of_what_is_in_force(seed: int | None) -> tuple[str, ...]:
    revisions = [a_revision(market=a_market(target=target)) for target in "ABC"]
    state = RangeUnitsState(
        markets={revision.market: (revision.id,) for revision, _ in revisions},
        revisions={revision.id: revision for revision, _ in revisions},
    )
    async with MemoryRangeUnitsUnitOfWork(MemoryStore(state, seed=seed)) as uow:
        found = await uow.revisions.in_force(markets=list(state.markets), as_of=at())
    return tuple(market.target for market in found)


@pytest.mark.parametrize("seeds", SEEDS.values(), ids=SEEDS)
async def test_where_two_refusals_apply_either_may_come(seeds: list[int | None]) -> None:
    answers = {await answer_where_two_apply(seed) for seed in seeds}
    assert answers == {UsernameTaken, EmailTaken}


@pytest.mark.parametrize("seeds", SEEDS.values(), ids=SEEDS)
async def test_what_is_in_force_comes_in_more_than_one_order(seeds: list[int | None]) -> None:
    orders = {await order_of_what_is_in_force(seed) for seed in seeds}
    assert len(orders) > 1


@pytest.mark.parametrize("ask", [answer_where_two_apply, order_of_what_is_in_force])
async def test_a_seed_makes_what_is_left_to_chance_the_same_each_time(
    ask: Callable[[int], Coroutine[Any, Any, object]],
) -> None:
    once, again = [[await ask(seed) for seed in range(20)] for _ in range(2)]
    assert once == again


# -- the hasher --------------------------------------------------------------------------------


def test_a_store_begins_with_nothing_counted_and_nothing_ordered() -> None:
    store = identity_store()
    assert (store.commits, store.rollbacks) == (0, 0)
    assert (store.down, store.fail_after, store.lose_answer_after) == (False, None, None)


def test_a_hasher_begins_with_nothing_counted_and_nothing_ordered() -> None:
    hasher = FastHasher()
    assert (hasher.spent, hasher.busy, hasher.gate, hasher.outdated) == (0, False, None, set())


async def test_hashes_can_be_foretold_and_differ_by_their_salt() -> None:
    hasher = FastHasher()
    hashes = [await hasher.hash(password="a password") for _ in range(2)]
    assert [stored.split("$")[:2] for stored in hashes] == [["fast", "1"], ["fast", "2"]]


async def test_a_hasher_counts_what_checking_costs_and_not_what_hashing_does() -> None:
    hasher = FastHasher()
    stored = await hasher.hash(password="a password")
    for password in ("a password", "another one"):
        await hasher.verify(password=password, stored=stored)
    await hasher.verify(password="a password", stored=None)
    assert hasher.spent == 3


Asked = Callable[[PasswordHasher], Coroutine[Any, Any, object]]

ASKED = [
    pytest.param(lambda hasher: hasher.hash(password=""), id="hash"),
    pytest.param(lambda hasher: hasher.verify(password="", stored=None), id="verify"),
]


@pytest.mark.parametrize("ask", ASKED)
async def test_a_hasher_that_is_made_busy_refuses_everything(ask: Asked) -> None:
    hasher = FastHasher()
    hasher.busy = True
    with pytest.raises(HasherBusy):
        await ask(hasher)
    assert hasher.spent == 0


@pytest.mark.parametrize("ask", ASKED)
async def test_a_hasher_suspends(ask: Asked) -> None:
    assert await suspensions_of(ask(FastHasher())) > 0


async def test_a_check_waits_for_the_gate() -> None:
    hasher, answers = FastHasher(), list[bool]()
    hasher.gate = Event()
    stored = await hasher.hash(password="a password")

    async def check() -> None:
        answers.append(await hasher.verify(password="a password", stored=stored))

    async with create_task_group() as tasks:
        tasks.start_soon(check)
        await until(lambda: hasher.spent == 1)
        before = list(answers)
        hasher.gate.set()
    assert (before, answers) == ([], [True])


async def test_only_what_a_test_calls_outdated_needs_a_rehash() -> None:
    hasher = FastHasher()
    old, new = [await hasher.hash(password="a password") for _ in range(2)]
    hasher.outdated.add(old)
    assert [hasher.needs_rehash(stored=stored) for stored in (old, new)] == [True, False]


# -- time, ids, secrets ------------------------------------------------------------------------


def test_a_clock_stands_still() -> None:
    clock = SettableClock()
    assert clock.now() == clock.now()


def test_a_clock_goes_where_it_is_told() -> None:
    clock = SettableClock(at())
    clock.advance(timedelta(minutes=2))
    clock.advance(timedelta(minutes=-1))
    assert clock.now() == at(1)


def test_ids_can_be_foretold_and_have_gaps() -> None:
    ids = SequentialIds()
    assert [ids.new_id().int for _ in range(3)] == [1, 8, 15]


def test_secrets_of_a_test_are_as_long_as_the_real_ones() -> None:
    assert SequentialSecrets().new_secret() == "secret-1-" + "x" * 34


def test_secrets_can_be_foretold() -> None:
    assert SequentialSecrets().new_secret() == SequentialSecrets().new_secret()


def test_ids_of_a_test_collide_with_none_of_the_builders() -> None:
    assert SequentialIds().new_id() < new_id()
