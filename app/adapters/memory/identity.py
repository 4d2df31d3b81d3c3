"""Identity in memory: verified stand-ins for the database, the hasher and the token signer."""

import hashlib
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from typing import Self
from uuid import UUID

from anyio import Event
from anyio.lowlevel import checkpoint

from app.adapters.memory.store import MemoryStore, MemoryTransaction
from app.domain.errors import TickgateError
from app.domain.identity.errors import (
    AttemptNotPending,
    EmailTaken,
    HasherBusy,
    InvalidToken,
    UnknownUser,
    UsernameTaken,
)
from app.domain.identity.login_log import (
    LoginAttempt,
    LoginLogFilter,
    LoginLogPosition,
    Outcome,
)
from app.domain.identity.sessions import AccessClaims, RefreshToken, Session
from app.domain.identity.storage import (
    check_attempt,
    check_filter,
    check_refresh_token,
    check_session,
    check_user,
)
from app.domain.identity.users import User, is_checkable
from app.ports.identity import (
    AccessTokens,
    IdentityUnitOfWork,
    LoginLog,
    PasswordHasher,
    RefreshTokens,
    Sessions,
    Users,
)


@dataclass
class IdentityState:
    """All rows of the area."""

    users: dict[UUID, User] = field(default_factory=dict)
    attempts: dict[UUID, LoginAttempt] = field(default_factory=dict)
    sessions: dict[UUID, Session] = field(default_factory=dict)
    refresh_tokens: dict[str, RefreshToken] = field(default_factory=dict)

    def __copy__(self) -> Self:
        """Copy the dictionaries; the rows are immutable."""
        return type(self)(
            copy(self.users), copy(self.attempts), copy(self.sessions), copy(self.refresh_tokens)
        )


class MemoryUsers(Users):
    """The users of a `MemoryStore`."""

    def __init__(self, transaction: MemoryTransaction[IdentityState]) -> None:
        self._transaction = transaction

    async def add(self, *, user: User) -> None:
        """Keep the user, unless a key is taken."""
        async with self._transaction.statement(writes=True) as rows:
            check_user(user)
            self._check_unique(rows, user)
            rows.users[user.id] = user

    async def get(self, *, user_id: UUID) -> User | None:
        """Look the id up."""
        async with self._transaction.statement() as rows:
            return rows.users.get(user_id)

    async def by_username(self, *, username_key: str) -> User | None:
        """Look through all keys."""
        async with self._transaction.statement() as rows:
            found = (user for user in rows.users.values() if user.username_key == username_key)
            return next(found, None)

    async def hold(self, *, user_id: UUID) -> User | None:
        """Look the id up as a writer: there is one at a time."""
        async with self._transaction.statement(writes=True) as rows:
            return rows.users.get(user_id)

    async def replace(self, *, user: User) -> None:
        """Keep the user in place of the one of that id."""
        async with self._transaction.statement(writes=True) as rows:
            check_user(user)
            if user.id not in rows.users:
                raise UnknownUser(f"There is no user {user.id}.")
            self._check_unique(rows, user)
            rows.users[user.id] = user

    async def page(self, *, after: UUID | None, limit: int) -> list[User]:
        """Sort by id."""
        async with self._transaction.statement() as rows:
            ids = sorted(key for key in rows.users if after is None or key > after)
            return [rows.users[key] for key in ids[:limit]]

    def _check_unique(self, rows: IdentityState, user: User) -> None:
        others = [other for other in rows.users.values() if other.id != user.id]
        taken: list[TickgateError] = []
        if any(other.username_key == user.username_key for other in others):
            taken.append(UsernameTaken("That username is taken."))
        if user.email_key is not None and any(
            other.email_key == user.email_key for other in others
        ):
            taken.append(EmailTaken("That e-mail address is taken."))
        if taken:
            raise self._transaction.chance.choice(taken)


class MemoryLoginLog(LoginLog):
    """The login log of a `MemoryStore`."""

    def __init__(self, transaction: MemoryTransaction[IdentityState]) -> None:
        self._transaction = transaction

    async def append(self, *, attempt: LoginAttempt) -> None:
        """Keep the attempt."""
        async with self._transaction.statement(writes=True) as rows:
            check_attempt(attempt)
            rows.attempts[attempt.id] = attempt

    async def settle(self, *, attempt: LoginAttempt) -> None:
        """Change the four fields of a pending attempt."""
        async with self._transaction.statement(writes=True) as rows:
            known = rows.attempts.get(attempt.id)
            if known is None or known.outcome is not Outcome.PENDING:
                raise AttemptNotPending(f"Attempt {attempt.id} is not pending.")
            rows.attempts[attempt.id] = replace(
                known,
                outcome=attempt.outcome,
                fail_reason=attempt.fail_reason,
                session_id=attempt.session_id,
                duration_ms=attempt.duration_ms,
            )

    async def page(
        self, *, matching: LoginLogFilter, before: LoginLogPosition | None, limit: int
    ) -> list[LoginAttempt]:
        """Filter and sort everything."""
        async with self._transaction.statement() as rows:
            check_filter(matching)
            found = [
                attempt
                for attempt in rows.attempts.values()
                if _matches(attempt, matching)
                and (before is None or (attempt.at, attempt.id) < (before.at, before.id))
            ]
            found.sort(key=lambda attempt: (attempt.at, attempt.id), reverse=True)
            return found[:limit]


def _matches(attempt: LoginAttempt, matching: LoginLogFilter) -> bool:
    if matching.since is not None and attempt.at < matching.since:
        return False
    if matching.until is not None and attempt.at >= matching.until:
        return False
    wanted = (
        (matching.user_id, attempt.user_id),
        (matching.username_key, attempt.username_key),
        (matching.ip, attempt.ip),
        (matching.outcome, attempt.outcome),
        (matching.fail_reason, attempt.fail_reason),
    )
    return all(want is None or want == have for want, have in wanted)


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


class MemoryIdentityUnitOfWork(MemoryTransaction[IdentityState], IdentityUnitOfWork):
    """A transaction on a store that other units of work share."""

    def __init__(self, store: MemoryStore[IdentityState]) -> None:
        super().__init__(store)
        self.users: Users = MemoryUsers(self)
        self.login_log: LoginLog = MemoryLoginLog(self)
        self.sessions: Sessions = MemorySessions(self)
        self.refresh_tokens: RefreshTokens = MemoryRefreshTokens(self)


class FastHasher(PasswordHasher):
    """A salted SHA-256 at once: for tests, and only for them.

    Controls: `spent` counts the hashes that verifying cost; `busy` makes every call raise
    `HasherBusy`; while `gate` is an event, verifying waits for it; hashes in `outdated` need
    a rehash.
    """

    def __init__(self) -> None:
        self._salts = count(1)
        self.spent = 0
        self.busy = False
        self.gate: Event | None = None
        self.outdated: set[str] = set()

    async def hash(self, *, password: str) -> str:
        """Hash with the next salt."""
        await self._turn()
        return _fast_hash(password, str(next(self._salts)))

    async def verify(self, *, password: str, stored: str | None) -> bool:
        """Hash with the same salt, and compare."""
        await self._turn()
        self.spent += 1
        if self.gate is not None:
            await self.gate.wait()
        if stored is None or not is_checkable(password) or stored.count("$") != 2:  # noqa: PLR2004
            return False
        return stored == _fast_hash(password, stored.split("$")[1])

    def needs_rehash(self, *, stored: str) -> bool:
        """Whether a test said so."""
        return stored in self.outdated

    async def _turn(self) -> None:
        await checkpoint()
        if self.busy:
            raise HasherBusy("Too many passwords wait to be checked.", retry_after=1)


def _fast_hash(password: str, salt: str) -> str:
    return f"fast${salt}${hashlib.sha256(f'{salt}:{password}'.encode()).hexdigest()}"


class PlainTokens(AccessTokens):
    """Remembers what it issued instead of signing it."""

    def __init__(self) -> None:
        self._issued: dict[str, AccessClaims] = {}

    def issue(self, *, claims: AccessClaims) -> str:
        """Name the token after its id."""
        token = f"plain.{claims.token_id}"
        self._issued[token] = replace(
            claims,
            issued_at=claims.issued_at.replace(microsecond=0),
            expires_at=claims.expires_at.replace(microsecond=0),
        )
        return token

    def read(self, *, token: str) -> AccessClaims:
        """Look the token up."""
        if token not in self._issued:
            raise InvalidToken
        return self._issued[token]
