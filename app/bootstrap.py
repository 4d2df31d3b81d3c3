"""The composition root: settings in, a wired application out. No other module makes an adapter."""

import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import typer
import uvicorn
from anyio import to_thread
from fastapi import FastAPI

from app import __version__
from app.adapters.background import repeated
from app.adapters.cli.api_keys import ApiKeyServices
from app.adapters.cli.identity_services import IdentityServices as IdentityCommandServices
from app.adapters.cli.keys import KeyCommands
from app.adapters.cli.main import DatabaseCommands, Runtime, build_cli
from app.adapters.cli.range_units import RangeUnitsServices as RangeUnitsCommandServices
from app.adapters.cli.welcome import welcome
from app.adapters.clients.user_agents import UapUserAgents
from app.adapters.exchanges.coinone import CoinoneFormat
from app.adapters.exchanges.curated import bundled, read_table
from app.adapters.http.app import HttpServices, create_app
from app.adapters.http.identity.asked import IdentityServices
from app.adapters.http.range_units.asked import RangeUnitsServices
from app.adapters.security.common_passwords import ShippedCommonPasswords
from app.adapters.security.key_files import KeysUnreadable
from app.adapters.security.one_time_codes import TotpCodes
from app.adapters.security.passwords import BcryptHasher
from app.adapters.security.signing_keys import (
    list_keys,
    make_first_key,
    make_next_key,
    remove_key,
)
from app.adapters.security.tokens import Ed25519AccessTokens
from app.adapters.security.vault import KeyVault, make_vault_key
from app.adapters.sql import schema
from app.adapters.sql.database import AsyncDatabase
from app.adapters.sql.identity.unit_of_work import SqlIdentityUnitOfWork
from app.adapters.sql.range_units import SqlRangeUnitsUnitOfWork
from app.adapters.system import RandomSecrets, SystemClock, UuidIds
from app.domain.errors import SchemaOutOfDate, StoreUnavailable
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
from app.services.range_units.price_service import PriceService
from app.services.range_units.range_units_service import RangeUnitsService
from app.settings import Settings, WrongSetting

T = TypeVar("T")

LOGIN_PATIENCE = timedelta(seconds=30)
READY_SECONDS = 2
SHUTDOWN_SECONDS = 10
UPKEEP_SECONDS = 6 * 60 * 60


class Application:
    """Every service, wired to one database. Nothing is connected before it is used."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = AsyncDatabase(settings.async_db_url, pool_size=settings.database_pool)
        self._clock = SystemClock()
        self._ids = UuidIds()
        self._secrets = RandomSecrets()
        self._user_agents = UapUserAgents()
        self._identity_uow = partial(SqlIdentityUnitOfWork, self.database.sessions)
        self._identity_reading = partial(SqlIdentityUnitOfWork, self.database.read_sessions)
        self._hasher = BcryptHasher(
            cost=settings.bcrypt_cost,
            pepper=settings.password_pepper.get_secret_value().encode(),
            threads=settings.hash_threads,
            queue=settings.hash_queue,
        )
        self._throttling = Throttling(
            uow=self._identity_uow,
            clock=self._clock,
            limits=settings.login_limits,
            waiting=settings.login_waiting,
            patience=LOGIN_PATIENCE,
        )
        self._own_password = OwnPassword(
            uow=self._identity_uow,
            hasher=self._hasher,
            throttling=self._throttling,
            ids=self._ids,
        )
        self.common_passwords = ShippedCommonPasswords()
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
            reading=self._identity_reading,
            user_agents=self._user_agents,
            clock=self._clock,
            ids=self._ids,
        )
        self.upkeep = LoginLogUpkeepService(
            uow=self._identity_uow,
            clock=self._clock,
            retention=settings.login_log_retention,
        )
        self.range_units = RangeUnitsService(
            uow=partial(SqlRangeUnitsUnitOfWork, self.database.sessions),
            reading=partial(SqlRangeUnitsUnitOfWork, self.database.read_sessions),
            formats={"coinone": CoinoneFormat()},
            clock=self._clock,
            ids=self._ids,
        )
        self.prices = PriceService(range_units=self.range_units)

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
            vault=vault(self.settings),
            clock=self._clock,
            secrets=self._secrets,
            required_roles=self.settings.mfa_required_roles,
        )

    def auth(self) -> AuthService:
        """Make the one service that needs the signing keys."""
        settings = self.settings
        return AuthService(
            uow=self._identity_uow,
            reading=self._identity_reading,
            hasher=self._hasher,
            tokens=signing_tokens(settings),
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

    def warm_up(self) -> None:
        """Do beforehand what would make the first login, or registration, wait."""
        self._user_agents.load()
        self.common_passwords.load()

    def api_keys(self) -> ApiKeyService:
        """Make the service that needs the vault's key."""
        return ApiKeyService(
            uow=self._identity_uow,
            reading=self._identity_reading,
            vault=vault(self.settings),
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
            vault=vault(self.settings),
            clock=self._clock,
            ids=self._ids,
            secrets=self._secrets,
            user_agents=self._user_agents,
            throttling=self._throttling,
        )

    async def ready(self) -> None:
        """Raise a `TickgateError` unless the database answers, with the schema that is needed."""
        try:
            with anyio.fail_after(READY_SECONDS):
                current = await schema.current(self.database)
        except TimeoutError as error:
            raise StoreUnavailable("The database does not answer.", retry_after=1) from error
        if current != schema.head():
            raise SchemaOutOfDate

    async def prepare(self) -> tuple[str, str] | None:
        """Make an empty database ready: schema, bundled range units, first administrator.

        Whatever is there already stays as it is. Gives the administrator's name and password
        when it was made just now.
        """
        await schema.upgrade(self.database)
        exchanges, observations = bundled()
        await self.range_units.load_ladders(exchanges=exchanges, observations=observations)
        made = await self.users.create_first_admin()
        return None if made is None else (made[0].username, made[1])


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


def _keys(use: Callable[[Path], T]) -> T:
    try:
        return use(Settings.load().token_keys_dir)
    except (KeysUnreadable, OSError) as error:
        raise WrongSetting(f"TICKGATE_TOKEN_KEYS: {error}") from error


@asynccontextmanager
async def opened(settings: Settings, *, makes: bool = False) -> AsyncIterator[Application]:
    """Give the application, and close its connections afterwards.

    An embedded database that is not there is made only where that is said; raises
    `SchemaOutOfDate` otherwise, as SQLite would make an empty one.
    """
    if settings.is_embedded:
        try:
            _find(Path(settings.async_db_url.database or ""), makes=makes)
        except OSError as error:
            variable = "DATA_DIR" if settings.database_url is None else "DATABASE_URL"
            raise WrongSetting(f"TICKGATE_{variable}: {error}") from error
    application = Application(settings)
    try:
        yield application
    finally:
        with anyio.CancelScope(shield=True):
            await application.database.dispose()


def _find(file: Path, *, makes: bool) -> None:
    if makes:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    elif not file.exists():
        raise SchemaOutOfDate


def http_app(settings: Settings | None = None) -> FastAPI:
    """Make the ASGI application; each server process calls this, and reads the environment."""
    known = settings or Settings.load()

    @asynccontextmanager
    async def opened_services() -> AsyncIterator[HttpServices]:
        async with opened(known) as application:
            await to_thread.run_sync(application.warm_up)
            services = HttpServices(
                identity=IdentityServices(
                    auth=application.auth(),
                    users=application.users,
                    login_log=application.login_log,
                    sessions=application.sessions,
                    resets=application.resets(),
                    api_keys=application.api_keys(),
                    second_factor=application.second_factor,
                ),
                range_units=RangeUnitsServices(application.range_units, application.prices),
                ready=application.ready,
            )
            async with repeated(application.upkeep.keep_up, wait=_until_next_upkeep):
                yield services

    return create_app(
        opened=opened_services,
        ids=UuidIds(),
        body_limit=known.max_body_bytes,
        payload_limit=known.max_payload_bytes,
        version=__version__,
        trusted_proxies=known.trusted_proxies,
    )


async def _until_next_look() -> None:
    await anyio.sleep(1)


async def _until_next_upkeep() -> None:
    await anyio.sleep(UPKEEP_SECONDS)


def command_line() -> typer.Typer:
    """Make the command line; settings are read by the commands that need them."""

    @asynccontextmanager
    async def identity() -> AsyncIterator[IdentityCommandServices]:
        async with opened(Settings.load()) as application:
            yield IdentityCommandServices(
                users=application.users,
                login_log=application.login_log,
                imports=application.imports,
                resets=application.resets,
                upkeep=application.upkeep,
                pause=_until_next_look,
            )

    @asynccontextmanager
    async def api_keys() -> AsyncIterator[ApiKeyServices]:
        async with opened(Settings.load()) as application:
            yield ApiKeyServices(application.users, application.api_keys())

    @asynccontextmanager
    async def range_units() -> AsyncIterator[RangeUnitsCommandServices]:
        async with opened(Settings.load()) as application:
            yield RangeUnitsCommandServices(application.range_units, application.prices)

    return build_cli(
        Runtime(
            identity=identity,
            api_keys=api_keys,
            range_units=range_units,
            read_curated=read_table,
            serve=serve,
            keys=KeyCommands(
                list=lambda: [(key.key_id, key.made_at, key.signs) for key in _keys(list_keys)],
                rotate=lambda: _keys(make_next_key),
                remove=lambda key_id: _keys(lambda directory: remove_key(directory, key_id)),
            ),
            database=DatabaseCommands(
                upgrade=lambda revision: _on_database(
                    lambda application: schema.upgrade(application.database, revision), makes=True
                ),
                downgrade=lambda revision: _on_database(
                    lambda application: schema.downgrade(application.database, revision)
                ),
                current=lambda: (
                    _on_database(lambda application: schema.current(application.database)) or ""
                ),
                check=lambda: _on_database(lambda application: schema.drift(application.database)),
            ),
            openapi=lambda: http_app(Settings()).openapi(),
            version=__version__,
        )
    )


def serve(*, host: str, port: int, workers: int, init: bool | None) -> None:
    """Serve HTTP until interrupted, after making the database ready where that is wanted."""
    settings = Settings.load()
    _make_first_key(settings)
    signing_tokens(settings)
    vault(settings)
    if init is None:
        init = settings.is_embedded
    if port == 0:
        with socket.create_server((host, 0)) as probe:
            port = probe.getsockname()[1]  # or the lines to paste could not name it
    made = _on_database(lambda application: _before_serving(application, init=init), makes=init)
    if made is not None:
        typer.echo(welcome(*made, host=host, port=port))
    uvicorn.run(
        "app.bootstrap:http_app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        # The peer is the client: forwarded addresses are for proxies that are known.
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


def _make_first_key(settings: Settings) -> None:
    variable = "DATA_DIR"
    try:
        # On its own, for its mode: `mkdir` makes parents readable for everyone.
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        variable = "TOKEN_KEYS"
        make_first_key(settings.token_keys_dir)
        make_vault_key(settings.token_keys_dir)
    except OSError as error:
        raise WrongSetting(f"TICKGATE_{variable}: {error}") from error


async def _before_serving(application: Application, *, init: bool) -> tuple[str, str] | None:
    if init:
        return await application.prepare()
    try:
        await application.ready()
    except StoreUnavailable as error:
        typer.echo(f"tickgate: {error.detail} Starting all the same.", err=True)
    return None


def _on_database(
    work: Callable[[Application], Coroutine[Any, Any, T]], *, makes: bool = False
) -> T:
    async def run() -> T:
        async with opened(Settings.load(), makes=makes) as application:
            return await work(application)

    return anyio.run(run)
