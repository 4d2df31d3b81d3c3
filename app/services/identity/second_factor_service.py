from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from app.domain.errors import TickgateError
from app.domain.identity.errors import (
    InvalidChallenge,
    InvalidCode,
    MfaRequired,
    NoSecondFactor,
    SecondFactorEnrolled,
    TooManyAttempts,
    UnknownUser,
    WrongCode,
    WrongPassword,
)
from app.domain.identity.login_log import FailReason
from app.domain.identity.second_factor import (
    CHALLENGE_KEPT,
    CHALLENGE_LIFETIME,
    RECOVERY_CODES,
    MfaChallenge,
    SecondFactor,
    SecondFactorStatus,
    is_one_time_code,
    is_recovery_code,
    is_required,
    plain_code,
    recovery_code,
)
from app.domain.identity.throttle import Guessing
from app.domain.identity.users import User, check_length
from app.domain.principal import Principal, Role
from app.ports.clock import Clock
from app.ports.identity.second_factor import OneTimeCodes
from app.ports.identity.security import Vault
from app.ports.identity.work import IdentityUnitOfWork, IdentityWork
from app.ports.ids import Ids, Secrets
from app.services.identity.own_password import OwnPassword
from app.services.identity.throttling import Claim, Throttling

ISSUER = "tickgate"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a device needs to make codes; shown once."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of a code at a login: whose challenge it answered, if it was one that counts."""

    at: datetime
    user: User | None
    reason: FailReason | None
    refusal: TickgateError | None


class SecondFactorService:
    """The second factor: how users enrol and lose it, and what it decides at a login."""

    def __init__(  # noqa: PLR0913 - the ports it needs
        self,
        *,
        uow: IdentityWork,
        reading: IdentityWork,
        own_password: OwnPassword,
        throttling: Throttling,
        ids: Ids,
        codes: OneTimeCodes,
        vault: Vault,
        clock: Clock,
        secrets: Secrets,
        required_roles: frozenset[Role],
    ) -> None:
        self._uow = uow
        self._reading = reading
        self._own_password = own_password
        self._throttling = throttling
        self._ids = ids
        self._codes = codes
        self._vault = vault
        self._clock = clock
        self._secrets = secrets
        self._required_roles = required_roles

    async def status(self, *, principal: Principal) -> SecondFactorStatus:
        """Tell how it stands with one's own second factor."""
        async with self._reading() as uow:
            user = _known(await uow.users.get(user_id=principal.user_id))
            factor = await uow.second_factors.get(user_id=user.id)
            left = await uow.second_factors.count_recovery_codes(user_id=user.id)
        return SecondFactorStatus(
            enrolled=user.has_second_factor,
            confirmed_at=None if factor is None else factor.confirmed_at,
            recovery_codes_left=left,
            required=is_required(user, self._required_roles),
        )

    async def enrol(self, *, principal: Principal, current_password: str) -> Enrolment:
        """Begin with a new secret, which counts for nothing until a code confirms it.

        What was begun before is forgotten. Raises `WrongPassword`, and `SecondFactorEnrolled`
        once one is confirmed.
        """
        checked = await self._own_password.check(principal=principal, password=current_password)
        async with self._uow() as uow:
            user = await _hold_unchanged(uow, checked)
            if user.has_second_factor:
                raise SecondFactorEnrolled
            now = self._clock.now()
            secret = self._codes.new_secret()
            sealed = self._vault.seal(secret=secret, of=user.id)
            await uow.second_factors.put(factor=SecondFactor(user.id, sealed, created_at=now))
            await uow.commit()
        uri = self._codes.uri(secret=secret, username=user.username, issuer=ISSUER)
        return Enrolment(secret, uri)

    async def confirm(self, *, principal: Principal, code: str) -> tuple[str, ...]:
        """Turn on what was begun, as its device shows a right code; one's other sessions end.

        Gives the recovery codes, this once. Raises `NoSecondFactor` where nothing was begun,
        `SecondFactorEnrolled` and `WrongCode`.
        """
        async with self._uow() as uow:
            user = _known(await uow.users.hold(user_id=principal.user_id))
            now = self._clock.now()
            if user.has_second_factor:
                raise SecondFactorEnrolled
            factor = await uow.second_factors.get(user_id=user.id)
            if factor is None:
                raise NoSecondFactor
            # Before the code, which adds the step that it used; a wrong one takes both back.
            await uow.second_factors.put(factor=replace(factor, confirmed_at=now))
            if not await self._accepts(uow, factor, code, now):
                raise WrongCode
            given = await self._replace_recovery_codes(uow, user)
            await _switch(uow, user, principal, now, on=True)
            await uow.commit()
        return given

    async def new_recovery_codes(
        self, *, principal: Principal, current_password: str, code: str
    ) -> tuple[str, ...]:
        """Give new recovery codes, which take the place of all before.

        Raises `WrongPassword`, `NoSecondFactor` and `WrongCode`.
        """
        checked = await self._own_password.check(principal=principal, password=current_password)
        async with self._uow() as uow:
            user, _ = await self._hold_with_code(uow, checked, code)
            given = await self._replace_recovery_codes(uow, user)
            await uow.commit()
        return given

    async def remove(self, *, principal: Principal, current_password: str, code: str) -> None:
        """Remove one's own second factor and its recovery codes; one's other sessions end.

        Raises `WrongPassword`, `NoSecondFactor`, `WrongCode`, and `WeakPassword` where the
        password is good enough only beside a second factor.
        """
        checked = await self._own_password.check(principal=principal, password=current_password)
        async with self._uow() as uow:
            user, now = await self._hold_with_code(uow, checked, code)
            check_length(current_password, field="current_password", has_second_factor=False)
            await uow.second_factors.remove(user_id=user.id)
            await _switch(uow, user, principal, now, on=False)
            await uow.commit()

    async def challenge(self, *, uow: IdentityUnitOfWork, user: User, at: datetime) -> MfaRequired:
        """Store, within a login's transaction, that a code is lacking; give the refusal."""
        secret = self._secrets.new_secret()
        challenge = MfaChallenge(
            digest=self._vault.digest(secret=secret),
            user_id=user.id,
            password_changed_at=user.password_changed_at,
            created_at=at,
            expires_at=at + CHALLENGE_LIFETIME,
        )
        await uow.mfa_challenges.remove_expired(user_id=user.id, until=at - CHALLENGE_KEPT)
        await uow.mfa_challenges.add(challenge=challenge)
        return MfaRequired(challenge=secret, expires_in=CHALLENGE_LIFETIME // timedelta(seconds=1))

    async def judge(
        self,
        *,
        uow: IdentityUnitOfWork,
        challenge: str,
        code: str,
        guess_id: UUID,
        network: str | None,
    ) -> Judgement:
        """Decide, within a login's transaction, what a code is worth; the caller commits.

        A guess at a login begins and ends here, wrong ones counted against the challenge, and
        against the quotas of codes.
        """
        held = await uow.mfa_challenges.hold(digest=self._vault.digest(secret=challenge))
        user = None if held is None else await uow.users.hold(user_id=held.user_id)
        now = self._clock.now()
        if held is None or user is None or not held.is_open(now):
            return Judgement(now, None, FailReason.MFA_FAILED, InvalidChallenge())
        claim = Claim(
            guess_id=guess_id,
            guessing=Guessing.CODE,
            user_id=user.id,
            username_key=user.username_key,
            network=network,
        )
        [guess] = await self._throttling.claim(uow, [claim])
        if guess.blocked_by is not None:
            refusal = TooManyAttempts(guess.standing.rate_limit)
            return Judgement(now, user, guess.blocked_by, refusal)
        reason = held.fault_of(user) or await self._fault_of(uow, user, code, now)
        await self._throttling.settle(uow, guess, failed=reason is not None)
        await uow.mfa_challenges.replace(challenge=held.tried(at=now, reason=reason))
        return Judgement(now, user, reason, None if reason is None else InvalidCode())

    async def _fault_of(
        self, uow: IdentityUnitOfWork, user: User, code: str, at: datetime
    ) -> FailReason | None:
        factor = await _confirmed(uow, user)
        if factor is not None and await self._accepts(uow, factor, code, at):
            return None
        return FailReason.MFA_FAILED

    async def _hold_with_code(
        self, uow: IdentityUnitOfWork, checked: User, code: str
    ) -> tuple[User, datetime]:
        """Hold a user who gave their password and a code, and tell the time.

        A wrong code is counted before the client hears of it.
        """
        user = await _hold_unchanged(uow, checked)
        if not user.has_second_factor:
            raise NoSecondFactor
        claim = Claim(
            guess_id=self._ids.new_id(),
            guessing=Guessing.OWN_CODE,
            user_id=user.id,
            username_key=user.username_key,
            network=None,
        )
        [guess] = await self._throttling.claim(uow, [claim])
        guess.check()
        now = self._clock.now()
        failed = await self._fault_of(uow, user, code, now) is not None
        await self._throttling.settle(uow, guess, failed=failed)
        if failed:
            await uow.commit()
            raise WrongCode
        return user, now

    async def _accepts(
        self, uow: IdentityUnitOfWork, factor: SecondFactor, typed: str, at: datetime
    ) -> bool:
        """Whether a code is good, which uses it up: every code passes here, and only here."""
        code = plain_code(typed)
        if is_recovery_code(code):
            digest = self._vault.digest(secret=code)
            return await uow.second_factors.use_recovery_code(
                user_id=factor.user_id, digest=digest, at=at
            )
        secret = self._vault.open(sealed=factor.sealed_secret, of=factor.user_id)
        if secret is None or not is_one_time_code(code):
            return False
        step = self._codes.matching_step(secret=secret, code=code, at=at)
        if step is None:
            return False
        return await uow.second_factors.use_step(user_id=factor.user_id, step=step)

    async def _replace_recovery_codes(self, uow: IdentityUnitOfWork, user: User) -> tuple[str, ...]:
        codes = [recovery_code(self._secrets.new_secret()) for _ in range(RECOVERY_CODES)]
        digests = [self._vault.digest(secret=plain_code(code)) for code in codes]
        await uow.second_factors.put_recovery_codes(user_id=user.id, digests=digests)
        return tuple(codes)


async def _hold_unchanged(uow: IdentityUnitOfWork, checked: User) -> User:
    user = _known(await uow.users.hold(user_id=checked.id))
    if user.password_changed_at != checked.password_changed_at:
        raise WrongPassword  # what was checked is no longer the current one
    return user


async def _confirmed(uow: IdentityUnitOfWork, user: User) -> SecondFactor | None:
    return await uow.second_factors.get(user_id=user.id) if user.has_second_factor else None


async def _switch(
    uow: IdentityUnitOfWork, user: User, principal: Principal, now: datetime, *, on: bool
) -> None:
    """Say of a user whether a second factor is on, and end their other sessions."""
    await uow.users.replace(user=replace(user, has_second_factor=on))
    await uow.sessions.end_all(user_id=user.id, except_id=principal.session_id, at=now)


def _known(user: User | None) -> User:
    if user is None:
        raise UnknownUser("There is no such user.")
    return user
