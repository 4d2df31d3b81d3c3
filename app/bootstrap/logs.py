"""What the service says while it runs: a line for each thing, on standard error."""

import logging
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog
from pydantic_core import to_json
from structlog.types import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from app.settings import LogFormat

_SAID_BY_US: Final = "Exception in ASGI application"
# What no error's text should quote, but the errors of libraries are not ours: access tokens, API
# keys, whatever a URL has before its host, and the row that Postgres tells of (also when that has
# several lines).
_SECRET: Final = re.compile(
    r"\beyJ[\w-]+\.[\w-]+\.[\w-]*|\btg_[\w-]{20,}|(?<=://)[^\s/@]*:[^\s@]*(?=@)"
    r"|(?<=DETAIL:  ).*?(?=\nHINT:|\n\[SQL:|\n\(Background|\n\nThe above |\n\nDuring |\Z)",
    re.DOTALL,
)
_EACH: Final[tuple[Processor, ...]] = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def suitable(wanted: LogFormat | None) -> LogFormat:
    """Give the format that is wanted, or else the one for who reads standard error."""
    return wanted or (LogFormat.CONSOLE if sys.stderr.isatty() else LogFormat.JSON)


def configure(wanted: LogFormat | None) -> None:
    """Send whatever is logged in this process through one renderer, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_is_news)
    handler.setFormatter(formatter(suitable(wanted), colours=sys.stderr.isatty()))
    # Of libraries, only what is wrong; of the server and of ourselves, what goes on as well.
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in ("tickgate", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(logging.INFO)
    logging.getLogger("uvicorn.access").propagate = False  # a request's own line says more


def of_requests(wanted: LogFormat | None) -> FilteringBoundLogger:
    """Make what logs a line for each request, to standard error."""
    return requests_logged(suitable(wanted), _to_standard_error, colours=sys.stderr.isatty())


def requests_logged(
    log_format: LogFormat, write: Callable[[bytes], object], *, colours: bool = False
) -> FilteringBoundLogger:
    """Make what logs a line for each request, as the formatter would, and writes it somewhere.

    It goes around the standard library's records and handlers, which take longer over a line than
    most requests over all the rest.
    """
    renderer: tuple[Processor, ...] = (_as_json,)
    if log_format is LogFormat.CONSOLE:
        renderer = _console(colours=colours)
    logger = structlog.wrap_logger(
        _Lines(write),
        processors=[structlog.contextvars.merge_contextvars, *_EACH, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    bound: FilteringBoundLogger = logger.bind(logger="tickgate.request")
    return bound


class _Lines:
    """Writes what a renderer has made of something."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def info(self, line: bytes | str) -> None:
        """Write a line."""
        self._write((line if isinstance(line, bytes) else line.encode()) + b"\n")


def _to_standard_error(line: bytes) -> None:
    # A disk that is full, or a reader that has gone, is no reason to answer nobody any more.
    with suppress(OSError, ValueError):
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()


def formatter(log_format: LogFormat, *, colours: bool = False) -> logging.Formatter:
    """Make the formatter of all other records; times are in UTC.

    What a line holds does not break it: JSON escapes what is no character of a text, and for a
    console that is done here. Only a traceback takes several lines there, which are indented.
    """
    json = (structlog.processors.JSONRenderer(separators=(",", ":")),)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            *_EACH,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _without_colours,
            structlog.processors.format_exc_info,
            _without_secrets,
            *(json if log_format is LogFormat.JSON else _console(colours=colours)),
        ],
    )


def _console(*, colours: bool) -> tuple[Processor, ...]:
    shown = structlog.dev.ConsoleRenderer(
        colors=colours, exception_formatter=structlog.dev.plain_traceback
    )
    return (_on_one_line, shown)


def _as_json(_logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
    return to_json(event)


def _is_news(record: logging.LogRecord) -> bool:
    """Leave out what uvicorn says of a defect: the request's own record has its id as well."""
    return not str(record.msg).startswith(_SAID_BY_US)


def _without_colours(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event.pop("color_message", None)  # uvicorn's, for a terminal
    return event


def _without_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if str(event.get("logger")).startswith("opentelemetry"):
        # It quotes its variables, and the URL with its query: either may hold somebody's key.
        event["event"] = "OpenTelemetry complains; in which words is not logged."
        event.pop("exception", None)
    for key in ("event", "exception"):  # the other fields are ours
        if key in event:
            event[key] = _SECRET.sub("…", str(event[key]))
    return event


def _on_one_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    traceback = event.pop("exception", None)
    shown = {
        key: _printable(value) if isinstance(value, str) else value for key, value in event.items()
    }
    if traceback is not None:
        lines = traceback.splitlines()
        shown["exception"] = "\n".join(f"  {_printable(line)}" for line in lines)
    return shown


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
