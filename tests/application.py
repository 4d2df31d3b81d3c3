"""The application on memory adapters: what unit tests drive, by hand, over HTTP or by commands.

Its services can also stand on a database, all else being the same fakes.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import httpx
from anyio import sleep_forever
from fastapi import FastAPI

from app.adapters.exchanges.registry import formats
from app.adapters.http.app import HttpServices, create_app
from app.adapters.http.identity.asked import IdentityServices
from app.adapters.http.range_units.asked import RangeUnitsServices
from app.adapters.memory.identity.one_time_codes import SequentialCodes
from app.adapters.memory.identity.security import (
    FastHasher,
    FewCommonPasswords,
    GlassVault,
    PlainTokens,
)
from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.identity.unit_of_work import MemoryIdentityUnitOfWork
from app.adapters.memory.identity.user_agents import FewUserAgents
from app.adapters.memory.range_units.feeds import MemoryFeed
from app.adapters.memory.range_units.locks import MemorySyncLocks
from app.adapters.memory.range_units.state import RangeUnitsState
from app.adapters.memory.range_units.unit_of_work import MemoryRangeUnitsUnitOfWork
from app.adapters.memory.store import MemoryStore
from app.adapters.memory.system import SequentialIds, SequentialSecrets, SettableClock
from app.bootstrap.logs import requests_logged
from app.domain.errors import TickgateError
from app.domain.identity.throttle import Kind, Limit, Limits
from app.domain.principal import Principal, Role
from app.domain.range_units.jobs import Job
from app.domain.range_units.revisions import Market, Revision
from app.ports.identity.work import IdentityUnitOfWork, IdentityWork
from app.ports.range_units.work import RangeUnitsUnitOfWork, RangeUnitsWork
from app.services.identity.admission import Admission
from app.services.identity.api_key_service import ApiKeyService
from app.services.identity.auth_service import AuthService
from app.services.identity.login_log_upkeep_service import LoginLogUpkeepService
from app.services.identity.own_password import OwnPassword
from app.services.identity.password_reset_service import PasswordResetService
from app.services.identity.second_factor_service import SecondFactorService
from app.services.identity.session_service import SessionService
from app.services.identity.throttling import Throttling
from app.services.identity.user_import_service import UserImportService
from app.services.identity.user_login_log_service import UserLoginLogService
from app.services.identity.user_service import UserService
from app.services.kept import Kept
from app.services.range_units.change_feed import ChangeFeed
from app.services.range_units.change_service import ChangeService
from app.services.range_units.current_revisions import CurrentRevisions
from app.services.range_units.history_service import HistoryService
from app.services.range_units.overview_service import OverviewService
from app.services.range_units.price_service import PriceService
from app.services.range_units.quarantine_service import QuarantineService
from app.services.range_units.range_units_service import RangeUnitsService
from app.services.range_units.sync_service import SyncService
from app.services.range_units.sync_worker import SyncWorker
from app.settings import LogFormat

ACCESS_TOKEN_LIFETIME = timedelta(minutes=5)
SESSION_IDLE_LIFETIME = timedelta(days=14)
SESSION_LIFETIME = timedelta(days=90)
LIMITS = {
    Kind.PAIR: Limit(5, timedelta(minutes=5)),
    Kind.USER: Limit(20, timedelta(minutes=5)),
    Kind.NETWORK: Limit(100, timedelta(minutes=5)),
    Kind.EVERYONE: Limit(1000, timedelta(minutes=1)),
}
LOGINS_WAITING = 200
CLAIMS = 10
PATIENCE = timedelta(seconds=30)
RETENTION = timedelta(days=365)
MOST_STREAMS = 3
BODY_LIMIT = 64 * 1024
PAYLOAD_LIMIT = 1024 * 1024
PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Works:
    """What opens units of work on stores of one kind; the writing ones say when they commit."""

    identity: Callable[..., IdentityUnitOfWork]
    identity_reading: IdentityWork
    range_units: Callable[..., RangeUnitsUnitOfWork]
    range_units_reading: RangeUnitsWork


class FakedApplication:
    """Every service on units of work of any kind; clock, ids, secrets, hasher, tokens are fakes."""

    def __init__(
        self,
        works: Works,
        *,
        limits: Limits = LIMITS,
        mfa_required_roles: frozenset[Role] = frozenset(),
    ) -> None:
        principals: Kept[bytes, Principal] = Kept(most=5)
        identity = partial(works.identity, committed=principals.forget)
        identity_reading = works.identity_reading
        revisions: Kept[Market, Revision] = Kept(most=5)
        range_units = partial(works.range_units, committed=revisions.forget)
        range_units_reading = works.range_units_reading
        self.clock = SettableClock()
        self.hasher = FastHasher()
        self.common_passwords = FewCommonPasswords()
        self.ids = SequentialIds()
        self.user_agents = FewUserAgents()
        self.tokens = PlainTokens()
        self.not_ready: TickgateError | None = None
        secrets = SequentialSecrets()
        self.throttling = Throttling(
            uow=works.identity,
            clock=self.clock,
            limits=limits,
            waiting=LOGINS_WAITING,
            patience=PATIENCE,
            claims=CLAIMS,
        )
        self.own_password = OwnPassword(
            uow=identity, hasher=self.hasher, throttling=self.throttling, ids=self.ids
        )
        self._identity_work = identity
        self._recording_work = works.identity
        self._identity_reading_work = identity_reading
        self._secrets = secrets
        self.codes = SequentialCodes()
        self.second_factor = SecondFactorService(
            uow=identity,
            reading=identity_reading,
            own_password=self.own_password,
            throttling=self.throttling,
            ids=self.ids,
            codes=self.codes,
            vault=GlassVault(),
            clock=self.clock,
            secrets=secrets,
            required_roles=mfa_required_roles,
        )
        self._mfa_required_roles = mfa_required_roles
        self.auth = self.auth_with(self.throttling)
        self.users = UserService(
            uow=identity,
            reading=identity_reading,
            hasher=self.hasher,
            own_password=self.own_password,
            common=self.common_passwords,
            clock=self.clock,
            ids=self.ids,
            secrets=secrets,
        )
        self.resets = PasswordResetService(
            uow=identity,
            hasher=self.hasher,
            common=self.common_passwords,
            vault=GlassVault(),
            clock=self.clock,
            ids=self.ids,
            secrets=secrets,
            user_agents=self.user_agents,
            throttling=self.throttling,
        )
        self.imports = UserImportService(
            uow=identity, hasher=self.hasher, clock=self.clock, ids=self.ids
        )
        self.sessions = SessionService(uow=identity, reading=identity_reading, clock=self.clock)
        self.login_log = UserLoginLogService(
            uow=identity,
            reading=identity_reading,
            user_agents=self.user_agents,
            clock=self.clock,
            ids=self.ids,
        )
        self.api_keys = ApiKeyService(
            uow=identity,
            recording=works.identity,
            reading=identity_reading,
            vault=GlassVault(),
            clock=self.clock,
            ids=self.ids,
            secrets=secrets,
            mfa_required_roles=mfa_required_roles,
        )
        self.admission = Admission(
            auth=self.auth, api_keys=self.api_keys, kept=principals, clock=self.clock
        )
        self.upkeep = LoginLogUpkeepService(uow=identity, clock=self.clock, retention=RETENTION)
        self.upkeep_without_retention = LoginLogUpkeepService(
            uow=identity, clock=self.clock, retention=None
        )
        self.heartbeat = 3600
        self.changes = ChangeService(reading=range_units_reading)
        self.feed = ChangeFeed(
            reading=range_units_reading, most_followers=MOST_STREAMS, every=3600, kept=5
        )
        self.range_units = RangeUnitsService(
            uow=range_units,
            reading=range_units_reading,
            feed=self.feed,
            current=CurrentRevisions(reading=range_units_reading, kept=revisions),
            formats=formats(),
            clock=self.clock,
            ids=self.ids,
        )
        self.history = HistoryService(
            uow=range_units,
            reading=range_units_reading,
            feed=self.feed,
            clock=self.clock,
        )
        self.prices = PriceService(range_units=self.range_units, history=self.history)
        self.coinone, self.upbit = MemoryFeed(), MemoryFeed()
        self.feeds = {"coinone": self.coinone, "upbit": self.upbit}
        self.sync_locks = MemorySyncLocks()
        self.begun: list[Job] = []
        self.sync = SyncService(
            uow=range_units,
            reading=range_units_reading,
            exchanges=self.feeds,
            clock=self.clock,
            ids=self.ids,
        )
        self.sync_worker = SyncWorker(
            uow=range_units,
            range_units=self.range_units,
            feeds=self.feeds,
            locks=self.sync_locks,
            clock=self.clock,
            pause=sleep_forever,
        )
        self.overview = OverviewService(reading=range_units_reading, clock=self.clock)
        self.quarantine = QuarantineService(reading=range_units_reading)

    def auth_with(self, throttling: Throttling) -> AuthService:
        """Make the service of logins, as a process has it that counts guesses for itself."""
        return AuthService(
            uow=self._identity_work,
            recording=self._recording_work,
            reading=self._identity_reading_work,
            hasher=self.hasher,
            tokens=self.tokens,
            user_agents=self.user_agents,
            clock=self.clock,
            ids=self.ids,
            secrets=self._secrets,
            throttling=throttling,
            second_factor=self.second_factor,
            mfa_required_roles=self._mfa_required_roles,
            access_token_lifetime=ACCESS_TOKEN_LIFETIME,
            session_idle_lifetime=SESSION_IDLE_LIFETIME,
            session_lifetime=SESSION_LIFETIME,
        )

    def identity_services(self) -> IdentityServices:
        """Give what the routes of identity call."""
        return IdentityServices(
            admission=self.admission,
            auth=self.auth,
            users=self.users,
            login_log=self.login_log,
            sessions=self.sessions,
            resets=self.resets,
            api_keys=self.api_keys,
            second_factor=self.second_factor,
        )

    def range_units_services(self) -> RangeUnitsServices:
        """Give what the routes of range units call; jobs are begun by who wants them run."""
        return RangeUnitsServices(
            self.range_units,
            self.prices,
            self.history,
            changes=self.changes,
            feed=self.feed,
            sync=self.sync,
            quarantine=self.quarantine,
            begin=self.begun.append,
            heartbeat=self.heartbeat,
        )

    def http(self) -> FastAPI:
        """Make the HTTP API of these services."""

        @asynccontextmanager
        async def opened() -> AsyncIterator[HttpServices]:  # pragma: no cover - when it is served
            yield HttpServices(
                identity=self.identity_services(),
                range_units=self.range_units_services(),
                ready=self._ready,
            )

        return create_app(
            opened=opened,
            ids=self.ids,
            body_limit=BODY_LIMIT,
            payload_limit=PAYLOAD_LIMIT,
            version="1.2.3",
            log=requests_logged(LogFormat.JSON, lambda _line: None),
        )

    async def _ready(self) -> None:
        if self.not_ready is not None:
            raise self.not_ready


class MemoryApplication(FakedApplication):
    """The application on memory adapters, whose stores are at hand."""

    def __init__(
        self,
        *,
        identity_unit_of_work: type[MemoryIdentityUnitOfWork] = MemoryIdentityUnitOfWork,
        limits: Limits = LIMITS,
        mfa_required_roles: frozenset[Role] = frozenset(),
    ) -> None:
        self.identity_store = MemoryStore(IdentityState())
        self.range_units_store = MemoryStore(RangeUnitsState())
        identity = partial(identity_unit_of_work, self.identity_store)
        range_units = partial(MemoryRangeUnitsUnitOfWork, self.range_units_store)
        self.works = Works(identity, identity, range_units, range_units)
        super().__init__(self.works, limits=limits, mfa_required_roles=mfa_required_roles)


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of an application that has been started; its defects are answers, too."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("203.0.113.7", 50000))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://tickgate.test") as client,
    ):
        yield client
