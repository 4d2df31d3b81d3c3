from datetime import datetime
from typing import Protocol
from uuid import UUID

from app.domain.identity.sessions import RefreshToken, Session


class Sessions(Protocol):
    """What logins have opened."""

    async def add(self, *, session: Session) -> None:
        """Store a new session. Its user is known: raises `UnknownUser` otherwise."""
        ...

    async def get(self, *, session_id: UUID) -> Session | None:
        """Give the session of that id, over or not, or None."""
        ...

    async def use(self, *, session_id: UUID, at: datetime, idle_expires_at: datetime) -> None:
        """Store when a session was last used and until when it may idle; unknown ids pass."""
        ...

    async def end(self, *, session_id: UUID, at: datetime) -> bool:
        """End a session; False, changing nothing, where it is unknown or ended already."""
        ...

    async def end_all(self, *, user_id: UUID, except_id: UUID | None, at: datetime) -> int:
        """End all sessions of a user that have not ended, but one; give how many that were."""
        ...

    async def page_of_user(
        self, *, user_id: UUID, now: datetime, before: UUID | None, limit: int
    ) -> list[Session]:
        """Give the sessions of a user that are live at `now`, by id, descending.

        Strictly below `before`; at most `limit`.
        """
        ...


class RefreshTokens(Protocol):
    """Every refresh token that was issued, used or not, by the digest of its secret."""

    async def add(self, *, token: RefreshToken) -> None:
        """Store a new token. Its session is there: storing it is part of the same use case."""
        ...

    async def hold(self, *, digest: str) -> RefreshToken | None:
        """Give the token of that digest, or None; a digest nobody can have is nobody's.

        Until this unit of work ends, another one that holds the same token waits, and then sees
        what this one left.
        """
        ...

    async def use(self, *, digest: str, at: datetime) -> None:
        """Store when a token was used; an unknown digest passes."""
        ...
