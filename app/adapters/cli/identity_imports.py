"""Users from elsewhere: a line of NDJSON each, or a hash on standard input."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer

from app.adapters.cli.shell import quoted
from app.domain.errors import Fault
from app.domain.identity.user_imports import ImportedUser, UnreadableLine
from app.domain.principal import Role

_FIELDS: Final = ("username", "password_hash", "email", "role")
_NEEDED: Final = _FIELDS[:2]
_MOST_OF_A_HASH: Final = 1024


def hash_from_stdin() -> str:
    """Take a hash from the first line of standard input; blanks around it are none of it."""
    line = sys.stdin.buffer.readline(_MOST_OF_A_HASH)
    return line.decode("ascii", "backslashreplace").strip()


def lines_of(file: Path) -> list[ImportedUser | UnreadableLine]:
    """Read a file, or standard input, where the file is `-`. Blank lines are passed over."""
    try:
        content = sys.stdin.buffer.read() if file == Path("-") else file.read_bytes()
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise typer.BadParameter(f"{quoted(str(file))}: {reason}.") from error
    lines = enumerate(content.split(b"\n"), 1)
    return [_line(number, line) for number, line in lines if line.strip()]


def _line(number: int, line: bytes) -> ImportedUser | UnreadableLine:
    try:
        document = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return UnreadableLine(number, (Fault("", "is not JSON in UTF-8"),))
    if not isinstance(document, dict):
        return UnreadableLine(number, (Fault("", "is not a JSON object"),))
    faults = tuple(_faults(document))
    if faults:
        return UnreadableLine(number, faults)
    role = Role(document.get("role") or Role.USER)
    return ImportedUser(
        number, document["username"], document["password_hash"], document.get("email"), role
    )


def _faults(document: dict[str, Any]) -> Iterator[Fault]:
    for field in sorted(document.keys() - set(_FIELDS)):
        yield Fault(quoted(field), "is not a field of a user")
    for field in _FIELDS:
        value = document.get(field)
        if value is None and field in _NEEDED:
            yield Fault(field, "is missing")
        elif value is not None and not isinstance(value, str):
            yield Fault(field, "is not a text")
        elif field == "role" and value not in (None, *Role):
            yield Fault(field, f"is none of {', '.join(Role)}")
