from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from app.domain.identity.login_log import FailReason, LoginAttempt
from app.domain.identity.storage import check_attempt
from app.domain.identity.throttle import NO_GUESS, Guessing
from app.domain.identity.users import User
from app.ports.clock import Clock
from app.ports.identity.work import IdentityWork
from app.services.identity.batches import Batches
from app.services.identity.throttling import Claim, Guess, Throttling

AT_ONCE: Final = 100
"""Attempts that are recorded in one transaction, at the most."""


@dataclass(frozen=True, slots=True)
class Begun:
    """An attempt that is in the login log, the user of that name, and the guess that it is."""

    attempt: LoginAttempt
    user: User | None
    guess: Guess


@dataclass(frozen=True, slots=True)
class _Failure:
    attempt: LoginAttempt
    guess: Guess
    reason: FailReason


class Attempts:
    """Records attempts to log in.

    What begins while others are being recorded is recorded together with all that wait for that;
    so are failures, for themselves: whoever fails waits for none who begins, as those may have to
    wait for the quotas that others hold.
    """

    def __init__(self, *, uow: IdentityWork, throttling: Throttling, clock: Clock) -> None:
        self._uow = uow
        self._throttling = throttling
        self._clock = clock
        self._beginning = Batches(self._begin, most=AT_ONCE)
        self._failing = Batches(self._fail, most=AT_ONCE)

    async def begin(self, attempt: LoginAttempt) -> Begun:
        """Record an attempt, and claim its slots; one that is blocked has thereby ended.

        Raises `UnstorableText`.
        """
        check_attempt(attempt)
        return await self._beginning.join(attempt)

    async def fail(self, begun: Begun, reason: FailReason) -> None:
        """Record why an attempt failed. Raises `AttemptNotPending`."""
        await self._failing.join(_Failure(begun.attempt, begun.guess, reason))

    async def _begin(self, attempts: Sequence[LoginAttempt]) -> list[Begun]:
        async with self._throttling.entrance, self._uow() as uow:
            users = await uow.users.by_usernames(
                username_keys={attempt.username_key for attempt in attempts}
            )
            known = [_of_user(attempt, users.get(attempt.username_key)) for attempt in attempts]
            # Before the claim: everybody waits for what comes after it.
            await uow.login_log.append(attempts=known)
            guesses = await self._throttling.claim(uow, [_claim_of(attempt) for attempt in known])
            begun = [
                _unless_blocked(attempt, users.get(attempt.username_key), guess)
                for attempt, guess in zip(known, guesses, strict=True)
            ]
            blocked = [each.attempt for each in begun if each.guess.blocked_by is not None]
            if blocked:
                await uow.login_log.settle(attempts=blocked)
            await uow.commit()
        return begun

    async def _fail(self, failures: Sequence[_Failure]) -> Sequence[None]:
        async with self._uow() as uow:
            now = self._clock.now()
            for failed in (True, False):
                guesses = [each.guess for each in failures if _is_guess(each.reason) is failed]
                await self._throttling.settle(uow, *guesses, failed=failed)
            await uow.login_log.settle(
                attempts=[each.attempt.settled(at=now, reason=each.reason) for each in failures]
            )
            await uow.commit()
        return [None] * len(failures)


def _of_user(attempt: LoginAttempt, user: User | None) -> LoginAttempt:
    return attempt if user is None else replace(attempt, user_id=user.id)


def _claim_of(attempt: LoginAttempt) -> Claim:
    return Claim(
        guess_id=attempt.id,
        guessing=Guessing.PASSWORD,
        # What every name that nobody has costs, too.
        user_id=attempt.user_id or attempt.id,
        username_key=attempt.username_key,
        network=attempt.network,
    )


def _unless_blocked(attempt: LoginAttempt, user: User | None, guess: Guess) -> Begun:
    if guess.blocked_by is not None:
        attempt = attempt.settled(at=attempt.at, reason=guess.blocked_by)
    return Begun(attempt, user, guess)


def _is_guess(reason: FailReason) -> bool:
    return reason not in NO_GUESS
