"""In-memory adapters that break their contracts, each in one way that stores are known for."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Self
from uuid import UUID

from app.adapters.memory.identity.login_log import MemoryLoginLog
from app.adapters.memory.identity.sessions import MemorySessions
from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.identity.unit_of_work import MemoryIdentityUnitOfWork
from app.adapters.memory.identity.users import MemoryUsers
from app.adapters.memory.range_units.catalogue import MemoryCatalogue
from app.adapters.memory.range_units.revisions import MemoryRevisions
from app.adapters.memory.range_units.state import RangeUnitsState
from app.adapters.memory.range_units.unit_of_work import MemoryRangeUnitsUnitOfWork
from app.adapters.memory.store import MemoryStore, MemoryTransaction
from app.domain.errors import TickgateError
from app.domain.identity.errors import EmailTaken, UsernameTaken
from app.domain.identity.login_log import LoginAttempt, LoginLogFilter, LoginLogPosition
from app.domain.identity.storage import check_user
from app.domain.identity.users import User
from app.domain.range_units.revisions import Exchange


class WritingOnWhatItFound(MemoryIdentityUnitOfWork):
    """Writes to what was committed when it was entered: what another one did since is lost."""

    async def __aenter__(self) -> Self:
        self._found = self._store.committed
        return await super().__aenter__()

    @asynccontextmanager
    async def statement(self, *, writes: bool = False) -> AsyncIterator[IdentityState]:
        is_first_write = writes and self._staged is None
        async with super().statement(writes=writes) as rows:
            if is_first_write:
                self._staged = copy(self._found)
            yield self._staged or rows


class ShownAtOnce(MemoryIdentityUnitOfWork):
    """Shows others what it writes before it is committed, and takes it back if it is not."""

    _before: IdentityState | None = None

    @asynccontextmanager
    async def statement(self, *, writes: bool = False) -> AsyncIterator[IdentityState]:
        async with super().statement(writes=writes) as rows:
            yield rows
        if writes:
            self._before = self._before or self._store.committed
            self._store.committed = copy(rows)

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        if self._staged is not None and self._before is not None:
            self._store.committed = self._before
        await super().__aexit__(error_type, error, traceback)


class UsableAfterARefusal(MemoryIdentityUnitOfWork):
    """Goes on after a refusal as if nothing had been asked."""

    @asynccontextmanager
    async def statement(self, *, writes: bool = False) -> AsyncIterator[IdentityState]:
        try:
            async with super().statement(writes=writes) as rows:
                yield rows
        except TickgateError:
            self._failed = False
            raise


class _UsersInOrderOfArrival(MemoryUsers):
    async def page(self, *, after: UUID | None, limit: int) -> list[User]:
        async with self._transaction.statement() as rows:
            found = [user for user in rows.users.values() if after is None or user.id > after]
            return found[:limit]


class UsersInOrderOfArrival(MemoryIdentityUnitOfWork):
    """Gives users as they came."""

    def __init__(self, store: MemoryStore[IdentityState]) -> None:
        super().__init__(store)
        self.users = _UsersInOrderOfArrival(self)


class _TiesTheWrongWayRound(MemoryLoginLog):
    async def page(
        self, *, matching: LoginLogFilter, before: LoginLogPosition | None, limit: int
    ) -> list[LoginAttempt]:
        found = await super().page(matching=matching, before=before, limit=1000)
        found.sort(key=lambda attempt: attempt.id)
        found.sort(key=lambda attempt: attempt.at, reverse=True)
        return found[:limit]


class TiesTheWrongWayRound(MemoryIdentityUnitOfWork):
    """Gives attempts of the same instant by ascending id."""

    def __init__(self, store: MemoryStore[IdentityState]) -> None:
        super().__init__(store)
        self.login_log = _TiesTheWrongWayRound(self)


class _AddressesByTheLetter(MemoryUsers):
    async def add(self, *, user: User) -> None:
        async with self._transaction.statement(writes=True) as rows:
            check_user(user)
            others = rows.users.values()
            if any(other.username_key == user.username_key for other in others):
                raise UsernameTaken("That username is taken.")
            if user.email is not None and any(other.email == user.email for other in others):
                raise EmailTaken("That e-mail address is taken.")  # pragma: no cover - by chance
            rows.users[user.id] = user


class AddressesByTheLetter(MemoryIdentityUnitOfWork):
    """Takes addresses that differ in case for two."""

    def __init__(self, store: MemoryStore[IdentityState]) -> None:
        super().__init__(store)
        self.users = _AddressesByTheLetter(self)


class _UsedNeverBefore(MemorySessions):
    async def use(self, *, session_id: UUID, at: datetime, idle_expires_at: datetime) -> None:
        session = await self.get(session_id=session_id)
        if session is not None:
            at = max(at, session.last_used_at)
        await super().use(session_id=session_id, at=at, idle_expires_at=idle_expires_at)


class UsedNeverBefore(MemoryIdentityUnitOfWork):
    """Stores the later of two uses of a session, where the port stores the last."""

    def __init__(self, store: MemoryStore[IdentityState]) -> None:
        super().__init__(store)
        self.sessions = _UsedNeverBefore(self)


class _OneListForAll(MemoryCatalogue):
    def __init__(self, transaction: MemoryTransaction[RangeUnitsState]) -> None:
        super().__init__(transaction)
        self._given: dict[tuple[str | None, int], tuple[list[Exchange], list[Exchange]]] = {}

    async def exchanges(self, *, after: str | None = None, limit: int) -> list[Exchange]:
        found = await super().exchanges(after=after, limit=limit)
        was, given = self._given.get((after, limit), ([], found))
        if was != found:
            self._given[after, limit] = copy(found), found
            return found
        return given


class OneListForAll(MemoryRangeUnitsUnitOfWork):
    """Gives the list that it gave before as long as its content should be the same."""

    def __init__(self, store: MemoryStore[RangeUnitsState]) -> None:
        super().__init__(store)
        self.catalogue = _OneListForAll(self)


class _SupersededLastCounts(MemoryRevisions):
    async def supersede(self, *, revision_ids: Collection[UUID], at: datetime) -> None:
        async with self._transaction.statement(writes=True) as rows:
            for key in {*revision_ids} & rows.revisions.keys():
                rows.revisions[key] = replace(rows.revisions[key], superseded_at=at)


class SupersededLastCounts(MemoryRangeUnitsUnitOfWork):
    """Dates a supersession anew each time."""

    def __init__(self, store: MemoryStore[RangeUnitsState]) -> None:
        super().__init__(store)
        self.revisions = _SupersededLastCounts(self)
