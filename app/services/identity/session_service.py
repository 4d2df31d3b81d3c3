from uuid import UUID

from app.domain.identity.errors import UnknownSession, UnknownUser
from app.domain.identity.sessions import Session
from app.domain.principal import Principal
from app.ports.clock import Clock
from app.ports.identity.work import IdentityWork


class SessionService:
    """Sessions that are open: seen and ended by whose they are, and ended by administrators."""

    def __init__(self, *, uow: IdentityWork, reading: IdentityWork, clock: Clock) -> None:
        self._uow = uow
        self._reading = reading
        self._clock = clock

    async def list_sessions(
        self, *, principal: Principal, before: UUID | None = None, limit: int = 50
    ) -> list[Session]:
        """Give the principal's sessions that are live, newest first, older than `before`."""
        async with self._reading() as uow:
            return await uow.sessions.page_of_user(
                user_id=principal.user_id, now=self._clock.now(), before=before, limit=limit
            )

    async def end_session(self, *, principal: Principal, session_id: UUID) -> None:
        """End one of the principal's sessions.

        Raises `UnknownSession` for any other, and for one that is over.
        """
        async with self._uow() as uow:
            session = await uow.sessions.get(session_id=session_id)
            now = self._clock.now()
            if session is None or session.user_id != principal.user_id or not session.is_live(now):
                raise UnknownSession
            if not await uow.sessions.end(session_id=session_id, at=now):
                raise UnknownSession  # by another who did the same at once
            await uow.commit()

    async def end_other_sessions(self, *, principal: Principal) -> None:
        """End all sessions of the principal but the one that they act in."""
        async with self._uow() as uow:
            await uow.sessions.end_all(
                user_id=principal.user_id, except_id=principal.session_id, at=self._clock.now()
            )
            await uow.commit()

    async def end_sessions_of_user(self, *, user_id: UUID) -> None:
        """End all sessions of a user as an administrator. Raises `UnknownUser`."""
        async with self._uow() as uow:
            # Held, so that a login at the same time opens its session before this or after.
            if await uow.users.hold(user_id=user_id) is None:
                raise UnknownUser(f"There is no user {user_id}.")
            now = self._clock.now()
            await uow.sessions.end_all(user_id=user_id, except_id=None, at=now)
            await uow.commit()
