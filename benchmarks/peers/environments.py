"""The peers: real packages, each set in an environment of its own with its versions pinned."""

import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
HERE: Final = Path(__file__).parent
ENVIRONMENTS: Final = ROOT / ".bench"


def directory_of(peer: str) -> Path:
    """Give where a peer's program is."""
    return HERE / peer


def python_of(peer: str) -> Path:
    """Give the interpreter of a peer's environment."""
    return ENVIRONMENTS / peer / "bin" / "python"


def prepare(peer: str) -> None:
    """Make a peer's environment, unless it is there with the same pins."""
    place = ENVIRONMENTS / peer
    pins = directory_of(peer) / "requirements.txt"
    stamp = place / "pins"
    if not stamp.exists() or stamp.read_bytes() != pins.read_bytes():
        _run(sys.executable, "-m", "venv", "--clear", place)
        pip = (python_of(peer), "-m", "pip", "-qq", "--disable-pip-version-check", "--no-input")
        _run(*pip, "install", "--no-deps", "-r", pins)
        stamp.write_bytes(pins.read_bytes())


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, timeout=900)  # noqa: S603 - commands of our own
