"""Changes that units of work of either area make, for tests of what comes in between."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, ClassVar

from app.adapters.sql.database import AsyncDatabase, Sessions
from app.adapters.sql.identity.unit_of_work import SqlIdentityUnitOfWork
from app.adapters.sql.range_units.unit_of_work import SqlRangeUnitsUnitOfWork
from app.domain.errors import StoreUnavailable, TickgateError
from app.domain.identity.errors import UsernameTaken
from app.domain.range_units.errors import RevisionInForce
from tests.builders import a_market, a_revision, a_user, an_attempt, an_exchange, new_id
from tests.integration.server import rows_of


class Registration:
    """A user and an attempt of theirs, written by one unit of work."""

    again: ClassVar[type[TickgateError]] = UsernameTaken
    first_write: ClassVar[str] = "INSERT INTO users"
    whole: ClassVar[tuple[int, ...]] = (1, 1)

    def __init__(self) -> None:
        self._user = a_user()

    def work(self, sessions: Sessions) -> SqlIdentityUnitOfWork:
        return SqlIdentityUnitOfWork(sessions)

    async def write(self, uow: Any) -> None:
        await uow.users.add(user=replace(self._user, id=new_id()))
        await uow.login_log.append(attempts=[an_attempt(username=self._user.username)])

    async def hold(self, uow: Any) -> None:
        [user] = (await uow.users.by_usernames(username_keys=[self._user.username_key])).values()
        await uow.users.hold(user_id=user.id)

    async def look_at_all(self, uow: Any) -> None:
        await uow.users.page(after=None, limit=100)

    async def alter(self, uow: Any) -> None:
        [user] = (await uow.users.by_usernames(username_keys=[self._user.username_key])).values()
        await uow.users.replace(user=replace(user, disabled=True))

    async def counts(self, database: AsyncDatabase) -> tuple[int, ...]:
        [row] = await rows_of(
            database,
            """SELECT (SELECT count(*) FROM users WHERE username = :name),
            (SELECT count(*) FROM login_attempts WHERE username = :name)""",
            name=self._user.username,
        )
        return tuple(row)


class Statement:
    """An exchange, its market, and range units of two bands, written by one unit of work."""

    again: ClassVar[type[TickgateError]] = RevisionInForce
    first_write: ClassVar[str] = "INSERT INTO exchanges"
    whole: ClassVar[tuple[int, ...]] = (1, 1, 1, 2)

    def __init__(self) -> None:
        self._exchange = an_exchange(code=f"exchange-{new_id().hex[-12:]}")
        self._market = a_market(exchange=self._exchange.code)

    def work(self, sessions: Sessions) -> SqlRangeUnitsUnitOfWork:
        return SqlRangeUnitsUnitOfWork(sessions)

    async def write(self, uow: Any) -> None:
        await uow.catalogue.put_exchanges(exchanges=[self._exchange])
        await uow.catalogue.hold_markets(markets=[self._market])
        await uow.revisions.add(revisions=[a_revision(market=self._market)])

    async def hold(self, uow: Any) -> None:
        await uow.catalogue.hold_markets(markets=[self._market])

    async def look_at_all(self, uow: Any) -> None:
        await uow.catalogue.exchanges(limit=100)

    async def alter(self, uow: Any) -> None:
        await uow.catalogue.put_exchanges(exchanges=[replace(self._exchange, name="Renamed")])

    async def counts(self, database: AsyncDatabase) -> tuple[int, ...]:
        [row] = await rows_of(
            database,
            """SELECT (SELECT count(*) FROM exchanges WHERE code = :code),
            (SELECT count(*) FROM markets WHERE exchange = :code),
            (SELECT count(*) FROM range_unit_revisions WHERE exchange = :code),
            (SELECT count(*) FROM range_unit_bands JOIN range_unit_revisions
            ON revision_id = id WHERE exchange = :code)""",
            code=self._exchange.code,
        )
        return tuple(row)


Change = Registration | Statement
Kind = type[Registration] | type[Statement]
Step = Callable[[Any], Awaitable[None]]


async def make(change: Change, sessions: Sessions, *, then: Step | None = None) -> None:
    """Write all of it, let something happen, and commit."""
    async with change.work(sessions) as uow:
        await change.write(uow)
        if then is not None:
            await then(uow)
        await uow.commit()


async def is_kept(change: Change, database: AsyncDatabase) -> bool:
    """Whether all of it is there; a part is never."""
    counts = await change.counts(database)
    assert counts == change.whole or not any(counts)
    return any(counts)


async def error_of(operation: Awaitable[None]) -> TickgateError | None:
    """Give what it is refused with, if it is."""
    try:
        await operation
    except TickgateError as error:
        return error
    return None


def is_to_be_tried_again(error: TickgateError | None) -> bool:
    return isinstance(error, StoreUnavailable) and error.retry_after == 1


async def it_is_refused_and_then_succeeds(
    change: Change, database: AsyncDatabase, *, refused: Awaitable[None]
) -> None:
    """It is refused for now: nothing of it is kept, and the same again is kept whole."""
    assert is_to_be_tried_again(await error_of(refused))
    assert not await is_kept(change, database)
    await make(change, database.sessions)
    assert await is_kept(change, database)
