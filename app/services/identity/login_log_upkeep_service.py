from datetime import datetime, timedelta
from typing import Final

from app.domain.identity.months import first_kept, months_from
from app.ports.clock import Clock
from app.ports.identity.work import IdentityWork

MONTHS_AHEAD: Final = 3  # this one, and two that nobody has to be in time for
BATCH: Final = 5_000  # so many rows are gone in a fraction of a second, then others may write


class LoginLogUpkeepService:
    """Keeps the login log within its bounds, and what is counted for its quotas.

    Months are made ahead, old ones forgotten, and so are the slots of guesses that have expired.
    """

    def __init__(self, *, uow: IdentityWork, clock: Clock, retention: timedelta | None) -> None:
        self._uow = uow
        self._clock = clock
        self._retention = retention

    async def keep_up(self) -> None:
        """Make room for the months to come, and forget what is older than it is to be kept.

        Slots are forgotten once they have expired. To be called now and then, by any number of
        processes; without a retention (None) every attempt is kept.
        """
        now = self._clock.now()
        async with self._uow() as uow:
            await uow.upkeep.make_months(months=months_from(now, MONTHS_AHEAD))
            await uow.commit()
        if self._retention is not None:
            await self._forget(first_kept(now, self._retention))
        pruned = BATCH
        while pruned == BATCH:
            async with self._uow() as uow:
                pruned = await uow.throttle.prune(now=now, limit=BATCH)
                await uow.commit()

    async def prune(self, *, older_than: timedelta) -> datetime:
        """Forget whole months that are older, and tell the first instant that is kept."""
        before = first_kept(self._clock.now(), older_than)
        await self._forget(before)
        return before

    async def _forget(self, before: datetime) -> None:
        more = True
        while more:  # each batch by itself, so that nobody waits for all of them
            async with self._uow() as uow:
                more = await uow.upkeep.prune(before=before, limit=BATCH)
                await uow.commit()
