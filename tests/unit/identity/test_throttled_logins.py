"""Guesses that race, die, wait and come again; and those whom they must not lock out."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import pytest
from anyio import Event, create_task_group, fail_after
from anyio.lowlevel import checkpoint

from app.adapters.memory.identity.unit_of_work import MemoryIdentityUnitOfWork
from app.domain.errors import TickgateError
from app.domain.identity.errors import InvalidCredentials, TooManyAttempts, TooManyWaiting
from app.domain.identity.login_log import Client, FailReason, LoginLogFilter, Outcome
from app.domain.identity.throttle import FAMILIAR_FOR, PENDING_FOR, Kind, Limit, Limits
from app.services.identity.auth_service import AuthService
from app.services.identity.throttling import LOOK_AGAIN, Throttling
from tests.application import CLAIMS, PASSWORD, PATIENCE, MemoryApplication
from tests.cancellation import until

MINUTES = timedelta(minutes=1)
FIVE = Limit(5, 5 * MINUTES)
WRONG = "another password"
HERE, THERE = "203.0.113.7", "198.51.100.9"
A_WHILE = 30


async def an_application(*usernames: str, limits: Limits | None = None) -> MemoryApplication:
    application = MemoryApplication(limits={Kind.PAIR: FIVE} if limits is None else limits)
    for username in usernames or ("trader",):
        await application.users.create_user(username=username, password=PASSWORD)
    return application


async def attempt(
    application: MemoryApplication,
    password: str = WRONG,
    *,
    username: str = "trader",
    ip: str | None = HERE,
    auth: AuthService | None = None,
) -> type[TickgateError] | None:
    """Try to log in, and give how that was refused."""
    service = auth or application.auth
    try:
        await service.authenticate_user(username=username, password=password, client=Client(ip=ip))
    except TickgateError as error:
        return type(error)
    return None


async def blocked(application: MemoryApplication) -> TooManyAttempts:
    """Fail until the quota is full, and give the refusal of the next."""
    for _ in range(5):
        assert await attempt(application) is InvalidCredentials
    with pytest.raises(TooManyAttempts) as caught:
        await application.auth.authenticate_user(
            username="trader", password=PASSWORD, client=Client(ip=HERE)
        )
    return caught.value


async def all_at_once(
    *calls: Callable[[], Awaitable[type[TickgateError] | None]],
) -> Counter[object]:
    ended: Counter[object] = Counter()

    async def one(call: Callable[[], Awaitable[type[TickgateError] | None]]) -> None:
        ended[await call()] += 1

    with fail_after(A_WHILE):
        async with create_task_group() as tasks:
            for call in calls:
                tasks.start_soon(one, call)
    return ended


async def log_of(application: MemoryApplication) -> list[tuple[Outcome, FailReason | None]]:
    rows = await application.login_log.search(matching=LoginLogFilter(), limit=1000)
    return [(row.outcome, row.fail_reason) for row in rows]


# -- how many may be wrong ---------------------------------------------------------------------


async def test_as_many_may_fail_as_the_limit_says() -> None:
    application = await an_application()
    refused = [await attempt(application) for _ in range(7)]
    assert refused == [InvalidCredentials] * 5 + [TooManyAttempts] * 2


async def test_who_is_blocked_is_refused_with_the_right_password_too() -> None:
    application = await an_application()
    await blocked(application)
    assert await attempt(application, PASSWORD) is TooManyAttempts


async def test_no_hash_is_spent_on_who_is_blocked() -> None:
    application = await an_application()
    await blocked(application)
    assert application.hasher.spent == 5


async def test_who_is_blocked_is_in_the_log() -> None:
    application = await an_application()
    await blocked(application)
    assert (await log_of(application))[0] == (Outcome.THROTTLED, FailReason.THROTTLED_PAIR)


async def test_who_is_blocked_is_told_when_to_come_again() -> None:
    application = await an_application()
    assert await attempt(application) is InvalidCredentials
    application.clock.advance(2 * MINUTES)
    for _ in range(4):
        await attempt(application)
    with pytest.raises(TooManyAttempts) as caught:
        await application.auth.authenticate_user(
            username="trader", password=WRONG, client=Client(ip=HERE)
        )
    assert caught.value.retry_after == 180


async def test_one_may_come_again_when_that_time_has_passed() -> None:
    application = await an_application()
    refusal = await blocked(application)
    assert refusal.retry_after is not None
    application.clock.advance(timedelta(seconds=refusal.retry_after))
    assert await attempt(application, PASSWORD) is None


async def test_one_may_not_come_again_a_moment_earlier() -> None:
    application = await an_application()
    refusal = await blocked(application)
    assert refusal.retry_after is not None
    application.clock.advance(timedelta(seconds=refusal.retry_after, microseconds=-1))
    assert await attempt(application, PASSWORD) is TooManyAttempts


async def test_attempts_while_one_is_blocked_do_not_make_it_longer() -> None:
    application = await an_application()
    await blocked(application)
    for _ in range(4):
        application.clock.advance(MINUTES)
        assert await attempt(application) is TooManyAttempts
    application.clock.advance(MINUTES)
    assert await attempt(application, PASSWORD) is None


async def test_the_window_slides() -> None:
    application = await an_application()
    for _ in range(5):
        await attempt(application)
        application.clock.advance(MINUTES)
    # The first of them has expired by now, and with each minute another one does.
    refused = [await attempt(application) for _ in range(2)]
    assert refused == [InvalidCredentials, TooManyAttempts]


async def test_a_success_gives_its_slot_back() -> None:
    application = await an_application()
    refused = [await attempt(application, PASSWORD) for _ in range(20)]
    assert refused == [None] * 20


async def test_a_success_forgives_no_failure() -> None:
    application = await an_application()
    for _ in range(4):
        await attempt(application)
    await attempt(application, PASSWORD)
    refused = [await attempt(application) for _ in range(2)]
    assert refused == [InvalidCredentials, TooManyAttempts]


async def test_a_name_that_nobody_has_is_blocked_like_any_other() -> None:
    application = await an_application()
    refused = [await attempt(application, username="nobody") for _ in range(6)]
    assert refused == [InvalidCredentials] * 5 + [TooManyAttempts]


async def test_a_name_is_blocked_however_it_is_spelled() -> None:
    application = await an_application()
    for name in ("trader", "TRADER", "Trader", "\uff54rader", "tRaDeR"):
        await attempt(application, username=name)
    assert await attempt(application) is TooManyAttempts


async def test_a_disabled_user_with_the_right_password_is_blocked_like_a_wrong_one() -> None:
    application = await an_application()
    user = await application.users.get_user_by_username(username="trader")
    await application.users.set_disabled(user_id=user.id, disabled=True)
    refused = [await attempt(application, PASSWORD) for _ in range(6)]
    assert refused == [InvalidCredentials] * 5 + [TooManyAttempts]


async def test_an_attempt_that_found_the_hasher_busy_was_no_guess() -> None:
    application = await an_application()
    application.hasher.busy = True
    for _ in range(10):
        await attempt(application)
    application.hasher.busy = False
    assert await attempt(application, PASSWORD) is None


# -- guesses that race -------------------------------------------------------------------------


async def test_of_a_hundred_parallel_guesses_only_the_limit_is_checked() -> None:
    application = await an_application()
    ended = await all_at_once(*[partial(attempt, application)] * 100)
    assert (ended, application.hasher.spent) == (
        Counter({TooManyAttempts: 95, InvalidCredentials: 5}),
        5,
    )


async def test_a_hundred_parallel_guesses_are_a_hundred_rows() -> None:
    application = await an_application()
    await all_at_once(*[partial(attempt, application)] * 100)
    assert Counter(await log_of(application)) == {
        (Outcome.THROTTLED, FailReason.THROTTLED_PAIR): 95,
        (Outcome.FAILED, FailReason.BAD_PASSWORD): 5,
    }


async def test_a_hundred_parallel_correct_logins_all_get_through() -> None:
    application = await an_application()
    ended = await all_at_once(*[partial(attempt, application, PASSWORD)] * 100)
    assert ended == {None: 100}


async def test_a_hundred_parallel_correct_logins_get_through_one_at_a_time() -> None:
    application = await an_application(limits={Kind.PAIR: Limit(1, MINUTES)})
    ended = await all_at_once(*[partial(attempt, application, PASSWORD)] * 100)
    assert ended == {None: 100}


async def test_the_correct_ones_of_parallel_guesses_get_through_beside_four_wrong_ones() -> None:
    application = await an_application()
    calls = [partial(attempt, application, PASSWORD)] * 30 + [partial(attempt, application)] * 4
    assert await all_at_once(*calls) == {None: 30, InvalidCredentials: 4}


async def test_guesses_by_way_of_two_processes_share_one_limit() -> None:
    application = await an_application()
    other = another_process(application)
    calls = [partial(attempt, application)] * 20 + [partial(attempt, application, auth=other)] * 20
    ended = await all_at_once(*calls)
    assert ended == {TooManyAttempts: 35, InvalidCredentials: 5}


async def test_no_slot_is_left_pending() -> None:
    application = await an_application()
    calls = [partial(attempt, application, PASSWORD)] * 30 + [partial(attempt, application)] * 30
    await all_at_once(*calls)
    slots = application.identity_store.committed.slots.values()
    assert [slot for slot in slots if slot.pending] == []


def another_process(
    application: MemoryApplication,
    *,
    waiting: int = 200,
    patience: timedelta = PATIENCE,
    look_again: timedelta = LOOK_AGAIN,
    limit: Limit = FIVE,
) -> AuthService:
    """Give the service as another process has it: all that it shares is the store."""
    throttling = Throttling(
        uow=partial(MemoryIdentityUnitOfWork, application.identity_store),
        clock=application.clock,
        limits={Kind.PAIR: limit},
        waiting=waiting,
        patience=patience,
        claims=CLAIMS,
        look_again=look_again,
    )
    return application.auth_with(throttling)


def has_spent(application: MemoryApplication, hashes: int) -> bool:
    return application.hasher.spent == hashes


def has_begun(application: MemoryApplication, attempts: int) -> bool:
    return len(application.identity_store.committed.attempts) == attempts


# -- guesses that die --------------------------------------------------------------------------


async def dead(application: MemoryApplication) -> None:
    """Take all slots for guesses that are never settled: the store is away when they could be."""
    application.hasher.gate = Event()
    async with create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(attempt, application)
        await until(lambda: application.hasher.spent == 5)
        application.identity_store.down = True
        application.hasher.gate.set()
    application.identity_store.down = False
    application.hasher.gate = None


async def test_a_guess_that_is_cancelled_counts() -> None:
    application = await an_application()
    for guess in range(1, 6):
        application.hasher.gate = Event()
        async with create_task_group() as tasks:
            tasks.start_soon(attempt, application)
            await until(partial(has_spent, application, guess))
            tasks.cancel_scope.cancel()
    application.hasher.gate = None
    assert await attempt(application, PASSWORD) is TooManyAttempts


async def test_guesses_whose_process_died_count_when_their_time_is_over() -> None:
    application = await an_application()
    await dead(application)
    application.clock.advance(PENDING_FOR + timedelta(microseconds=1))
    assert await attempt(application, PASSWORD) is TooManyAttempts


async def test_guesses_whose_process_died_expire_like_any_other() -> None:
    application = await an_application()
    await dead(application)
    application.clock.advance(5 * MINUTES)
    assert await attempt(application, PASSWORD) is None


# -- guesses that wait -------------------------------------------------------------------------


async def waiting_behind(
    application: MemoryApplication, auth: AuthService, ended: list[object]
) -> None:
    """Let five guesses be checked without end, and one more wait for them."""
    application.hasher.gate = Event()

    async def last() -> None:
        ended.append(await attempt(application, PASSWORD, auth=auth))

    async with create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(attempt, application, PASSWORD)
        await until(lambda: application.hasher.spent == 5)
        tasks.start_soon(last)
        await until(lambda: bool(ended))
        application.hasher.gate.set()


async def test_who_waits_for_too_long_is_told_to_come_again() -> None:
    application = await an_application()
    ended: list[object] = []
    impatient = another_process(application, patience=timedelta(0))
    await waiting_behind(application, impatient, ended)
    assert ended == [TooManyWaiting]


async def test_who_finds_no_place_to_wait_is_told_to_come_again() -> None:
    application = await an_application()
    ended: list[object] = []
    crowded = another_process(application, waiting=0)
    await waiting_behind(application, crowded, ended)
    assert ended == [TooManyWaiting]


async def test_who_waited_in_vain_is_in_the_log() -> None:
    application = await an_application()
    await waiting_behind(application, another_process(application, waiting=0), [])
    assert (Outcome.FAILED, FailReason.BUSY) in await log_of(application)


async def test_who_waits_is_in_the_log_already() -> None:
    application = await an_application()
    application.hasher.gate = Event()
    async with create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(attempt, application)
        await until(lambda: len(application.identity_store.committed.attempts) == 6)
        for _ in range(100):
            await checkpoint()
        assert application.hasher.spent == 5
        assert await log_of(application) == [(Outcome.PENDING, None)] * 6
        tasks.cancel_scope.cancel()


async def test_who_is_cancelled_while_waiting_has_not_guessed() -> None:
    application = await an_application(limits={Kind.PAIR: Limit(1, 5 * MINUTES)})
    application.hasher.gate = Event()
    async with create_task_group() as tasks:
        tasks.start_soon(attempt, application, PASSWORD)
        await until(lambda: application.hasher.spent == 1)
        async with create_task_group() as others:
            others.start_soon(attempt, application)
            await until(lambda: len(application.identity_store.committed.attempts) == 2)
            others.cancel_scope.cancel()
        application.hasher.gate.set()
    assert await attempt(application, PASSWORD) is None


async def test_those_who_wait_look_one_after_the_other() -> None:
    application = await an_application(limits={Kind.PAIR: Limit(1, MINUTES)})
    before = application.identity_store.commits
    await all_at_once(*[partial(attempt, application, PASSWORD)] * 50)
    # Claim and settle, and a look or two; all at once, each would look as often as all others.
    assert application.identity_store.commits - before < 50 * 5


async def test_who_waits_is_woken_by_what_is_settled() -> None:
    application = await an_application()
    never = timedelta(days=1)
    process = another_process(application, look_again=never, limit=Limit(1, MINUTES))
    ended = await all_at_once(*[partial(attempt, application, PASSWORD, auth=process)] * 20)
    assert ended == {None: 20}


async def test_whenever_a_wait_is_cancelled_no_slot_is_left_pending() -> None:
    for moment in range(40):
        application = await an_application(limits={Kind.PAIR: Limit(1, 5 * MINUTES)})
        application.hasher.gate = Event()
        async with create_task_group() as tasks:
            tasks.start_soon(attempt, application, PASSWORD)
            await until(partial(has_spent, application, 1))
            async with create_task_group() as others:
                others.start_soon(attempt, application)
                await until(partial(has_begun, application, 2))
                application.hasher.gate.set()
                for _ in range(moment):
                    await checkpoint()
                others.cancel_scope.cancel()
        slots = application.identity_store.committed.slots.values()
        assert [slot for slot in slots if slot.pending] == [], moment


async def test_who_settles_does_not_wait_for_those_who_claim() -> None:
    application = await an_application()
    application.hasher.gate = Event()
    application.throttling.entrance.total_tokens = 1
    ended: list[object] = []

    async def one() -> None:
        ended.append(await attempt(application, PASSWORD))

    with fail_after(A_WHILE):
        async with create_task_group() as tasks:
            tasks.start_soon(one)
            await until(partial(has_spent, application, 1))
            async with application.throttling.entrance:
                application.hasher.gate.set()
                await until(lambda: ended == [None])


# -- whom nobody can lock out ------------------------------------------------------------------

TWO_QUOTAS: Limits = {Kind.PAIR: FIVE, Kind.USER: FIVE}


async def test_guesses_from_everywhere_share_the_limit_of_their_user() -> None:
    application = await an_application(limits=TWO_QUOTAS)
    refused = [await attempt(application, ip=f"198.51.100.{last}") for last in range(6)]
    assert refused == [InvalidCredentials] * 5 + [TooManyAttempts]


async def test_who_has_succeeded_from_there_cannot_be_locked_out_from_elsewhere() -> None:
    application = await an_application(limits=TWO_QUOTAS)
    assert await attempt(application, PASSWORD) is None
    for _ in range(10):
        await attempt(application, ip=THERE)
    assert await attempt(application, PASSWORD) is None


async def test_who_has_never_succeeded_from_there_is_locked_out_with_everybody() -> None:
    application = await an_application(limits=TWO_QUOTAS)
    assert await attempt(application, PASSWORD) is None
    for _ in range(5):
        await attempt(application, ip=THERE)
    assert await attempt(application, PASSWORD, ip="192.0.2.55") is TooManyAttempts


async def test_a_success_of_long_ago_exempts_nobody() -> None:
    application = await an_application(limits=TWO_QUOTAS)
    assert await attempt(application, PASSWORD) is None
    application.clock.advance(FAMILIAR_FOR)
    for _ in range(5):
        await attempt(application, ip=THERE)
    assert await attempt(application, PASSWORD) is TooManyAttempts


async def test_who_is_exempt_is_still_counted_as_a_pair() -> None:
    application = await an_application(limits=TWO_QUOTAS)
    assert await attempt(application, PASSWORD) is None
    refused = [await attempt(application) for _ in range(6)]
    assert refused == [InvalidCredentials] * 5 + [TooManyAttempts]


async def test_another_users_success_exempts_nobody() -> None:
    application = await an_application("trader", "other", limits=TWO_QUOTAS)
    assert await attempt(application, PASSWORD, username="other") is None
    for _ in range(5):
        await attempt(application, ip=THERE)
    assert await attempt(application, PASSWORD) is TooManyAttempts


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(Kind.NETWORK, FailReason.THROTTLED_NETWORK), (Kind.EVERYONE, FailReason.THROTTLED_GLOBAL)],
)
async def test_wider_limits_count_the_guesses_at_all_users(kind: Kind, reason: FailReason) -> None:
    application = await an_application(limits={kind: FIVE})
    for number in range(6):
        await attempt(application, username=f"user-{number}")
    assert (await log_of(application))[0] == (Outcome.THROTTLED, reason)


async def test_networks_are_counted_each_for_itself() -> None:
    application = await an_application(limits={Kind.NETWORK: FIVE})
    for _ in range(5):
        await attempt(application, ip=THERE)
    assert await attempt(application, PASSWORD) is None


async def test_all_addresses_of_a_network_of_ipv6_are_one() -> None:
    application = await an_application(limits={Kind.NETWORK: FIVE})
    for last in range(5):
        await attempt(application, ip=f"2001:db8:1:2::{last}")
    assert await attempt(application, ip="2001:db8:1:2:ffff::1") is TooManyAttempts


async def test_an_address_of_ipv4_that_came_as_ipv6_is_the_same() -> None:
    application = await an_application()
    for _ in range(5):
        await attempt(application, ip=f"::ffff:{HERE}")
    assert await attempt(application) is TooManyAttempts


async def test_without_limits_everything_is_checked() -> None:
    application = await an_application(limits={})
    refused = [await attempt(application) for _ in range(30)]
    assert refused == [InvalidCredentials] * 30
