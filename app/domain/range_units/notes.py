"""What is noted for people, of texts that may come from strangers."""

from collections.abc import Sequence
from typing import Final

NOTE: Final = 500
"""How long a note is at most."""

_MORE: Final = 30
"""Enough for saying how many are left out."""


def noted(text: str, limit: int = NOTE) -> str:
    """Escape what cannot be printed, so that any store can keep it, and cut what is over-long.

    Control and format characters and lone surrogates do nothing then, in logs and terminals either.
    """
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text[: limit + 1]
    )
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def noted_each(texts: Sequence[str], limit: int = NOTE) -> str:
    """Note several texts, as many as fit whole, but the first in any case; say how many are left.

    So whoever reads it knows that there are others, and how many.
    """
    shown = noted("; ".join(texts[:1]), limit - _MORE)
    told = len(texts[:1])
    for text in texts[1:]:
        longer = f"{shown}; {noted(text, limit)}"
        if len(longer) > limit - _MORE:
            break
        shown, told = longer, told + 1
    return f"{shown}; and {len(texts) - told} more" if told < len(texts) else shown
