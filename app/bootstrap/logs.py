"""What the service says while it runs: a line for each thing, on standard error."""

import logging
import re
import sys
from typing import Final

import structlog
from structlog.types import EventDict, WrappedLogger

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


def configure(log_format: LogFormat) -> None:
    """Send whatever is logged in this process through one renderer, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_is_news)
    handler.setFormatter(formatter(log_format, colours=sys.stderr.isatty()))
    # Of libraries, only what is wrong; of the server and of ourselves, what goes on as well.
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in ("tickgate", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(logging.INFO)
    logging.getLogger("uvicorn.access").propagate = False  # a request's own line says more


def formatter(log_format: LogFormat, *, colours: bool = False) -> logging.Formatter:
    """Make the formatter of all records; times are in UTC.

    What a line holds does not break it: JSON escapes what is no character of a text, and for a
    console that is done here. Only a traceback takes several lines there, which are indented.
    """
    renderer: tuple[structlog.types.Processor, ...] = (structlog.processors.JSONRenderer(),)
    if log_format is LogFormat.CONSOLE:
        shown = structlog.dev.ConsoleRenderer(
            colors=colours, exception_formatter=structlog.dev.plain_traceback
        )
        renderer = (_on_one_line, shown)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _without_colours,
            structlog.processors.format_exc_info,
            _without_secrets,
            *renderer,
        ],
    )


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
