import re
from typing import Final

from app.domain.errors import UnstorableText

_NEVER_STORABLE: Final = re.compile("[\0\ud800-\udfff]")


def is_storable(text: str, limit: int) -> bool:
    """Whether every store can keep the text exactly: no NUL, no lone surrogate, not over-long."""
    return len(text) <= limit and _NEVER_STORABLE.search(text) is None


def check_storable(text: str | None, limit: int) -> None:
    """Raise `UnstorableText` where there is a text that no store can keep."""
    if text is not None and not is_storable(text, limit):
        raise UnstorableText(f"A text is longer than {limit} characters, or is not storable.")
