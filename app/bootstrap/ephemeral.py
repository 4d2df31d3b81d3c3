"""A service that keeps everything in memory, for the tests of those who use the API.

It has users and range units from the start, its clock can be set, and a reset makes it forget.
"""

import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from threading import Thread
from typing import Final, TypeAlias

import typer
import uvicorn
from anyio import CancelScope, Event, Lock, create_task_group, sleep_forever
from anyio.abc import TaskStatus
from fastapi import FastAPI

from app import __version__
from app.adapters.cli.welcome import base_url, warning
from app.adapters.exchanges.curated import bundled
from app.adapters.http.app import HttpServices, create_app, use
from app.adapters.http.ending import Ending
from app.adapters.http.ephemeral import Controls, control_routes
from app.adapters.http.protocol import HttpProtocol
from app.adapters.memory.identity.security import FewCommonPasswords
from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.identity.unit_of_work import MemoryIdentityUnitOfWork
from app.adapters.memory.identity.user_agents import FewUserAgents
from app.adapters.memory.range_units.locks import MemorySyncLocks
from app.adapters.memory.range_units.state import RangeUnitsState
from app.adapters.memory.range_units.unit_of_work import MemoryRangeUnitsUnitOfWork
from app.adapters.memory.store import MemoryStore
from app.adapters.memory.system import SteeredClock
from app.adapters.metrics.instruments import Instruments
from app.adapters.security.common_passwords import ShippedCommonPasswords
from app.adapters.security.signing_keys import new_keys
from app.adapters.security.tokens import Ed25519AccessTokens
from app.adapters.security.vault import KeyVault
from app.adapters.system import SystemClock, UuidIds
from app.bootstrap import logs
from app.bootstrap.application import Adapters, Application
from app.domain.principal import Role
from app.ports.identity.security import CommonPasswords
from app.settings import Settings, WrongSetting

CHEAP: Final = 4
"""bcrypt's cost, unless another is set: nothing is protected here."""

SHUTDOWN_SECONDS: Final = 1
"""How long answers may take that are being given when the service ends."""

Served: TypeAlias = Callable[[Application], AbstractAsyncContextManager[HttpServices]]
"""Gives what the API calls, and does what goes on beside it."""


@dataclass(frozen=True, slots=True)
class SeededUser:
    """Somebody who is there from the start."""

    username: str
    password: str
    role: Role
    disabled: bool = False


USERS: Final = (
    SeededUser("admin", "not-a-secret-at-all-1", Role.ADMIN),
    SeededUser("bot", "not-a-secret-at-all-2", Role.USER),
    SeededUser("former", "not-a-secret-at-all-3", Role.USER, disabled=True),
)


def http_app(settings: Settings, *, served: Served, ending: Ending) -> FastAPI:
    """Make the ASGI application."""
    worlds = _Worlds(settings, served=served)

    async def reset() -> None:
        use(app, await worlds.begin_anew())

    app = create_app(
        opened=worlds.opened,
        ids=UuidIds(),
        body_limit=settings.max_body_bytes,
        payload_limit=settings.max_payload_bytes,
        version=__version__,
        log=logs.of_requests(settings.log_format),
        trusted_proxies=settings.trusted_proxies,
        ending=ending,
        tell=lambda answered: worlds.instruments.answered(*answered),
        further=[control_routes(Controls(clock=lambda: worlds.clock, reset=reset))],
    )
    return app


class _Worlds:
    """Applications, one after another, each of which begins with the same rows.

    Nothing is cleaned up for a reset, as something might be forgotten: there is another world, and
    what still goes on in the one before cannot be seen from there.
    """

    def __init__(self, settings: Settings, *, served: Served) -> None:
        if "bcrypt_cost" not in settings.model_fields_set:
            settings = settings.model_copy(update={"bcrypt_cost": CHEAP})
        self._settings = settings
        self._served = served
        self._tokens = Ed25519AccessTokens(keys=new_keys(), name=settings.token_issuer)
        self._vault = KeyVault.new()
        self._common_passwords = ShippedCommonPasswords()
        self._user_agents = FewUserAgents()  # the rules of the others take half a second to read
        self._turn = Lock()
        self.clock = SteeredClock(SystemClock())
        self.instruments = Instruments()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[HttpServices]:
        """Give what the first world serves with; the last one ends with the block."""
        self._identity, self._range_units = await self._seeded()
        async with create_task_group() as self._tasks:
            try:
                yield await self._begin()
            finally:
                self._tasks.cancel_scope.cancel()

    async def begin_anew(self) -> HttpServices:
        """End the world, and give what the next one serves with: to the end, even if cancelled."""
        with CancelScope(shield=True):
            async with self._turn:
                self._scope.cancel()
                await self._ended.wait()
                services = await self._begin()
        return services

    async def _begin(self) -> HttpServices:
        self.clock = SteeredClock(SystemClock())
        self._scope, self._ended = CancelScope(), Event()
        services: HttpServices = await self._tasks.start(self._live, self._scope, self._ended)
        return services

    async def _live(
        self, scope: CancelScope, ended: Event, *, task_status: TaskStatus[HttpServices]
    ) -> None:
        """Live until the scope is cancelled, and say when that has ended."""
        application = self._application(
            # The rows of a store are never changed: a commit puts others in their place.
            MemoryStore(self._identity, seed=1),
            MemoryStore(self._range_units, seed=1),
            self._common_passwords,
        )
        try:
            with scope:
                async with self._served(application) as services:
                    task_status.started(services)
                    await sleep_forever()
        finally:
            application.feed.end()
            with CancelScope(shield=True):
                await application.close()
            ended.set()

    async def _seeded(self) -> tuple[IdentityState, RangeUnitsState]:
        """Give the rows of the users, and of the bundled range units."""
        # Few common passwords: to read the many takes longer than all the rest of this.
        identity, range_units = MemoryStore(IdentityState()), MemoryStore(RangeUnitsState())
        application = self._application(identity, range_units, FewCommonPasswords())
        for seeded in USERS:
            user = await application.users.create_user(
                username=seeded.username, password=seeded.password, role=seeded.role
            )
            if seeded.disabled:
                await application.users.set_disabled(user_id=user.id, disabled=True)
        exchanges, observations = bundled()
        await application.range_units.load_ladders(exchanges=exchanges, observations=observations)
        return identity.committed, range_units.committed

    def _application(
        self,
        identity: MemoryStore[IdentityState],
        range_units: MemoryStore[RangeUnitsState],
        common_passwords: CommonPasswords,
    ) -> Application:
        identity_work = partial(MemoryIdentityUnitOfWork, identity)
        range_units_work = partial(MemoryRangeUnitsUnitOfWork, range_units)
        return Application(
            self._settings,
            Adapters(
                identity=identity_work,
                identity_reading=identity_work,
                identity_past=identity_work,
                range_units=range_units_work,
                range_units_reading=range_units_work,
                range_units_past=range_units_work,
                sync_locks=MemorySyncLocks(),
                clock=self.clock,
                user_agents=self._user_agents,
                common_passwords=common_passwords,
                tokens=lambda: self._tokens,
                vault=lambda: self._vault,
                # Nobody's tests shall ask an exchange unawares.
                asked=tuple(self._settings.exchange_urls),
            ),
            self.instruments,
        )


def check(*, host: str, workers: int, init: bool | None, expose: bool) -> None:
    """Raise `WrongSetting` for what makes no sense, or is a risk, where all is in memory."""
    if workers > 1:
        raise WrongSetting("--workers: with TICKGATE_STORE=memory each would have its own users")
    if init is not None:
        raise WrongSetting("--init: with TICKGATE_STORE=memory there is no database to make ready")
    if not expose and not _is_loopback(host):
        raise WrongSetting(
            f"--host: with TICKGATE_STORE=memory whoever reaches {host} can reset the service;"
            " say --expose where that is wanted"
        )


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def serve(app: FastAPI, *, host: str, port: int, until_eof: bool) -> None:
    """Serve until interrupted, or until the standard input ends.

    The one line on standard output is the URL. Connections are taken from then on, and answered
    a moment later, so that nobody has to try again and again.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise WrongSetting(f"--host and --port: {host}, {port}: {error.strerror}") from error
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            http=HttpProtocol,
            ws="none",
            log_config=None,
        )
    )
    with listener, suppress(KeyboardInterrupt):
        url = base_url(host, listener.getsockname()[1])
        users = [
            (user.username, user.password, "disabled" if user.disabled else user.role)
            for user in USERS
        ]
        typer.echo(warning(users, url=url), err=True)
        typer.echo(url)
        if until_eof:
            Thread(target=_end_with_stdin, daemon=True).start()
        server.run(sockets=[listener])


def _end_with_stdin() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    # As who is told to stop does, so that streams are ended as well.
    os.kill(os.getpid(), signal.SIGTERM)
