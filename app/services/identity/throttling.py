from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from anyio import CapacityLimiter, Event, Lock, fail_after, move_on_after

from app.domain.identity.errors import TooManyAttempts, TooManyWaiting
from app.domain.identity.login_log import FailReason
from app.domain.identity.throttle import (
    FAMILIAR_FOR,
    PENDING_FOR,
    REASONS,
    Guessing,
    Limits,
    Quota,
    Slot,
    Standing,
    standings,
)
from app.domain.identity.throttle import quotas as quotas_of
from app.ports.clock import Clock
from app.ports.identity.throttle import Throttle
from app.ports.identity.work import IdentityUnitOfWork, IdentityWork

LOOK_AGAIN: Final = timedelta(milliseconds=50)


@dataclass(frozen=True, slots=True)
class Claim:
    """Who guesses, from where, and at what."""

    guess_id: UUID
    guessing: Guessing
    user_id: UUID
    username_key: str
    network: str | None


@dataclass(slots=True)
class Guess:
    """A guess at a secret, the quotas it counts against, and how it stands with them."""

    id: UUID
    quotas: tuple[Quota, ...]
    standing: Standing

    @property
    def blocked_by(self) -> FailReason | None:
        """Why it may not be checked: the quota that is full."""
        blocked = self.standing.blocked
        return None if blocked is None else REASONS[blocked.kind]

    def check(self) -> None:
        """Raise `TooManyAttempts` where it may not be checked."""
        if self.standing.blocked is not None:
            raise TooManyAttempts(self.standing.rate_limit)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """What it has taken: nothing while it waits, or when it was blocked."""
        return self.standing.slots


@dataclass(slots=True)
class _Line:
    """Those in this process that wait for the same quota."""

    lock: Lock = field(default_factory=Lock)
    length: int = 0


class Throttling:
    """Lets guesses through as their quotas allow; those that race one another, in turn.

    `waiting` guesses may wait at a time, each no longer than `patience`. What this process settles
    wakes them; for what others do, the first in each line looks again every so often. `claims` are
    made at a time: whoever makes one passes the `entrance`, and those who settle do not, so that
    there is always a connection left for them.
    """

    def __init__(  # noqa: PLR0913 - what bounds a wait
        self,
        *,
        uow: IdentityWork,
        clock: Clock,
        limits: Limits,
        waiting: int,
        patience: timedelta,
        claims: int,
        look_again: timedelta = LOOK_AGAIN,
    ) -> None:
        self._uow = uow
        self._clock = clock
        self._limits = limits
        self._places = waiting
        self._patience = patience
        self.entrance = CapacityLimiter(claims)
        self._look_again = look_again
        self._lines: defaultdict[str, _Line] = defaultdict(_Line)
        self._settled = Event()

    async def claim(self, uow: IdentityUnitOfWork, claims: Sequence[Claim]) -> list[Guess]:
        """Take a slot of every quota, or none where one is full; part of the caller's work.

        It is as if each guess came after those before it. Who succeeded from there not long ago is
        exempt from the quotas of others: nobody can lock them out from elsewhere.
        """
        familiar = await self._familiar(uow, claims)
        quotas = {
            claim.guess_id: quotas_of(
                self._limits,
                guessing=claim.guessing,
                username_key=claim.username_key,
                network=claim.network,
                is_familiar=(claim.user_id, claim.network) in familiar,
            )
            for claim in claims
        }
        standings = await self._claim(uow.throttle, quotas)
        return [Guess(*each, found) for each, found in zip(quotas.items(), standings, strict=True)]

    async def _familiar(
        self, uow: IdentityUnitOfWork, claims: Sequence[Claim]
    ) -> set[tuple[UUID, str]]:
        """Give the users, and where from, who succeeded there not long ago."""
        pairs = {(claim.user_id, claim.network) for claim in claims if claim.network is not None}
        if not pairs:
            return set()
        last = await uow.origins.last_successes(pairs=pairs)
        long_ago = self._clock.now() - FAMILIAR_FOR
        return {pair for pair, at in last.items() if at > long_ago}

    async def _claim(
        self, throttle: Throttle, quotas: Mapping[UUID, tuple[Quota, ...]]
    ) -> list[Standing]:
        keys = {quota.key for each in quotas.values() for quota in each}
        await throttle.hold(keys=keys)
        now = self._clock.now()
        taken = await throttle.taken(keys=keys, now=now, pending_since=now - PENDING_FOR)
        found = standings(quotas.values(), taken, now=now)
        slots = {guess: each.slots for guess, each in zip(quotas, found, strict=True) if each.slots}
        if slots:
            await throttle.take(slots=slots, at=now)
        return found

    async def turn(self, guess: Guess) -> None:
        """Wait while others are checked, until the guess has its slots or is blocked.

        Raises `TooManyWaiting` when there is no place left to wait, and when it takes too long.
        """
        if guess.standing.contended is None:
            return
        try:
            with fail_after(self._patience.total_seconds()):
                while guess.standing.contended is not None:
                    await self._wait(guess, guess.standing.contended)
        except TimeoutError:
            raise TooManyWaiting from None

    async def _wait(self, guess: Guess, contended: Quota) -> None:
        """Look again and again, as the first in the line of a quota, while that one is full."""
        async with self._line(contended.key):
            while guess.standing.contended == contended:
                settled = self._settled  # whatever is settled from now on, is heard of
                async with self.entrance, self._uow() as uow:
                    # Known before it is kept: who is cancelled meanwhile can give it back.
                    [guess.standing] = await self._claim(uow.throttle, {guess.id: guess.quotas})
                    await uow.commit()
                if guess.standing.contended == contended:
                    with move_on_after(self._look_again.total_seconds()):
                        await settled.wait()

    @asynccontextmanager
    async def _line(self, key: str) -> AsyncIterator[None]:
        if sum(line.length for line in self._lines.values()) >= self._places:
            raise TooManyWaiting
        line = self._lines[key]
        line.length += 1
        try:
            async with line.lock:
                yield
        finally:
            line.length -= 1
            if line.length == 0:
                del self._lines[key]

    async def settle(self, uow: IdentityUnitOfWork, *guesses: Guess, failed: bool) -> None:
        """Count guesses as failed, or give their slots back; part of the caller's work."""
        slots = {guess.id: guess.slots for guess in guesses if guess.slots}
        if slots:
            settle = uow.throttle.keep if failed else uow.throttle.give_back
            await settle(slots=slots)

    async def end(self, guess: Guess, *, failed: bool) -> None:
        """Settle a guess in a unit of work of its own, and tell those who wait."""
        if guess.slots:
            async with self._uow() as uow:
                await self.settle(uow, guess, failed=failed)
                await uow.commit()
        self.wake()

    def wake(self) -> None:
        """Tell those who wait that a guess is settled, and committed."""
        self._settled.set()
        self._settled = Event()
