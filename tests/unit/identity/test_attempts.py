"""Attempts that are recorded together: as if each had been recorded for itself."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from random import Random

import pytest
from anyio import create_task_group
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.memory.identity.unit_of_work import MemoryIdentityUnitOfWork
from app.domain.errors import StoreUnavailable, TickgateError, UnstorableText
from app.domain.identity.errors import AttemptNotPending
from app.domain.identity.login_log import FailReason, LoginAttempt, Outcome
from app.domain.identity.throttle import (
    Guessing,
    Kind,
    Limit,
    Quota,
    Taken,
    standing,
    standings,
)
from app.services.identity.attempts import Attempts
from app.services.identity.throttling import Claim, Guess
from tests.application import MemoryApplication
from tests.builders import an_attempt, at, new_id

MINUTE = timedelta(minutes=1)
TIGHT = {kind: Limit(number, MINUTE) for number, kind in enumerate(Kind, start=2)}
NETWORKS = ["192.0.2.1", "192.0.2.2", None]
NAMES = ["alice", "bob"]


@given(
    quotas=st.lists(st.lists(st.sampled_from("abc"), unique=True), max_size=8),
    failed=st.lists(st.integers(0, 3), min_size=3, max_size=3),
    pending=st.lists(st.integers(0, 3), min_size=3, max_size=3),
)
def test_guesses_are_judged_as_if_one_had_come_after_the_other(
    quotas: list[list[str]], failed: list[int], pending: list[int]
) -> None:
    counts = dict(zip("abc", zip(failed, pending, strict=True), strict=True))
    guesses = [[Quota(Kind.PAIR, key, Limit(3, MINUTE)) for key in keys] for keys in quotas]

    def taken(slots: Iterable[str]) -> dict[str, Taken]:
        both = {key: (count[0], count[1] + [*slots].count(key)) for key, count in counts.items()}
        return {key: Taken(*count, at(1) if count[0] else None) for key, count in both.items()}

    one_by_one, slots = [], list[str]()
    for guess in guesses:
        found = standing(guess, taken(slots), now=at())
        one_by_one.append(found)
        slots += [slot.key for slot in found.slots]
    assert standings(guesses, taken([]), now=at()) == one_by_one


def claims_of(chance: Random) -> list[Claim]:
    users = {name: new_id() for name in NAMES}
    return [
        Claim(
            guess_id=new_id(),
            guessing=chance.choice([Guessing.PASSWORD, Guessing.PASSWORD, Guessing.CODE]),
            user_id=users[name],
            username_key=name,
            network=chance.choice(NETWORKS),
        )
        for name in chance.choices(NAMES, k=9)
    ]


async def claimed(claims: list[list[Claim]], familiar: Claim) -> tuple[list[Guess], object]:
    """Claim in so many units of work; give the guesses, and the slots that they have taken."""
    application = MemoryApplication(limits=TIGHT)
    guesses: list[Guess] = []
    async with MemoryIdentityUnitOfWork(application.identity_store) as uow:
        now, user_id = application.clock.now(), familiar.user_id
        await uow.origins.see(user_id=user_id, network=NETWORKS[0], client=None, at=now)
        await uow.commit()
    for together in claims:
        async with MemoryIdentityUnitOfWork(application.identity_store) as uow:
            guesses += await application.throttling.claim(uow, together)
            await uow.commit()
    return guesses, application.identity_store.committed.slots


async def test_slots_claimed_together_are_those_claimed_one_after_the_other() -> None:
    for seed in range(60):
        claims = claims_of(Random(seed))  # noqa: S311 - the same each time
        one_by_one = await claimed([[claim] for claim in claims], claims[0])
        assert await claimed([claims], claims[0]) == one_by_one, seed


def attempts_of(application: MemoryApplication) -> Attempts:
    return Attempts(
        uow=partial(MemoryIdentityUnitOfWork, application.identity_store),
        throttling=application.throttling,
        clock=application.clock,
    )


async def recorded(
    attempts: Attempts, *begun: LoginAttempt, reason: FailReason = FailReason.BAD_PASSWORD
) -> dict[str, type[TickgateError] | None]:
    """Begin attempts at once, and let them fail at once; give what was raised, by username."""
    ended: dict[str, type[TickgateError] | None] = {}

    async def one(attempt: LoginAttempt) -> None:
        try:
            await attempts.fail(await attempts.begin(attempt), reason)
            ended[attempt.username] = None
        except TickgateError as error:
            ended[attempt.username] = type(error)

    async with create_task_group() as tasks:
        for attempt in begun:
            tasks.start_soon(one, attempt)
    return ended


def some_attempts(number: int) -> list[LoginAttempt]:
    return [an_attempt(username=f"user-{each}", ip=f"192.0.2.{each}") for each in range(number)]


async def test_many_attempts_at_once_take_few_transactions() -> None:
    application = MemoryApplication()
    ended = await recorded(attempts_of(application), *some_attempts(50))
    assert ended == {f"user-{number}": None for number in range(50)}
    # On Trio, the first may begin before the others come, and so may those who fail.
    assert application.identity_store.commits <= 8


async def test_attempts_recorded_together_are_all_in_the_log() -> None:
    application = MemoryApplication()
    begun = some_attempts(20)
    await recorded(attempts_of(application), *begun)
    assert application.identity_store.committed.attempts == {
        attempt.id: attempt.settled(at=application.clock.now(), reason=FailReason.BAD_PASSWORD)
        for attempt in begun
    }


@pytest.mark.parametrize(
    ("reason", "left"), [(FailReason.BAD_PASSWORD, {False}), (FailReason.BUSY, set())], ids=str
)
async def test_slots_of_those_that_fail_together_are_kept_where_they_were_guesses(
    reason: FailReason, left: set[bool]
) -> None:
    application = MemoryApplication()
    await recorded(attempts_of(application), *some_attempts(20), reason=reason)
    slots = application.identity_store.committed.slots.values()
    assert {slot.pending for slot in slots} == left


async def test_an_attempt_that_is_not_pending_fails_no_other() -> None:
    application = MemoryApplication()
    attempts, begun = attempts_of(application), some_attempts(5)
    known = [await attempts.begin(attempt) for attempt in begun]
    async with MemoryIdentityUnitOfWork(application.identity_store) as uow:
        await uow.login_log.settle(attempts=[begun[2].settled(at=at(), reason=None)])
        await uow.commit()
    ended: dict[int, type[TickgateError] | None] = {}

    async def fail(number: int) -> None:
        try:
            await attempts.fail(known[number], FailReason.BAD_PASSWORD)
            ended[number] = None
        except TickgateError as error:
            ended[number] = type(error)

    async with create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(fail, number)
    assert ended == {**dict.fromkeys(range(5)), 2: AttemptNotPending}
    outcomes = [each.outcome for each in application.identity_store.committed.attempts.values()]
    assert outcomes == [Outcome.SUCCESS if number == 2 else Outcome.FAILED for number in range(5)]


async def test_while_the_store_is_away_no_attempt_begins() -> None:
    application = MemoryApplication()
    application.identity_store.down = True
    ended = await recorded(attempts_of(application), *some_attempts(5))
    assert ended == {f"user-{number}": StoreUnavailable for number in range(5)}


async def test_an_attempt_that_cannot_be_stored_is_refused_before_anything_begins() -> None:
    application = MemoryApplication()
    application.identity_store.down = True  # which nothing hears of
    attempts = attempts_of(application)
    with pytest.raises(UnstorableText):
        await attempts.begin(replace(an_attempt(), request_id="a\0b"))
