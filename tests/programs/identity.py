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
from app.domain.principal import Role
from app.ports.identity.work import IdentityUnitOfWork
from tests.programs.identity_operations import (
    AddSession,
    AddToken,
    AddUser,
    AppendAttempt,
    EndSession,
    EndSessions,
    Find,
    FindUser,
    GetSession,
    GetUser,
    HoldToken,
    HoldUser,
    LastSuccess,
    OfUser,
    Operation,
    PageAttempts,
    PageUsers,
    Prune,
    ReplaceUser,
    See,
    SettleAttempt,
    UseSession,
    UseToken,
)
from tests.programs.program import Area, Claim, Step, Theme
from tests.programs.values import (
    IDS,
    INSTANTS,
    LIMITS,
    NEW_IDS,
    Pools,
    drawn,
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
    *("2001:db8::/64", "2001:db8::/32", "::/64", "::/0", "::ffff:0:0/95"),
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
    }
    contended: list[Pools] = [{}, {"username": _NAMES}, {"email": _EMAILS}]
    return [drawn(make, {**needed, **pools}, rest) for pools in contended]


_new_users = _users(AddUser, {"id": NEW_IDS})
_attempts = drawn(
    AppendAttempt,
    {"id": NEW_IDS, "at": INSTANTS},
    {
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
_reading_user = drawn(GetUser, _ID)
_reading_users = drawn(PageUsers, {"limit": LIMITS, "after": (None, *IDS)})
_reading_session = drawn(GetSession, _ID)


# Months that no store keeps as a whole: to drop one, Postgres has to wait for who reads.
_MONTHS = ("2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00")
_pruning = drawn(Prune, {"before": _MONTHS, "limit": LIMITS})


def _logged_in() -> SearchStrategy[tuple[Operation, ...]]:
    """Draw a user with a session, and a token of that."""

    def linked(user: AddUser, session: AddSession, token: AddToken) -> tuple[Operation, ...]:
        return user, replace(session, user=user.id), replace(token, session=session.id)

    return st.builds(linked, _new_users[0], _sessions, _tokens)


_user, _session = AddUser(id=2), AddSession(id=2, user=2)
_attempt, _token = AppendAttempt(id=2), AddToken(digest="one", session=2)

USERS: Final[Theme[IdentityUnitOfWork]] = Theme(
    beginnings=st.one_of(_new_users).map(lambda user: (user,)),
    writes=st.one_of(*_new_users, *_users(ReplaceUser, _ID), drawn(HoldUser, _ID)),
    reads=st.one_of(_reading_user, _reading_users, drawn(FindUser, {"key": _KEYS})),
    claims=st.sampled_from(
        [
            Claim(AddUser(id=2, username="alice"), AddUser(id=3, username="ALICE")),
            Claim(AddUser(id=3, email="a@b.example"), AddUser(id=2, email="A@b.example")),
            Claim(HoldUser(id=2), HoldUser(id=2), given=(_user,)),
            Claim(HoldUser(id=2), ReplaceUser(id=2, username="alice"), given=(_user,)),
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
    writes=_attempts | _pruning | drawn(SettleAttempt, _ID, {"at": INSTANTS, **_SETTLEMENT}),
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
    writes=_seeing | _pruning,
    reads=drawn(LastSuccess, {"user": IDS, "network": _NETWORKS}),
    claims=st.sampled_from(
        [
            Claim(See(user=2, network="192.0.2.1"), See(user=2, network="192.0.2.1")),
            Claim(See(user=2, client="ccxt"), See(user=2, network="192.0.2.1", client="ccxt")),
        ]
    ),
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
    reads=_reading_session,
    claims=st.sampled_from(
        [
            Claim(EndSession(id=2), EndSession(id=2), given=(_user, _session)),
            Claim(
                HoldToken(digest="one"), HoldToken(digest="one"), given=(_user, _session, _token)
            ),
        ]
    ),
)


async def _state(
    uow: IdentityUnitOfWork, steps: Sequence[Step[IdentityUnitOfWork]]
) -> tuple[object, ...]:
    sessions = [uuid_of(step.id) for step in steps if isinstance(step, AddSession)]
    origins = {
        (uuid_of(step.user), step.network)
        for step in steps
        if isinstance(step, See) and step.network is not None
    }
    digests = [step.digest for step in steps if isinstance(step, AddToken)]
    return (
        await uow.users.page(after=None, limit=100),
        await uow.login_log.page(matching=LoginLogFilter(), before=None, limit=100),
        [await uow.sessions.get(session_id=session_id) for session_id in sessions],
        [await uow.refresh_tokens.hold(digest=digest) for digest in digests],
        [
            await uow.origins.last_success(user_id=user_id, network=network)
            for user_id, network in sorted(origins)
        ],
    )


IDENTITY: Final = Area(
    themes=[USERS, LOG, SESSIONS, ORIGINS, USERS | LOG | SESSIONS | ORIGINS],
    glances=st.one_of(_reading_user, _reading_users, _reading_session),
    state=_state,
)
