"""The arguments of `tickgate user …` and `login-log …`; what does not read is wrong usage."""

import re
import sys
from datetime import datetime, timedelta
from typing import Annotated, Final

import typer

from app.adapters.cli.shell import instant, quoted
from app.domain.identity.findings import LONGEST_WINDOW, SHORTEST_WINDOW
from app.domain.identity.networks import parse_network
from app.domain.identity.users import PASSWORD_MOST_BYTES

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION: Final = re.compile("([0-9]{1,6})([smhd])")


def _network(text: str) -> str:
    try:
        return str(parse_network(text))
    except ValueError as error:
        raise typer.BadParameter(
            f"{quoted(text)} is not an IP address, nor a network such as 192.0.2.0/24."
        ) from error


def duration(text: str) -> timedelta:
    """Read a number and its unit: `90s`, `15m`, `24h`, `365d`."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{quoted(text)} is not a time such as 15m, 24h or 365d.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _window(text: str) -> timedelta:
    found = duration(text)
    if not SHORTEST_WINDOW <= found <= LONGEST_WINDOW:
        raise typer.BadParameter(f"{quoted(text)} is not from 1m to 7d.")
    return found


Name = Annotated[str, typer.Argument(metavar="NAME", help="The username, in any case.")]
FromStdin = Annotated[
    bool,
    typer.Option(
        "--password-stdin", help="Take the password from standard input's first line; do not ask."
    ),
]
HashFromStdin = Annotated[
    bool,
    typer.Option(
        "--hash-stdin",
        help="Take a bcrypt hash from standard input's first line, in place of a password.",
    ),
]
Since = Annotated[
    datetime | None, typer.Option(parser=instant, metavar="TIME", help="At that time or later.")
]
Until = Annotated[
    datetime | None, typer.Option(parser=instant, metavar="TIME", help="Before that time.")
]
Window = Annotated[
    timedelta | None,
    typer.Option(parser=_window, metavar="TIME", help="How far back. [default: 15m]"),
]
Address = Annotated[
    str | None,
    typer.Option(parser=_network, metavar="ADDRESS", help="Of the client; or a network, as CIDR."),
]


def new_password(*, from_stdin: bool) -> str:
    """Ask for a password, twice and without an echo, or take the first line of standard input."""
    if not from_stdin:
        password: str = typer.prompt(
            "Password", hide_input=True, confirmation_prompt=True, err=True
        )
        return password
    # Bytes, since a login over HTTP compares UTF-8, whatever the locale here. What is longer than
    # a password may be is not read to its end; what is not UTF-8 is left for the rule to refuse.
    line = sys.stdin.buffer.readline(2 * PASSWORD_MOST_BYTES)
    return line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "surrogateescape")
