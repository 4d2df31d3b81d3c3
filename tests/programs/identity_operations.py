"""What programs of identity do: every method of its ports as an operation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import ip_network
from itertools import product
from typing import Self, TypeAlias
from uuid import UUID

from app.domain.identity.api_keys import ApiKey
from app.domain.identity.devices import DeviceType
from app.domain.identity.findings import Finding, FindingKind
from app.domain.identity.login_log import (
    FailReason,
    LoginAttempt,
    LoginLogFilter,
    LoginLogPosition,
    Outcome,
)
from app.domain.identity.origins import Familiarity
from app.domain.identity.password_resets import PasswordReset
from app.domain.identity.sessions import RefreshToken, Session
from app.domain.identity.users import User
from app.domain.principal import Role, Scope
from app.ports.identity.work import IdentityUnitOfWork
from tests.programs import program
from tests.programs.program import Ids
from tests.programs.values import NOON, instant, untaken, uuid_of

Work: TypeAlias = IdentityUnitOfWork
Operation: TypeAlias = program.Operation[Work]


@dataclass(frozen=True, repr=False)
class OfUser(Operation):
    """Stores all fields of a user, who has a name of their own unless another is given."""

    id: int
    username: str | None = None
    email: str | None = None
    password_hash: str = "hash"
    role: Role = Role.USER
    disabled: bool = False
    created_at: str = NOON
    password_changed_at: str = NOON
    password_expires_at: str | None = None
    mfa_required: bool = False
    has_second_factor: bool = False

    @property
    def user(self) -> User:
        return User(
            id=uuid_of(self.id),
            username=f"user-{self.id}" if self.username is None else self.username,
            email=self.email,
            password_hash=self.password_hash,
            role=self.role,
            disabled=self.disabled,
            created_at=instant(self.created_at),
            password_changed_at=instant(self.password_changed_at),
            password_expires_at=_instant(self.password_expires_at),
            mfa_required=self.mfa_required,
            has_second_factor=self.has_second_factor,
        )


class AddUser(OfUser):
    def anew(self, taken: Ids) -> Self | None:
        number = untaken(taken, "user", self.id)
        return None if number is None else replace(self, id=number)

    async def run(self, uow: Work) -> None:
        await uow.users.add(user=self.user)


class ReplaceUser(OfUser):
    async def run(self, uow: Work) -> None:
        await uow.users.replace(user=self.user)


@dataclass(frozen=True, repr=False)
class GetUser(Operation):
    id: int

    async def run(self, uow: Work) -> User | None:
        return await uow.users.get(user_id=uuid_of(self.id))


@dataclass(frozen=True, repr=False)
class HoldUser(Operation):
    id: int

    async def run(self, uow: Work) -> User | None:
        return await uow.users.hold(user_id=uuid_of(self.id))


@dataclass(frozen=True, repr=False)
class HoldAdmins(Operation):
    async def run(self, uow: Work) -> list[User]:
        return await uow.users.hold_admins()


@dataclass(frozen=True, repr=False)
class FindUsers(Operation):
    keys: tuple[str, ...]

    async def run(self, uow: Work) -> Mapping[str, User]:
        return await uow.users.by_usernames(username_keys=self.keys)


@dataclass(frozen=True, repr=False)
class PageUsers(Operation):
    after: int | None = None
    limit: int = 100

    async def run(self, uow: Work) -> list[User]:
        return await uow.users.page(after=_uuid(self.after), limit=self.limit)


@dataclass(frozen=True, repr=False)
class AppendAttempt(Operation):
    """Appends an attempt, or two that differ by their ids alone."""

    id: int
    also: int | None = None
    at: str = NOON
    username: str = "alice"
    username_key: str = "alice"
    user: int | None = None
    ip: str | None = None
    user_agent: str | None = None
    request_id: str | None = None
    outcome: Outcome = Outcome.PENDING
    fail_reason: FailReason | None = None
    session: int | None = None
    duration_ms: int | None = None
    device_type: DeviceType = DeviceType.UNKNOWN
    os: str | None = None
    client: str | None = None
    new_network: bool | None = None
    new_client: bool | None = None

    def anew(self, taken: Ids) -> Self | None:
        number = untaken(taken, "attempt", self.id)
        also = None if self.also is None else untaken(taken, "attempt", self.also)
        return None if number is None else replace(self, id=number, also=also)

    async def run(self, uow: Work) -> None:
        attempt = LoginAttempt(
            id=uuid_of(self.id),
            at=instant(self.at),
            username=self.username,
            username_key=self.username_key,
            user_id=_uuid(self.user),
            ip=self.ip,
            user_agent=self.user_agent,
            request_id=self.request_id,
            outcome=self.outcome,
            fail_reason=self.fail_reason,
            session_id=_uuid(self.session),
            duration_ms=self.duration_ms,
            device_type=self.device_type,
            os=self.os,
            client=self.client,
            new_network=self.new_network,
            new_client=self.new_client,
        )
        await uow.login_log.append(attempts=_both(attempt, self.also))


@dataclass(frozen=True, repr=False)
class SettleAttempt(Operation):
    """Settles one or two with copies of the attempts whose other fields are none of their own."""

    id: int
    also: int | None = None
    at: str = NOON
    outcome: Outcome = Outcome.SUCCESS
    fail_reason: FailReason | None = None
    session: int | None = None
    duration_ms: int | None = None
    new_network: bool | None = None
    new_client: bool | None = None

    async def run(self, uow: Work) -> None:
        attempt = LoginAttempt(
            id=uuid_of(self.id),
            at=instant(self.at),
            username="not that of the attempt",
            username_key="not that of the attempt",
            user_id=None,
            ip="not that of the attempt",
            user_agent=None,
            request_id=None,
            outcome=self.outcome,
            fail_reason=self.fail_reason,
            session_id=_uuid(self.session),
            duration_ms=self.duration_ms,
            new_network=self.new_network,
            new_client=self.new_client,
        )
        await uow.login_log.settle(attempts=_both(attempt, self.also))


def _both(attempt: LoginAttempt, also: int | None) -> list[LoginAttempt]:
    return [attempt, *([] if also is None else [replace(attempt, id=uuid_of(also))])]


@dataclass(frozen=True, repr=False)
class PageAttempts(Operation):
    user: int | None = None
    username_key: str | None = None
    network: str | None = None
    outcome: Outcome | None = None
    fail_reason: FailReason | None = None
    since: str | None = None
    until: str | None = None
    before: tuple[str, int] | None = None
    limit: int = 100

    async def run(self, uow: Work) -> list[LoginAttempt]:
        matching = LoginLogFilter(
            user_id=_uuid(self.user),
            username_key=self.username_key,
            network=None if self.network is None else ip_network(self.network),
            outcome=self.outcome,
            fail_reason=self.fail_reason,
            since=_instant(self.since),
            until=_instant(self.until),
        )
        place = self.before and LoginLogPosition(instant(self.before[0]), uuid_of(self.before[1]))
        return await uow.login_log.page(matching=matching, before=place, limit=self.limit)


@dataclass(frozen=True, repr=False)
class AddSession(Operation):
    id: int
    user: int
    created_at: str = NOON
    last_used_at: str = NOON
    idle_expires_at: str = NOON
    expires_at: str = NOON
    ip: str | None = None
    user_agent: str | None = None
    ended_at: str | None = None

    def anew(self, taken: Ids) -> Self | None:
        number = untaken(taken, "session", self.id)
        return None if number is None else replace(self, id=number)

    async def run(self, uow: Work) -> None:
        session = Session(
            id=uuid_of(self.id),
            user_id=uuid_of(self.user),
            created_at=instant(self.created_at),
            last_used_at=instant(self.last_used_at),
            idle_expires_at=instant(self.idle_expires_at),
            expires_at=instant(self.expires_at),
            ip=self.ip,
            user_agent=self.user_agent,
            ended_at=_instant(self.ended_at),
        )
        await uow.sessions.add(session=session)


@dataclass(frozen=True, repr=False)
class GetSession(Operation):
    id: int

    async def run(self, uow: Work) -> Session | None:
        return await uow.sessions.get(session_id=uuid_of(self.id))


@dataclass(frozen=True, repr=False)
class UseSession(Operation):
    id: int
    at: str = NOON
    idle_expires_at: str = NOON

    async def run(self, uow: Work) -> None:
        await uow.sessions.use(
            session_id=uuid_of(self.id),
            at=instant(self.at),
            idle_expires_at=instant(self.idle_expires_at),
        )


@dataclass(frozen=True, repr=False)
class EndSession(Operation):
    id: int
    at: str = NOON

    async def run(self, uow: Work) -> bool:
        return await uow.sessions.end(session_id=uuid_of(self.id), at=instant(self.at))


@dataclass(frozen=True, repr=False)
class EndSessions(Operation):
    user: int
    but: int | None = None
    at: str = NOON

    async def run(self, uow: Work) -> int:
        return await uow.sessions.end_all(
            user_id=uuid_of(self.user), except_id=_uuid(self.but), at=instant(self.at)
        )


@dataclass(frozen=True, repr=False)
class PageSessions(Operation):
    user: int
    now: str = NOON
    before: int | None = None
    limit: int = 100

    async def run(self, uow: Work) -> list[Session]:
        return await uow.sessions.page_of_user(
            user_id=uuid_of(self.user),
            now=instant(self.now),
            before=_uuid(self.before),
            limit=self.limit,
        )


@dataclass(frozen=True, repr=False)
class AddToken(Operation):
    """Adds a token where its session is there, as the port asks."""

    digest: str
    session: int
    issued_at: str = NOON
    used_at: str | None = None

    def anew(self, taken: Ids) -> Self | None:
        is_taken = ("token", self.digest) in taken
        taken.add(("token", self.digest))
        return None if is_taken else self

    async def run(self, uow: Work) -> bool:
        if await uow.sessions.get(session_id=uuid_of(self.session)) is None:
            return False
        token = RefreshToken(
            digest=self.digest,
            session_id=uuid_of(self.session),
            issued_at=instant(self.issued_at),
            used_at=_instant(self.used_at),
        )
        await uow.refresh_tokens.add(token=token)
        return True


@dataclass(frozen=True, repr=False)
class HoldToken(Operation):
    digest: str

    async def run(self, uow: Work) -> RefreshToken | None:
        return await uow.refresh_tokens.hold(digest=self.digest)


@dataclass(frozen=True, repr=False)
class UseToken(Operation):
    digest: str
    at: str = NOON

    async def run(self, uow: Work) -> None:
        await uow.refresh_tokens.use(digest=self.digest, at=instant(self.at))


@dataclass(frozen=True, repr=False)
class PutReset(Operation):
    user: int
    digest: str = "one"
    created_at: str = NOON
    expires_at: str = NOON

    async def run(self, uow: Work) -> None:
        reset = PasswordReset(
            user_id=uuid_of(self.user),
            digest=self.digest,
            created_at=instant(self.created_at),
            expires_at=instant(self.expires_at),
        )
        await uow.password_resets.put(reset=reset)


@dataclass(frozen=True, repr=False)
class HoldReset(Operation):
    user: int

    async def run(self, uow: Work) -> PasswordReset | None:
        return await uow.password_resets.hold(user_id=uuid_of(self.user))


@dataclass(frozen=True, repr=False)
class RemoveReset(Operation):
    user: int

    async def run(self, uow: Work) -> None:
        await uow.password_resets.remove(user_id=uuid_of(self.user))


@dataclass(frozen=True, repr=False)
class AreTaken(Operation):
    key: str
    other: str = "user-2"

    async def run(self, uow: Work) -> frozenset[str]:
        return await uow.user_imports.taken(keys=[self.key, self.other])


@dataclass(frozen=True, repr=False)
class ImportUsers(OfUser):
    """Imports a user, and with them another, who has a name of their own."""

    other: int = 3

    def anew(self, taken: Ids) -> Self | None:
        number = untaken(taken, "user", self.id)
        other = untaken(taken, "user", self.other)
        return None if number is None or other is None else replace(self, id=number, other=other)

    async def run(self, uow: Work) -> None:
        await uow.user_imports.add_all(users=[self.user, AddUser(id=self.other).user])


@dataclass(frozen=True, repr=False)
class OfApiKey(Operation):
    """Stores all fields of an API key."""

    id: int
    user: int
    name: str = "grid bot"
    scopes: str = ""
    digest: str = "digest"
    created_at: str = NOON
    expires_at: str | None = None
    allowed_networks: tuple[str, ...] = ()
    last_used_at: str | None = None
    last_used_ip: str | None = None
    retires_at: str | None = None
    revoked_at: str | None = None

    @property
    def api_key(self) -> ApiKey:
        return ApiKey(
            id=uuid_of(self.id),
            user_id=uuid_of(self.user),
            name=self.name,
            scopes=frozenset(map(Scope, self.scopes.split())),
            digest=self.digest,
            created_at=instant(self.created_at),
            expires_at=_instant(self.expires_at),
            allowed_networks=tuple(map(ip_network, self.allowed_networks)),
            last_used_at=_instant(self.last_used_at),
            last_used_ip=self.last_used_ip,
            retires_at=_instant(self.retires_at),
            revoked_at=_instant(self.revoked_at),
        )


class AddApiKey(OfApiKey):
    def anew(self, taken: Ids) -> Self | None:
        number = untaken(taken, "api_key", self.id)
        return None if number is None else replace(self, id=number)

    async def run(self, uow: Work) -> None:
        await uow.api_keys.add(api_key=self.api_key)


class ReplaceApiKey(OfApiKey):
    async def run(self, uow: Work) -> None:
        await uow.api_keys.replace(api_key=self.api_key)


@dataclass(frozen=True, repr=False)
class GetApiKey(Operation):
    id: int

    async def run(self, uow: Work) -> tuple[ApiKey, User] | None:
        return await uow.api_keys.with_owner(key_id=uuid_of(self.id))


@dataclass(frozen=True, repr=False)
class HoldApiKey(Operation):
    id: int

    async def run(self, uow: Work) -> ApiKey | None:
        return await uow.api_keys.hold(key_id=uuid_of(self.id))


@dataclass(frozen=True, repr=False)
class UseApiKey(Operation):
    id: int
    at: str = NOON
    ip: str | None = None

    async def run(self, uow: Work) -> None:
        await uow.api_keys.use(key_id=uuid_of(self.id), at=instant(self.at), ip=self.ip)


@dataclass(frozen=True, repr=False)
class CountApiKeys(Operation):
    user: int
    at: str = NOON

    async def run(self, uow: Work) -> int:
        return await uow.api_keys.count_live(user_id=uuid_of(self.user), at=instant(self.at))


@dataclass(frozen=True, repr=False)
class PageApiKeys(Operation):
    user: int | None = None
    before: int | None = None
    limit: int = 100

    async def run(self, uow: Work) -> list[ApiKey]:
        return await uow.api_keys.page(
            user_id=_uuid(self.user), before=_uuid(self.before), limit=self.limit
        )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else instant(text)


@dataclass(frozen=True, repr=False)
class See(Operation):
    user: int
    network: str | None = None
    client: str | None = None
    at: str = NOON

    async def run(self, uow: Work) -> Familiarity:
        return await uow.origins.see(
            user_id=uuid_of(self.user),
            network=self.network,
            client=self.client,
            at=instant(self.at),
        )


@dataclass(frozen=True, repr=False)
class LastSuccesses(Operation):
    """Asks for each of some users from each of some networks."""

    users: tuple[int, ...]
    networks: tuple[str, ...]

    async def run(self, uow: Work) -> Mapping[tuple[UUID, str], datetime]:
        pairs = product(map(uuid_of, self.users), self.networks)
        return await uow.origins.last_successes(pairs=[*pairs])


@dataclass(frozen=True, repr=False)
class Find(Operation):
    kind: FindingKind
    least: int = 1
    since: str = NOON
    until: str = NOON
    limit: int = 100

    async def run(self, uow: Work) -> list[Finding]:
        return await uow.findings.find(
            kind=self.kind,
            since=instant(self.since),
            until=instant(self.until),
            least=self.least,
            limit=self.limit,
        )


@dataclass(frozen=True, repr=False)
class Prune(Operation):
    before: str
    limit: int = 100

    async def run(self, uow: Work) -> bool:
        return await uow.upkeep.prune(before=instant(self.before), limit=self.limit)


@dataclass(frozen=True, repr=False)
class MakeNoMonths(Operation):
    """Asks for no months: whoever reads has to wait for the one that makes one on Postgres."""

    async def run(self, uow: Work) -> None:
        await uow.upkeep.make_months(months=())


def _uuid(number: int | None) -> UUID | None:
    return None if number is None else uuid_of(number)
