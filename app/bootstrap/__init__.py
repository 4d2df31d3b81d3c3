"""The composition root: what a program needs to serve, or to obey a command.

No other package makes an adapter.
"""

import gc
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import typer
import uvicorn
from fastapi import FastAPI

from app import __version__
from app.adapters.background import repeated, side_by_side
from app.adapters.cli.api_keys import ApiKeyServices
from app.adapters.cli.identity_services import IdentityServices as IdentityCommandServices
from app.adapters.cli.keys import KeyCommands
from app.adapters.cli.main import DatabaseCommands, Runtime, build_cli
from app.adapters.cli.range_units_services import RangeUnitsServices as RangeUnitsCommandServices
from app.adapters.cli.welcome import welcome
from app.adapters.exchanges.curated import read_table
from app.adapters.exchanges.vectors import vectors
from app.adapters.http.app import HttpServices, create_app
from app.adapters.http.ending import Ending
from app.adapters.http.identity.asked import IdentityServices
from app.adapters.http.metrics import Metrics
from app.adapters.http.protocol import HttpProtocol
from app.adapters.http.range_units.asked import RangeUnitsServices
from app.adapters.metrics.exposition import Exposition
from app.adapters.metrics.instruments import Instruments
from app.adapters.security.signing_keys import (
    list_keys,
    make_first_key,
    make_next_key,
    remove_key,
)
from app.adapters.security.vault import make_vault_key
from app.adapters.shutdown import LastSteps, told_to_stop
from app.adapters.system import UuidIds
from app.bootstrap import logs, traces
from app.bootstrap.application import Application, keys_of, signing_tokens, vault
from app.bootstrap.metrics import check_port, on_own_port, shared_counts
from app.bootstrap.schedule import scheduled
from app.domain.errors import StoreUnavailable
from app.domain.range_units.jobs import Job
from app.importing import for_good
from app.settings import Settings, Store, WrongSetting

if TYPE_CHECKING:
    from app.bootstrap.database import DatabaseApplication

T = TypeVar("T")

ANSWERING_SECONDS = 5
"""After what was too late has been cancelled: to clean up, and to say so."""
UPKEEP_SECONDS = 6 * 60 * 60
SCHEDULE_SECONDS = 30
SCRAPE_SECONDS = 2


def http_app(settings: Settings | None = None) -> FastAPI:
    """Make the ASGI application; each server process calls this, and reads the environment."""
    known = settings or Settings.load()
    if settings is None:
        logs.configure(known.log_format)
    ending = Ending()

    if known.store is Store.MEMORY:
        from app.bootstrap import ephemeral  # noqa: PLC0415 - a service on a database starts without

        served = partial(_served, known, ending=ending)
        return ephemeral.http_app(known, served=served, ending=ending)

    instruments, provider = Instruments(), traces.provider()

    @asynccontextmanager
    async def opened_services() -> AsyncIterator[HttpServices]:
        async with (
            _opened(known, instruments=instruments) as application,
            traces.traced(application.database, provider),
            _served(known, application, ending=ending) as services,
        ):
            yield services

    app = create_app(
        opened=opened_services,
        ids=UuidIds(),
        body_limit=known.max_body_bytes,
        payload_limit=known.max_payload_bytes,
        version=__version__,
        log=logs.of_requests(known.log_format),
        trusted_proxies=known.trusted_proxies,
        ending=ending,
        tell=lambda answered: instruments.answered(*answered),
    )
    if provider is not None:
        traces.trace_requests(app, provider)
    return app


@asynccontextmanager
async def _served(
    settings: Settings, application: Application, *, ending: Ending
) -> AsyncIterator[HttpServices]:
    """Give what the API calls, and do what goes on beside it, for as long as the block lasts."""

    def run(job: Job) -> None:
        begin(partial(application.sync_worker.run, job=job))

    exposition = Exposition(
        registry=application.instruments.registry,
        look=application.overview.standings,
        begin=lambda work: begin(work),  # noqa: PLW0108 - it is not there yet
        patience=SCRAPE_SECONDS,
        version=__version__,
    )
    token = settings.metrics_token
    metrics = Metrics(exposition.page, token.get_secret_value() if token else None)
    auth, api_keys = application.auth(), application.api_keys()
    services = HttpServices(
        identity=IdentityServices(
            admission=application.admission(auth=auth, api_keys=api_keys),
            auth=auth,
            users=application.users,
            login_log=application.login_log,
            sessions=application.sessions,
            resets=application.resets(),
            api_keys=api_keys,
            second_factor=application.second_factor,
        ),
        range_units=RangeUnitsServices(
            application.range_units,
            application.prices,
            application.history,
            changes=application.changes,
            feed=application.feed,
            sync=application.sync,
            quarantine=application.quarantine,
            begin=run,
        ),
        ready=application.ready,
        metrics=metrics,
    )
    feed = application.feed
    async with (
        side_by_side() as begin,
        on_own_port(metrics, settings),
        repeated(application.upkeep.keep_up, wait=_until_next_upkeep),
        repeated(feed.look, wait=feed.wait, name="The feed of changes"),
        scheduled(
            dict(settings.sync_every),
            sync=application.sync,
            begin=run,
            wait=_until_next_due,
        ),
    ):
        steps = LastSteps(
            told=ending.tell,
            linger=settings.drain_seconds,
            ending=feed.end,
            patience=settings.shutdown_seconds,
            late=ending.hurry,
        )
        with told_to_stop(steps):
            yield services


async def _until_next_due() -> None:
    await anyio.sleep(SCHEDULE_SECONDS)


async def _until_next_look() -> None:
    await anyio.sleep(1)


async def _until_next_upkeep() -> None:
    await anyio.sleep(UPKEEP_SECONDS)


def command_line() -> typer.Typer:
    """Make the command line; settings are read by the commands that need them."""

    @asynccontextmanager
    async def identity() -> AsyncIterator[IdentityCommandServices]:
        async with _opened(Settings.load()) as application:
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
        async with _opened(Settings.load()) as application:
            yield ApiKeyServices(application.users, application.api_keys())

    @asynccontextmanager
    async def range_units() -> AsyncIterator[RangeUnitsCommandServices]:
        async with _opened(Settings.load()) as application:
            yield RangeUnitsCommandServices(
                application.range_units,
                application.prices,
                application.history,
                changes=application.changes,
                sync=application.sync,
                sync_worker=lambda: application.sync_worker,
                pause=_until_next_look,
            )

    return build_cli(
        Runtime(
            identity=identity,
            api_keys=api_keys,
            range_units=range_units,
            read_curated=read_table,
            vectors=vectors,
            serve=serve,
            keys=KeyCommands(
                list=lambda: [(key.key_id, key.made_at, key.signs) for key in keys_of(list_keys)],
                rotate=lambda: keys_of(make_next_key),
                remove=lambda key_id: keys_of(lambda directory: remove_key(directory, key_id)),
            ),
            database=DatabaseCommands(
                upgrade=lambda revision: _on_database(
                    lambda application: application.upgrade(revision), makes=True
                ),
                downgrade=lambda revision: _on_database(
                    lambda application: application.downgrade(revision)
                ),
                current=lambda: _on_database(lambda application: application.current()),
                check=lambda: _on_database(lambda application: application.drift()),
            ),
            openapi=lambda: http_app(Settings()).openapi(),
            version=__version__,
        )
    )


def serve(  # noqa: PLR0913 - as many things can be said of it
    *,
    host: str,
    port: int,
    workers: int,
    init: bool | None,
    expose: bool,
    until_eof: bool,
) -> None:
    """Serve HTTP until interrupted, after making the database ready where that is wanted."""
    settings = Settings.load()
    logs.configure(settings.log_format)
    if settings.store is Store.MEMORY:
        from app.bootstrap import ephemeral  # noqa: PLC0415 - a service on a database starts without

        ephemeral.check(host=host, workers=workers, init=init, expose=expose)
        check_port(settings)
        ephemeral.serve(http_app(settings), host=host, port=port, until_eof=until_eof)
        return
    if expose or until_eof:
        raise WrongSetting("--expose and --until-eof: are for a service with TICKGATE_STORE=memory")
    _make_first_key(settings)
    signing_tokens(settings)
    vault(settings)
    check_port(settings)
    if init is None:
        init = settings.is_embedded
    if port == 0:
        with socket.create_server((host, 0)) as probe:
            port = probe.getsockname()[1]  # or the lines to paste could not name it
    made = _on_database(lambda application: _before_serving(application, init=init), makes=init)
    if made is not None:
        typer.echo(welcome(*made, host=host, port=port))
    with shared_counts(workers):
        uvicorn.run(
            "app.bootstrap:http_app",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            # The peer is the client: forwarded addresses are for proxies that are known.
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=settings.shutdown_seconds + ANSWERING_SECONDS,
            http=HttpProtocol,
            ws="none",
            log_config=None,
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


async def _before_serving(
    application: "DatabaseApplication", *, init: bool
) -> tuple[str, str] | None:
    if init:
        return await application.prepare()
    try:
        await application.refuse_unless_migrated()
    except StoreUnavailable as error:
        typer.echo(f"tickgate: {error.detail} Starting all the same.", err=True)
    return None


def _on_database(
    work: Callable[["DatabaseApplication"], Coroutine[Any, Any, T]], *, makes: bool = False
) -> T:
    async def run() -> T:
        async with _opened(Settings.load(), makes=makes) as application:
            return await work(application)

    return anyio.run(run)


@asynccontextmanager
async def _opened(
    settings: Settings, *, makes: bool = False, instruments: Instruments | None = None
) -> AsyncIterator["DatabaseApplication"]:
    """Open the application on its database, and import what speaks to one only now.

    That takes longer than all else; a service in memory starts without.
    """
    with for_good():
        from app.bootstrap.database import opened  # noqa: PLC0415 - see above

    # What is loaded by now stays: the garbage collector, which holds up everything while it looks
    # through all there is, need not look through that again.
    gc.freeze()
    async with opened(settings, makes=makes, instruments=instruments) as application:
        yield application
