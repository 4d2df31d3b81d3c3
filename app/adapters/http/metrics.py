"""`/metrics`: on the port of the API for whoever has its token, and on a port of its own."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import Depends, FastAPI, Request, Response
from fastapi.security import HTTPBearer
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from app.adapters.http.context import Refused
from app.adapters.http.errors import OWN_CODES, responses

Write = Callable[[str], Awaitable[tuple[bytes, str]]]
"""Gives the page and its media type, the best of those that a reader accepts."""

_token = HTTPBearer(
    auto_error=False,
    scheme_name="MetricsToken",
    description="The token of whoever collects the metrics; none of a user's.",
)


@dataclass(frozen=True, slots=True)
class Metrics:
    """The page of the metrics, and what has to be sent to read it; None: nothing has to be."""

    write: Write
    token: str | None

    async def answer(self, request: Request) -> Response:
        """Give the page to whoever may read it."""
        if self.token is not None:
            _check(request, self.token)
        content, media_type = await self.write(request.headers.get("accept", ""))
        return Response(content, headers={"Content-Type": media_type, "Cache-Control": "no-store"})


def add_metrics(app: FastAPI) -> None:
    """Add the route to the API, where only a token opens it: its port is open to the world."""
    refusals = responses(401, 404)
    refusals[401][OWN_CODES] = {"invalid_metrics_token": "The token is not that of the metrics."}
    refusals[404][OWN_CODES] = {"no_metrics": "No token is set that would open them here."}
    app.get(
        "/metrics",
        tags=["health"],
        summary="Metrics for Prometheus",
        response_class=Response,
        responses={
            200: {
                "description": "In a text format of Prometheus.",
                "content": {"text/plain": {"schema": {"type": "string"}}},
            },
            **refusals,
        },
        dependencies=[Depends(_token)],
    )(_metrics)


def metrics_app(metrics: Metrics) -> ASGIApp:
    """Make an application of nothing but the metrics, for a port of its own."""
    return Starlette(routes=[Route("/metrics", metrics.answer)])


async def _metrics(request: Request) -> Response:
    """Give what the service counts, and how the exchanges stand.

    404 `no_metrics` where no token is set that would open it.
    """
    metrics: Metrics | None = request.app.state.metrics
    if metrics is None or metrics.token is None:
        raise Refused(HTTPStatus.NOT_FOUND, "no_metrics", "The metrics are not served here.")
    return await metrics.answer(request)


def _check(request: Request, token: str) -> None:
    scheme, _, sent = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(
        sent.strip().encode(errors="replace"), token.encode()
    ):
        raise Refused(
            HTTPStatus.UNAUTHORIZED,
            "invalid_metrics_token",
            "Send the token of the metrics: 'Authorization: Bearer …'.",
            {"WWW-Authenticate": "Bearer"},
        )
