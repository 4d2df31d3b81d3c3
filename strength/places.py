"""Where the code commits, rolls back or shields, read off its syntax, and how to take that away.

A statement that commits or rolls back becomes `pass`. A block under `CancelScope(shield=True)`
runs without it, and so does what is handed to a function that runs an operation in a task of its
own; such a function loses each of its own steps in turn. A transaction that commits by itself,
`engine.begin()`, becomes a plain connection.
"""

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ROLLBACKS = {"rollback", "release"}
_WORDS = {"commit", "rollback", "shield"}


@dataclass(frozen=True)
class Place:
    """A stretch of a file, in bytes, and what it reads once it protects nothing any more."""

    file: Path
    kind: str
    line: int
    was: str
    start: int
    end: int
    becomes: str

    def without(self) -> bytes:
        """Give the file's content without what this place does."""
        source = self.file.read_bytes()
        return source[: self.start] + self.becomes.encode() + source[self.end :]


def places_in(folder: Path) -> list[Place]:
    """Give every place below a folder, in the order of the files.

    Raises `LookupError` where a file speaks of a commit, a rollback or a shield in a way that
    none of the places covers: what is not removed must not pass for held.
    """
    sources = {file: file.read_bytes() for file in sorted(folder.rglob("*.py"))}
    trees = {file: ast.parse(source) for file, source in sources.items()}
    functions = [
        node
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    closers = {function.name for function in functions if _rolls_back(function)}
    runners = {function.name for function in functions if _runs_what_it_is_given(function)}
    found = []
    for file, tree in trees.items():
        reader = _Reader(file, sources[file], closers, runners)
        places = sorted(reader.places(tree), key=lambda place: (place.start, place.kind))
        reader.check_complete(places)
        found += places
    return found


def _rolls_back(function: ast.AST) -> bool:
    return any(_is_rollback(node) for node in ast.walk(function))


def _is_rollback(node: ast.AST) -> bool:
    """Tell `x.rollback`, `lock.release` and `session.close`, called or handed on."""
    if not isinstance(node, ast.Attribute):
        return False
    if node.attr == "close":
        return ast.unparse(node.value).endswith("session")
    return node.attr in _ROLLBACKS


def _runs_what_it_is_given(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Tell a function that does `create_task(operation())` with one of its own parameters."""
    parameters = {argument.arg for argument in function.args.args}
    return any(
        isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith("create_task")
        and isinstance(node.args[0], ast.Call)
        and ast.unparse(node.args[0].func) in parameters
        for node in ast.walk(function)
    )


@dataclass(frozen=True)
class _Reader:
    file: Path
    source: bytes
    closers: set[str]
    runners: set[str]

    def places(self, tree: ast.Module) -> Iterator[Place]:
        """Give the places of one file."""
        for node in ast.walk(tree):
            match node:
                case ast.Expr() if self._names(node, {"commit"}):
                    yield self._place("commit", node, "pass")
                case ast.Expr() if self._names(node, self.closers) or _rolls_back(node):
                    yield self._place("rollback", node, "pass")
                case ast.Call(func=ast.Attribute(value=owner, attr="begin"), args=[]):
                    yield self._place("commit", node, f"{ast.unparse(owner)}.connect()")
                case ast.AsyncFunctionDef(name=name) if name in self.runners:
                    yield from self._steps(node)
                case ast.Call(func=ast.Name(id=name), args=[operation]) if name in self.runners:
                    yield self._place("shield", node, f"{ast.unparse(operation)}()")
                case ast.With(items=[ast.withitem(context_expr=scope, optional_vars=None)]) if (
                    ast.unparse(scope).endswith("CancelScope(shield=True)")
                ):
                    yield self._place("shield", node, "if True:", end=node.body[0])

    def _steps(self, runner: ast.AsyncFunctionDef) -> Iterator[Place]:
        for node in ast.walk(runner):
            if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
                yield self._place("shield", node, "pass")

    def check_complete(self, places: list[Place]) -> None:
        """Compare with the words of the file, as a second reading that knows no syntax."""
        before = ""
        for token in tokenize.tokenize(io.BytesIO(self.source).readline):
            row, column = token.start
            at = self._offset(row, len(token.line[:column].encode()))
            covered = any(place.start <= at < place.end for place in places)
            if token.string in _WORDS and before != "def" and not covered:
                raise LookupError(f"{self.file}:{row} is not removed: {token.line.strip()}")
            before = token.string

    def _names(self, node: ast.AST, names: set[str]) -> bool:
        """Whether something of these names is called or handed on, as a method or a function."""
        return any(
            (isinstance(inner, ast.Attribute) and inner.attr in names)
            or (isinstance(inner, ast.Name) and inner.id in names)
            for inner in ast.walk(node)
        )

    def _place(
        self, kind: str, node: ast.stmt | ast.expr, becomes: str, *, end: ast.stmt | None = None
    ) -> Place:
        start = self._offset(node.lineno, node.col_offset)
        if end is None:
            stop = self._offset(node.end_lineno or 0, node.end_col_offset or 0)
            was = ast.unparse(node)
        else:
            # Up to the block, which stays where it is under a condition that always holds.
            stop = self._offset(end.lineno, 0) - 1
            was = self.source[start:stop].decode().splitlines()[0]
        return Place(self.file, kind, node.lineno, was, start, stop, becomes)

    def _offset(self, line: int, column: int) -> int:
        lines = self.source.splitlines(keepends=True)
        return sum(map(len, lines[: line - 1])) + column
