from collections.abc import Sequence
from datetime import datetime
from typing import Protocol


class LoginLogUpkeep(Protocol):
    """What has to be done to the login log from time to time, by any number of processes at once.

    Attempts can be recorded without it at any time.
    """

    async def make_months(self, *, months: Sequence[datetime]) -> None:
        """Make room for the attempts of months, each told by its first instant in UTC.

        Attempts of them that are there already stay. A month that has room is left alone, and a
        store that needs none does nothing. Others can read and write meanwhile, but for moments.
        """
        ...

    async def prune(self, *, before: datetime, limit: int) -> bool:
        """Remove attempts of before an instant, and origins that were last seen before it.

        The instant is the first of a month in UTC. At most `limit` of each are removed, the oldest
        first; months that are stored as a whole are not counted, and go last. True: there may be
        more to remove.
        """
        ...
