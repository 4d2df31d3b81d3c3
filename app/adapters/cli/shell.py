"""What all commands share: how they read arguments, and how they run a use case."""

import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from datetime import datetime, timedelta
from typing import Annotated, Final, TypeAlias, TypeVar

import anyio
import typer

from app.adapters.cli.output import harmless
from app.domain.instants import parse_instant

Services = TypeVar("Services")
Answer = TypeVar("Answer")

Opened: TypeAlias = Callable[[], AbstractAsyncContextManager[Services]]
"""Opens what an area's commands work with, and lets go of it when left."""

Json = Annotated[bool, typer.Option("--json", help="Write one JSON document instead of a table.")]

_MOST_QUOTED = 60
_DURATION: Final = re.compile(r"([0-9]{1,9})([smhd])")
_UNITS: Final = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}


def run(opened: Opened[Services], use: Callable[[Services], Awaitable[Answer]]) -> Answer:
    """Run one use case to its end, on services that are open for exactly as long."""

    async def main() -> Answer:
        async with opened() as services:
            return await use(services)

    return anyio.run(main)


def instant(text: str) -> datetime:
    """Read a time of RFC 3339; anything else, one without an offset too, is wrong usage."""
    with suppress(ValueError):
        return parse_instant(text.replace(" ", "T", 1))
    raise typer.BadParameter(
        f"{quoted(text)} is not a time with an offset, such as 2026-01-02T03:04:05+09:00."
    )


def duration(text: str) -> timedelta:
    """Read how long something takes: a whole number of seconds, minutes, hours or days."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{quoted(text)} is not a duration such as 90d, 24h, 30m or 45s.")
    return int(found[1]) * _UNITS[found[2]]


def quoted(argument: str) -> str:
    """Quote an argument in a message, harmlessly and not at any length."""
    text = harmless(argument)
    return f"'{text}'" if len(text) <= _MOST_QUOTED else f"'{text[:_MOST_QUOTED]}…'"


def examples(*commands: str) -> str:
    """Write the examples below a command's help, one a line, not filled into a paragraph."""
    return "\b\nExamples:\n" + "\n".join(f"  tickgate {command}" for command in commands)
