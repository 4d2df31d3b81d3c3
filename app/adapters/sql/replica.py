"""Reading from a copy of the database, and from the database itself while the copy is away."""

from typing import Any, Final

import anyio
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_sessionmaker

from app.adapters.sql.database import AsyncDatabase, Sessions
from app.adapters.sql.errors import domain_error
from app.domain.errors import StoreUnavailable

_AWAY_SECONDS: Final = 10


def sessions_on_replica(
    replica: AsyncDatabase, primary: AsyncDatabase, *, away_seconds: float = _AWAY_SECONDS
) -> Sessions:
    """Give what opens sessions that only read: on the replica, or else on the primary.

    What they read may be older than what has been committed, by as much as the replica lags.
    While it does not answer, one session in so many seconds finds out whether it does again, and
    the others lose no time. A replica that breaks off later is a store that is away, as ever.
    """
    return async_sessionmaker(
        replica.engine,
        class_=_ReplicaSession,
        expire_on_commit=False,
        primary=primary,
        away=_Away(away_seconds),
    )


class _Away:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.is_away = False
        self.until = float("-inf")


class _ReplicaSession(AsyncSession):
    def __init__(self, *args: Any, primary: AsyncDatabase, away: _Away, **options: Any) -> None:
        super().__init__(*args, **options)
        self._primary = primary
        self._away = away

    async def connection(self, *args: Any, **options: Any) -> AsyncConnection:
        """Choose, when the session is first used."""
        now = anyio.current_time()
        if now >= self._away.until:
            if self._away.is_away:
                self._away.until = now + self._away.seconds  # nobody else is to find out meanwhile
            try:
                connection = await super().connection(*args, **options)
            except Exception as error:
                if not isinstance(domain_error(error, {}), StoreUnavailable):
                    raise
                self._away.is_away, self._away.until = True, now + self._away.seconds
                await self.rollback()
            else:
                self._away.is_away = False
                return connection
        self.sync_session.bind = self._primary.engine.sync_engine
        return await super().connection(*args, **options)
