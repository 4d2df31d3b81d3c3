"""Files of keys: read by their owner only, and there as a whole or not at all."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path


class KeysUnreadable(Exception):
    """The directory of keys does not hold what is needed; the message says why."""


def write_once(file: Path, content: bytes) -> None:
    """Write a file unless it is there: of several processes at once, one does.

    Its directory is made where there is none, open to its owner only.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(prefix=f".{file.stem}.", dir=file.parent)  # mode 0600
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    with suppress(FileExistsError):
        os.link(draft, file)
    Path(draft).unlink()
