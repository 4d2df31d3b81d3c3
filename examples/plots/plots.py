"""Draws what a Tickgate service knows: the ladder of a market, and failed logins per minute.

It asks over HTTP, with an API key in TG_KEY that has the scope `range-units:read`, or
`login-log:read`:

    python plots.py ladder upbit KRW/XRP --to ladder.png
    python plots.py failed-logins --minutes 180 --to failed-logins.png
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import log10
from pathlib import Path
from typing import Any

import httpx

try:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator
except ImportError:
    sys.exit("plots: needs matplotlib, which the extra 'examples' of tickgate brings along")

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
ENDS = Decimal(10)
"""A last band that is open is drawn up to so many times its beginning."""
DOTS_PER_INCH = 90
COLOURS = {"failed": "#c0392b", "throttled": "#e8a33d"}


class NothingToDraw(Exception):
    """What was asked for cannot be drawn; the message says why."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw what the command line asks for."""
    asked = _parser().parse_args(arguments)
    key = os.environ.get("TG_KEY", "")
    if not key:
        sys.exit("plots: put an API key into TG_KEY")
    headers = {"Authorization": f"Bearer {key}"}
    try:
        with httpx.Client(base_url=asked.url, headers=headers, timeout=30) as tickgate:
            figure = asked.draw(tickgate, asked)
        save(figure, asked.to)
    except httpx.HTTPStatusError as error:
        sys.exit(f"plots: {_refusal(error.response)}")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        sys.exit(f"plots: {asked.url} does not answer: {error}")
    except (NothingToDraw, OSError) as error:
        sys.exit(f"plots: {error}")


def save(figure: Figure, file: Path) -> None:
    """Write a picture."""
    figure.savefig(file, dpi=DOTS_PER_INCH)


def ladder(tickgate: httpx.Client, asked: argparse.Namespace) -> Figure:
    """Draw the price units of a market, and how much one is of the price."""
    path = f"/v1/exchanges/{asked.exchange}/markets/{asked.market}/range-units"
    found = _get(tickgate, path, {} if asked.as_of is None else {"as_of": asked.as_of})
    steps = list(steps_of(found["range_units"]))
    if not steps:
        raise NothingToDraw(f"{asked.exchange} {asked.market} has no price units: any price goes")
    quote = found["quote_currency"]
    figure = Figure(figsize=(9, 6.5), layout="constrained")
    units, shares = figure.subplots(2, 1, sharex=True)
    for start, end, unit in steps:
        # Floats are good enough for a picture, and for nothing else.
        low, high, step = float(start), float(end), float(unit)
        units.hlines(step, low, high, color="#1f5f8b", linewidth=3)
        share = [10_000 * step / low, 10_000 * step / high]
        shares.plot([low, high], share, color="#1f5f8b", linewidth=1.8)
        for each in (units, shares):
            each.axvline(low, color="#999999", linewidth=0.5, linestyle=":")
    since = found["effective_from"] or "its beginning"
    figure.suptitle(f"{asked.exchange} {quote}/{found['target_currency']}, in force since {since}")
    units.set(yscale="log", ylabel=f"price unit [{quote}]")
    shares.set(
        xscale="log", yscale="log", xlabel=f"price [{quote}]", ylabel="price unit / price [bp]"
    )
    for axis in (units.yaxis, shares.yaxis, shares.xaxis):
        axis.set_major_formatter(FuncFormatter(written))
    for each in (units, shares):
        each.grid(which="major", color="#dddddd")
        each.set_axisbelow(True)
        each.tick_params(which="minor", labelbottom=False, labelleft=False)
    return figure


def steps_of(bands: list[dict[str, Any]]) -> Iterator[tuple[Decimal, Decimal, Decimal]]:
    """Give where each band begins and ends in a picture, and its unit; 0 is on no log axis."""
    for band in bands:
        unit = Decimal(band["price_unit"])
        start = Decimal(band["range_min"]) or unit
        yield start, Decimal(band["next_range_min"] or start * ENDS), unit


def written(number: float, _position: int) -> str:
    """Write a number on a log axis, as a power of ten where it would be long."""
    if 0.001 <= number < 1_000_000:
        return f"{number:,.3f}".rstrip("0").rstrip(".")
    return f"$10^{{{log10(number):.0f}}}$"


def failed_logins(tickgate: httpx.Client, asked: argparse.Namespace) -> Figure:
    """Draw how many logins failed in each minute, and how many were not even looked at."""
    until = (asked.until or datetime.now(UTC)).astimezone(UTC)
    end = until.replace(second=0, microsecond=0) + MINUTE
    minutes = [end - MINUTE * ago for ago in range(asked.minutes, 0, -1)]
    bottom = [0] * len(minutes)
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    for outcome, colour in COLOURS.items():
        counts = per_minute(attempts(tickgate, outcome, minutes[0], end))
        heights = [counts[minute] for minute in minutes]
        label = f"{outcome} ({sum(heights)})"
        # Matplotlib counts days.
        axes.bar(
            date2num(minutes),  # type: ignore[no-untyped-call] # as all of its module
            heights,
            MINUTE / DAY,
            bottom,
            align="edge",
            color=colour,
            label=label,
            linewidth=0,
        )
        bottom = [below + height for below, height in zip(bottom, heights, strict=True)]
    locator = AutoDateLocator(tz=UTC)  # type: ignore[no-untyped-call] # see above
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(
        ConciseDateFormatter(locator, tz=UTC)  # type: ignore[no-untyped-call] # see above
    )
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(
        title=f"Logins that did not succeed, {minutes[0]:%Y-%m-%d %H:%M} to {end:%H:%M} UTC",
        xlabel="time [UTC]",
        ylabel="attempts per minute",
        xlim=date2num([minutes[0], end]),  # type: ignore[no-untyped-call] # see above
        ylim=(0, max(1, *bottom) * 1.1),
    )
    axes.grid(axis="y", color="#dddddd")
    axes.set_axisbelow(True)
    axes.legend(loc="upper left")
    return figure


def attempts(
    tickgate: httpx.Client, outcome: str, since: datetime, until: datetime
) -> Iterator[datetime]:
    """Give when each attempt of an outcome was, newest first, page by page."""
    query = {
        "outcome": outcome,
        "since": since.isoformat(),
        "until": until.isoformat(),
        "limit": "500",
    }
    while True:
        page = _get(tickgate, "/v1/login-log", query)
        yield from (datetime.fromisoformat(item["at"]) for item in page["items"])
        if page["next_cursor"] is None:
            return
        query["cursor"] = page["next_cursor"]


def per_minute(times: Iterator[datetime]) -> Counter[datetime]:
    """Count times by the minute that they are in."""
    return Counter(time.astimezone(UTC).replace(second=0, microsecond=0) for time in times)


def _get(tickgate: httpx.Client, path: str, query: dict[str, str]) -> dict[str, Any]:
    answer = tickgate.get(path, params=query)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def _refusal(answer: httpx.Response) -> str:
    if answer.headers.get("Content-Type") == "application/problem+json":
        problem = answer.json()
        return f"{problem['detail']} [{problem['code']}]"
    return f"{answer.url} answers {answer.status_code}"


def _market(text: str) -> str:
    if text.count("/") != 1:
        raise argparse.ArgumentTypeError("a market is QUOTE/TARGET, such as KRW/XRP")
    return text


def _minutes(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= 24 * 60:
        raise argparse.ArgumentTypeError("from 1 to 1440, please")
    return int(text)


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise argparse.ArgumentTypeError("a time is such as 2026-01-31T09:00:00+09:00")
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="plots.py",
        description="Draw what a Tickgate service knows, as a PNG. The API key is in TG_KEY.",
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--url", default="http://127.0.0.1:8000", help="where the service is")
    commands = parser.add_subparsers(required=True, metavar="WHAT")
    one = commands.add_parser("ladder", parents=[common], help="a market's price units, by price")
    one.add_argument("exchange", metavar="EXCHANGE")
    one.add_argument("market", metavar="QUOTE/TARGET", type=_market)
    one.add_argument("--as-of", metavar="TIME", help="as it was, or will be, at that time")
    one.add_argument("--to", metavar="FILE", type=Path, default=Path("ladder.png"))
    one.set_defaults(draw=ladder)
    two = commands.add_parser(
        "failed-logins", parents=[common], help="logins that failed, per minute"
    )
    two.add_argument("--minutes", metavar="N", type=_minutes, default=180, help="how far back")
    two.add_argument("--until", metavar="TIME", type=_instant, help="default: now")
    two.add_argument("--to", metavar="FILE", type=Path, default=Path("failed-logins.png"))
    two.set_defaults(draw=failed_logins)
    return parser


if __name__ == "__main__":
    main()
