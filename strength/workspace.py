"""A copy of the project to break things in, so that nothing is broken where people work."""

import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# What a machine made or keeps to itself; whatever begins with a dot stays behind as well.
_NOT_COPIED = ("__pycache__", "build", "data", "dist", "htmlcov", "mutants")


def copy_project(into: Path) -> None:
    """Make a folder that holds the project, its tests and the documents that tests read."""
    into.mkdir(exist_ok=True)
    for entry in ROOT.iterdir():
        if entry.name.startswith(".") or entry.name in _NOT_COPIED:
            continue
        if entry.is_dir():
            shutil.copytree(entry, into / entry.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(entry, into / entry.name)


def environment_of(copy: Path) -> dict[str, str]:
    """Give an environment in which `import app` finds the copy, not the installed project."""
    return {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
