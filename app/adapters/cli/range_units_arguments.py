"""The arguments of `tickgate range-units …`; what does not read is wrong usage."""

import json
import re
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID

import typer

from app.adapters.cli.output import harmless
from app.adapters.cli.shell import instant, quoted
from app.domain.range_units.grid import Direction
from app.domain.range_units.numbers import InvalidNumber, parse_decimal
from app.domain.range_units.orders import Intent, Side, direction_of
from app.domain.range_units.revisions import Market, market_of

STDIN = Path("-")
LATEST: Final = -1
"""The position of whatever the last change is."""


def _price(text: str) -> Decimal:
    try:
        return parse_decimal(text)
    except InvalidNumber as error:
        raise typer.BadParameter(f"{quoted(text)} {error}.") from error


Exchange = Annotated[str, typer.Option(metavar="E", help="The exchange's code, as coinone.")]
MarketName = Annotated[
    str, typer.Option("--market", metavar="QUOTE/TARGET", help="As KRW/BTC; KRW/* is all of KRW.")
]
AsOf = Annotated[
    datetime | None,
    typer.Option(parser=instant, metavar="TIME", help="Answer as of then instead of now."),
]
KnownAt = Annotated[
    datetime | None,
    typer.Option(parser=instant, metavar="TIME", help="Answer as it was known then."),
]
ObservedAt = Annotated[
    datetime | None,
    typer.Option(
        parser=instant, metavar="TIME", help="When the reply was got, if that was not now."
    ),
]
Observed = Annotated[
    bool, typer.Option("--observed", help="Also say which earlier revision allowed a price.")
]
Prices = Annotated[
    list[Decimal],
    typer.Argument(parser=_price, metavar="PRICE", help="A negative one comes after --."),
]


def _position(text: str) -> int:
    if text == "latest":
        return LATEST
    if re.fullmatch("[0-9]{1,18}", text) is None:
        raise typer.BadParameter(f"{quoted(text)} is neither a position nor 'latest'.")
    return int(text)


Since = Annotated[
    int | None,
    typer.Option(parser=_position, metavar="N", help="Beyond this position, or 'latest'."),
]
_WHICH = "A revision's id, or a time at which it answers."
Before = Annotated[str, typer.Argument(metavar="FROM", help=_WHICH)]
After = Annotated[str, typer.Argument(metavar="TO", help=_WHICH)]


def revision_said(text: str) -> UUID | datetime:
    """Read FROM or TO."""
    try:
        return UUID(text)
    except ValueError:
        return instant(text)


def market_named(exchange: str, name: str) -> Market:
    """Read QUOTE/TARGET. Raises `InvalidCode`."""
    quote, slash, target = name.partition("/")
    if not slash:
        message = f"{quoted(name)} is not QUOTE/TARGET, such as KRW/BTC."
        raise typer.BadParameter(message, param_hint="'--market'")
    return market_of(exchange, quote, target)


def direction_said(
    direction: Direction | None, side: Side | None, intent: Intent | None
) -> Direction:
    """Give the direction, however it was said."""
    if direction is not None and side is None and intent is None:
        return direction
    if direction is None and side is not None and intent is not None:
        return direction_of(side, intent)
    message = "say either --direction, or --side and --intent"
    raise typer.BadParameter(message, param_hint="'--direction'")


def content_of(file: Path) -> tuple[bytes, str]:
    """Give what a file holds, and what to call it as a source, which is never its folder."""
    try:
        if file == STDIN:
            return sys.stdin.buffer.read(), "standard input"
        return file.read_bytes(), f"file {file.name}"
    except OSError as error:
        message = f"'{harmless(str(file))}': {error.strerror}"
        raise typer.BadParameter(message, param_hint="'FILE'") from error


def is_curated(payload: bytes) -> bool:
    """Tell the two kinds of file apart; what is not JSON is left to the exchange's format."""
    try:
        content = json.loads(payload, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and "bands" in content
