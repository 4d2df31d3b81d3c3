"""What the documents list is what there is."""

import doctest
import re
import tomllib
from pathlib import Path

from app.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]


def test_every_direct_dependency_has_a_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.split(r"[^a-z0-9_.-]", requirement.lower())[0] for requirement in wanted}
    rows = (ROOT / "docs" / "dependencies.md").read_text().lower().splitlines()
    described = {row.split("|")[1].strip() for row in rows if row.startswith("| ")} - {"package"}
    assert described == names


def test_every_setting_is_in_the_readme() -> None:
    documented = re.findall(rf"`({PREFIX}[A-Z_]+)`", (ROOT / "README.md").read_text())
    assert set(documented) == {PREFIX + name.upper() for name in Settings.model_fields}


def test_every_command_of_the_readme_is_a_target_or_a_program() -> None:
    makefile = (ROOT / "Makefile").read_text()
    asked = set(re.findall(r"\bmake ([a-z]+)\b", (ROOT / "README.md").read_text()))
    assert asked <= set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


def test_the_locks_name_no_index() -> None:
    for lock in ROOT.glob("*.lock"):
        assert "://" not in lock.read_text()


def test_the_examples_of_the_guide_to_testing_work() -> None:
    guide = ROOT / "docs" / "testing.md"
    failed, tried = doctest.testfile(str(guide), module_relative=False)
    assert (failed, tried > 10) == (0, True)  # pragma: no cover - doctest ends the measuring


def test_every_command_of_the_guide_to_testing_is_a_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    asked = set(re.findall(r"`make ([a-z-]+)", (ROOT / "docs" / "testing.md").read_text()))
    assert asked <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
