"""Spans of requests and of their statements, as OpenTelemetry's SDK collects them."""

import gzip
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, Tracer, format_span_id, format_trace_id
from sqlalchemy.exc import DBAPIError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.adapters.http.protocol import HttpProtocol
from app.adapters.http.spans import Traced
from app.adapters.http.trace import TRACE
from app.adapters.metrics.server import served
from app.adapters.sql.database import AsyncDatabase
from app.adapters.sql.spans import trace_statements
from tests.application import MemoryApplication, client_of
from tests.integration.server import free_port, opened_database, rows_of, serving

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"


class Spans(InMemorySpanExporter):
    """What was made, and what makes it."""

    def __init__(self) -> None:
        super().__init__()
        self._provider = TracerProvider(shutdown_on_exit=False)
        self._provider.add_span_processor(SimpleSpanProcessor(self))
        self.tracer: Tracer = self._provider.get_tracer("tests")

    def ended(self) -> list[ReadableSpan]:
        return list(self.get_finished_spans())


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
async def database(sqlite_url: str, spans: Spans) -> AsyncIterator[AsyncDatabase]:
    async with opened_database(sqlite_url) as database:
        trace_statements(database, spans.tracer)
        yield database


async def test_a_request_is_a_span_below_its_callers(spans: Spans) -> None:
    application = MemoryApplication()
    app = application.http()
    app.add_middleware(Traced, tracer=spans.tracer)
    headers = {"traceparent": f"00-{TRACE_ID}-{CALLER}-01"}
    async with client_of(app) as client:
        await client.get("/livez?evil", headers=headers)
        await client.get("/evil", headers={"traceparent": "evil"})
    first, second = spans.ended()
    assert first.context is not None
    assert first.parent is not None
    assert format_trace_id(first.context.trace_id) == TRACE_ID
    assert format_span_id(first.parent.span_id) == CALLER
    assert (first.name, second.name, second.parent) == ("GET /livez", "request", None)
    assert dict(first.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/livez",
        "http.response.status_code": 200,
    }
    assert dict(second.attributes or {}) == {"http.response.status_code": 404}


async def test_a_defect_is_an_error_without_its_text(spans: Spans) -> None:
    async def fail(scope: dict[str, object], _receive: object, _send: object) -> None:
        assert isinstance(scope["state"], dict)
        assert scope["state"][TRACE].span_id != CALLER
        raise LookupError("hunter2")

    transport = httpx.ASGITransport(
        Traced(fail, tracer=spans.tracer),  # type: ignore[arg-type] # says less than it takes
        raise_app_exceptions=False,
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://tickgate.test") as client:
        await client.get("/", headers={"traceparent": f"00-{TRACE_ID}-{CALLER}-01"})
    [span] = spans.ended()
    assert span.status.status_code is StatusCode.ERROR
    assert "LookupError" in span.to_json()
    assert "hunter2" not in span.to_json()


async def test_each_statement_is_a_span_without_its_parameters(
    database: AsyncDatabase, spans: Spans
) -> None:
    with spans.tracer.start_as_current_span("GET /livez") as request:
        await rows_of(database, "SELECT :secret", secret="hunter2")
        with suppress(DBAPIError):
            await rows_of(database, "SELECT :secret FROM nowhere", secret="hunter2")
    good, bad, _ = spans.ended()
    for span in (good, bad):
        assert span.parent == request.get_span_context()
        assert span.name == "SELECT"
        assert "hunter2" not in span.to_json()
    assert (good.attributes or {})["db.query.text"] == "SELECT ?"
    assert (good.status.status_code, bad.status.status_code) == (StatusCode.UNSET, StatusCode.ERROR)


async def test_a_statement_that_belongs_to_nothing_is_no_span(
    database: AsyncDatabase, spans: Spans
) -> None:
    await rows_of(database, "SELECT 1")
    assert spans.ended() == []


@pytest.mark.thorough
async def test_the_spans_of_a_service_reach_the_collector_that_the_environment_names(
    tmp_path: Path,
) -> None:
    sent: list[ExportTraceServiceRequest] = []

    async def take(request: Request) -> Response:
        sent.append(ExportTraceServiceRequest.FromString(gzipped(await request.body())))
        return Response()

    collector = Starlette(routes=[Route("/v1/traces", take, methods=["POST"])])
    port = free_port()
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
    async with (
        served(collector, host="127.0.0.1", port=port, protocol=HttpProtocol),
        serving(tmp_path, settings=settings) as server,
    ):
        async with server.client() as client:
            await client.get("/readyz")
        await server.ends(signal.SIGTERM)
    [each] = [spans for request in sent for spans in request.resource_spans]
    made = {span.name: span for spans in each.scope_spans for span in spans.spans}
    service = {
        attribute.key: attribute.value.string_value for attribute in each.resource.attributes
    }
    assert service["service.name"] == "tickgate"
    assert made["SELECT"].parent_span_id == made["GET /readyz"].span_id


def gzipped(body: bytes) -> bytes:
    return gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
