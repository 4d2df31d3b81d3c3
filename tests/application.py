"""The application on memory adapters: what unit tests drive, by hand, over HTTP or by commands.

Its services can also stand on a database, all else being the same fakes.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

import httpx
from fastapi import FastAPI

from app.adapters.exchanges.coinone import CoinoneFormat
from app.adapters.http.app import HttpServices, create_app
from app.adapters.http.identity.asked import IdentityServices
from app.adapters.http.range_units.asked import RangeUnitsServices
from app.adapters.memory.identity.security import FastHasher, PlainTokens
from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.identity.unit_of_work import MemoryIdentityUnitOfWork
from app.adapters.memory.identity.user_agents import FewUserAgents
from app.adapters.memory.range_units import MemoryRangeUnitsUnitOfWork, RangeUnitsState
from app.adapters.memory.store import MemoryStore
from app.adapters.memory.system import SequentialIds, SequentialSecrets, SettableClock
from app.domain.errors import TickgateError
from app.ports.identity.work import IdentityWork
from app.ports.range_units import RangeUnitsWork
from app.services.identity.auth_service import AuthService
from app.services.identity.login_log_upkeep_service import LoginLogUpkeepService
from app.services.identity.user_login_log_service import UserLoginLogService
from app.services.identity.user_service import UserService
from app.services.range_units.price_service import PriceService
from app.services.range_units.range_units_service import RangeUnitsService

ACCESS_TOKEN_LIFETIME = timedelta(minutes=5)
SESSION_IDLE_LIFETIME = timedelta(days=14)
SESSION_LIFETIME = timedelta(days=90)
RETENTION = timedelta(days=365)
BODY_LIMIT = 64 * 1024
PAYLOAD_LIMIT = 1024 * 1024
PASSWORD = "correct horse battery staple"


class FakedApplication:
    """Every service on units of work of any kind; clock, ids, secrets, hasher, tokens are fakes."""

    def __init__(
        self,
        *,
        identity: IdentityWork,
        identity_reading: IdentityWork,
        range_units: RangeUnitsWork,
        range_units_reading: RangeUnitsWork,
    ) -> None:
        self.clock = SettableClock()
        self.hasher = FastHasher()
        self.ids = SequentialIds()
        self.user_agents = FewUserAgents()
        self.not_ready: TickgateError | None = None
        secrets = SequentialSecrets()
        self.auth = AuthService(
            uow=identity,
            reading=identity_reading,
            hasher=self.hasher,
            tokens=PlainTokens(),
            user_agents=self.user_agents,
            clock=self.clock,
            ids=self.ids,
            secrets=secrets,
            access_token_lifetime=ACCESS_TOKEN_LIFETIME,
            session_idle_lifetime=SESSION_IDLE_LIFETIME,
            session_lifetime=SESSION_LIFETIME,
        )
        self.users = UserService(
            uow=identity,
            reading=identity_reading,
            hasher=self.hasher,
            clock=self.clock,
            ids=self.ids,
            secrets=secrets,
        )
        self.login_log = UserLoginLogService(
            uow=identity,
            reading=identity_reading,
            user_agents=self.user_agents,
            clock=self.clock,
            ids=self.ids,
        )
        self.upkeep = LoginLogUpkeepService(uow=identity, clock=self.clock, retention=RETENTION)
        self.upkeep_without_retention = LoginLogUpkeepService(
            uow=identity, clock=self.clock, retention=None
        )
        self.range_units = RangeUnitsService(
            uow=range_units,
            reading=range_units_reading,
            formats={"coinone": CoinoneFormat()},
            clock=self.clock,
            ids=self.ids,
        )
        self.prices = PriceService(range_units=self.range_units)

    def http(self) -> FastAPI:
        """Make the HTTP API of these services."""

        @asynccontextmanager
        async def opened() -> AsyncIterator[HttpServices]:  # pragma: no cover - when it is served
            yield HttpServices(
                identity=IdentityServices(self.auth, self.users, self.login_log),
                range_units=RangeUnitsServices(self.range_units, self.prices),
                ready=self._ready,
            )

        return create_app(
            opened=opened,
            ids=self.ids,
            body_limit=BODY_LIMIT,
            payload_limit=PAYLOAD_LIMIT,
            version="1.2.3",
        )

    async def _ready(self) -> None:
        if self.not_ready is not None:
            raise self.not_ready


class MemoryApplication(FakedApplication):
    """The application on memory adapters, whose stores are at hand."""

    def __init__(
        self, *, identity_unit_of_work: type[MemoryIdentityUnitOfWork] = MemoryIdentityUnitOfWork
    ) -> None:
        self.identity_store = MemoryStore(IdentityState())
        self.range_units_store = MemoryStore(RangeUnitsState())
        identity = partial(identity_unit_of_work, self.identity_store)
        range_units = partial(MemoryRangeUnitsUnitOfWork, self.range_units_store)
        super().__init__(
            identity=identity,
            identity_reading=identity,
            range_units=range_units,
            range_units_reading=range_units,
        )


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of an application that has been started; its defects are answers, too."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("203.0.113.7", 50000))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://tickgate.test") as client,
    ):
        yield client
