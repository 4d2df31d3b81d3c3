"""What is an extra is not needed to start."""

import ast

from tests.rules.source import sources

OF_THE_EXTRA = ("app/adapters/http/spans.py", "app/adapters/sql/spans.py")


def test_nothing_imports_what_only_an_extra_brings_unless_it_is_asked_for() -> None:
    modules = {path.removesuffix(".py").replace("/", ".") for path in OF_THE_EXTRA}
    found = [
        source.at(node)
        for source in sources("app/")
        if source.path not in OF_THE_EXTRA
        for node in source.tree.body  # not within functions, nor for the type checker alone
        for name in _imported(node)
        if name.startswith("opentelemetry") or name in modules
    ]
    assert found == []


def _imported(node: ast.stmt) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module)):
            return [module]
        case _:
            return []
