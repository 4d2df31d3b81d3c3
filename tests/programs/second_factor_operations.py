"""What programs of identity do with second factors."""

from dataclasses import dataclass, replace
from typing import Self, TypeAlias

from app.domain.identity.second_factor import MfaChallenge, SecondFactor
from app.ports.identity.work import IdentityUnitOfWork
from tests.programs import program
from tests.programs.program import Ids
from tests.programs.values import NOON, instant, uuid_of

Work: TypeAlias = IdentityUnitOfWork
Operation: TypeAlias = program.Operation[Work]


@dataclass(frozen=True, repr=False)
class PutFactor(Operation):
    user: int
    sealed_secret: str = "sealed"
    created_at: str = NOON
    confirmed_at: str | None = None
    last_step: int | None = None

    async def run(self, uow: Work) -> None:
        factor = SecondFactor(
            user_id=uuid_of(self.user),
            sealed_secret=self.sealed_secret,
            created_at=instant(self.created_at),
            confirmed_at=None if self.confirmed_at is None else instant(self.confirmed_at),
            last_step=self.last_step,
        )
        await uow.second_factors.put(factor=factor)


@dataclass(frozen=True, repr=False)
class GetFactor(Operation):
    user: int

    async def run(self, uow: Work) -> SecondFactor | None:
        return await uow.second_factors.get(user_id=uuid_of(self.user))


@dataclass(frozen=True, repr=False)
class UseStep(Operation):
    user: int
    step: int = 7

    async def run(self, uow: Work) -> bool:
        return await uow.second_factors.use_step(user_id=uuid_of(self.user), step=self.step)


@dataclass(frozen=True, repr=False)
class RemoveFactor(Operation):
    user: int

    async def run(self, uow: Work) -> bool:
        return await uow.second_factors.remove(user_id=uuid_of(self.user))


@dataclass(frozen=True, repr=False)
class PutCodes(Operation):
    user: int
    digests: tuple[str, ...] = ("one", "two")

    async def run(self, uow: Work) -> None:
        await uow.second_factors.put_recovery_codes(
            user_id=uuid_of(self.user), digests=self.digests
        )


@dataclass(frozen=True, repr=False)
class UseCode(Operation):
    user: int
    digest: str = "one"
    at: str = NOON

    async def run(self, uow: Work) -> bool:
        return await uow.second_factors.use_recovery_code(
            user_id=uuid_of(self.user), digest=self.digest, at=instant(self.at)
        )


@dataclass(frozen=True, repr=False)
class CountCodes(Operation):
    user: int

    async def run(self, uow: Work) -> int:
        return await uow.second_factors.count_recovery_codes(user_id=uuid_of(self.user))


@dataclass(frozen=True, repr=False)
class OfChallenge(Operation):
    digest: str
    user: int
    password_changed_at: str = NOON
    created_at: str = NOON
    expires_at: str = NOON
    used_at: str | None = None
    wrong_codes: int = 0

    @property
    def challenge(self) -> MfaChallenge:
        return MfaChallenge(
            digest=self.digest,
            user_id=uuid_of(self.user),
            password_changed_at=instant(self.password_changed_at),
            created_at=instant(self.created_at),
            expires_at=instant(self.expires_at),
            used_at=None if self.used_at is None else instant(self.used_at),
            wrong_codes=self.wrong_codes,
        )


class AddChallenge(OfChallenge):
    def anew(self, taken: Ids) -> Self | None:
        digest = next(
            (each for each in (self.digest, "one", "two") if ("challenge", each) not in taken), None
        )
        if digest is None:
            return None
        taken.add(("challenge", digest))
        return replace(self, digest=digest)

    async def run(self, uow: Work) -> None:
        await uow.mfa_challenges.add(challenge=self.challenge)


class ReplaceChallenge(OfChallenge):
    async def run(self, uow: Work) -> None:
        await uow.mfa_challenges.replace(challenge=self.challenge)


@dataclass(frozen=True, repr=False)
class HoldChallenge(Operation):
    digest: str

    async def run(self, uow: Work) -> MfaChallenge | None:
        return await uow.mfa_challenges.hold(digest=self.digest)


@dataclass(frozen=True, repr=False)
class RemoveExpired(Operation):
    user: int
    until: str = NOON

    async def run(self, uow: Work) -> int:
        return await uow.mfa_challenges.remove_expired(
            user_id=uuid_of(self.user), until=instant(self.until)
        )
