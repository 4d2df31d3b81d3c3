"""Where a file does what its place in the design forbids."""

import ast
from collections.abc import Callable, Iterator

from tests.rules.source import Source, dotted

Rule = Callable[[Source], Iterator[str]]
"""Gives each place where a file breaks a rule."""

MAY_YIELD_IN_A_POLL = ("tests/postgres.py",)

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


def patching(source: Source) -> Iterator[str]:
    for node in source.nodes:
        if words := _words(node) & PATCHING:
            yield f"{source.at(node)} {words}"


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


def waiting(source: Source) -> Iterator[str]:
    for node in source.nodes:
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


def skipping(source: Source) -> Iterator[str]:
    for node in source.nodes:
        origin = source.origin(node).split(".")
        if origin[0] in {"pytest", "unittest"} and origin[-1] in SKIPS:
            yield source.at(node)


def clock_and_chance(source: Source) -> Iterator[str]:
    for node in source.nodes:
        name = source.origin(node)
        if name in CLOCK_AND_CHANCE or name.startswith(MODULES_OF_CHANCE):
            yield f"{source.at(node)} {name}"


def floats(source: Source) -> Iterator[str]:
    for node in source.nodes:
        match node:
            case ast.Constant(value=float()) | ast.Call(func=ast.Name(id="float")):
                yield source.at(node)
            case (
                ast.arg(annotation=ast.expr() as annotation)
                | ast.AnnAssign(annotation=annotation)
                | ast.FunctionDef(returns=ast.expr() as annotation)
                | ast.AsyncFunctionDef(returns=ast.expr() as annotation)
            ) if "float" in {dotted(part) for part in ast.walk(annotation)}:
                yield source.at(node)
            case _:
                pass
