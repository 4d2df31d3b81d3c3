from typing import Protocol

from app.domain.identity.devices import Device


class UserAgents(Protocol):
    """Reads what clients say of themselves."""

    def read(self, *, user_agent: str | None) -> Device:
        """Give what a user agent tells; of one that is missing or means nothing, `UNKNOWN`.

        Never raises, whatever the text. Only its first 512 characters count. The texts of the
        answer are printable, and short enough to be stored.
        """
        ...
