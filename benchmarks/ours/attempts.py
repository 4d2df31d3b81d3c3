"""Record attempts to log in, again and again: `attempts DIRECTORY URL SECONDS TASKS`.

The hasher says at once that it is busy: each attempt is claimed and settled, no hash takes its
time, and none is a failure that would throttle those after it.
"""

import sys
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import perf_counter

import anyio

from app.adapters.clients.user_agents import UapUserAgents
from app.adapters.security.passwords import BcryptHasher
from app.adapters.sql.identity.unit_of_work import SqlIdentityUnitOfWork
from app.adapters.system import RandomSecrets, SystemClock, UuidIds
from app.bootstrap.application import LOGIN_PATIENCE, signing_tokens
from app.bootstrap.database import DatabaseApplication, opened
from app.domain.identity.errors import HasherBusy
from app.domain.identity.login_log import Client
from app.services.identity.auth_service import AuthService
from app.services.identity.throttling import Throttling
from benchmarks.ours.figures import say
from benchmarks.tickgate import PASSWORD, USERS, Place


class BusyHasher(BcryptHasher):
    """Checks nothing."""

    async def verify(self, *, password: str, stored: str | None) -> bool:
        """Refuse."""
        del password, stored
        raise HasherBusy("It is always busy.", retry_after=1)


def auth_of(application: DatabaseApplication) -> AuthService:
    """Make the service as the application does, but for its hasher."""
    settings, sessions = application.settings, application.database.sessions
    uow = partial(SqlIdentityUnitOfWork, sessions)
    clock, ids = SystemClock(), UuidIds()
    return AuthService(
        uow=uow,
        recording=uow,
        reading=partial(SqlIdentityUnitOfWork, application.database.read_sessions),
        hasher=BusyHasher(cost=4, pepper=b"", threads=1, queue=1),
        tokens=signing_tokens(settings),
        user_agents=UapUserAgents(),
        second_factor=application.second_factor,
        mfa_required_roles=settings.mfa_required_roles,
        clock=clock,
        ids=ids,
        secrets=RandomSecrets(),
        throttling=Throttling(
            uow=uow,
            clock=clock,
            limits=settings.login_limits,
            waiting=settings.login_waiting,
            patience=LOGIN_PATIENCE,
            claims=settings.database_pool,
        ),
        access_token_lifetime=timedelta(seconds=settings.access_token_seconds),
        session_idle_lifetime=timedelta(days=settings.session_idle_days),
        session_lifetime=timedelta(days=settings.session_max_days),
    )


async def _run(directory: Path, url: str, seconds: float, tasks: int) -> None:
    recorded = 0
    async with opened(Place(directory, url).settings()) as application:
        auth = auth_of(application)

        async def go_on(number: int) -> None:
            nonlocal recorded
            client = Client(ip=f"10.0.{number}.7", user_agent="ccxt/4.5.90", request_id="order-1")
            while perf_counter() < until:
                with suppress(HasherBusy):
                    await auth.authenticate_user(
                        username=f"bot-{number % USERS}", password=PASSWORD, client=client
                    )
                recorded += 1

        async def all_of_them() -> None:
            async with anyio.create_task_group() as group:
                for number in range(tasks):
                    group.start_soon(go_on, number)

        until = perf_counter() + seconds / 4  # connections, and whatever is compiled once
        await all_of_them()
        recorded = 0
        with say() as figures:
            until = perf_counter() + seconds
            await all_of_them()
            figures.done = recorded


if __name__ == "__main__":
    anyio.run(
        partial(_run, Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4])),
        backend_options={"use_uvloop": True},
    )
