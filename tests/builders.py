"""Domain objects for tests: a call gives a valid one, keywords say what the test is about.

Whatever has to be unique (ids, usernames) is numbered, so that two calls never collide; nothing
is random and no clock is read.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from uuid import UUID

from app.domain.identity.api_keys import ApiKey
from app.domain.identity.devices import DeviceType
from app.domain.identity.login_log import FailReason, LoginAttempt, Outcome
from app.domain.identity.networks import Network
from app.domain.identity.password_resets import PasswordReset
from app.domain.identity.second_factor import MfaChallenge, SecondFactor
from app.domain.identity.sessions import RefreshToken, Session, refresh_digest
from app.domain.identity.text import fold
from app.domain.identity.users import User
from app.domain.principal import Role, Scope
from app.domain.range_units.changes import Change, ChangeKind
from app.domain.range_units.revisions import Exchange, Market, Revision
from app.domain.range_units.table import Band, RangeUnitTable

_START = datetime(2026, 1, 5, 9, 30, 15, 123456, tzinfo=UTC)
_numbers = count(1)


def at(minutes: int = 0) -> datetime:
    """Give an instant: so many minutes after a fixed one that has microseconds."""
    return _START + timedelta(minutes=minutes)


def new_id() -> UUID:
    """Give an id that compares greater than those given before, as the port `Ids` says."""
    return _id(next(_numbers))


def a_user(  # noqa: PLR0913 - the fields of a user
    *,
    user_id: UUID | None = None,
    username: str | None = None,
    email: str | None = None,
    password_hash: str = "hash of a password",
    role: Role = Role.USER,
    disabled: bool = False,
    created_at: datetime | None = None,
    password_changed_at: datetime | None = None,
    password_expires_at: datetime | None = None,
    mfa_required: bool = False,
    has_second_factor: bool = False,
) -> User:
    number = next(_numbers)
    created_at = created_at or at()
    return User(
        id=user_id or _id(number),
        username=f"user-{number}" if username is None else username,
        email=email,
        password_hash=password_hash,
        role=role,
        disabled=disabled,
        created_at=created_at,
        password_changed_at=password_changed_at or created_at,
        password_expires_at=password_expires_at,
        mfa_required=mfa_required,
        has_second_factor=has_second_factor,
    )


def an_attempt(  # noqa: PLR0913 - the fields of an attempt
    *,
    attempt_id: UUID | None = None,
    at: datetime = _START,
    username: str = "trader",
    username_key: str | None = None,
    user_id: UUID | None = None,
    ip: str | None = None,
    user_agent: str | None = None,
    request_id: str | None = None,
    outcome: Outcome = Outcome.PENDING,
    fail_reason: FailReason | None = None,
    session_id: UUID | None = None,
    duration_ms: int | None = None,
    device_type: DeviceType = DeviceType.UNKNOWN,
    os: str | None = None,
    client: str | None = None,
    new_network: bool | None = None,
    new_client: bool | None = None,
) -> LoginAttempt:
    return LoginAttempt(
        id=attempt_id or new_id(),
        at=at,
        username=username,
        username_key=fold(username) if username_key is None else username_key,
        user_id=user_id,
        ip=ip,
        user_agent=user_agent,
        request_id=request_id,
        outcome=outcome,
        fail_reason=fail_reason,
        session_id=session_id,
        duration_ms=duration_ms,
        device_type=device_type,
        os=os,
        client=client,
        new_network=new_network,
        new_client=new_client,
    )


def a_session(  # noqa: PLR0913 - the fields of a session
    *,
    session_id: UUID | None = None,
    user_id: UUID | None = None,
    created_at: datetime | None = None,
    last_used_at: datetime | None = None,
    idle_expires_at: datetime | None = None,
    expires_at: datetime | None = None,
    ip: str | None = None,
    user_agent: str | None = None,
    ended_at: datetime | None = None,
) -> Session:
    """Give a session of `user_id`; a store wants that user to be known."""
    created_at = created_at or at()
    return Session(
        id=session_id or new_id(),
        user_id=user_id or new_id(),
        created_at=created_at,
        last_used_at=last_used_at or created_at,
        idle_expires_at=idle_expires_at or created_at + timedelta(days=7),
        expires_at=expires_at or created_at + timedelta(days=30),
        ip=ip,
        user_agent=user_agent,
        ended_at=ended_at,
    )


def a_refresh_token(
    *,
    digest: str | None = None,
    session_id: UUID | None = None,
    issued_at: datetime | None = None,
    used_at: datetime | None = None,
) -> RefreshToken:
    """Give a token of `session_id`; a store wants that session to be known."""
    return RefreshToken(
        digest=refresh_digest(f"secret {next(_numbers)}") if digest is None else digest,
        session_id=session_id or new_id(),
        issued_at=issued_at or at(),
        used_at=used_at,
    )


def a_password_reset(
    *,
    user_id: UUID | None = None,
    digest: str | None = None,
    created_at: datetime | None = None,
    expires_at: datetime | None = None,
) -> PasswordReset:
    """Give a reset of `user_id`; a store wants that user to be known."""
    return PasswordReset(
        user_id=user_id or new_id(),
        digest=f"digest {next(_numbers)}" if digest is None else digest,
        created_at=created_at or at(),
        expires_at=expires_at or at(60),
    )


def an_api_key(  # noqa: PLR0913 - the fields of an API key
    *,
    key_id: UUID | None = None,
    user_id: UUID | None = None,
    name: str = "grid bot",
    scopes: frozenset[Scope] = frozenset({Scope.RANGE_UNITS_READ}),
    digest: str = "digest of a secret",
    created_at: datetime | None = None,
    expires_at: datetime | None = None,
    allowed_networks: tuple[Network, ...] = (),
    last_used_at: datetime | None = None,
    last_used_ip: str | None = None,
    retires_at: datetime | None = None,
    revoked_at: datetime | None = None,
) -> ApiKey:
    """Give a key of `user_id`; a store wants that user to be known."""
    return ApiKey(
        id=key_id or new_id(),
        user_id=user_id or new_id(),
        name=name,
        scopes=scopes,
        digest=digest,
        created_at=created_at or at(),
        expires_at=expires_at,
        allowed_networks=allowed_networks,
        last_used_at=last_used_at,
        last_used_ip=last_used_ip,
        retires_at=retires_at,
        revoked_at=revoked_at,
    )


def a_second_factor(
    *,
    user_id: UUID,
    sealed_secret: str = "sealed",
    created_at: datetime | None = None,
    confirmed_at: datetime | None = None,
    last_step: int | None = None,
) -> SecondFactor:
    return SecondFactor(
        user_id=user_id,
        sealed_secret=sealed_secret,
        created_at=created_at or at(),
        confirmed_at=confirmed_at,
        last_step=last_step,
    )


def a_challenge(
    *, user_id: UUID, digest: str | None = None, expires_at: datetime | None = None
) -> MfaChallenge:
    return MfaChallenge(
        digest=f"challenge {next(_numbers)}" if digest is None else digest,
        user_id=user_id,
        password_changed_at=at(-60),
        created_at=at(),
        expires_at=expires_at or at(5),
    )


def an_exchange(
    *, code: str = "coinone", name: str = "Coinone", time_zone: str = "Asia/Seoul"
) -> Exchange:
    return Exchange(code=code, name=name, time_zone=time_zone)


def a_market(*, exchange: str = "coinone", quote: str = "KRW", target: str = "BTC") -> Market:
    return Market(exchange=exchange, quote=quote, target=target)


def a_table(*bands: tuple[str, str]) -> RangeUnitTable:
    """Give a table of (range_min, price_unit); without any, of two bands that meet at 1000."""
    rows = bands or (("0", "0.1"), ("1000", "1"))
    return RangeUnitTable(bands=tuple(Band(Decimal(low), Decimal(unit)) for low, unit in rows))


def a_revision(  # noqa: PLR0913 - the fields of a revision, and its table
    *,
    revision_id: UUID | None = None,
    market: Market | None = None,
    effective_from: datetime | None = None,
    recorded_at: datetime | None = None,
    last_seen: datetime | None = None,
    source: str = "https://exchange.example/range-units",
    superseded_at: datetime | None = None,
    payload_digest: str | None = None,
    table: RangeUnitTable | None = None,
) -> tuple[Revision, RangeUnitTable]:
    """Give a revision, of unknown start unless `effective_from` says otherwise, and its table."""
    table = table or a_table()
    recorded_at = recorded_at or at()
    revision = Revision(
        id=revision_id or new_id(),
        market=market or a_market(),
        effective_from=effective_from,
        recorded_at=recorded_at,
        last_seen=last_seen or recorded_at,
        source=source,
        digest=table.digest,
        superseded_at=superseded_at,
        payload_digest=payload_digest,
    )
    return revision, table


def a_change(
    *,
    kind: ChangeKind = ChangeKind.RECORDED,
    market: Market | None = None,
    recorded_at: datetime | None = None,
    effective_from: datetime | None = None,
    source: str = "https://exchange.example/range-units",
) -> Change:
    return Change(
        kind=kind,
        at=recorded_at or at(),
        market=market or a_market(),
        revision_id=new_id(),
        effective_from=effective_from,
        source=source,
        digest="sha256:" + "0" * 64,
    )


def _id(number: int) -> UUID:
    return UUID(int=0x01890000_0000_7000_8000_000000000000 + number)
