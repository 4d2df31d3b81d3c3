from typing import Protocol
from uuid import UUID

from app.domain.identity.password_resets import PasswordReset


class PasswordResets(Protocol):
    """The resets that wait to be redeemed: one a user, at most."""

    async def put(self, *, reset: PasswordReset) -> None:
        """Store a reset in place of the one that its user may have.

        Its user is known: raises `UnknownUser` otherwise.
        """
        ...

    async def hold(self, *, user_id: UUID) -> PasswordReset | None:
        """Give the reset of a user, expired or not, or None.

        Until this unit of work ends, another one that holds, puts or removes it waits, and then
        sees what this one left.
        """
        ...

    async def remove(self, *, user_id: UUID) -> None:
        """Forget the reset of a user; where there is none, pass."""
        ...
