from typing import Protocol
from uuid import UUID


class Ids(Protocol):
    """The only source of identifiers."""

    def new_id(self) -> UUID:
        """Give an id that was never given before, by this or any other process.

        Ids are time-ordered: one given later by the same source compares greater.
        """
        ...


class Secrets(Protocol):
    """The only source of secrets."""

    def new_secret(self) -> str:
        """Give a text nobody can guess: 256 bits, in URL-safe characters of ASCII."""
        ...
