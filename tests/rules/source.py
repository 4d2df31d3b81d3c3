"""The source of the project: each file parsed once, each name followed to where it comes from."""

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Source(NamedTuple):
    path: str
    module: str
    tree: ast.Module
    nodes: list[ast.AST]
    imports: Mapping[str, str]

    def at(self, node: ast.AST) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 0)}"

    def origin(self, node: ast.AST) -> str:
        """Return where a name comes from, such as `datetime.datetime.now`; empty if not known."""
        head, _, rest = dotted(node).partition(".")
        known = self.imports.get(head, "")
        return f"{known}.{rest}" if known and rest else known

    def defined(self, node: ast.AST) -> str:
        """Return the full name of a class that is spoken of here."""
        return _defined_at(self.origin(node) or f"{self.module}.{dotted(node)}")


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


def dotted(node: ast.AST) -> str:
    """Return the name that an expression is, such as `datetime.now`; empty if it is none."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute) if start := dotted(value):
            return f"{start}.{attribute}"
        case _:
            return ""


def _without_parameters(base: ast.expr) -> ast.expr:
    return base.value if isinstance(base, ast.Subscript) else base


def _imports(nodes: list[ast.AST], package: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in nodes:
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


def parse(path: str, text: str) -> Source:
    parts = path.removesuffix(".py").split("/")
    package = parts[:-1]
    module = ".".join(package if parts[-1] == "__init__" else parts)
    tree = ast.parse(text, path)
    nodes = list(ast.walk(tree))
    return Source(path, module, tree, nodes, _imports(nodes, package))


@cache
def _all_sources() -> Mapping[str, Source]:
    files = (file for top in ("app", "tests") for file in sorted((ROOT / top).rglob("*.py")))
    sources = (
        parse(file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")) for file in files
    )
    return {source.module: source for source in sources}


def sources(*under: str) -> list[Source]:
    """Return every file below the given folders."""
    return [source for source in _all_sources().values() if source.path.startswith(under)]


def _defined_at(name: str) -> str:
    """Follow a re-exported name to the module that defines it."""
    module, _, last = name.rpartition(".")
    source = _all_sources().get(module)
    onward = source.imports.get(last) if source else None
    return _defined_at(onward) if onward and onward != name else name


@cache
def classes(*under: str) -> Mapping[str, Class]:
    """Return every class below the given folders, by its full name."""
    return {
        f"{source.module}.{node.name}": Class(source, node)
        for source in sources(*under)
        for node in source.tree.body
        if isinstance(node, ast.ClassDef)
    }


def lineage(name: str) -> set[str]:
    """Return a class and all it inherits from, as far as this project defines it."""
    known = classes("app/", "tests/").get(name)
    return {name}.union(*(lineage(base) for base in known.bases)) if known else {name}
