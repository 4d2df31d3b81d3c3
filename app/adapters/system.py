"""The machine's own clock, ids and secrets."""

import random
import secrets
from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from app.ports.clock import Clock
from app.ports.ids import Ids, Secrets


class SystemClock(Clock):
    """The operating system's clock."""

    def now(self) -> datetime:
        """Read it."""
        return datetime.now(UTC)


class UuidIds(Ids):
    """UUIDs of version 7 (RFC 9562), time first, so that new rows lie next to each other."""

    def new_id(self) -> UUID:
        """Make one; ascending even within a millisecond."""
        return uuid7()


class RandomSecrets(Secrets):
    """Secrets from the operating system's generator."""

    def new_secret(self) -> str:
        """Read 256 bits; 43 characters."""
        return secrets.token_urlsafe(32)


def random_share() -> float:
    """Give any share of one, for waits that are to differ; nothing secret is made of it."""
    return random.random()  # noqa: S311 - nobody gains by foretelling a wait
