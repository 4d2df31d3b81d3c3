"""What the feeds have in common: lists of markets are read, or refused, and parts are named."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from anyio import to_thread

from app.adapters.exchanges.client import Answer
from app.adapters.exchanges.literal_json import UnreadableJson, parse
from app.adapters.exchanges.refusal import Refused, described, printable
from app.domain.range_units.errors import FeedRefused, InvalidCode
from app.domain.range_units.jobs import Failure
from app.domain.range_units.revisions import WHOLE_QUOTE, Market, market_of
from app.ports.range_units.feeds import Parts, Reply

MOST_CHARACTERS = 100

Codes: TypeAlias = tuple[str, str] | None
"""The quote and the target of an entry of a list; None for one that is not to be asked about."""


async def parsed(answer: Answer) -> object:
    """Read an answer that has to be JSON; in a thread, as some are large."""
    try:
        return await to_thread.run_sync(parse, answer.payload)
    except UnreadableJson as error:
        raise no_list(answer, str(error)) from error


async def content_of(answer: Answer) -> dict[str, object]:
    """Read an answer that has to be a JSON object."""
    content = await parsed(answer)
    if not isinstance(content, dict):
        raise no_list(answer, f"is {described(content)}, not an object")
    return content


def no_list(answer: Answer, reason: str) -> FeedRefused:
    """Make the refusal of an answer; the reason completes "the answer …"."""
    return FeedRefused(f"The answer of {answer.url} {reason}.")


def listed_parts(
    answer: Answer, path: str, entries: Sequence[object], codes: Callable[[object], Codes]
) -> Parts:
    """Name the markets of a list as parts: in order of their names, each once.

    An entry that cannot be read, for which `codes` raises `Refused`, is told with its place and
    stops no other; the reason completes "the entry …". A code that is spelled as no code becomes
    a part, which is refused when it is asked for. Raises `FeedRefused` where no part is left.
    """
    parts: set[str] = set()
    unreadable: list[Failure] = []
    for place, entry in enumerate(entries):
        try:
            named = codes(entry)
            if named is not None:
                parts.add(_part(*named))
        except Refused as refused:
            unreadable.append(Failure(f"{path}[{place}]", f"The entry {refused}."))
    if not parts:
        first = f", as {unreadable[0].part}: {unreadable[0].reason}" if unreadable else ""
        raise no_list(answer, f"names no market{first.rstrip('.')}")
    return Parts(tuple(sorted(parts)), tuple(unreadable))


def _part(quote: str, target: str) -> str:
    part = f"{quote}/{target}"
    if len(part) > MOST_CHARACTERS or not part.isprintable():
        raise Refused(f'is about "{printable(part)}", which is no market')
    return part


def market_of_part(exchange: str, part: str) -> Market:
    """Read a part that names a market. Raises `FeedRefused`."""
    quote, _, target = part.partition("/")
    try:
        market = market_of(exchange, quote, target)
    except InvalidCode as error:
        raise no_part(exchange, part) from error
    if market.target == WHOLE_QUOTE:
        raise no_part(exchange, part)
    return market


def no_part(exchange: str, part: str) -> FeedRefused:
    """Make the refusal of a part that the feed cannot ask for."""
    return FeedRefused(f'{exchange} cannot be asked for "{printable(part)}".')


def about(market: Market, answer: Answer) -> Reply:
    """Make the reply of an exchange that was asked about one market."""
    return Reply(answer.payload, market, answer.url, answer.received_at, (market,))


def about_several(exchange: str, answer: Answer, asked: tuple[Market, ...] | None = None) -> Reply:
    """Make a reply that names its markets: those that were asked for, or all that there are."""
    market = Market(exchange, "", "")
    return Reply(answer.payload, market, answer.url, answer.received_at, asked)
