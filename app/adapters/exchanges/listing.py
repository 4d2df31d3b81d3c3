"""What the feeds have in common: lists of markets are read, or refused, and parts are named."""

from anyio import to_thread

from app.adapters.exchanges.client import Answer
from app.adapters.exchanges.literal_json import UnreadableJson, parse
from app.adapters.exchanges.refusal import described, printable
from app.domain.range_units.errors import FeedRefused, InvalidCode
from app.domain.range_units.revisions import WHOLE_QUOTE, Market, market_of

MOST_CHARACTERS = 100


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


def parts_of(answer: Answer, markets: list[tuple[str, str]]) -> list[str]:
    """Name markets, given as quote and target, as parts: in order of their names, each once.

    A code that is spelled as no code becomes a part all the same: it is refused when it is asked
    for, and stops no other.
    """
    parts = sorted({f"{quote}/{target}" for quote, target in markets})
    if not parts:
        raise no_list(answer, "names no market")
    for part in parts:
        if len(part) > MOST_CHARACTERS or not part.isprintable():
            raise no_list(answer, f'names a market "{printable(part)}"')
    return parts


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


def whole(exchange: str) -> Market:
    """Give what a reply is about that names its markets itself."""
    return Market(exchange, "", "")
