"""A span for each statement of a request. Only where the extra `traces` is installed."""

from typing import Any, Final

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from sqlalchemy import Connection, event
from sqlalchemy.engine import ExceptionContext

from app.adapters.sql.database import AsyncDatabase

_SPAN: Final = "tickgate_span"


def trace_statements(database: AsyncDatabase, tracer: Tracer) -> None:
    """Make the spans, below the one that is current; there is none of what belongs to nothing.

    They have the text of the statement, which has no parameters in it.
    """

    def begin(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        _end(connection.info)  # one that was broken off
        if not trace.get_current_span().get_span_context().is_valid:
            return
        operation = statement.split(None, 1)[0].upper()
        connection.info[_SPAN] = tracer.start_span(
            operation,
            kind=SpanKind.CLIENT,
            attributes={
                "db.system.name": connection.dialect.name,
                "db.operation.name": operation,
                "db.query.text": statement,
            },
        )

    def end(connection: Connection, *_: object) -> None:
        _end(connection.info)

    def fail(error: ExceptionContext) -> None:
        if error.connection is not None and not error.connection.invalidated:
            _end(error.connection.info, type(error.original_exception).__qualname__)

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", begin)
    event.listen(engine, "after_cursor_execute", end)
    event.listen(engine, "handle_error", fail)


def _end(info: dict[Any, Any], error: str | None = None) -> None:
    span: Span | None = info.pop(_SPAN, None)
    if span is None:
        return
    if error is not None:
        span.set_attribute("error.type", error)
        span.set_status(Status(StatusCode.ERROR))
    span.end()
