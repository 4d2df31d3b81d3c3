"""Transactions in memory: what both areas' in-memory adapters run their statements through."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import copy
from random import Random
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from anyio import CancelScope, Lock
from anyio.lowlevel import checkpoint

from app.domain.errors import StoreUnavailable, UnitOfWorkFailed


class State(Protocol):
    """All rows of an area, in dictionaries of immutable values."""

    def __copy__(self) -> Self:
        """Copy the dictionaries; the values are shared."""
        ...


S = TypeVar("S", bound=State)


class MemoryStore(Generic[S]):
    """The committed rows of one area, shared by its units of work.

    Controls for tests: `commits` and `rollbacks` count how units of work ended; setting `down`
    makes every statement raise `StoreUnavailable`, and `fail_after = n` only the one after the
    next n, once; with `lose_answer_after = n` the commit after the next n is kept, and raises
    `StoreUnavailable` all the same, once. What the ports leave open is left to `chance`, so that
    nothing can lean on it; a `seed` makes that the same each time.
    """

    def __init__(self, state: S, *, seed: int | None = None) -> None:
        self.committed = state
        self.chance = Random(seed)  # noqa: S311 - nothing that has to be hard to guess
        self.writer = Lock()
        self.commits = 0
        self.rollbacks = 0
        self.down = False
        self.fail_after: int | None = None
        self.lose_answer_after: int | None = None

    def refuse(self) -> bool:
        """Whether the statement at hand is one that is to fail."""
        if self.fail_after is not None:
            self.fail_after -= 1
            if self.fail_after < 0:
                self.fail_after = None
                return True
        return self.down

    def loses_answer(self) -> bool:
        """Whether the commit that was just kept is one that nobody shall hear of."""
        if self.lose_answer_after is None:
            return False
        self.lose_answer_after -= 1
        if self.lose_answer_after < 0:
            self.lose_answer_after = None
            return True
        return False


class MemoryTransaction(Generic[S]):
    """One transaction, as a database would run it.

    Writes are staged, and applied together on commit. The first write takes the store's writer
    lock, so that a second writer waits, and then sees what the first one left. After an error, or
    a cancelled statement, nothing but leaving is possible. Every statement suspends, so that it
    can be cancelled.
    """

    def __init__(
        self, store: MemoryStore[S], *, committed: Callable[[], object] = lambda: None
    ) -> None:
        """Take what is to be called once something was committed."""
        self._committed = committed
        self.chance = store.chance
        self._store = store
        self._staged: S | None = None
        self._failed = False

    async def __aenter__(self) -> Self:
        """Begin."""
        await checkpoint()
        if self._store.refuse():
            raise StoreUnavailable("The store does not answer.")
        return self

    @asynccontextmanager
    async def statement(self, *, writes: bool = False) -> AsyncIterator[S]:
        """Give the rows for one statement to read, or to change where it writes."""
        if self._failed:
            raise UnitOfWorkFailed("A statement before this one failed.")
        self._failed = True  # until the statement has ended well
        await checkpoint()
        if self._store.refuse():
            raise StoreUnavailable("The store does not answer.")
        if writes and self._staged is None:
            await self._store.writer.acquire()
            self._staged = copy(self._store.committed)
        yield self._store.committed if self._staged is None else self._staged
        self._failed = False

    async def commit(self) -> None:
        """Apply what is staged: to the end, even when cancelled."""
        with CancelScope(shield=True):
            async with self.statement():
                pass
            if self._staged is not None:
                self._store.committed = self._staged
            self._store.commits += 1
            self._let_go()
            self._committed()
            await checkpoint()
            if self._store.loses_answer():
                raise StoreUnavailable("The store does not answer.")

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Forget what was not committed."""
        if self._staged is not None:
            self._store.rollbacks += 1
            self._let_go()
        with CancelScope(shield=True):
            await checkpoint()

    def _let_go(self) -> None:
        if self._staged is not None:
            self._staged = None
            self._store.writer.release()
