"""Text from people and strangers: how it is compared, and how it is kept."""

import unicodedata


def fold(text: str) -> str:
    """Fold for comparison, by NFKC and casefold: the same on any store and in any locale."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def escaped(text: str, limit: int) -> str:
    """Write a stranger's text on one harmless line of at most `limit` characters.

    What is not printable (control and format characters, lone surrogates) and the backslash are
    escaped; what does not fit is cut and marked with an ellipsis.
    """
    shown = ""
    for character in text:
        plain = character.isprintable() and character != "\\"
        piece = character if plain else character.encode("unicode_escape").decode()
        if len(shown) + len(piece) > limit:
            return shown[: limit - 1] + "…"
        shown += piece
    return shown
