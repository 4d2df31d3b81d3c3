"""When a password is a common one, perhaps with something around it.

What is common is looked up elsewhere; here is only what is looked up.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final, Protocol

from app.domain.identity.text import fold

STEM_LENGTHS: Final = range(4, 33)
"""How long a common password is. Of a shorter one, what stands around it would count for more."""
_SEPARATORS: Final = str.maketrans("", "", " -_.,;:!?*+/|#&")


class Lookup(Protocol):
    """Tells whether a text, folded, is on the list of common passwords."""

    def __call__(self, *, password: str) -> bool:
        """Look it up."""
        ...


def is_common(password: str, contains: Lookup) -> bool:
    """Whether a password is a common one, however cased, repeated, or between digits and symbols.

    So are `Password123456!!`, `qwerty-qwerty-qwerty` and `123456789012345`, if `password`,
    `qwerty` and `1234567890` are on the list; and two of the list in a row, such as
    `passwordqwerty`. What a list need not hold is common, too: `aaaaaaaa`, `abcabcabc`, `abcdefgh`.
    """
    folded = fold(password)
    texts = (folded, folded.translate(_SEPARATORS))
    return any(_is_pattern(text) or _is_of_two(text, contains) for text in texts) or any(
        contains(password=stem)
        for text in texts
        for bare in _bare(text)
        for stem in _stems(bare)
        if len(stem) in STEM_LENGTHS
    )


def _is_pattern(text: str) -> bool:
    """Whether a text is a few characters again and again, or a run of neighbours."""
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    if steps <= {1} or steps <= {-1}:
        return len(text) > 1
    return any(
        (text[:length] * (len(text) // length + 1)).startswith(text)
        for length in range(1, STEM_LENGTHS[0] + 1)
        if len(text) > 2 * length
    )


def _is_of_two(text: str, contains: Lookup) -> bool:
    """Whether a text is one entry of the list behind another."""
    return any(
        contains(password=text[:place]) and contains(password=text[place:])
        for place in STEM_LENGTHS
        if len(text) - place in STEM_LENGTHS
    )


def _bare(text: str) -> Iterator[str]:
    """Give a text without none, some or all of what is no letter, at either end or at both.

    Some: the digits of `q1w2e3r4` are its own, those behind it are not. What has no letter at all
    is without its symbols only: the beginning of a long number says nothing about its end.
    """
    yield text
    is_core = str.isalpha if any(map(str.isalpha, text)) else str.isdigit
    places = [place for place, character in enumerate(text) if is_core(character)]
    if not places:
        return
    # What is further off than an entry is long cannot be a part of one.
    first, behind = places[0], places[-1] + 1
    for end in range(behind, min(len(text), behind + STEM_LENGTHS[-1]) + 1):
        yield text[:end]
        yield text[first:end]
    for start in range(max(0, first - STEM_LENGTHS[-1]), first):
        yield text[start:]
        yield text[start:behind]


def _stems(text: str) -> Iterator[str]:
    """Give the text itself, and whatever it is a repetition of; the last one may be cut."""
    yield text
    for length in STEM_LENGTHS:
        if length >= len(text):
            return
        stem = text[:length]
        if (stem * (len(text) // length + 1)).startswith(text):
            yield stem
