"""The login log for other programs: a line of JSON or of CSV for each attempt."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from app.domain.identity.login_log import LoginAttempt

FIELDS: Final = (
    *("id", "at", "username", "user_id", "ip", "network", "user_agent", "device_type", "os"),
    *("client", "outcome", "fail_reason", "error_code", "session_id", "request_id"),
    *("duration_ms", "new_network", "new_client"),
)
# What a spreadsheet takes for the beginning of a formula, and in full width, too.
_FORMULAS: Final = tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20")


class ExportFormat(StrEnum):
    """How attempts are written: a JSON object a line, or comma-separated values (RFC 4180)."""

    NDJSON = "ndjson"
    CSV = "csv"


def header(how: ExportFormat) -> str:
    """Give what stands above the first attempt."""
    return _csv_line(FIELDS) if how is ExportFormat.CSV else ""


def line_of(attempt: LoginAttempt, how: ExportFormat) -> str:
    """Write an attempt with all of its fields, and the end of the line."""
    values = {field: _plain(getattr(attempt, field)) for field in FIELDS}
    if how is ExportFormat.NDJSON:
        return json.dumps(values, separators=(",", ":"), ensure_ascii=False) + "\n"
    return _csv_line(_cell(value) for value in values.values())


def _plain(value: object) -> object:
    """Give what JSON has a form for."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
    return value if value is None or isinstance(value, bool | int) else str(value)


def _cell(value: object) -> str:
    """Write a cell: nothing as nothing, and what looks like a formula behind an apostrophe."""
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"'{text}" if text.startswith(_FORMULAS) else text


def _csv_line(cells: Iterable[str]) -> str:
    return ",".join(map(_quoted, cells)) + "\r\n"


def _quoted(cell: str) -> str:
    """Quote what would end the cell or the line, doubling the quotes in it."""
    doubled = cell.replace('"', '""')
    return f'"{doubled}"' if any(mark in cell for mark in '",\r\n') else cell
