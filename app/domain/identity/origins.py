"""Whether a user was ever seen from there, or with that, before."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Familiarity:
    """When a user last succeeded from a network, and with a client, before; None: never."""

    network_before: datetime | None = None
    client_before: datetime | None = None
