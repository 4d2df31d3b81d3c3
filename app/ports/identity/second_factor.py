from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from app.domain.identity.second_factor import MfaChallenge, SecondFactor


class OneTimeCodes(Protocol):
    """Codes that change with time (RFC 6238: SHA-1, six digits, steps of thirty seconds)."""

    def new_secret(self) -> str:
        """Give a secret nobody can guess: 160 bits, as 32 characters of base32."""
        ...

    def matching_step(self, *, secret: str, code: str, at: datetime) -> int | None:
        """Give the number of the step whose code this is, or None.

        It is the step of that time or the one before or behind it, the latest of those that fit.
        None for everything that is not six digits of ASCII. Takes as long whichever it is. The
        secret is one that `new_secret` could have given.
        """
        ...

    def uri(self, *, secret: str, username: str, issuer: str) -> str:
        """Give the `otpauth://` address that a device reads, usually from a picture of it."""
        ...


class SecondFactors(Protocol):
    """The second factor of each user who has one, and the recovery codes that stand in for it.

    Who puts or removes anything holds the user first: a unit of work that uses a step or a code
    meanwhile, without that, may miss what is put in place of what it waited for.
    """

    async def put(self, *, factor: SecondFactor) -> None:
        """Store all fields of a user's factor, in place of one that was there.

        Its user is known: raises `UnknownUser` otherwise.
        """
        ...

    async def get(self, *, user_id: UUID) -> SecondFactor | None:
        """Give a user's factor, confirmed or not, or None."""
        ...

    async def use_step(self, *, user_id: UUID, step: int) -> bool:
        """Store the step as the last that was used.

        False, changing nothing, unless it is later than the last one, or where there is no
        factor: of two units of work that use a step at once, one does.
        """
        ...

    async def remove(self, *, user_id: UUID) -> bool:
        """Remove a user's factor and recovery codes; False where there was no factor."""
        ...

    async def put_recovery_codes(self, *, user_id: UUID, digests: Sequence[str]) -> None:
        """Store recovery codes by their digests, unused, in place of all that the user had.

        Raises `UnknownUser` where there are some for nobody.
        """
        ...

    async def use_recovery_code(self, *, user_id: UUID, digest: str, at: datetime) -> bool:
        """Store when a code was used; False, changing nothing, if it was, or is not the user's.

        Of two units of work that use a code at once, one does. A digest nobody can have is
        nobody's.
        """
        ...

    async def count_recovery_codes(self, *, user_id: UUID) -> int:
        """Count a user's codes that are unused."""
        ...


class MfaChallenges(Protocol):
    """Logins that lack a code, by the digest of their secret."""

    async def add(self, *, challenge: MfaChallenge) -> None:
        """Store a new challenge. Its user is known: raises `UnknownUser` otherwise."""
        ...

    async def hold(self, *, digest: str) -> MfaChallenge | None:
        """Give the challenge of that digest, or None; a digest nobody can have is nobody's.

        Until this unit of work ends, another one that holds the same challenge waits, and then
        sees what this one left.
        """
        ...

    async def replace(self, *, challenge: MfaChallenge) -> None:
        """Store when a challenge was used, and how many codes were wrong; unknown ones pass."""
        ...

    async def remove_expired(self, *, user_id: UUID, until: datetime) -> int:
        """Remove a user's challenges that had expired by then; give how many that were."""
        ...
