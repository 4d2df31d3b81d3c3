from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from anyio import CancelScope

from app.domain.identity.errors import HasherBusy, InvalidCredentials, InvalidToken
from app.domain.identity.login_log import Client, FailReason, LoginAttempt, pending_attempt
from app.domain.identity.login_log import username_key as folded
from app.domain.identity.sessions import AccessClaims, Session
from app.domain.identity.users import User
from app.domain.principal import SCOPES_OF_ROLE, Principal
from app.ports.clock import Clock
from app.ports.identity import AccessTokens, IdentityUnitOfWork, IdentityWork, PasswordHasher
from app.ports.ids import Ids


@dataclass(frozen=True, slots=True)
class Login:
    """What a successful login gives. `expires_in` is in seconds."""

    access_token: str
    expires_in: int
    session_id: UUID


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What checking the password told; `new_hash` replaces one that should be made anew."""

    reason: FailReason | None
    new_hash: str | None = None


class AuthService:
    """Who may act: logins, and the tokens and sessions they give."""

    def __init__(  # noqa: PLR0913 - the ports it needs
        self,
        *,
        uow: IdentityWork,
        reading: IdentityWork,
        hasher: PasswordHasher,
        tokens: AccessTokens,
        clock: Clock,
        ids: Ids,
        access_token_lifetime: timedelta,
        session_lifetime: timedelta,
    ) -> None:
        self._uow = uow
        self._reading = reading
        self._hasher = hasher
        self._tokens = tokens
        self._clock = clock
        self._ids = ids
        self._access_token_lifetime = access_token_lifetime
        self._session_lifetime = session_lifetime

    async def authenticate_user(self, *, username: str, password: str, client: Client) -> Login:
        """Log a user in, in three steps: claim, verify, settle.

        The attempt is in the log before the password is looked at, so that a guess that races,
        disconnects or dies is still counted. Raises `InvalidCredentials` whatever the reason,
        `HasherBusy`, and `StoreUnavailable` when the attempt cannot be recorded: there is no
        success without a row.
        """
        attempt, user = await self._claim(username, client)
        verdict = _Verdict(FailReason.CANCELLED)
        try:
            verdict = await self._verify(user, password)
        except HasherBusy:
            verdict = _Verdict(FailReason.BUSY)
            raise
        except Exception:
            verdict = _Verdict(FailReason.INTERNAL_ERROR)
            raise
        finally:
            with CancelScope(shield=True):
                login = await self._settle(attempt, user, verdict)
        if login is None:
            raise InvalidCredentials
        return login

    async def _claim(self, username: str, client: Client) -> tuple[LoginAttempt, User | None]:
        async with self._uow() as uow:
            user = await uow.users.by_username(username_key=folded(username))
            attempt = pending_attempt(
                attempt_id=self._ids.new_id(),
                at=self._clock.now(),
                username=username,
                user_id=None if user is None else user.id,
                client=client,
            )
            await uow.login_log.append(attempt=attempt)
            await uow.commit()
        return attempt, user

    async def _verify(self, user: User | None, password: str) -> _Verdict:
        may_enter = user is not None and not user.disabled
        stored = user.password_hash if user is not None and may_enter else None
        matches = await self._hasher.verify(password=password, stored=stored)
        if user is None:
            return _Verdict(FailReason.UNKNOWN_USER)
        if user.disabled:
            return _Verdict(FailReason.DISABLED)
        if not matches:
            return _Verdict(FailReason.BAD_PASSWORD)
        if self._hasher.needs_rehash(stored=user.password_hash):
            return _Verdict(None, await self._hasher.hash(password=password))
        return _Verdict(None)

    async def _settle(
        self, attempt: LoginAttempt, user: User | None, verdict: _Verdict
    ) -> Login | None:
        async with self._uow() as uow:
            reason = verdict.reason
            if reason is None and user is not None:
                reason = await self._meanwhile(uow, user, verdict.new_hash)
            now = self._clock.now()
            if reason is not None or user is None:
                await uow.login_log.settle(attempt=attempt.settled(at=now, reason=reason))
                await uow.commit()
                return None
            session = Session(
                id=self._ids.new_id(),
                user_id=user.id,
                created_at=now,
                expires_at=now + self._session_lifetime,
                ip=attempt.ip,
                user_agent=attempt.user_agent,
            )
            await uow.sessions.add(session=session)
            await uow.login_log.settle(
                attempt=attempt.settled(at=now, reason=None, session_id=session.id)
            )
            await uow.commit()
        return self._login(session)

    async def _meanwhile(
        self, uow: IdentityUnitOfWork, seen: User, new_hash: str | None
    ) -> FailReason | None:
        """Look again: the user may have changed while the hash ran."""
        user = await uow.users.hold(user_id=seen.id)
        if user is None or user.disabled:
            return FailReason.DISABLED
        if user.password_changed_at != seen.password_changed_at:
            return FailReason.BAD_PASSWORD
        if new_hash is not None:
            await uow.users.replace(user=replace(user, password_hash=new_hash))
        return None

    def _login(self, session: Session) -> Login:
        claims = AccessClaims(
            token_id=self._ids.new_id(),
            user_id=session.user_id,
            session_id=session.id,
            issued_at=session.created_at,
            expires_at=min(session.created_at + self._access_token_lifetime, session.expires_at),
        )
        return Login(
            access_token=self._tokens.issue(claims=claims),
            expires_in=int((claims.expires_at - claims.issued_at).total_seconds()),
            session_id=session.id,
        )

    async def authenticate_token(self, *, token: str) -> Principal:
        """Tell who acts with an access token, as the user and the session are now.

        Raises `InvalidToken` once the token has expired, the session is over or the user is
        disabled.
        """
        claims = self._tokens.read(token=token)
        now = self._clock.now()
        if now >= claims.expires_at:
            raise InvalidToken
        async with self._reading() as uow:
            session = await uow.sessions.get(session_id=claims.session_id)
            user = await uow.users.get(user_id=claims.user_id)
        if session is None or user is None or session.user_id != user.id:
            raise InvalidToken
        if user.disabled or not session.is_live(now):
            raise InvalidToken
        return Principal(user.id, user.username, session.id, SCOPES_OF_ROLE[user.role])

    async def log_out(self, *, principal: Principal) -> None:
        """End the principal's session; its access tokens stop working at once."""
        async with self._uow() as uow:
            await uow.sessions.end(session_id=principal.session_id, at=self._clock.now())
            await uow.commit()
