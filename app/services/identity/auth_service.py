from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from anyio import CancelScope

from app.domain.errors import TickgateError
from app.domain.identity.errors import (
    HasherBusy,
    InvalidChallenge,
    InvalidCredentials,
    InvalidToken,
    RefreshInProgress,
    TooManyAttempts,
    TooManyWaiting,
)
from app.domain.identity.login_log import Client, FailReason, LoginAttempt, pending_attempt
from app.domain.identity.networks import client_network
from app.domain.identity.second_factor import must_enrol, scopes_of
from app.domain.identity.sessions import (
    AccessClaims,
    RefreshToken,
    Session,
    VerificationKey,
    refresh_digest,
)
from app.domain.identity.throttle import NO_GUESS
from app.domain.identity.users import User
from app.domain.principal import Principal, Role
from app.ports.clock import Clock
from app.ports.identity.security import AccessTokens, PasswordHasher
from app.ports.identity.user_agents import UserAgents
from app.ports.identity.work import IdentityUnitOfWork, IdentityWork
from app.ports.ids import Ids, Secrets
from app.services.identity.attempts import Attempts, Begun
from app.services.identity.second_factor_service import SecondFactorService
from app.services.identity.throttling import Guess, Throttling


@dataclass(frozen=True, slots=True)
class Login:
    """What a successful login gives. `expires_in` is in seconds."""

    access_token: str
    expires_in: int
    refresh_token: str
    session_id: UUID


@dataclass(frozen=True, slots=True)
class _Match:
    """Whose password it was; `new_hash` replaces one that should be made anew."""

    user: User
    new_hash: str | None = None


class AuthService:
    """Who may act: logins, and the tokens and sessions they give."""

    def __init__(  # noqa: PLR0913 - the ports it needs
        self,
        *,
        uow: IdentityWork,
        recording: IdentityWork,
        reading: IdentityWork,
        hasher: PasswordHasher,
        tokens: AccessTokens,
        user_agents: UserAgents,
        second_factor: SecondFactorService,
        mfa_required_roles: frozenset[Role],
        clock: Clock,
        ids: Ids,
        secrets: Secrets,
        throttling: Throttling,
        access_token_lifetime: timedelta,
        session_idle_lifetime: timedelta,
        session_lifetime: timedelta,
    ) -> None:
        """Take `recording` for what changes of nobody what they may: logins, which are many."""
        self._uow = uow
        self._recording = recording
        self._reading = reading
        self._hasher = hasher
        self._tokens = tokens
        self._user_agents = user_agents
        self._second_factor = second_factor
        self._mfa_required_roles = mfa_required_roles
        self._clock = clock
        self._ids = ids
        self._secrets = secrets
        self._throttling = throttling
        self._attempts = Attempts(uow=recording, throttling=throttling, clock=clock)
        self._session_idle_lifetime = session_idle_lifetime
        self._access_token_lifetime = access_token_lifetime
        self._session_lifetime = session_lifetime

    async def authenticate_user(self, *, username: str, password: str, client: Client) -> Login:
        """Log a user in, in three steps: claim, verify, settle.

        The attempt is in the log, and has its slots of the quotas, before the password is looked
        at, so that a guess that races, disconnects or dies is still counted. Raises
        `InvalidCredentials` whatever the reason, `MfaRequired` when nothing but a code is lacking,
        `TooManyAttempts`, `HasherBusy` and `TooManyWaiting`, and `StoreUnavailable` when the
        attempt cannot be recorded: there is no success without a row.
        """
        attempt = self._attempt(self._ids.new_id(), self._clock.now(), username, None, client)
        begun = await self._attempts.begin(attempt)
        begun.guess.check()
        verdict: FailReason | _Match = FailReason.CANCELLED
        try:
            await self._throttling.turn(begun.guess)
            verdict = begun.guess.blocked_by or await self._verify(begun, password)
        except (HasherBusy, TooManyWaiting):
            verdict = FailReason.BUSY
            raise
        except Exception:
            verdict = FailReason.INTERNAL_ERROR
            raise
        finally:
            with CancelScope(shield=True):
                answer = await self._settle(begun, verdict)
                self._throttling.wake()
        if isinstance(answer, Login):
            return answer
        raise answer

    async def finish_login(self, *, challenge: str, code: str, client: Client) -> Login:
        """Log in with a code, once `authenticate_user` has raised `MfaRequired`.

        One transaction decides, records and commits before anything is told: nobody learns of a
        guess what is not counted. Raises `InvalidChallenge`, `InvalidCode` and `TooManyAttempts`.
        """
        guess_id = self._ids.new_id()
        network = client_network(client.ip)
        async with self._recording() as uow:
            judged = await self._second_factor.judge(
                uow=uow, challenge=challenge, code=code, guess_id=guess_id, network=network
            )
            user, now = judged.user, judged.at
            username = "" if user is None else user.username
            attempt = self._attempt(guess_id, now, username, user, client)
            if judged.refusal is not None or user is None:
                await uow.login_log.append(attempts=[attempt.settled(at=now, reason=judged.reason)])
                await uow.commit()
                raise judged.refusal or InvalidChallenge
            session, refresh_token = await self._open_session(uow, user, attempt, now)
            await uow.login_log.append(attempts=[await self._succeeded(uow, attempt, session)])
            await uow.commit()
        return self._login(session, user, refresh_token, now)

    async def _verify(self, begun: Begun, password: str) -> FailReason | _Match:
        user = begun.user
        may_enter = user is not None and not user.disabled
        stored = user.password_hash if user is not None and may_enter else None
        matches = await self._hasher.verify(password=password, stored=stored)
        if user is None:
            return FailReason.UNKNOWN_USER
        if user.disabled:
            return FailReason.DISABLED
        if not matches:
            return FailReason.BAD_PASSWORD
        if user.is_password_expired(begun.attempt.at):
            return FailReason.PASSWORD_EXPIRED
        if self._hasher.needs_rehash(stored=user.password_hash):
            with suppress(HasherBusy):  # then the next login makes it anew
                return _Match(user, await self._hasher.hash(password=password))
        return _Match(user)

    async def _settle(self, begun: Begun, verdict: FailReason | _Match) -> Login | TickgateError:
        if isinstance(verdict, FailReason):
            await self._attempts.fail(begun, verdict)
            return _refusal(begun.guess)
        attempt, guess = begun.attempt, begun.guess
        async with self._recording() as uow:
            user, reason = await self._meanwhile(uow, verdict.user, verdict.new_hash)
            now = self._clock.now()
            await self._throttling.settle(uow, guess, failed=reason not in NO_GUESS)
            if reason is not None or user is None:
                refusal = _refusal(guess)
                if reason is FailReason.MFA_REQUIRED and user is not None:
                    refusal = await self._second_factor.challenge(uow=uow, user=user, at=now)
                await uow.login_log.settle(attempts=[attempt.settled(at=now, reason=reason)])
                await uow.commit()
                return refusal
            session, refresh_token = await self._open_session(uow, user, attempt, now)
            attempt = await self._succeeded(uow, attempt, session)
            await uow.login_log.settle(attempts=[attempt])
            await uow.commit()
        return self._login(session, user, refresh_token, now)

    def _attempt(
        self, attempt_id: UUID, at: datetime, username: str, user: User | None, client: Client
    ) -> LoginAttempt:
        return pending_attempt(
            attempt_id=attempt_id,
            at=at,
            username=username,
            user_id=None if user is None else user.id,
            client=client,
            device=self._user_agents.read(user_agent=client.user_agent),
        )

    async def _open_session(
        self, uow: IdentityUnitOfWork, user: User, attempt: LoginAttempt, now: datetime
    ) -> tuple[Session, str]:
        session = self._new_session(user, attempt, now)
        await uow.sessions.add(session=session)
        return session, await self._new_refresh_token(uow, session, now)

    async def _succeeded(
        self, uow: IdentityUnitOfWork, attempt: LoginAttempt, session: Session
    ) -> LoginAttempt:
        """Give the attempt that opened a session, and remember where it came from."""
        familiarity = await uow.origins.see(
            user_id=session.user_id,
            network=attempt.network,
            client=attempt.client_kind,
            at=session.created_at,
        )
        return attempt.settled(
            at=session.created_at, reason=None, session_id=session.id, familiarity=familiarity
        )

    async def _meanwhile(
        self, uow: IdentityUnitOfWork, seen: User, new_hash: str | None
    ) -> tuple[User | None, FailReason | None]:
        """Look again: the user may have changed while the hash ran."""
        user = await uow.users.hold(user_id=seen.id)
        if user is None or user.disabled:
            return user, FailReason.DISABLED
        if user.password_changed_at != seen.password_changed_at:
            return user, FailReason.BAD_PASSWORD
        if new_hash is not None:
            await uow.users.replace(user=replace(user, password_hash=new_hash))
        return user, FailReason.MFA_REQUIRED if user.has_second_factor else None

    def _new_session(self, user: User, attempt: LoginAttempt, now: datetime) -> Session:
        expires_at = now + self._session_lifetime
        return Session(
            id=self._ids.new_id(),
            user_id=user.id,
            created_at=now,
            last_used_at=now,
            idle_expires_at=min(now + self._session_idle_lifetime, expires_at),
            expires_at=expires_at,
            ip=attempt.ip,
            user_agent=attempt.user_agent,
        )

    async def _new_refresh_token(
        self, uow: IdentityUnitOfWork, session: Session, now: datetime
    ) -> str:
        secret = self._secrets.new_secret()
        token = RefreshToken(refresh_digest(secret), session.id, issued_at=now)
        await uow.refresh_tokens.add(token=token)
        return secret

    def _login(self, session: Session, user: User, refresh_token: str, now: datetime) -> Login:
        claims = AccessClaims(
            token_id=self._ids.new_id(),
            user_id=session.user_id,
            session_id=session.id,
            issued_at=now,
            # Tokens tell whole seconds, and must not end before `expires_in` says.
            expires_at=_whole_seconds(min(now + self._access_token_lifetime, session.expires_at)),
            authenticated_at=session.created_at,
            scopes=scopes_of(user, self._mfa_required_roles),
        )
        return Login(
            access_token=self._tokens.issue(claims=claims),
            expires_in=(claims.expires_at - now) // timedelta(seconds=1),
            refresh_token=refresh_token,
            session_id=session.id,
        )

    async def refresh(self, *, refresh_token: str, client: Client) -> Login:
        """Give a new access token, and the refresh token that takes the place of this one.

        The same token again within ten seconds is a lost answer or a parallel refresh: raises
        `RefreshInProgress`, and the session lives. Later it is theft: the session is ended, the
        login log says so, and it raises `InvalidToken`, as for any token that is not good.
        """
        digest = refresh_digest(refresh_token)
        async with self._uow() as uow:
            token = await uow.refresh_tokens.hold(digest=digest)
            now = self._clock.now()
            if token is None:
                raise InvalidToken
            session, user = await _live(uow, token.session_id, now)
            if token.is_in_grace(now):
                raise RefreshInProgress
            if token.used_at is not None:
                await self._end_stolen(uow, session, user, client, now)
                await uow.commit()
                raise InvalidToken
            idle_expires_at = min(now + self._session_idle_lifetime, session.expires_at)
            await uow.refresh_tokens.use(digest=digest, at=now)
            await uow.sessions.use(session_id=session.id, at=now, idle_expires_at=idle_expires_at)
            successor = await self._new_refresh_token(uow, session, now)
            await uow.commit()
        return self._login(session, user, successor, now)

    async def _end_stolen(
        self, uow: IdentityUnitOfWork, session: Session, user: User, client: Client, now: datetime
    ) -> None:
        attempt = self._attempt(self._ids.new_id(), now, user.username, user, client)
        attempt = attempt.settled(at=now, reason=FailReason.REFRESH_REUSE, session_id=session.id)
        await uow.sessions.end(session_id=session.id, at=now)
        await uow.login_log.append(attempts=[attempt])

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
            session, user = await _live(uow, claims.session_id, now)
        if user.id != claims.user_id:
            raise InvalidToken
        roles = self._mfa_required_roles
        return Principal(
            user_id=user.id,
            username=user.username,
            session_id=session.id,
            scopes=scopes_of(user, roles),
            must_enrol=must_enrol(user, roles),
            good_until=min(claims.expires_at, session.idle_expires_at, session.expires_at),
        )

    def verification_keys(self) -> list[VerificationKey]:
        """Give the keys with which anyone can verify access tokens, newest first."""
        return self._tokens.published()

    async def log_out(self, *, principal: Principal) -> None:
        """End the principal's session; its access tokens stop working at once."""
        if principal.session_id is None:
            return  # an API key has none
        async with self._uow() as uow:
            await uow.sessions.end(session_id=principal.session_id, at=self._clock.now())
            await uow.commit()


def _refusal(guess: Guess) -> TickgateError:
    if guess.blocked_by is not None:
        return TooManyAttempts(guess.standing.rate_limit)
    return InvalidCredentials(guess.standing.rate_limit)


def _whole_seconds(time: datetime) -> datetime:
    """Round up."""
    whole = time.replace(microsecond=0)
    return whole if whole == time else whole + timedelta(seconds=1)


async def _live(uow: IdentityUnitOfWork, session_id: UUID, now: datetime) -> tuple[Session, User]:
    """Give a session and its user, as long as both may act."""
    session = await uow.sessions.get(session_id=session_id)
    if session is None or not session.is_live(now):
        raise InvalidToken
    user = await uow.users.get(user_id=session.user_id)
    if user is None or user.disabled:
        raise InvalidToken
    return session, user
