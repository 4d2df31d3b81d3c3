from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import ClassVar

import anyio
import pytest
from anyio.lowlevel import checkpoint

from app.domain.errors import TickgateError
from app.domain.range_units.errors import FeedRefused, FeedUnavailable
from app.ports.range_units.feeds import Feed, Parts, Reply
from tests.cancellation import until

MOST_CHARACTERS = 100


class FullUp(Exception):
    """Whoever takes replies takes no more."""


@dataclass
class Asked:
    """A feed, what it has to give, and how its exchange is made to behave otherwise."""

    feed: Feed
    expected: dict[str, list[Reply]]
    """All replies by part, in the order of the parts."""
    fail: Callable[[], None]
    """Be unavailable from now on."""
    refuse: Callable[[], None]
    """Refuse everything from now on."""
    hang: Callable[[], None]
    """Answer nothing from now on."""
    recover: Callable[[], None]
    times_asked: Callable[[], int]

    async def everything(self) -> dict[str, list[Reply]]:
        parts = (await self.feed.parts()).readable
        return {part: await fetched(self.feed, part) for part in parts}

    async def refusals(self, *, of_list: bool) -> list[TickgateError]:
        """Give what each call raises; feeds of few parts may list them without asking."""
        calls: list[Callable[[], Awaitable[object]]] = [
            partial(fetched, self.feed, part) for part in self.expected
        ]
        if of_list:
            calls.append(self.feed.parts)
        refusals = []
        for call in calls:
            with pytest.raises(TickgateError) as caught:
                await call()
            refusals.append(caught.value)
        return refusals


async def refuse(reply: Reply) -> None:
    await checkpoint()
    raise FullUp(reply)


async def fetched(feed: Feed, part: str) -> list[Reply]:
    replies: list[Reply] = []

    async def take(reply: Reply) -> None:
        await checkpoint()
        replies.append(reply)

    await feed.fetch(part=part, take=take)
    return replies


class FeedContract:
    port: ClassVar[type] = Feed
    lists_without_asking: ClassVar[bool] = False

    async def test_the_parts_are_in_a_stable_order_and_each_once(self, asked: Asked) -> None:
        lists = [await asked.feed.parts() for _ in range(2)]
        assert lists == [Parts(tuple(asked.expected))] * 2

    async def test_a_part_is_a_short_text(self, asked: Asked) -> None:
        parts = (await asked.feed.parts()).readable
        assert all(part.isprintable() and 0 < len(part) <= MOST_CHARACTERS for part in parts)

    async def test_each_part_gives_its_replies_as_they_came_and_in_order(
        self, asked: Asked
    ) -> None:
        assert await asked.everything() == asked.expected

    async def test_who_takes_no_more_is_asked_for_no_more_and_what_it_raises_comes_through(
        self, asked: Asked
    ) -> None:
        for part in asked.expected:
            before = asked.times_asked()
            with pytest.raises(FullUp) as caught:
                await asked.feed.fetch(part=part, take=refuse)
            assert [*caught.value.args] == asked.expected[part][:1]
            assert asked.times_asked() - before == 1

    async def test_a_part_that_there_is_not_is_refused(self, asked: Asked) -> None:
        for part in ("", "all/", "KRW/*", "../secret", "/", "KRW/B?c=d", "KRW/\0", "x" * 1000):
            with pytest.raises(FeedRefused):
                await fetched(asked.feed, part)

    async def test_an_exchange_that_fails_is_unavailable_until_it_recovers(
        self, asked: Asked
    ) -> None:
        asked.fail()
        refusals = await asked.refusals(of_list=not self.lists_without_asking)
        asked.recover()
        assert {type(refusal) for refusal in refusals} == {FeedUnavailable}
        assert await asked.everything() == asked.expected

    async def test_an_exchange_that_refuses_is_not_said_to_be_unavailable(
        self, asked: Asked
    ) -> None:
        asked.refuse()
        refusals = await asked.refusals(of_list=not self.lists_without_asking)
        asked.recover()
        assert {type(refusal) for refusal in refusals} == {FeedRefused}
        assert await asked.everything() == asked.expected

    async def test_calls_that_are_cancelled_leave_nothing_behind(self, asked: Asked) -> None:
        asked.hang()
        part = next(iter(asked.expected))
        before = asked.times_asked()
        async with anyio.create_task_group() as calls:
            for _ in range(20):
                calls.start_soon(fetched, asked.feed, part)
            await until(lambda: asked.times_asked() > before)
            calls.cancel_scope.cancel()
        asked.recover()
        assert await asked.everything() == asked.expected

    async def test_calls_at_the_same_time_do_not_disturb_each_other(self, asked: Asked) -> None:
        results = []

        async def ask() -> None:
            results.append(await asked.everything())

        async with anyio.create_task_group() as calls:
            for _ in range(3):
                calls.start_soon(ask)
        assert all(one == other for one, other in pairwise([*results, asked.expected]))
