"""What is fuzzed: the service on each of its databases, and the application on memory adapters."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from uuid import uuid4

import httpx
from anyio.from_thread import BlockingPortal
from fastapi import FastAPI

from app.adapters.exchanges.curated import bundled
from app.bootstrap.database import opened
from app.domain.identity.login_log import Client
from app.domain.principal import Role
from app.services.identity.auth_service import AuthService
from app.services.identity.user_service import UserService
from app.settings import Settings
from tests.application import PASSWORD, MemoryApplication
from tests.integration.server import PATIENCE, new_postgres_database, serving
from tests.postgres import postgres_server
from tests.sweeps.hostile import USERNAME

TOKEN_SECONDS: Final = 3600  # longer than anyone fuzzes
UNLIMITED: Final = {
    f"TICKGATE_LOGIN_LIMIT_{kind}": "off" for kind in ("PAIR", "USER", "NETWORK", "GLOBAL")
}
"""For services that are asked to log in more often than anyone may fail."""


@dataclass(frozen=True)
class Target:
    """A service that runs; `account` makes a new user of a role, and gives their token.

    `app` is the application where it runs in this process, and not behind the URL. `said` gives
    what the service has written to its log until now.
    """

    name: str
    url: str
    account: Callable[[Role], str]
    app: FastAPI | None = None
    said: Callable[[], str] = str

    def client(self) -> httpx.AsyncClient:
        """Make a client, which goes through no proxy that the machine may have."""
        transport = None if self.app is None else httpx.ASGITransport(self.app)
        return httpx.AsyncClient(
            base_url=self.url, timeout=PATIENCE, trust_env=False, transport=transport
        )


Accounts = Callable[[Role], str]


async def _accounts(portal: BlockingPortal, users: UserService, auth: AuthService) -> Accounts:
    await users.create_user(username=USERNAME, password=PASSWORD)
    return partial(portal.call, _new_account, users, auth)


async def _new_account(users: UserService, auth: AuthService, role: Role) -> str:
    # Not over HTTP: whatever the fuzzing does to users and sessions, the next caller can be made.
    name = f"{role.value}-{uuid4().hex}"
    await users.create_user(username=name, password=PASSWORD, role=role)
    login = await auth.authenticate_user(username=name, password=PASSWORD, client=Client())
    return login.access_token


@contextmanager
def on_memory(portal: BlockingPortal) -> Iterator[Target]:
    """Give the application on memory adapters, in this process."""
    application = MemoryApplication(limits={})
    exchanges, observations = bundled()
    load = application.range_units.load_ladders
    portal.call(partial(load, exchanges=exchanges, observations=observations))
    account = portal.call(_accounts, portal, application.users, application.auth)
    yield Target("memory", "http://testserver", account, app=application.http())


@contextmanager
def on_database(portal: BlockingPortal, *, name: str, url: str | None = None) -> Iterator[Target]:
    """Give the service in a process of its own; without a URL, on a file of SQLite."""
    settings = {
        "TICKGATE_BCRYPT_COST": "4",
        "TICKGATE_ACCESS_TOKEN_SECONDS": str(TOKEN_SECONDS),
        **UNLIMITED,
    }
    if url is not None:
        settings["TICKGATE_DATABASE_URL"] = url
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory()))
        settings["TICKGATE_DATA_DIR"] = str(directory / "data")
        serve = serving(directory, "--init", settings=settings)
        server = stack.enter_context(portal.wrap_async_context_manager(serve))
        reach = opened(Settings.load(settings, directory / ".env"))
        application = stack.enter_context(portal.wrap_async_context_manager(reach))
        account = portal.call(_accounts, portal, application.users, application.auth())
        yield Target(name, server.base_url, account, said=server.said)


@contextmanager
def on_postgres(portal: BlockingPortal) -> Iterator[Target]:
    """Give the service on a database of Postgres, which the tests know how to find or start."""
    with (
        postgres_server(os.environ) as server,
        portal.wrap_async_context_manager(new_postgres_database(server)) as url,
        on_database(portal, name="postgres", url=url) as target,
    ):
        yield target


TARGETS: Final[dict[str, Callable[[BlockingPortal], AbstractContextManager[Target]]]] = {
    "sqlite": partial(on_database, name="sqlite"),
    "postgres": on_postgres,
    "memory": on_memory,
}
