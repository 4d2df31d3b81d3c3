"""What is noted for people, of texts that may come from strangers."""

from typing import Final

NOTE: Final = 500
"""How long a note is at most."""


def noted(text: str, limit: int = NOTE) -> str:
    """Escape what cannot be printed, so that any store can keep it, and cut what is over-long.

    Control and format characters and lone surrogates do nothing then, in logs and terminals either.
    """
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text[: limit + 1]
    )
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"
