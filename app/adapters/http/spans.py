"""A span for each request. Only where the extra `traces` is installed."""

from http import HTTPStatus
from typing import Final

from opentelemetry import context, trace
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.adapters.http.trace import TRACE, Trace, trace_of

_PROPAGATOR: Final = TraceContextTextMapPropagator()


class Traced:
    """ASGI middleware, around all others: what is logged of a request tells of its span.

    Like the log, a span has nothing that a client makes up: no path, no query, no header.
    """

    def __init__(self, app: ASGIApp, *, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request within a span below its caller's."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status: int | None = None

        async def send_seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
            await send(message)

        with self._tracer.start_as_current_span(
            "request",
            context=_caller_of(scope),
            kind=SpanKind.SERVER,
            # The log tells of errors; their texts are not for wherever spans go.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            known = span.get_span_context()
            scope.setdefault("state", {})[TRACE] = Trace(
                trace.format_trace_id(known.trace_id), trace.format_span_id(known.span_id)
            )
            try:
                await self._app(scope, receive, send_seen)
            except Exception as error:
                status = status or HTTPStatus.INTERNAL_SERVER_ERROR.value
                span.set_attribute("error.type", type(error).__qualname__)
                raise
            finally:
                route = getattr(scope.get("route"), "path", None)
                if route is not None:
                    span.update_name(f"{scope['method']} {route}")
                    span.set_attribute("http.request.method", scope["method"])
                    span.set_attribute("http.route", route)
                if status is not None:
                    span.set_attribute("http.response.status_code", status)
                if status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    span.set_status(Status(StatusCode.ERROR))


def _caller_of(scope: Scope) -> context.Context:
    if trace_of(scope) is None:
        return context.Context()
    headers = Headers(scope=scope)
    told = ("traceparent", "tracestate")
    return _PROPAGATOR.extract(
        {name: headers[name] for name in told if name in headers}, context.Context()
    )
