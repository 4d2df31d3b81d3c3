"""How programs of identity are drawn."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from app.domain.identity import storage
from app.domain.identity.devices import DeviceType
from app.domain.identity.findings import FindingKind
from app.domain.identity.login_log import FailReason, LoginLogFilter, Outcome
from app.domain.principal import Role, Scope
from app.ports.identity.work import IdentityUnitOfWork
from tests.programs.identity_operations import (
    AddApiKey,
    AddSession,
    AddToken,
    AddUser,
    AppendAttempt,
    AreTaken,
    CountApiKeys,
    EndSession,
    EndSessions,
    Find,
    FindUsers,
    GetApiKey,
    GetSession,
    GetUser,
    HoldAdmins,
    HoldApiKey,
    HoldReset,
    HoldToken,
    HoldUser,
    ImportUsers,
    LastSuccesses,
    MakeNoMonths,
    OfUser,
    Operation,
    PageApiKeys,
    PageAttempts,
    PageSessions,
    PageUsers,
    Prune,
    PutReset,
    RemoveReset,
    ReplaceApiKey,
    ReplaceUser,
    See,
    SettleAttempt,
    UseApiKey,
    UseSession,
    UseToken,
)
from tests.programs.program import Area, Claim, Step, Theme
from tests.programs.second_factor_operations import (
    AddChallenge,
    CountCodes,
    GetFactor,
    HoldChallenge,
    PutCodes,
    PutFactor,
    RemoveExpired,
    RemoveFactor,
    ReplaceChallenge,
    UseCode,
    UseStep,
)
from tests.programs.throttle_operations import (
    CountSlots,
    GiveSlotsBack,
    HoldQuotas,
    KeepSlots,
    PruneSlots,
    TakeSlots,
)
from tests.programs.values import (
    IDS,
    INSTANTS,
    LIMITS,
    NEW_IDS,
    NOON,
    Pools,
    drawn,
    instant,
    texts,
    uuid_of,
)

T = TypeVar("T", bound=OfUser)

_DIGESTS: Final = ("one", "two")

_NAMES = texts("alice", "Alice", "\N{FULLWIDTH LATIN SMALL LETTER A}lice", limit=storage.USERNAME)
_KEYS = texts("alice", "Alice", "user-2", limit=storage.USERNAME)
_EMAILS = texts("stra\u00dfe@x.org", "STRASSE@x.org", "a@x.org", limit=storage.EMAIL)
_IPS = texts(
    "192.0.2.1", "192.0.2.9", "2001:db8::1", "2001:db8::2", "::ffff:192.0.2.1", limit=storage.IP
)
_CIDRS = (
    *("192.0.2.1/32", "192.0.2.0/24", "0.0.0.0/0", "2001:db8::1/128", "2001:db8::/126"),
    *("2001:db8::/64", "2001:db8::/32", "::/64", "::/0", "::fffe:0:0/95"),
)
_AGENTS = texts("curl", limit=storage.USER_AGENT)
_NETWORKS = texts("192.0.2.1", "2001:db8::/64", limit=storage.ORIGIN)
_CLIENTS = texts("ccxt", "192.0.2.1", limit=storage.ORIGIN)
_TOKENS = texts(*_DIGESTS, limit=storage.REFRESH_DIGEST)
_REASONS = (FailReason.BAD_PASSWORD, FailReason.CANCELLED)
_SETTLEMENT: Pools = {
    "outcome": [*Outcome],
    "fail_reason": _REASONS,
    "session": IDS,
    "duration_ms": (0, 250, 2**40),
    "new_network": (True, False),
    "new_client": (True, False),
}
_ID: Pools = {"id": IDS}


def _users(make: Callable[..., T], needed: Pools) -> list[SearchStrategy[T]]:
    """Draw users with a name of their own, or with a name or an address that may be taken.

    Not with both: which of the two refusals it is where both are taken, the port leaves open.
    """
    rest = {
        "password_hash": texts("other", limit=storage.PASSWORD_HASH),
        "role": [*Role],
        "disabled": (True,),
        "created_at": INSTANTS,
        "password_changed_at": INSTANTS,
        "password_expires_at": INSTANTS,
        "mfa_required": (True,),
        "has_second_factor": (True,),
    }
    contended: list[Pools] = [{}, {"username": _NAMES}, {"email": _EMAILS}]
    return [drawn(make, {**needed, **pools}, rest) for pools in contended]


_new_users = _users(AddUser, {"id": NEW_IDS})
_attempts = drawn(
    AppendAttempt,
    {"id": NEW_IDS, "at": INSTANTS},
    {
        "also": NEW_IDS,
        "username": _NAMES,
        "username_key": _KEYS,
        "user": IDS,
        "ip": _IPS,
        "user_agent": _AGENTS,
        "request_id": texts("request", limit=storage.REQUEST_ID),
        "device_type": [*DeviceType],
        "os": texts("iOS 17", limit=storage.OS),
        "client": texts("ccxt 4.2", limit=storage.CLIENT),
        **_SETTLEMENT,
    },
)
_sessions = drawn(
    AddSession,
    {"id": NEW_IDS, "user": IDS},
    {
        "created_at": INSTANTS,
        "last_used_at": INSTANTS,
        "idle_expires_at": INSTANTS,
        "expires_at": INSTANTS,
        "ip": _IPS,
        "user_agent": _AGENTS,
        "ended_at": INSTANTS,
    },
)
_tokens = drawn(
    AddToken, {"digest": _TOKENS, "session": IDS}, {"issued_at": INSTANTS, "used_at": INSTANTS}
)
_resets = drawn(
    PutReset,
    {"user": IDS},
    {
        "digest": texts("one", "two", limit=storage.RESET_DIGEST),
        "created_at": INSTANTS,
        "expires_at": INSTANTS,
    },
)
_REST_OF_API_KEY: Pools = {
    "name": texts("grid bot", limit=storage.API_KEY_NAME),
    "scopes": ["", " ".join(Scope), Scope.USERS_ADMIN.value],
    "digest": texts("other", limit=storage.API_KEY_DIGEST),
    "created_at": INSTANTS,
    "allowed_networks": [("10.0.0.0/8",), ("2001:db8::/32", "0.0.0.0/0")],
    "last_used_at": INSTANTS,
    "last_used_ip": _IPS,
    "expires_at": INSTANTS,
    "retires_at": INSTANTS,
    "revoked_at": INSTANTS,
}
_api_keys = drawn(AddApiKey, {"id": NEW_IDS, "user": IDS}, _REST_OF_API_KEY)
_reading_user = drawn(GetUser, _ID)
_reading_users = drawn(PageUsers, {"limit": LIMITS, "after": (None, *IDS)})
_reading_session = drawn(GetSession, _ID)
_reading_sessions = drawn(
    PageSessions, {"user": IDS, "limit": LIMITS}, {"now": INSTANTS, "before": IDS}
)


# Months that no store keeps as a whole: to drop one, Postgres has to wait for who reads.
_MONTHS = ("2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00")
_pruning = drawn(Prune, {"before": _MONTHS, "limit": LIMITS})


def _logged_in() -> SearchStrategy[tuple[Operation, ...]]:
    """Draw a user with a session, and a token of that."""

    def linked(user: AddUser, session: AddSession, token: AddToken) -> tuple[Operation, ...]:
        return user, replace(session, user=user.id), replace(token, session=session.id)

    return st.builds(linked, _new_users[0], _sessions, _tokens)


def _with_a_key() -> SearchStrategy[tuple[Operation, ...]]:
    """Draw a user with an API key."""

    def linked(user: AddUser, api_key: AddApiKey) -> tuple[Operation, ...]:
        return user, replace(api_key, user=user.id)

    return st.builds(linked, _new_users[0], _api_keys)


_api_key = AddApiKey(id=2, user=2)
_user, _session = AddUser(id=2), AddSession(id=2, user=2)
_admin = AddUser(id=2, role=Role.ADMIN)
_attempt, _token = AppendAttempt(id=2), AddToken(digest="one", session=2)
_reset = PutReset(user=2)

USERS: Final[Theme[IdentityUnitOfWork]] = Theme(
    beginnings=st.one_of(_new_users).map(lambda user: (user,)),
    writes=st.one_of(
        *_new_users,
        *_users(ReplaceUser, _ID),
        *_users(ImportUsers, {"id": NEW_IDS}),
        drawn(HoldUser, _ID),
        st.just(HoldAdmins()),
    ),
    reads=st.one_of(
        _reading_user,
        _reading_users,
        drawn(FindUsers, {"keys": [*[(key,) for key in _KEYS], ("user-2", "a\0b", "alice"), ()]}),
        drawn(AreTaken, {"key": [*_KEYS, *_EMAILS]}),
    ),
    claims=st.sampled_from(
        [
            Claim(AddUser(id=2, username="alice"), AddUser(id=3, username="ALICE")),
            Claim(AddUser(id=3, email="a@b.example"), AddUser(id=2, email="A@b.example")),
            Claim(ImportUsers(id=2, username="alice"), AddUser(id=4, username="ALICE")),
            Claim(HoldUser(id=2), HoldUser(id=2), given=(_user,)),
            Claim(HoldUser(id=2), ReplaceUser(id=2, username="alice"), given=(_user,)),
            Claim(HoldAdmins(), HoldAdmins(), given=(_admin,)),
            Claim(HoldAdmins(), HoldUser(id=2), given=(_admin,)),
        ]
    ),
)
_finding = drawn(
    Find,
    {"kind": [*FindingKind], "least": (0, 1, 2)},
    {"since": INSTANTS, "until": INSTANTS, "limit": LIMITS},
)
LOG: Final[Theme[IdentityUnitOfWork]] = Theme(
    beginnings=_attempts.map(lambda attempt: (attempt,)),
    writes=_attempts
    | _pruning
    | drawn(SettleAttempt, _ID, {"also": IDS, "at": INSTANTS, **_SETTLEMENT}),
    reads=_finding
    | drawn(
        PageAttempts,
        {"limit": LIMITS},
        {
            "user": IDS,
            "username_key": _KEYS,
            "network": _CIDRS,
            "outcome": [*Outcome],
            "fail_reason": _REASONS,
            "since": INSTANTS,
            "until": INSTANTS,
            "before": [(at, number) for at in INSTANTS for number in NEW_IDS],
        },
    ),
    claims=st.just(Claim(SettleAttempt(id=2), SettleAttempt(id=2, session=2), given=(_attempt,))),
)
_seeing = drawn(See, {"user": IDS, "at": INSTANTS}, {"network": _NETWORKS, "client": _CLIENTS})
ORIGINS: Final[Theme[IdentityUnitOfWork]] = Theme(
    beginnings=_seeing.map(lambda see: (see,)),
    writes=_seeing | _pruning | st.just(MakeNoMonths()),
    reads=drawn(
        LastSuccesses,
        {
            "users": [*[(number,) for number in IDS], NEW_IDS],
            "networks": [*[(network,) for network in _NETWORKS], tuple(_NETWORKS), ()],
        },
    ),
    claims=st.sampled_from(
        [
            Claim(See(user=2, network="192.0.2.1"), See(user=2, network="192.0.2.1")),
            Claim(See(user=2, client="ccxt"), See(user=2, network="192.0.2.1", client="ccxt")),
        ]
    ),
)
_KEYS_OF_QUOTAS: Final = [("one",), ("one", "two"), ("two",), (), ("a\0b",)]
_GUESSES: Final = [*[(number,) for number in NEW_IDS], NEW_IDS, ()]
_taking = drawn(
    TakeSlots,
    {"ids": _GUESSES, "keys": _KEYS_OF_QUOTAS},
    {"expires_at": INSTANTS, "at": INSTANTS},
)
_counting = drawn(
    CountSlots, {"keys": _KEYS_OF_QUOTAS}, {"now": INSTANTS, "pending_since": INSTANTS}
)
THROTTLE: Final[Theme[IdentityUnitOfWork]] = Theme(
    beginnings=_taking.map(lambda take: (take,)),
    writes=st.one_of(
        _taking,
        *[
            drawn(settle, {"ids": _GUESSES, "keys": _KEYS_OF_QUOTAS}, {"expires_at": INSTANTS})
            for settle in (KeepSlots, GiveSlotsBack)
        ],
        drawn(HoldQuotas, {"keys": _KEYS_OF_QUOTAS}),
        drawn(PruneSlots, {"now": INSTANTS}),
    ),
    reads=_counting,
    claims=st.just(Claim(HoldQuotas(keys=("one", "two")), HoldQuotas(keys=("two",)))),
)
SESSIONS: Final[Theme[IdentityUnitOfWork]] = Theme(
    beginnings=_logged_in(),
    writes=st.one_of(
        _sessions,
        drawn(UseSession, {"id": IDS, "at": INSTANTS}, {"idle_expires_at": INSTANTS}),
        drawn(EndSession, {"id": IDS, "at": INSTANTS}),
        drawn(EndSessions, {"user": IDS, "at": INSTANTS}, {"but": IDS}),
        _tokens,
        drawn(HoldToken, {"digest": _TOKENS}),
        drawn(UseToken, {"digest": _TOKENS, "at": INSTANTS}),
    ),
    reads=_reading_session | _reading_sessions,
    claims=st.sampled_from(
        [
            Claim(EndSession(id=2), EndSession(id=2), given=(_user, _session)),
            Claim(
                HoldToken(digest="one"), HoldToken(digest="one"), given=(_user, _session, _token)
            ),
        ]
    ),
)
RESETS: Final[Theme[IdentityUnitOfWork]] = Theme(
    beginnings=st.builds(
        lambda user, reset: (user, replace(reset, user=user.id)), _new_users[0], _resets
    ),
    writes=st.one_of(_resets, drawn(HoldReset, {"user": IDS}), drawn(RemoveReset, {"user": IDS})),
    reads=_reading_user,
    claims=st.sampled_from(
        [
            Claim(HoldReset(user=2), HoldReset(user=2), given=(_user, _reset)),
            Claim(HoldReset(user=2), PutReset(user=2, digest="two"), given=(_user, _reset)),
            Claim(RemoveReset(user=2), HoldReset(user=2), given=(_user, _reset)),
            Claim(PutReset(user=2), PutReset(user=2, digest="two"), given=(_user,)),
        ]
    ),
)
API_KEYS: Final[Theme[IdentityUnitOfWork]] = Theme(
    beginnings=_with_a_key(),
    writes=st.one_of(
        _api_keys,
        drawn(ReplaceApiKey, {"id": IDS, "user": IDS}, _REST_OF_API_KEY),
        drawn(HoldApiKey, _ID),
        drawn(UseApiKey, {"id": IDS, "at": INSTANTS}, {"ip": _IPS}),
    ),
    reads=st.one_of(
        drawn(GetApiKey, _ID),
        drawn(CountApiKeys, {"user": IDS, "at": INSTANTS}),
        drawn(PageApiKeys, {"limit": LIMITS, "user": (None, *IDS)}, {"before": IDS}),
    ),
    claims=st.sampled_from(
        [
            Claim(HoldApiKey(id=2), HoldApiKey(id=2), given=(_user, _api_key)),
            Claim(HoldApiKey(id=2), UseApiKey(id=2), given=(_user, _api_key)),
            Claim(HoldApiKey(id=2), ReplaceApiKey(id=2, user=2), given=(_user, _api_key)),
        ]
    ),
)


_steps = (7, 8, 6, 2**40)
_of_user: Pools = {"user": IDS}
_challenges = texts(*_DIGESTS, limit=storage.MFA_DIGEST)
_of_challenge: Pools = {
    "password_changed_at": INSTANTS,
    "created_at": INSTANTS,
    "expires_at": INSTANTS,
    "used_at": INSTANTS,
    "wrong_codes": (1, 5),
}
_factors = drawn(
    PutFactor,
    _of_user,
    {
        "sealed_secret": texts("other", limit=storage.SEALED_SECRET),
        "created_at": INSTANTS,
        "confirmed_at": INSTANTS,
        "last_step": _steps,
    },
)
_codes = drawn(
    PutCodes,
    _of_user,
    {"digests": [(), ("one",), ("two", "one"), ("\0",), ("x" * 65,), ("x" * 64,)]},
)
_reading_factor = drawn(GetFactor, _of_user)
_counting_codes = drawn(CountCodes, _of_user)
_challenge = AddChallenge(digest="one", user=2)


def _enrolled() -> SearchStrategy[tuple[Operation, ...]]:
    """Draw a user with a second factor, and recovery codes."""

    def linked(user: AddUser, factor: PutFactor, codes: PutCodes) -> tuple[Operation, ...]:
        return user, replace(factor, user=user.id), replace(codes, user=user.id)

    return st.builds(linked, _new_users[0], _factors, _codes)


SECOND_FACTORS: Final[Theme[IdentityUnitOfWork]] = Theme(
    beginnings=_enrolled(),
    writes=st.one_of(
        _factors,
        drawn(UseStep, {"user": IDS, "step": _steps}),
        drawn(RemoveFactor, _of_user),
        _codes,
        drawn(UseCode, {"user": IDS, "digest": _challenges}, {"at": INSTANTS}),
        drawn(AddChallenge, {"digest": _challenges, "user": IDS}, _of_challenge),
        drawn(ReplaceChallenge, {"digest": _challenges, "user": IDS}, _of_challenge),
        drawn(HoldChallenge, {"digest": _challenges}),
        drawn(RemoveExpired, {"user": IDS, "until": INSTANTS}),
    ),
    reads=st.one_of(_reading_factor, _counting_codes),
    claims=st.sampled_from(
        [
            Claim(HoldChallenge("one"), HoldChallenge("one"), given=(_user, _challenge)),
        ]
    ),
)


def _readings_of(step: Step[IdentityUnitOfWork]) -> list[Operation]:
    """Give what reads what a step has left of second factors."""
    match step:
        case PutFactor() | PutCodes():
            return [GetFactor(user=step.user), CountCodes(user=step.user)]
        case AddChallenge():
            return [HoldChallenge(digest=step.digest)]
        case _:
            return []


async def _state(
    uow: IdentityUnitOfWork, steps: Sequence[Step[IdentityUnitOfWork]]
) -> tuple[object, ...]:
    sessions = [uuid_of(step.id) for step in steps if isinstance(step, AddSession)]
    origins = {
        (uuid_of(step.user), step.network)
        for step in steps
        if isinstance(step, See) and step.network is not None
    }
    reset = [uuid_of(step.user) for step in steps if isinstance(step, PutReset)]
    digests = [step.digest for step in steps if isinstance(step, AddToken)]
    return (
        await uow.users.page(after=None, limit=100),
        await uow.login_log.page(matching=LoginLogFilter(), before=None, limit=100),
        [await uow.sessions.get(session_id=session_id) for session_id in sessions],
        [await uow.refresh_tokens.hold(digest=digest) for digest in digests],
        await uow.origins.last_successes(pairs=origins),
        await uow.throttle.taken(
            keys=["one", "two"], now=instant(INSTANTS[-2]), pending_since=instant(NOON)
        ),
        [await uow.password_resets.hold(user_id=user_id) for user_id in reset],
        await uow.api_keys.page(user_id=None, before=None, limit=100),
        [await reading.run(uow) for step in steps for reading in _readings_of(step)],
    )


IDENTITY: Final = Area(
    themes=[
        USERS,
        LOG,
        SESSIONS,
        ORIGINS,
        THROTTLE,
        RESETS,
        API_KEYS,
        SECOND_FACTORS,
        USERS | LOG | SESSIONS | ORIGINS | THROTTLE | RESETS | API_KEYS | SECOND_FACTORS,
    ],
    glances=st.one_of(_reading_user, _reading_users, _reading_session, _reading_factor),
    state=_state,
)
