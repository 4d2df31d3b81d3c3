from dataclasses import replace
from datetime import datetime
from uuid import UUID

from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.store import MemoryTransaction
from app.domain.identity.errors import (
    UnknownUser,
)
from app.domain.identity.sessions import RefreshToken, Session
from app.domain.identity.storage import (
    check_refresh_token,
    check_session,
)
from app.ports.identity.sessions import RefreshTokens, Sessions


class MemorySessions(Sessions):
    """The sessions of a `MemoryStore`."""

    def __init__(self, transaction: MemoryTransaction[IdentityState]) -> None:
        self._transaction = transaction

    async def add(self, *, session: Session) -> None:
        """Keep the session of a known user."""
        async with self._transaction.statement(writes=True) as rows:
            check_session(session)
            if session.user_id not in rows.users:
                raise UnknownUser(f"There is no user {session.user_id}.")
            rows.sessions[session.id] = session

    async def get(self, *, session_id: UUID) -> Session | None:
        """Look the id up."""
        async with self._transaction.statement() as rows:
            return rows.sessions.get(session_id)

    async def use(self, *, session_id: UUID, at: datetime, idle_expires_at: datetime) -> None:
        """Change the two times."""
        async with self._transaction.statement(writes=True) as rows:
            session = rows.sessions.get(session_id)
            if session is not None:
                rows.sessions[session_id] = replace(
                    session, last_used_at=at, idle_expires_at=idle_expires_at
                )

    async def end(self, *, session_id: UUID, at: datetime) -> bool:
        """Date the end, once."""
        async with self._transaction.statement(writes=True) as rows:
            session = rows.sessions.get(session_id)
            if session is None or session.ended_at is not None:
                return False
            rows.sessions[session_id] = replace(session, ended_at=at)
            return True

    async def end_all(self, *, user_id: UUID, except_id: UUID | None, at: datetime) -> int:
        """Date the end of each that has none."""
        async with self._transaction.statement(writes=True) as rows:
            ending = [
                session
                for session in rows.sessions.values()
                if session.user_id == user_id
                and session.id != except_id
                and session.ended_at is None
            ]
            for session in ending:
                rows.sessions[session.id] = replace(session, ended_at=at)
            return len(ending)

    async def page_of_user(
        self, *, user_id: UUID, now: datetime, before: UUID | None, limit: int
    ) -> list[Session]:
        """Sort by id, backwards."""
        async with self._transaction.statement() as rows:
            live = [
                session
                for session in rows.sessions.values()
                if session.user_id == user_id
                and session.is_live(now)
                and (before is None or session.id < before)
            ]
            return sorted(live, key=lambda session: session.id, reverse=True)[:limit]


class MemoryRefreshTokens(RefreshTokens):
    """The refresh tokens of a `MemoryStore`."""

    def __init__(self, transaction: MemoryTransaction[IdentityState]) -> None:
        self._transaction = transaction

    async def add(self, *, token: RefreshToken) -> None:
        """Keep the token."""
        async with self._transaction.statement(writes=True) as rows:
            check_refresh_token(token)
            rows.refresh_tokens[token.digest] = token

    async def hold(self, *, digest: str) -> RefreshToken | None:
        """Look the digest up as a writer: there is one at a time."""
        async with self._transaction.statement(writes=True) as rows:
            return rows.refresh_tokens.get(digest)

    async def use(self, *, digest: str, at: datetime) -> None:
        """Date the use."""
        async with self._transaction.statement(writes=True) as rows:
            token = rows.refresh_tokens.get(digest)
            if token is not None:
                rows.refresh_tokens[digest] = replace(token, used_at=at)
