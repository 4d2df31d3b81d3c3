"""What the identity services need of the world.

Stores: every method may raise `StoreUnavailable`. What goes in and comes out is immutable. Texts
with a NUL or a lone surrogate, and over-long ones, raise `UnstorableText`; nothing is cut
silently. Ids and digests are new whenever something is added: a duplicate of those is a defect,
and which error it raises is not specified.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeAlias
from uuid import UUID

from app.domain.identity.login_log import LoginAttempt, LoginLogFilter, LoginLogPosition
from app.domain.identity.sessions import AccessClaims, RefreshToken, Session
from app.domain.identity.users import User
from app.ports.unit_of_work import UnitOfWork


class Users(Protocol):
    """Everyone who may log in, and everyone who no longer may."""

    async def add(self, *, user: User) -> None:
        """Store a new user.

        Raises `UsernameTaken` or `EmailTaken` here, not at commit, when a user with the same key
        is there, either of them when both are; a second unit of work that adds the same key waits
        for the first to end.
        """
        ...

    async def get(self, *, user_id: UUID) -> User | None:
        """Give the user of that id, or None."""
        ...

    async def by_username(self, *, username_key: str) -> User | None:
        """Give the user whose folded name is that, or None; a key nobody can have is nobody's."""
        ...

    async def hold(self, *, user_id: UUID) -> User | None:
        """Give the user as `get` does, and hold them.

        Until this unit of work ends, another one that holds, or replaces, the same user waits.
        """
        ...

    async def replace(self, *, user: User) -> None:
        """Store all fields of a user of the same id.

        Raises `UnknownUser` when there is none, and `UsernameTaken` or `EmailTaken` as `add`.
        """
        ...

    async def page(self, *, after: UUID | None, limit: int) -> list[User]:
        """Give users by id, ascending, beyond `after`; at most `limit`."""
        ...


class LoginLog(Protocol):
    """Every attempt to log in. Entries are appended, settled once, and never removed here."""

    async def append(self, *, attempt: LoginAttempt) -> None:
        """Store a new attempt, pending or settled already.

        Its user and its session need not be there: the log outlives them.
        """
        ...

    async def settle(self, *, attempt: LoginAttempt) -> None:
        """Store outcome, reason, session and duration of the pending attempt of that id.

        Raises `AttemptNotPending` when it is unknown or settled already. Other fields keep what
        `append` stored.
        """
        ...

    async def page(
        self, *, matching: LoginLogFilter, before: LoginLogPosition | None, limit: int
    ) -> list[LoginAttempt]:
        """Give attempts that match every given field of the filter, newest first.

        By `at`, then id, both descending; strictly older than `before`; at most `limit`. A text
        to look for that could not be stored raises `UnstorableText`.
        """
        ...


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


class IdentityUnitOfWork(UnitOfWork, Protocol):
    """One transaction over users, login log, sessions and their tokens."""

    users: Users
    """The users, in this transaction."""
    login_log: LoginLog
    """The login log, in this transaction."""
    sessions: Sessions
    """The sessions, in this transaction."""
    refresh_tokens: RefreshTokens
    """The refresh tokens, in this transaction."""


IdentityWork: TypeAlias = Callable[[], IdentityUnitOfWork]
"""Gives a fresh unit of work per use case."""


class PasswordHasher(Protocol):
    """Turns passwords into what may be stored, slowly on purpose and off the event loop."""

    async def hash(self, *, password: str) -> str:
        """Hash a password, every byte of it significant; equal passwords give different hashes.

        Raises `HasherBusy` when too many are waiting. The password is one `is_checkable` takes.
        """
        ...

    async def verify(self, *, password: str, stored: str | None) -> bool:
        """Whether `stored` is a hash of exactly this password.

        Costs the same whatever the answer: without a hash (None), with one that is empty,
        garbage, truncated or dearer than the bound, and with a password that `is_checkable`
        refuses, one hash at the current cost is spent and the answer is False. Never raises but
        for `HasherBusy`.
        """
        ...

    def needs_rehash(self, *, stored: str) -> bool:
        """Whether a hash that verified should be made anew: foreign, or of a lower cost."""
        ...


class AccessTokens(Protocol):
    """Signs and reads access tokens. Knows no time: expiry is the caller's to check."""

    def issue(self, *, claims: AccessClaims) -> str:
        """Give a signed token that says `claims`, times cut to whole seconds."""
        ...

    def read(self, *, token: str) -> AccessClaims:
        """Give the claims of a token that was issued here.

        Raises `InvalidToken` for anything else: forged, malformed, of another kind, issuer or
        audience, or with a claim missing.
        """
        ...
