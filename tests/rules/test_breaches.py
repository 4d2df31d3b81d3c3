import ast
import sys

import pytest

from tests.rules.breaches import (
    MOCK,
    MONKEY,
    Rule,
    clock_and_chance,
    floats,
    patching,
    skipping,
    waiting,
)
from tests.rules.source import Source, parse, sources

MAY_READ_CLOCK_AND_CHANCE = (
    "app/adapters/memory/store.py",  # leaves to chance what the ports leave open
    "app/adapters/security/",
    "app/adapters/system.py",
)
CORE_MAY_IMPORT = {
    "app/domain/": {"app"},
    "app/ports/": {"app"},
    "app/services/": {"app", "anyio"},
}
WORLDLY = {"asyncio", "os", "io", "pathlib", "socket", "sqlite3", "subprocess", "urllib", "http"}


def prices() -> list[Source]:
    return sources("app/domain/range_units/", "app/domain/range_units.py")


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def test_no_test_patches_anything() -> None:
    assert [line for source in sources("tests/") for line in patching(source)] == []


def test_no_test_sleeps() -> None:
    assert [line for source in sources("tests/") for line in waiting(source)] == []


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    assert [line for source in sources("tests/") for line in skipping(source)] == []


def test_the_clock_ids_and_secrets_are_read_only_by_their_adapters() -> None:
    held = [s for s in sources("app/") if not s.path.startswith(MAY_READ_CLOCK_AND_CHANCE)]
    assert [line for source in held for line in clock_and_chance(source)] == []


def test_the_core_does_not_know_asyncio() -> None:
    core = sources(*CORE_MAY_IMPORT)
    assert [
        source.path
        for source in core
        if any(origin.split(".")[0] == "asyncio" for origin in source.imports.values())
    ] == []


def test_the_core_imports_only_what_is_pure() -> None:
    """A list of what may be, not of what may not: a new library is not forgotten on it."""
    pure = sys.stdlib_module_names - WORLDLY
    found = [
        f"{source.path}: {name}"
        for folder, more in CORE_MAY_IMPORT.items()
        for source in sources(folder)
        for node in source.nodes
        for name in imported(node)
        if name.partition(".")[0] not in pure | more
    ]
    assert found == []


def test_prices_are_never_floats() -> None:
    assert [line for source in prices() for line in floats(source)] == []


def test_there_are_prices_to_hold() -> None:
    assert prices() != []


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (patching, f"import unittest.{MOCK}"),
        (patching, f"import unittest.{MOCK} as m"),
        (patching, f"from unittest import {MOCK}"),
        (patching, f"from unittest.{MOCK} import ANY"),
        (patching, f"def test({MONKEY}): ..."),
        (patching, "pytest.MonkeyPatch.context()"),
        (patching, f"@pytest.mark.usefixtures('{MONKEY}')\ndef test(): ..."),
        (waiting, "import time\ntime.sleep(0)"),
        (waiting, "from time import sleep as nap\nnap(1)"),
        (waiting, "import anyio\nanyio.sleep(0.1)"),
        (waiting, "import anyio\nanyio.sleep(delay=1)"),
        (skipping, "import pytest\npytest.skip('later')"),
        (skipping, "import pytest\n@pytest.mark.xfail\ndef test(): ..."),
        (clock_and_chance, "from datetime import UTC, datetime\ndatetime.now(UTC)"),
        (clock_and_chance, "import datetime as dt\ndt.datetime.now()"),
        (clock_and_chance, "from uuid import uuid4\nfield(default_factory=uuid4)"),
        (clock_and_chance, "import secrets\nsecrets.token_bytes(8)"),
        (clock_and_chance, "from random import choice\nchoice([1])"),
        (clock_and_chance, "import sqlalchemy as sa\nsa.func.now()"),
        (floats, "half = 0.5"),
        (floats, "price = float('1')"),
        (floats, "def of(price: int | float): ..."),
        (floats, "def of() -> list[float]: ..."),
    ],
)
def test_a_rule_sees_what_breaks_it(rule: Rule, line: str) -> None:
    assert list(rule(parse("tests/example.py", line)))


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (patching, "client.patch('/v1/users/1')"),
        (waiting, "import anyio\nanyio.sleep(0)"),
        (waiting, "import anyio\nanyio.sleep_forever()"),
        (skipping, "lines.skip(1)"),
        (clock_and_chance, "clock.now()"),
        (clock_and_chance, "from datetime import datetime\ndatetime.fromisoformat('')"),
        (floats, "isinstance(price, float)"),
    ],
)
def test_a_rule_leaves_the_rest_alone(rule: Rule, line: str) -> None:
    assert list(rule(parse("tests/example.py", line))) == []
