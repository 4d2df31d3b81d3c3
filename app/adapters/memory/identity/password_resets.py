from uuid import UUID

from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.store import MemoryTransaction
from app.domain.identity.errors import UnknownUser
from app.domain.identity.password_resets import PasswordReset
from app.domain.identity.storage import check_password_reset
from app.ports.identity.password_resets import PasswordResets


class MemoryPasswordResets(PasswordResets):
    """The resets of a `MemoryStore`."""

    def __init__(self, transaction: MemoryTransaction[IdentityState]) -> None:
        self._transaction = transaction

    async def put(self, *, reset: PasswordReset) -> None:
        """Keep the reset of a known user."""
        async with self._transaction.statement(writes=True) as rows:
            check_password_reset(reset)
            if reset.user_id not in rows.users:
                raise UnknownUser(f"There is no user {reset.user_id}.")
            rows.password_resets[reset.user_id] = reset

    async def hold(self, *, user_id: UUID) -> PasswordReset | None:
        """Look the user up as a writer: there is one at a time."""
        async with self._transaction.statement(writes=True) as rows:
            return rows.password_resets.get(user_id)

    async def remove(self, *, user_id: UUID) -> None:
        """Forget it."""
        async with self._transaction.statement(writes=True) as rows:
            rows.password_resets.pop(user_id, None)
