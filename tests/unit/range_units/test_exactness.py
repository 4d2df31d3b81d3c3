"""No number of range units is ever a binary float: not declared as one, and not read as one."""

import ast
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import pytest

from app.adapters.exchanges.literal_json import parse
from tests.rules.source import ROOT

WHERE: Final = (
    "app/domain/range_units/**/*.py",
    "app/services/range_units/**/*.py",
    "app/ports/range_units/**/*.py",
    "app/adapters/exchanges/**/*.py",
    "app/adapters/http/range_units/**/*.py",
    "app/adapters/memory/range_units/**/*.py",
    "app/adapters/sql/range_units/**/*.py",
    "app/adapters/cli/range_units*.py",
)
INEXACT: Final = {"float", "Float", "REAL", "Double", "DOUBLE", "double", "total_seconds"}
WHEN: Final = {"app/adapters/exchanges/budget.py", "app/adapters/exchanges/client.py"}
"""They say when an exchange is asked, in seconds, and hand its replies on as bytes."""


def inexact(path: str, code: str) -> Iterator[str]:
    """Give every name of a binary float in a module, and every literal that is one."""
    for node in ast.walk(ast.parse(code)):
        name = getattr(node, "id", None) or getattr(node, "attr", None)
        if name in INEXACT:
            yield f"{path}:{getattr(node, 'lineno', 0)} {name}"
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield f"{path}:{node.lineno} {node.value}"
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"json.loads", "json.load"}:
            said = {keyword.arg for keyword in node.keywords}
            if not {"parse_float", "parse_int"} <= said:
                yield f"{path}:{node.lineno} JSON numbers become floats"


def test_nothing_about_range_units_names_a_float() -> None:
    modules = {path for where in WHERE for path in ROOT.glob(where)} - {*map(ROOT.joinpath, WHEN)}
    assert len(modules) > 30
    found = [
        one
        for path in sorted(modules)
        for one in inexact(str(path.relative_to(ROOT)), path.read_text("utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "def unit(price: float) -> None: ...",
        "units: dict[str, list[float | None]]",
        "column = sa.Float()",
        "half = 0.5",
        "json.loads(payload)",
        "age = units.age.total_seconds()",
    ],
)
def test_a_float_is_found_wherever_it_stands(code: str) -> None:
    assert list(inexact("module.py", code)) != []


def numbers_in(content: Any) -> Iterator[object]:
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        for each in content:
            yield from numbers_in(each)
    elif not isinstance(content, str | bool | None):
        yield content


def test_every_number_of_a_reply_is_the_decimal_that_is_written_there() -> None:
    texts = ["0.1", "1e-18", "5", "0.1000000000000000055511151231257827", "9" * 36]
    reply = json.dumps({"a": [{"b": "@"}, "@"]}).replace('"@"', "%s")
    for text in texts:
        read = list(numbers_in(parse((reply % (text, text)).encode())))
        assert read == [Decimal(text)] * 2
        assert {type(number) for number in read} == {Decimal}
