from types import TracebackType
from typing import Protocol, Self


class UnitOfWork(Protocol):
    """One transaction over the stores of an area, which are its attributes.

    Use it once, as an async context manager. Leaving without `commit` keeps nothing. Entering
    and leaving hold nothing back when cancelled: the transaction is then wholly there or wholly
    gone. After any error all further methods, those of its stores too, raise `UnitOfWorkFailed`.
    Each read sees what was committed before it, and the unit's own writes. Units of work that
    write may wait for one another, from entering on at the earliest and until they are left or
    have committed; those of a factory for reading never wait, and have nothing to commit. After
    `commit` it is left; what anything else does then is not specified.
    """

    async def commit(self) -> None:
        """Keep all writes. Runs to its end even when cancelled, which is delivered afterwards."""
        ...

    async def __aenter__(self) -> Self:
        """Begin. Raises `StoreUnavailable`."""
        ...

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Roll back what was not committed, and let go of every resource."""
        ...
