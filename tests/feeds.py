"""A feed by hand: what an exchange would answer is what a test says."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from anyio.lowlevel import checkpoint

from app.domain.errors import TickgateError
from app.domain.range_units.revisions import Market
from app.ports.range_units.feeds import Feed, Reply

SOURCE = "https://exchange.example/range-units"


def a_reply(unit: str, *, target: str = "BTC") -> Reply:
    """Give what Coinone answers about a market whose prices have one unit everywhere."""
    payload = (
        '{"result": "success", "error_code": "0", "range_price_units":'
        f' [{{"range_min": 0, "next_range_min": 100000, "price_unit": {unit}}}]}}'
    )
    return Reply(payload.encode(), Market("coinone", "KRW", target), f"{SOURCE}/KRW/{target}")


@dataclass
class ScriptedFeed(Feed):
    """Answers with `replies`, a list or an error for each part; notes what was asked for.

    `on_fetch` is waited for when a part is asked for; `parts_error` is raised instead of
    listing them.
    """

    replies: dict[str, list[Reply] | TickgateError] = field(default_factory=dict)
    parts_error: Exception | None = None
    on_fetch: Callable[[str], Awaitable[object]] = lambda _: checkpoint()
    asked: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def parts(self) -> list[str]:
        """Give the parts that there are replies for."""
        await checkpoint()
        if self.parts_error is not None:
            raise self.parts_error
        return list(self.replies)

    async def fetch(self, *, part: str) -> list[Reply]:
        """Give what is laid down for a part."""
        self.asked.append(part)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.on_fetch(part)
        finally:
            self.at_once -= 1
        reply = self.replies[part]
        if isinstance(reply, TickgateError):
            raise reply
        return reply
