from collections.abc import Collection
from datetime import datetime
from typing import Protocol
from uuid import UUID

from app.domain.identity.origins import Familiarity


class Origins(Protocol):
    """From which networks, and with which clients, each user has succeeded in logging in.

    Kept for as long as the login log is. A user need not be there.
    """

    async def see(
        self, *, user_id: UUID, network: str | None, client: str | None, at: datetime
    ) -> Familiarity:
        """Store a success, and give when each of the two had been seen last before it.

        None stands for what is not known: it is not stored, and was never seen. An instant that
        is earlier than the last one seen does not take its place. Until this unit of work ends,
        another one that sees the same user with the same network or client waits.
        """
        ...

    async def last_successes(
        self, *, pairs: Collection[tuple[UUID, str]]
    ) -> dict[tuple[UUID, str], datetime]:
        """Give when each user last succeeded from the network beside; who never did is left out.

        A network that nobody can have is nobody's.
        """
        ...
