"""What is noted for people, of texts that may come from strangers."""

from typing import Final

NOTE: Final = 500
"""How long a note is at most."""


def noted(text: str) -> str:
    """Escape what cannot be printed, so that any store can keep it, and cut what is over-long."""
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text[: NOTE + 1]
    )
    return shown if len(shown) <= NOTE else f"{shown[: NOTE - 1]}…"
