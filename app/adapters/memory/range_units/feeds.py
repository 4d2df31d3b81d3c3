"""An exchange that says what a test wants it to say."""

from collections.abc import Mapping, Sequence

from anyio import Event
from anyio.lowlevel import checkpoint

from app.domain.errors import TickgateError
from app.domain.range_units.errors import FeedRefused
from app.ports.range_units.feeds import Feed, Reply


class MemoryFeed(Feed):
    """Gives the replies it was made with.

    Controls: `replies`, by part, in the order of the parts; `failures`, errors by part that are
    raised once each before anything is given, those of the list of parts under `LIST`; `down`, an
    error raised by every call while it is set; `gate`, an event that calls wait for. It remembers
    what it was `asked`.
    """

    LIST = ""

    def __init__(self, replies: Mapping[str, Sequence[Reply]]) -> None:
        self.replies = {part: list(given) for part, given in replies.items()}
        self.failures: dict[str, list[TickgateError]] = {}
        self.down: TickgateError | None = None
        self.gate: Event | None = None
        self.asked: list[str] = []

    async def parts(self) -> list[str]:
        """List the parts that there are replies for."""
        await self._ask(self.LIST)
        return list(self.replies)

    async def fetch(self, *, part: str) -> list[Reply]:
        """Give a part's replies."""
        await self._ask(part)
        if part not in self.replies:
            raise FeedRefused(f'There is nothing called "{part}".')
        return list(self.replies[part])

    async def _ask(self, part: str) -> None:
        self.asked.append(part)
        await checkpoint()
        if self.gate is not None:
            await self.gate.wait()
        if self.down is not None:
            raise self.down
        if scripted := self.failures.get(part):
            raise scripted.pop(0)
