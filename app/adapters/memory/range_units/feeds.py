"""An exchange that says what a test wants it to say."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from anyio.lowlevel import checkpoint

from app.domain.errors import TickgateError
from app.domain.range_units.errors import FeedRefused
from app.domain.range_units.jobs import Failure
from app.ports.range_units.feeds import Feed, Parts, Reply, Take


class MemoryFeed(Feed):
    """Gives the replies it was made with.

    Controls: `replies`, or an error instead of one of them or of all, by part and in the order of
    the parts; `unreadable`, what cannot be read of its list; `down`, an error that every call
    raises while it is set; `on_fetch`, which is waited for when a part is asked for. It remembers
    the parts it was `asked` for, and the `most_at_once`.
    """

    def __init__(self, replies: Mapping[str, Sequence[Reply]] | None = None) -> None:
        self.replies: dict[str, Sequence[Reply | TickgateError] | TickgateError] = dict(
            replies or {}
        )
        self.unreadable: tuple[Failure, ...] = ()
        self.down: Exception | None = None
        self.on_fetch: Callable[[str], Awaitable[object]] = lambda _part: checkpoint()
        self.asked: list[str] = []
        self.most_at_once = 0
        self._at_once = 0

    async def parts(self) -> Parts:
        """List the parts that there are replies for."""
        await checkpoint()
        if self.down is not None:
            raise self.down
        return Parts(tuple(self.replies), self.unreadable)

    async def fetch(self, *, part: str, take: Take) -> None:
        """Hand on a part's replies."""
        self.asked.append(part)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await self.on_fetch(part)
        finally:
            self._at_once -= 1
        for reply in self._replies(part):
            if isinstance(reply, TickgateError):
                raise reply
            await take(reply)

    def _replies(self, part: str) -> Sequence[Reply | TickgateError]:
        if self.down is not None:
            raise self.down
        found = self.replies.get(part)
        if found is None:
            raise FeedRefused(f'There is nothing called "{part}".')
        if isinstance(found, TickgateError):
            raise found
        return found
