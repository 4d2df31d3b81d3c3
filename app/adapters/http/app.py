"""The HTTP API, put together."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel
from structlog.types import FilteringBoundLogger

from app.adapters.http import errors, openapi
from app.adapters.http.client_address import Proxies
from app.adapters.http.context import RequestContext
from app.adapters.http.documentation import add_documentation
from app.adapters.http.ending import AnswersInTime, Ending
from app.adapters.http.identity import (
    api_keys,
    keys,
    login_log,
    logins,
    second_factor,
    sessions,
    users,
)
from app.adapters.http.identity.asked import IdentityServices
from app.adapters.http.metrics import Metrics, add_metrics
from app.adapters.http.range_units import (
    changes,
    exchanges,
    history,
    jobs,
    prices,
    quarantine,
    tables,
)
from app.adapters.http.range_units.asked import RangeUnitsServices
from app.adapters.http.request_log import RequestLog, Tell
from app.adapters.http.shortcuts import Shortcuts
from app.domain.errors import SchemaOutOfDate
from app.ports.ids import Ids

ROUTERS = (
    keys.keys,
    logins.logins,
    logins.tokens,
    logins.sessions,
    sessions.own_sessions,
    users.users,
    api_keys.api_keys,
    sessions.sessions_of_user,
    second_factor.second_factor,
    login_log.own_login_log,
    login_log.login_log,
    exchanges.exchanges,
    tables.range_units,
    history.history,
    history.revisions,
    prices.prices,
    changes.changes,
    jobs.jobs,
    quarantine.quarantine,
)


@dataclass(frozen=True, slots=True)
class HttpServices:
    """What the API calls. `ready` raises a `TickgateError` while requests cannot be served."""

    identity: IdentityServices
    range_units: RangeUnitsServices
    ready: Callable[[], Awaitable[None]]
    metrics: Metrics | None = None


class Health(BaseModel):
    """All is well."""

    status: str = "ok"


def create_app(  # noqa: PLR0913 - what an application is made of
    *,
    opened: Callable[[], AbstractAsyncContextManager[HttpServices]],
    ids: Ids,
    body_limit: int,
    payload_limit: int,
    version: str,
    log: FilteringBoundLogger,
    trusted_proxies: Proxies = (),
    further: Iterable[APIRouter] = (),
    ending: Ending | None = None,
    tell: Tell = lambda _answered: None,
) -> FastAPI:
    """Make the application; the services are opened when it starts, and closed when it stops.

    It has `further` routes beside those that every service has. `log` and `tell` learn of each
    request what became of it.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opened() as services:
            use(app, services)
            yield

    app = FastAPI(
        title="Tickgate",
        version=version,
        summary="Who may act, and at which prices.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        # A redirect would name the scheme and host of this hop, not the client's.
        redirect_slashes=False,
        # Our own spans, metrics and log say nothing that a client makes up; the framework's would.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.trusted_proxies = trusted_proxies
    app.state.ending = ending or Ending()
    app.add_middleware(AnswersInTime, ending=app.state.ending)
    app.add_middleware(Shortcuts, ending=app.state.ending)
    app.add_middleware(RequestLog, log=log, tell=tell)
    app.add_middleware(RequestContext, ids=ids, body_limit=body_limit, payload_limit=payload_limit)
    errors.install(app)
    app.get("/livez", tags=["health"], summary="Is the process alive")(_live)
    app.get(
        "/readyz",
        tags=["health"],
        summary="Can requests be served",
        responses=errors.responses(503, SchemaOutOfDate),
    )(_ready)
    # What asks for health often asks for no more than the status.
    app.head("/livez", include_in_schema=False)(_live)
    app.head("/readyz", include_in_schema=False)(_ready)
    add_metrics(app)
    for router in (*ROUTERS, *further):
        app.include_router(router)
    openapi.complete(app)
    add_documentation(app)
    return app


def use(app: FastAPI, services: HttpServices) -> None:
    """Let requests that come from now on be served by these services."""
    app.state.identity = services.identity
    app.state.range_units = services.range_units
    app.state.ready = services.ready
    app.state.metrics = services.metrics


async def _live() -> Health:
    """Answer whenever the process can; the database is not asked."""
    return Health()


async def _ready(request: Request) -> Health:
    """Answer 200 while the database does, with the schema that this version needs.

    As soon as the process has been told to stop it is not ready any more.
    """
    request.app.state.ending.refuse_when_told()
    await request.app.state.ready()
    return Health()
