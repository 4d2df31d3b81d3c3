"""The rules of the design that no linter holds, read off the source.

How an adapter is told from any other class: it names its port as a base, `class SqlUsers(Users)`.
How a contract is told: a class under `tests/contracts` says `port: ClassVar[type] = Users`.
How a run of it is told: a `Test…` class inherits the contract and says
`adapter: ClassVar[type] = SqlUsers`.
"""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]

MAY_READ_CLOCK_AND_CHANCE = ("app/adapters/security/", "app/adapters/system.py")
MAY_YIELD_IN_A_POLL = ("tests/postgres.py",)
MOST_METHODS = 7

CLOCK_AND_CHANCE = {
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "os.urandom",
    "sqlalchemy.func.current_timestamp",
    "sqlalchemy.func.now",
    "time.monotonic",
    "time.monotonic_ns",
    "time.time",
    "time.time_ns",
} | {
    f"{package}.uuid{version}"
    for package in ("uuid", "uuid_utils", "uuid_utils.compat")
    for version in (1, 4, 6, 7)
}
MODULES_OF_CHANCE = ("random.", "secrets.")

# Put together from parts, so that a search of the tests for these words finds those who use them.
MOCK = "mo" + "ck"
MONKEY = "monkey" + "patch"
PATCHING = {
    *(f"{kind}{MOCK.title()}" for kind in ("", "Async", "Magic", "NonCallable", "Property")),
    "MonkeyPatch",
    "create_autospec",
    MOCK,
    f"{MOCK}er",
    MONKEY,
    "patch",
    f"pytest_{MOCK}",
    f"unittest.{MOCK}",
}

SLEEPS = {"anyio.sleep", "asyncio.sleep", "trio.sleep"}
SKIPS = {"importorskip", "skip", "skipif", "xfail"}


class Source(NamedTuple):
    path: str
    module: str
    tree: ast.Module
    imports: Mapping[str, str]

    def at(self, node: ast.AST) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 0)}"

    def origin(self, node: ast.AST) -> str:
        """Return where a name comes from, such as `datetime.datetime.now`; empty if not known."""
        head, _, rest = _dotted(node).partition(".")
        known = self.imports.get(head, "")
        return f"{known}.{rest}" if known and rest else known

    def defined(self, node: ast.AST) -> str:
        """Return the full name of a class that is spoken of here."""
        return _defined_at(self.origin(node) or f"{self.module}.{_dotted(node)}")


class Class(NamedTuple):
    source: Source
    node: ast.ClassDef

    @property
    def bases(self) -> set[str]:
        return {self.source.defined(_without_parameters(base)) for base in self.node.bases}

    @property
    def methods(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        return [
            item
            for item in self.node.body
            if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)
            if item.name == "__call__" or not item.name.startswith("_")
        ]

    def attribute(self, name: str) -> str:
        """Return which class `name: … = Thing` in the body refers to; empty if there is none."""
        for item in self.node.body:
            match item:
                case (
                    ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value)
                    | ast.Assign(targets=[ast.Name(id=target)], value=value)
                ) if target == name:
                    return self.source.defined(value)
                case _:
                    pass
        return ""


def _dotted(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute) if _dotted(value):
            return f"{_dotted(value)}.{attribute}"
        case _:
            return ""


def _without_parameters(base: ast.expr) -> ast.expr:
    return base.value if isinstance(base, ast.Subscript) else base


def _imports(tree: ast.Module, package: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                found[alias.asname or name] = name
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                found[alias.asname or alias.name] = f"{start}.{alias.name}"
    return found


def _parse(path: str, text: str) -> Source:
    parts = path.removesuffix(".py").split("/")
    package = parts[:-1]
    module = ".".join(package if parts[-1] == "__init__" else parts)
    tree = ast.parse(text, path)
    return Source(path, module, tree, _imports(tree, package))


@cache
def _all_sources() -> Mapping[str, Source]:
    files = (file for top in ("app", "tests") for file in sorted((ROOT / top).rglob("*.py")))
    sources = (
        _parse(file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8"))
        for file in files
    )
    return {source.module: source for source in sources}


def _sources(*under: str) -> list[Source]:
    return [source for source in _all_sources().values() if source.path.startswith(under)]


def _defined_at(name: str) -> str:
    """Follow a re-exported name to the module that defines it."""
    module, _, last = name.rpartition(".")
    source = _all_sources().get(module)
    onward = source.imports.get(last) if source else None
    return _defined_at(onward) if onward and onward != name else name


@cache
def _classes(*under: str) -> Mapping[str, Class]:
    return {
        f"{source.module}.{node.name}": Class(source, node)
        for source in _sources(*under)
        for node in source.tree.body
        if isinstance(node, ast.ClassDef)
    }


def _lineage(name: str) -> set[str]:
    """Return a class and all it inherits from, as far as this project defines it."""
    known = _classes("app/", "tests/").get(name)
    return {name}.union(*(_lineage(base) for base in known.bases)) if known else {name}


def _ports() -> dict[str, Class]:
    return {
        name: port
        for name, port in _classes("app/ports/").items()
        if "typing.Protocol" in port.bases
    }


def _adapters() -> set[tuple[str, str]]:
    """Return pairs of port and adapter; a class named `_Like` this is a part of one."""
    return {
        (port, name)
        for name, adapter in _classes("app/adapters/").items()
        if not adapter.node.name.startswith("_")
        for port in _lineage(name) & _ports().keys()
    }


def _attributes(lineage: set[str], attribute: str) -> set[str]:
    tests = _classes("tests/")
    return {tests[name].attribute(attribute) for name in lineage & tests.keys()} - {""}


def _runs() -> set[tuple[str, str]]:
    return {
        (port, adapter)
        for name, test in _classes("tests/unit/", "tests/integration/").items()
        if test.node.name.startswith("Test")
        for port in _attributes(_lineage(name), "port")
        for adapter in _attributes(_lineage(name), "adapter")
    }


def _words(node: ast.AST) -> set[object]:
    """Return the names a node brings in or uses; a string counts where it names a fixture."""
    match node:
        case ast.Import(names=aliases):
            return {*(alias.name for alias in aliases)}
        case ast.ImportFrom(module=module, names=aliases):
            names = [alias.name for alias in aliases]
            return {module, *names, *(f"{module}.{name}" for name in names)}
        case (
            ast.Name(id=name)
            | ast.arg(arg=name)
            | ast.FunctionDef(name=name)
            | ast.AsyncFunctionDef(name=name)
        ):
            return {name}
        case ast.Attribute(attr=name):
            # `client.patch(...)` sends an HTTP PATCH; the other one is told by its module.
            return {name} if name != "patch" else set()
        case ast.Call(func=ast.Attribute(attr="usefixtures" | "getfixturevalue"), args=arguments):
            return {word.value for word in arguments if isinstance(word, ast.Constant)}
        case _:
            return set()


def _patching(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if words := _words(node) & PATCHING:
            yield f"{source.at(node)} {words}"


def _clock_and_chance(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        name = source.origin(node)
        if name in CLOCK_AND_CHANCE or name.startswith(MODULES_OF_CHANCE):
            yield f"{source.at(node)} {name}"


def _waiting(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call):
            continue
        match node.args:
            case [ast.Constant(value=0)] if not node.keywords:
                yields_only = True
            case _:
                yields_only = False
        name = source.origin(node.func)
        blocks = name == "time.sleep" and not (yields_only and source.path in MAY_YIELD_IN_A_POLL)
        if blocks or (name in SLEEPS and not yields_only):
            yield f"{source.at(node)} {name}"


def _skipping(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        origin = source.origin(node).split(".")
        if origin[0] in {"pytest", "unittest"} and origin[-1] in SKIPS:
            yield source.at(node)


def _floats(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        match node:
            case ast.Constant(value=float()) | ast.Call(func=ast.Name(id="float")):
                yield source.at(node)
            case (
                ast.arg(annotation=ast.expr() as annotation)
                | ast.AnnAssign(annotation=annotation)
                | ast.FunctionDef(returns=ast.expr() as annotation)
                | ast.AsyncFunctionDef(returns=ast.expr() as annotation)
            ) if "float" in {_dotted(part) for part in ast.walk(annotation)}:
                yield source.at(node)
            case _:
                pass


def _is_property(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return "property" in map(_dotted, method.decorator_list)


def _takes_more_than_keywords(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    arguments = method.args
    return len(arguments.posonlyargs + arguments.args) > 1 or arguments.vararg is not None


def test_no_test_patches_anything() -> None:
    assert [line for source in _sources("tests/") for line in _patching(source)] == []


def test_no_test_sleeps() -> None:
    assert [line for source in _sources("tests/") for line in _waiting(source)] == []


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    assert [line for source in _sources("tests/") for line in _skipping(source)] == []


def test_the_clock_ids_and_secrets_are_read_only_by_their_adapters() -> None:
    held = [s for s in _sources("app/") if not s.path.startswith(MAY_READ_CLOCK_AND_CHANCE)]
    assert [line for source in held for line in _clock_and_chance(source)] == []


def test_the_core_does_not_know_asyncio() -> None:
    core = _sources("app/domain/", "app/ports/", "app/services/")
    assert [
        source.path
        for source in core
        if any(origin.split(".")[0] == "asyncio" for origin in source.imports.values())
    ] == []


def test_prices_are_never_floats() -> None:
    held = _sources("app/domain/range_units/", "app/domain/range_units.py")
    assert [line for source in held for line in _floats(source)] == []


def test_a_port_has_at_most_seven_methods() -> None:
    assert [
        name
        for name, port in _ports().items()
        if sum(not _is_property(method) for method in port.methods) > MOST_METHODS
    ] == []


def test_the_methods_of_a_port_take_keywords_only() -> None:
    assert [
        f"{port.source.at(method)} {method.name}"
        for port in _ports().values()
        for method in port.methods
        if _takes_more_than_keywords(method)
    ] == []


def test_a_port_and_each_of_its_methods_says_what_it_promises() -> None:
    assert [
        f"{port.source.at(node)} {node.name}"
        for port in _ports().values()
        for node in [port.node, *port.methods]
        if not ast.get_docstring(node)
    ] == []


def test_every_port_has_a_contract() -> None:
    contracts = {contract.attribute("port") for contract in _classes("tests/contracts/").values()}
    assert sorted(_ports().keys() - contracts) == []


def test_every_port_has_an_adapter_that_names_it_as_a_base() -> None:
    assert sorted(_ports().keys() - {port for port, _ in _adapters()}) == []


def test_every_adapter_runs_the_contract_of_each_of_its_ports() -> None:
    assert sorted(_adapters() - _runs()) == []


def test_importing_the_composition_root_does_nothing(tmp_path: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import app.bootstrap"
    ended = subprocess.run(  # noqa: S603 - our own interpreter and our own line
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr == ""
    assert (ended.returncode, ended.stdout) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_these_rules_find_something_to_hold() -> None:
    found = {
        "ports": _ports(),
        "contracts": _classes("tests/contracts/"),
        "adapters": _adapters(),
        "prices": _sources("app/domain/range_units"),
    }
    assert [name for name, things in found.items() if not things] == []


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (_patching, f"import unittest.{MOCK}"),
        (_patching, f"import unittest.{MOCK} as m"),
        (_patching, f"from unittest import {MOCK}"),
        (_patching, f"from unittest.{MOCK} import ANY"),
        (_patching, f"def test({MONKEY}): ..."),
        (_patching, "pytest.MonkeyPatch.context()"),
        (_patching, f"@pytest.mark.usefixtures('{MONKEY}')\ndef test(): ..."),
        (_waiting, "import time\ntime.sleep(0)"),
        (_waiting, "from time import sleep as nap\nnap(1)"),
        (_waiting, "import anyio\nanyio.sleep(0.1)"),
        (_waiting, "import anyio\nanyio.sleep(delay=1)"),
        (_skipping, "import pytest\npytest.skip('later')"),
        (_skipping, "import pytest\n@pytest.mark.xfail\ndef test(): ..."),
        (_clock_and_chance, "from datetime import UTC, datetime\ndatetime.now(UTC)"),
        (_clock_and_chance, "import datetime as dt\ndt.datetime.now()"),
        (_clock_and_chance, "from uuid import uuid4\nfield(default_factory=uuid4)"),
        (_clock_and_chance, "import secrets\nsecrets.token_bytes(8)"),
        (_clock_and_chance, "from random import choice\nchoice([1])"),
        (_clock_and_chance, "import sqlalchemy as sa\nsa.func.now()"),
        (_floats, "half = 0.5"),
        (_floats, "price = float('1')"),
        (_floats, "def of(price: int | float): ..."),
        (_floats, "def of() -> list[float]: ..."),
    ],
)
def test_a_rule_sees_what_breaks_it(rule: Callable[[Source], Iterator[str]], line: str) -> None:
    assert list(rule(_parse("tests/example.py", line)))


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (_patching, "client.patch('/v1/users/1')"),
        (_waiting, "import anyio\nanyio.sleep(0)"),
        (_waiting, "import anyio\nanyio.sleep_forever()"),
        (_skipping, "lines.skip(1)"),
        (_clock_and_chance, "clock.now()"),
        (_clock_and_chance, "from datetime import datetime\ndatetime.fromisoformat('')"),
        (_floats, "isinstance(price, float)"),
    ],
)
def test_a_rule_leaves_the_rest_alone(rule: Callable[[Source], Iterator[str]], line: str) -> None:
    assert list(rule(_parse("tests/example.py", line))) == []


CORE_MAY_IMPORT = {
    "app/domain/": {"app"},
    "app/ports/": {"app"},
    "app/services/": {"app", "anyio"},
}
WORLDLY = {"asyncio", "os", "io", "pathlib", "socket", "sqlite3", "subprocess", "urllib", "http"}


def test_the_core_imports_only_what_is_pure() -> None:
    """A list of what may be, not of what may not: a new library is not forgotten on it."""
    pure = sys.stdlib_module_names - WORLDLY
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for folder, more in CORE_MAY_IMPORT.items()
        for path in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in _imported(node)
        if name.partition(".")[0] not in pure | more
    ]
    assert found == []


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []
