from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from app.domain.errors import Fault
from app.domain.identity.errors import (
    InvalidResetCode,
    OwnReset,
    TooManyAttempts,
    UnknownUser,
    WeakPassword,
)
from app.domain.identity.login_log import Client, FailReason, LoginAttempt, pending_attempt
from app.domain.identity.login_log import username_key as folded
from app.domain.identity.password_resets import (
    RESET_LIFETIME,
    PasswordReset,
    canonical_code,
    may_redeem,
    reset_code,
)
from app.domain.identity.throttle import Guessing
from app.domain.identity.users import User, check_new_password
from app.ports.clock import Clock
from app.ports.identity.security import CommonPasswords, PasswordHasher, Vault
from app.ports.identity.user_agents import UserAgents
from app.ports.identity.work import IdentityUnitOfWork, IdentityWork
from app.ports.ids import Ids, Secrets
from app.services.identity.throttling import Claim, Throttling
from app.services.identity.user_service import store_password

_NOBODY: Final = UUID(int=0)
"""Whose reset is asked for where there is no user, so that it costs the same statements."""


@dataclass(frozen=True, slots=True)
class IssuedReset:
    """A code as it is shown, once."""

    code: str
    expires_at: datetime


class PasswordResetService:
    """Codes that an operator gives to who cannot log in, and what they are good for."""

    def __init__(  # noqa: PLR0913 - the ports it needs
        self,
        *,
        uow: IdentityWork,
        hasher: PasswordHasher,
        common: CommonPasswords,
        vault: Vault,
        clock: Clock,
        ids: Ids,
        secrets: Secrets,
        user_agents: UserAgents,
        throttling: Throttling,
    ) -> None:
        self._uow = uow
        self._hasher = hasher
        self._common = common
        self._vault = vault
        self._clock = clock
        self._ids = ids
        self._secrets = secrets
        self._user_agents = user_agents
        self._throttling = throttling

    async def issue(self, *, user_id: UUID, by: UUID | None = None) -> IssuedReset:
        """Give a user a code, in place of the one they may have.

        `by` is the administrator who asks, or None at the machine. Raises `UnknownUser`, and
        `OwnReset` where they ask for themselves: a stolen session would be worth the account.

        Until it is redeemed, everything is as it was: the password, the sessions, and whether
        the user is disabled.
        """
        if by == user_id:
            raise OwnReset
        code = reset_code(self._secrets.new_secret())
        async with self._uow() as uow:
            if await uow.users.hold(user_id=user_id) is None:
                raise UnknownUser(f"There is no user {user_id}.")
            now = self._clock.now()
            reset = PasswordReset(user_id, self._digest(code), now, now + RESET_LIFETIME)
            await uow.password_resets.put(reset=reset)
            await uow.commit()
        return IssuedReset(code, reset.expires_at)

    async def redeem(self, *, username: str, code: str, new_password: str, client: Client) -> None:
        """Set a new password by a code, which is spent; all sessions of the user end.

        Raises `InvalidResetCode`, for every reason alike, `TooManyAttempts`, and `WeakPassword`
        and `HasherBusy`, which leave the code as it was. A hash is spent only once the code was
        right, which tells nothing to who has none: 125 bits are not guessed. An unknown user
        costs the statements of a known one.
        """
        digest = self._digest(code)
        user = await self._guess(username, digest, client)
        check_new_password(
            new_password,
            username=user.username,
            common=self._common.contains,
            field="new_password",
            has_second_factor=user.has_second_factor,
        )
        if await self._hasher.verify(password=new_password, stored=user.password_hash):
            # Or one that was given for the first login only would be there for good.
            faults = [Fault("new_password", "is the current password")]
            raise WeakPassword("That password cannot be set.", faults=faults)
        hashed = await self._hasher.hash(password=new_password)
        async with self._uow() as uow:
            held = await uow.users.hold(user_id=user.id)
            reset = await uow.password_resets.hold(user_id=user.id)
            now = self._clock.now()
            if held is None or not may_redeem(held, reset, digest, now):
                attempt = self._attempt(username, user, client)
                await self._refuse(uow, attempt, FailReason.RESET_FAILED, now)
                raise InvalidResetCode
            await store_password(uow, held, hashed, at=now, keep_session=None)
            await uow.commit()

    async def _guess(self, username: str, digest: str, client: Client) -> User:
        """Tell whose code it is: here a guess begins, and here it ends.

        One transaction, so that a failure is counted, and in the login log, before the client
        hears of it. Whoever is right has taken nothing, as it is left without a commit.
        """
        async with self._uow() as uow:
            key = folded(username)
            user = (await uow.users.by_usernames(username_keys=[key])).get(key)
            attempt = self._attempt(username, user, client)
            claim = Claim(
                guess_id=attempt.id,
                guessing=Guessing.RESET,
                user_id=attempt.user_id or attempt.id,
                username_key=attempt.username_key,
                network=attempt.network,
            )
            [guess] = await self._throttling.claim(uow, [claim])
            reset = await uow.password_resets.hold(user_id=_NOBODY if user is None else user.id)
            now = self._clock.now()
            is_right = user is not None and may_redeem(user, reset, digest, now)
            if guess.blocked_by is None and is_right and user is not None:
                return user
            await self._throttling.settle(uow, guess, failed=True)
            await self._refuse(uow, attempt, guess.blocked_by or FailReason.RESET_FAILED, now)
        if guess.blocked_by is not None:
            raise TooManyAttempts(guess.standing.rate_limit)
        raise InvalidResetCode

    def _attempt(self, username: str, user: User | None, client: Client) -> LoginAttempt:
        return pending_attempt(
            attempt_id=self._ids.new_id(),
            at=self._clock.now(),
            username=username,
            user_id=None if user is None else user.id,
            client=client,
            device=self._user_agents.read(user_agent=client.user_agent),
        )

    async def _refuse(
        self, uow: IdentityUnitOfWork, attempt: LoginAttempt, reason: FailReason, now: datetime
    ) -> None:
        """Write the failure down."""
        await uow.login_log.append(attempts=[attempt.settled(at=now, reason=reason)])
        await uow.commit()

    def _digest(self, code: str) -> str:
        return self._vault.digest(secret=canonical_code(code))
