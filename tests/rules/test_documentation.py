"""What the documents list is what there is."""

import ast
import doctest
import re
import tomllib
from collections import Counter
from itertools import chain
from pathlib import Path

from app.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
REQUIREMENT = re.compile(
    r"^\| (\d+)(\.\d+\.\d+) \| ([123]) \| [^|]+ \| \*\*(met|n/a|open)\*\* \| [^|]+ \|$",
    re.MULTILINE,
)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
SUMMARY = re.compile(r"^\| V(\d+) [^|]+((?:\| \d+ )+)\|$", re.MULTILINE)


def test_every_direct_dependency_has_a_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    wanted += chain.from_iterable(project["project"]["optional-dependencies"].values())
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


def test_every_test_that_the_page_on_security_names_is_there() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    named = set(re.findall(r"([^\s`]*)::([^\s`]*)", page))
    there = {
        (str(file.relative_to(ROOT)), node.name)
        for file in (ROOT / "tests").rglob("*.py")
        if str(file.relative_to(ROOT)) in {name for name, _ in named}
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert sorted(named - there) == []


def test_the_page_on_security_has_every_requirement_once() -> None:
    rows = REQUIREMENT.findall((ROOT / "docs" / "security.md").read_text())
    found = Counter(chapter + rest for chapter, rest, *_ in rows)
    assert found == dict.fromkeys(found, 1)


def test_the_page_on_security_counts_its_requirements() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    counted: dict[str, Counter[str]] = {}
    for chapter, _, level, state in REQUIREMENT.findall(page):
        counted.setdefault(chapter, Counter()).update([level, state])
    columns = ("1", "2", "3", "met", "n/a", "open")
    told = {
        chapter: [int(n) for n in re.findall(r"\d+", row)] for chapter, row in SUMMARY.findall(page)
    }
    assert told == {chapter: [found[c] for c in columns] for chapter, found in counted.items()}


def test_every_page_is_in_the_list_of_pages() -> None:
    listed = set(LINK.findall((ROOT / "docs" / "README.md").read_text()))
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages - listed == set()


def test_every_link_between_pages_leads_somewhere() -> None:
    lost = [
        f"{page.relative_to(ROOT)}: {link}"
        for pattern in ("*.md", "docs/*.md", "examples/**/*.md")
        for page in ROOT.glob(pattern)
        for link in LINK.findall(page.read_text())
        if "://" not in link and not (page.parent / link).exists()
    ]
    assert lost == []
