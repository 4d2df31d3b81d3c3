"""Every service, wired to its adapters: settings and adapters in, an application out.

Nothing here is imported that speaks to a database: a service in memory starts without.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio

from app import __version__
from app.adapters.exchanges.client import ExchangeClient, Patience, Surroundings, shared_http
from app.adapters.exchanges.registry import ASKED, feeds, formats
from app.adapters.metrics.instruments import Instruments
from app.adapters.metrics.range_units import CountingChangeFeed, CountingRangeUnitsService
from app.adapters.security.key_files import KeysUnreadable
from app.adapters.security.one_time_codes import TotpCodes
from app.adapters.security.passwords import BcryptHasher, Watch
from app.adapters.security.tokens import Ed25519AccessTokens
from app.adapters.security.vault import KeyVault
from app.adapters.system import RandomSecrets, UuidIds, random_share
from app.bootstrap.metrics import counted_logins
from app.domain.principal import Principal
from app.domain.range_units.revisions import Market, Revision
from app.ports.clock import Clock
from app.ports.identity.security import AccessTokens, CommonPasswords, Vault
from app.ports.identity.user_agents import UserAgents
from app.ports.identity.work import IdentityUnitOfWork, IdentityWork
from app.ports.range_units.feeds import Feed
from app.ports.range_units.locks import SyncLocks
from app.ports.range_units.work import RangeUnitsUnitOfWork, RangeUnitsWork
from app.services.identity.admission import MOST_KEPT, Admission
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
from app.services.range_units.change_service import ChangeService
from app.services.range_units.current_revisions import MOST_MARKETS, CurrentRevisions
from app.services.range_units.history_service import HistoryService
from app.services.range_units.overview_service import OverviewService
from app.services.range_units.price_service import PriceService
from app.services.range_units.quarantine_service import QuarantineService
from app.services.range_units.sync_service import SyncService
from app.services.range_units.sync_worker import SyncWorker
from app.settings import Settings, WrongSetting

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

LOGIN_PATIENCE = timedelta(seconds=30)
MOST_STREAMS = 500
LOOK_SECONDS = 1
HEARTBEAT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Adapters:
    """What a service on a database has of one kind, and a service in memory of another.

    `tokens` and `vault` are called by what needs their keys, and only then. `asked` are the
    exchanges that can be asked for their range units. What is past may be read from a copy that
    is a little behind. Units of work that write take what is to be called when they commit.
    """

    identity: Callable[..., IdentityUnitOfWork]
    identity_reading: IdentityWork
    identity_past: IdentityWork
    range_units: Callable[..., RangeUnitsUnitOfWork]
    range_units_reading: RangeUnitsWork
    range_units_past: RangeUnitsWork
    sync_locks: SyncLocks
    clock: Clock
    user_agents: UserAgents
    common_passwords: CommonPasswords
    tokens: Callable[[], AccessTokens]
    vault: Callable[[], Vault]
    asked: tuple[str, ...] = tuple(ASKED)


class Application:
    """Every service, wired to its adapters. Nothing is connected before it is used."""

    def __init__(self, settings: Settings, adapters: Adapters, instruments: Instruments) -> None:
        self.settings = settings
        self.instruments = instruments
        self._adapters = adapters
        self._clock = adapters.clock
        self._ids = UuidIds()
        self._secrets = RandomSecrets()
        self._user_agents = adapters.user_agents
        self._principals: Kept[bytes, Principal] = Kept(most=MOST_KEPT)
        identity = partial(adapters.identity, committed=self._principals.forget)
        self._identity_uow = counted_logins(identity, instruments)
        self._recording = counted_logins(adapters.identity, instruments)
        self._identity_reading = adapters.identity_reading
        self._hasher = BcryptHasher(
            cost=settings.bcrypt_cost,
            pepper=settings.password_pepper.get_secret_value().encode(),
            threads=settings.hash_threads,
            queue=settings.hash_queue,
            watch=Watch(instruments.hash_queue.set, instruments.hash_waits.observe),
        )
        self._throttling = Throttling(
            uow=self._recording,
            clock=self._clock,
            limits=settings.login_limits,
            waiting=settings.login_waiting,
            patience=LOGIN_PATIENCE,
            claims=settings.database_pool,  # of as many more that may overflow it
        )
        self._own_password = OwnPassword(
            uow=self._identity_uow,
            hasher=self._hasher,
            throttling=self._throttling,
            ids=self._ids,
        )
        self.common_passwords = adapters.common_passwords
        self.users = UserService(
            uow=self._identity_uow,
            reading=self._identity_reading,
            hasher=self._hasher,
            own_password=self._own_password,
            common=self.common_passwords,
            clock=self._clock,
            ids=self._ids,
            secrets=self._secrets,
        )
        self.sessions = SessionService(
            uow=self._identity_uow, reading=self._identity_reading, clock=self._clock
        )
        self.imports = UserImportService(
            uow=self._identity_uow, hasher=self._hasher, clock=self._clock, ids=self._ids
        )
        self.login_log = UserLoginLogService(
            uow=self._identity_uow,
            reading=adapters.identity_past,
            user_agents=self._user_agents,
            clock=self._clock,
            ids=self._ids,
        )
        self.upkeep = LoginLogUpkeepService(
            uow=self._identity_uow,
            clock=self._clock,
            retention=settings.login_log_retention,
        )
        reading_range_units = adapters.range_units_reading
        revisions: Kept[Market, Revision] = Kept(most=MOST_MARKETS)
        self._range_units_uow = partial(adapters.range_units, committed=revisions.forget)
        self.changes = ChangeService(reading=reading_range_units)
        self.feed = CountingChangeFeed(
            count=instruments.streams.inc,
            reading=reading_range_units,
            most_followers=MOST_STREAMS,
            every=LOOK_SECONDS,
        )
        self.range_units = CountingRangeUnitsService(
            count=instruments.ingested,
            uow=self._range_units_uow,
            reading=reading_range_units,
            feed=self.feed,
            current=CurrentRevisions(reading=reading_range_units, kept=revisions),
            formats=formats(),
            clock=self._clock,
            ids=self._ids,
        )
        self.history = HistoryService(
            uow=self._range_units_uow,
            reading=reading_range_units,
            looking_back=adapters.range_units_past,
            feed=self.feed,
            clock=self._clock,
        )
        self.prices = PriceService(range_units=self.range_units, history=self.history)
        self.sync = SyncService(
            uow=self._range_units_uow,
            reading=reading_range_units,
            exchanges=adapters.asked,
            clock=self._clock,
            ids=self._ids,
        )
        self.overview = OverviewService(reading=reading_range_units, clock=self._clock)
        self.quarantine = QuarantineService(reading=reading_range_units)

    @cached_property
    def sync_worker(self) -> SyncWorker:
        """What asks the exchanges, made when one is to be asked."""
        return SyncWorker(
            uow=self._range_units_uow,
            range_units=self.range_units,
            feeds=self.feeds,
            locks=self._adapters.sync_locks,
            clock=self._clock,
            pause=partial(anyio.sleep, HEARTBEAT_SECONDS),
        )

    @cached_property
    def second_factor(self) -> SecondFactorService:
        """The service of second factors, made when it is needed: that takes the vault's key."""
        return SecondFactorService(
            uow=self._identity_uow,
            reading=self._identity_reading,
            own_password=self._own_password,
            throttling=self._throttling,
            ids=self._ids,
            codes=TotpCodes(),
            vault=self._adapters.vault(),
            clock=self._clock,
            secrets=self._secrets,
            required_roles=self.settings.mfa_required_roles,
        )

    @cached_property
    def feeds(self) -> dict[str, Feed]:
        """How each exchange is asked, by its code; all over one pool of connections."""
        client = partial(
            ExchangeClient,
            self._http,
            surroundings=Surroundings(self._clock, random_share),
            patience=Patience(most_bytes=self.settings.max_payload_bytes),
        )
        return feeds(client, urls=self.settings.exchange_urls)

    @cached_property
    def _http(self) -> "httpx.AsyncClient":
        """The pool, made when an exchange is asked: loading the certificates takes its time."""
        return shared_http(version=__version__)

    async def ready(self) -> None:
        """Raise a `TickgateError` while requests cannot be served, as a store may not answer."""

    async def close(self) -> None:
        """Close what was opened."""
        if "_http" in vars(self):
            await self._http.aclose()

    def auth(self) -> AuthService:
        """Make the one service that needs the signing keys."""
        settings = self.settings
        return AuthService(
            uow=self._identity_uow,
            recording=self._recording,
            reading=self._identity_reading,
            hasher=self._hasher,
            tokens=self._adapters.tokens(),
            user_agents=self._user_agents,
            second_factor=self.second_factor,
            mfa_required_roles=settings.mfa_required_roles,
            clock=self._clock,
            ids=self._ids,
            secrets=self._secrets,
            throttling=self._throttling,
            access_token_lifetime=timedelta(seconds=settings.access_token_seconds),
            session_idle_lifetime=timedelta(days=settings.session_idle_days),
            session_lifetime=timedelta(days=settings.session_max_days),
        )

    def admission(self, *, auth: AuthService, api_keys: ApiKeyService) -> Admission:
        """Make what tells who acts, of the services that know."""
        return Admission(auth=auth, api_keys=api_keys, kept=self._principals, clock=self._clock)

    def api_keys(self) -> ApiKeyService:
        """Make the service that needs the vault's key."""
        return ApiKeyService(
            uow=self._identity_uow,
            recording=self._recording,
            reading=self._identity_reading,
            vault=self._adapters.vault(),
            clock=self._clock,
            ids=self._ids,
            secrets=self._secrets,
            mfa_required_roles=self.settings.mfa_required_roles,
        )

    def resets(self) -> PasswordResetService:
        """Make the service whose codes the key of the vault guards."""
        return PasswordResetService(
            uow=self._identity_uow,
            hasher=self._hasher,
            common=self.common_passwords,
            vault=self._adapters.vault(),
            clock=self._clock,
            ids=self._ids,
            secrets=self._secrets,
            user_agents=self._user_agents,
            throttling=self._throttling,
        )


def signing_tokens(settings: Settings) -> Ed25519AccessTokens:
    """Read the signing keys. Raises `WrongSetting`."""
    try:
        return Ed25519AccessTokens.from_directory(
            settings.token_keys_dir, name=settings.token_issuer
        )
    except KeysUnreadable as error:
        raise WrongSetting(f"TICKGATE_TOKEN_KEYS: {error}") from error


def vault(settings: Settings) -> KeyVault:
    """Read the key of what is kept secret in the database. Raises `WrongSetting`."""
    try:
        return KeyVault.from_directory(settings.token_keys_dir)
    except KeysUnreadable as error:
        raise WrongSetting(f"TICKGATE_TOKEN_KEYS: {error}") from error


def keys_of(use: Callable[[Path], T]) -> T:
    """Do something with the directory of keys. Raises `WrongSetting`."""
    try:
        return use(Settings.load().token_keys_dir)
    except (KeysUnreadable, OSError) as error:
        raise WrongSetting(f"TICKGATE_TOKEN_KEYS: {error}") from error
