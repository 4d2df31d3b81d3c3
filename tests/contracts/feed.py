from typing import ClassVar

from app.domain.range_units.storage import PART
from app.ports.range_units.feeds import Feed


class FeedContract:
    port: ClassVar[type] = Feed
    adapter: ClassVar[type]

    async def test_parts_are_the_same_each_time_each_once_and_short(self, feed: Feed) -> None:
        parts = await feed.parts()
        assert parts == await feed.parts()
        assert len(parts) == len({*parts})
        assert all(0 < len(part) <= PART for part in parts)

    async def test_every_part_is_answered_with_where_it_came_from(self, feed: Feed) -> None:
        replies = [reply for part in await feed.parts() for reply in await feed.fetch(part=part)]
        assert replies
        assert all(reply.payload and reply.source for reply in replies)
