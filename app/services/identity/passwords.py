"""What becomes of a password that takes the place of another, whoever sets it."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from app.domain.identity.users import User
from app.ports.identity.work import IdentityUnitOfWork


async def store_password(
    uow: IdentityUnitOfWork, user: User, hashed: str, *, at: datetime, keep_session: UUID | None
) -> None:
    """Store it, for good; the user's sessions end, but one, and the code of a reset dies."""
    user = replace(user, password_hash=hashed, password_changed_at=at, password_expires_at=None)
    await uow.users.replace(user=user)
    await uow.sessions.end_all(user_id=user.id, except_id=keep_session, at=at)
    await uow.password_resets.remove(user_id=user.id)
