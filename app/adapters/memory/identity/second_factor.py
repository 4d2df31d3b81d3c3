from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.store import MemoryTransaction
from app.domain.identity.errors import UnknownUser
from app.domain.identity.second_factor import MfaChallenge, SecondFactor
from app.domain.identity.storage import (
    check_challenge,
    check_recovery_codes,
    check_second_factor,
)
from app.ports.identity.second_factor import MfaChallenges, SecondFactors


class MemorySecondFactors(SecondFactors):
    """The second factors of a `MemoryStore`."""

    def __init__(self, transaction: MemoryTransaction[IdentityState]) -> None:
        self._transaction = transaction

    async def put(self, *, factor: SecondFactor) -> None:
        """Keep the factor of a known user."""
        async with self._transaction.statement(writes=True) as rows:
            check_second_factor(factor)
            _check_known(rows, factor.user_id)
            rows.second_factors[factor.user_id] = factor

    async def get(self, *, user_id: UUID) -> SecondFactor | None:
        """Look the user up."""
        async with self._transaction.statement() as rows:
            return rows.second_factors.get(user_id)

    async def use_step(self, *, user_id: UUID, step: int) -> bool:
        """Compare, and keep the later one."""
        async with self._transaction.statement(writes=True) as rows:
            factor = rows.second_factors.get(user_id)
            if factor is None or (factor.last_step is not None and factor.last_step >= step):
                return False
            rows.second_factors[user_id] = replace(factor, last_step=step)
            return True

    async def remove(self, *, user_id: UUID) -> bool:
        """Forget the factor, and the codes."""
        async with self._transaction.statement(writes=True) as rows:
            _forget_codes(rows, user_id)
            return rows.second_factors.pop(user_id, None) is not None

    async def put_recovery_codes(self, *, user_id: UUID, digests: Sequence[str]) -> None:
        """Forget the codes that were there, and keep these."""
        async with self._transaction.statement(writes=True) as rows:
            check_recovery_codes(digests)
            if digests:
                _check_known(rows, user_id)
            _forget_codes(rows, user_id)
            rows.recovery_codes |= {(user_id, digest): None for digest in digests}

    async def use_recovery_code(self, *, user_id: UUID, digest: str, at: datetime) -> bool:
        """Date the use of a code that has none."""
        async with self._transaction.statement(writes=True) as rows:
            if rows.recovery_codes.get((user_id, digest), at) is not None:
                return False
            rows.recovery_codes[user_id, digest] = at
            return True

    async def count_recovery_codes(self, *, user_id: UUID) -> int:
        """Look through all codes."""
        async with self._transaction.statement() as rows:
            codes = rows.recovery_codes.items()
            return sum(owner == user_id and used is None for (owner, _), used in codes)


class MemoryMfaChallenges(MfaChallenges):
    """The challenges of a `MemoryStore`."""

    def __init__(self, transaction: MemoryTransaction[IdentityState]) -> None:
        self._transaction = transaction

    async def add(self, *, challenge: MfaChallenge) -> None:
        """Keep the challenge of a known user."""
        async with self._transaction.statement(writes=True) as rows:
            check_challenge(challenge)
            _check_known(rows, challenge.user_id)
            rows.mfa_challenges[challenge.digest] = challenge

    async def hold(self, *, digest: str) -> MfaChallenge | None:
        """Look the digest up as a writer: there is one at a time."""
        async with self._transaction.statement(writes=True) as rows:
            return rows.mfa_challenges.get(digest)

    async def replace(self, *, challenge: MfaChallenge) -> None:
        """Change the two fields."""
        async with self._transaction.statement(writes=True) as rows:
            known = rows.mfa_challenges.get(challenge.digest)
            if known is not None:
                rows.mfa_challenges[challenge.digest] = replace(
                    known, used_at=challenge.used_at, wrong_codes=challenge.wrong_codes
                )

    async def remove_expired(self, *, user_id: UUID, until: datetime) -> int:
        """Look through all challenges."""
        async with self._transaction.statement(writes=True) as rows:
            expired = [
                challenge.digest
                for challenge in rows.mfa_challenges.values()
                if challenge.user_id == user_id and challenge.expires_at <= until
            ]
            for digest in expired:
                del rows.mfa_challenges[digest]
            return len(expired)


def _check_known(rows: IdentityState, user_id: UUID) -> None:
    if user_id not in rows.users:
        raise UnknownUser(f"There is no user {user_id}.")


def _forget_codes(rows: IdentityState, user_id: UUID) -> None:
    kept = {key: used for key, used in rows.recovery_codes.items() if key[0] != user_id}
    rows.recovery_codes = kept
