"""Spans, where OpenTelemetry's variables say that they are wanted, and its packages are there."""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import anyio
from anyio import to_thread
from fastapi import FastAPI

from app import __version__

if TYPE_CHECKING:  # the service starts without the extra, and in memory without a database
    from opentelemetry.sdk.trace import TracerProvider

    from app.adapters.sql.database import AsyncDatabase

_LOGGER: Final = logging.getLogger("tickgate")
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_LAST_SECONDS: Final = 5


def provider() -> "TracerProvider | None":
    """Make what makes spans, and sends them where the environment says; None: nowhere."""
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        return None
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        _LOGGER.warning("There are no traces: they need tickgate[traces] to be installed.")
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - an extra

    ours = Resource({"service.name": "tickgate", "service.version": __version__})
    made = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()))
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return made


def trace_requests(app: FastAPI, provider: "TracerProvider") -> None:
    """Make a span of each request."""
    from app.adapters.http.spans import Traced  # noqa: PLC0415 - an extra

    app.add_middleware(Traced, tracer=provider.get_tracer("tickgate", __version__))


@asynccontextmanager
async def traced(
    database: "AsyncDatabase", provider: "TracerProvider | None"
) -> AsyncIterator[None]:
    """Make a span of each statement, for as long as the block lasts; send what is left then."""
    if provider is None:
        yield
        return
    from app.adapters.sql.spans import trace_statements  # noqa: PLC0415 - an extra

    trace_statements(database, provider.get_tracer("tickgate", __version__))
    try:
        yield
    finally:
        with anyio.move_on_after(_LAST_SECONDS, shield=True):
            await to_thread.run_sync(provider.shutdown, abandon_on_cancel=True)
