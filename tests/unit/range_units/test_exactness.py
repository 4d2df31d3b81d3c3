"""No number of range units is ever a binary float: declared, made, kept, shown or read as one."""

import ast
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from importlib import import_module
from inspect import cleandoc, isclass, isfunction
from typing import Any, Final, get_args, get_type_hints

import pytest

from app.adapters.exchanges.literal_json import parse
from app.adapters.sql.range_units.revisions import RevisionRow
from app.adapters.sql.types import ExactDecimal
from tests.rules.source import ROOT, Source
from tests.rules.source import parse as parse_source
from tests.unit.http.api import DOCUMENT

WHEN: Final = {"app/adapters/exchanges/budget.py", "app/adapters/exchanges/client.py"}
"""They say when an exchange is asked, in seconds, and hand its replies on as bytes."""

WHERE: Final = (
    "domain/range_units/*.py",
    "services/range_units/*.py",
    "ports/range_units/*.py",
    "adapters/exchanges/*.py",
    "adapters/*/range_units/*.py",
    "adapters/cli/range_units*.py",
)
ON_DATABASES: Final = ("adapters/sql/types.py", "adapters/sql/migrations/versions/*.py")

INEXACT: Final = re.compile(
    r"\w*[Ff]loat\w*|REAL|Real|[Dd]ouble|DOUBLE(_PRECISION)?|NUMERIC|JSONB?"
    "|truediv|total_seconds|timestamp"
)
"""Types, and what makes floats: SQLAlchemy's JSON has no other numbers."""

MODULES: Final = {
    *("array", "cmath", "math", "numpy", "pandas", "random", "statistics", "struct"),
    *("msgspec", "orjson", "rapidjson", "simplejson", "ujson", "yaml"),
}
"""They calculate in floats, or read JSON as if there were nothing else."""

READERS: Final = {"JSONDecoder", "load", "loads"}
PYDANTIC_READERS: Final = {"from_json", "json", "model_validate_json", "parse_raw", "validate_json"}


@cache
def files_at(*places: str) -> list[Source]:
    files = {file for where in places for file in (ROOT / "app").glob(where)}
    paths = {file.relative_to(ROOT).as_posix() for file in files} - WHEN
    return [parse_source(path, (ROOT / path).read_text("utf-8")) for path in sorted(paths)]


def inexact(source: Source) -> Iterator[str]:
    """Give each place where a module names a binary float, is one, or may make one."""
    for node in source.nodes:
        if found := _inexact(node):
            yield f"{source.at(node)} {found}"


def _inexact(node: ast.AST) -> str | None:  # noqa: PLR0911 - a table of cases
    match node:
        case ast.Import(names=aliases):
            return _first(alias.name for alias in aliases if alias.name.split(".")[0] in MODULES)
        case ast.ImportFrom(module=str(module)) if module.split(".")[0] in MODULES:
            return module
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
            return name if INEXACT.fullmatch(name) else None
        case ast.Constant(value=float() | complex() as number):
            return str(number)
        case ast.Constant(value=str(text)):
            return text if _is_inexact_annotation(text) else None
        case ast.BinOp(op=ast.Div(), right=ast.Constant(value=str()) | ast.JoinedStr()):
            return None  # of a path
        case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
            return "a quotient of integers is a float"
        case ast.BinOp(op=ast.Pow(), right=ast.UnaryOp(op=ast.USub())):
            return "a power below one is a float"
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), keywords=keywords):
            return _reads_floats(name, keywords)
        case _:
            return None


def _first(names: Iterator[str]) -> str | None:
    return next(names, None)


def _is_inexact_annotation(text: str) -> bool:
    """Whether a text may be an annotation, such as `"float | None"`, and of what kind."""
    try:
        nodes = ast.walk(ast.parse(text, mode="eval"))
    except (SyntaxError, ValueError):
        return False
    return any(isinstance(node, ast.Name) and node.id == "float" for node in nodes)


def _reads_floats(name: str, keywords: list[ast.keyword]) -> str | None:
    said = {each.arg for each in keywords if not isinstance(each.value, ast.Constant)}
    is_exact = {"parse_float", "parse_int"} <= said
    if name in PYDANTIC_READERS or (name in READERS and not is_exact):
        return "JSON numbers become floats"
    return None


def test_nothing_about_range_units_names_or_makes_a_float() -> None:
    modules = files_at(*WHERE, *ON_DATABASES)
    assert len(modules) > 80
    assert [one for source in modules for one in inexact(source)] == []


@pytest.mark.parametrize(
    "code",
    [
        "def unit(price: float) -> None: ...",
        "def unit(price: 'float | None') -> None: ...",
        "units: dict[str, list[float | None]]",
        "unit: PositiveFloat",
        "unit: Annotated[Decimal, confloat(gt=0)]",
        "column = sa.Float()",
        "column = mapped_column(Double)",
        "column = mapped_column(JSON)",
        "half = 0.5",
        "half = 1 / 2",
        "price /= 2",
        "unit = 10 ** -8",
        "price = Decimal(0.1)",
        "price = Decimal.from_float(price)",
        "price = operator.truediv(low, 2)",
        "from math import sqrt",
        "import orjson as json",
        "json.loads(payload)",
        "json.loads(payload, parse_int=str)",
        "json.loads(payload, parse_int=None, parse_float=None)",
        "from json import loads\nloads(payload)",
        "json.JSONDecoder().decode(payload)",
        "reply.json()",
        "Reply.model_validate_json(payload)",
        "age = units.age.total_seconds()",
    ],
)
def test_a_float_is_found_wherever_it_stands(code: str) -> None:
    assert list(inexact(parse_source("app/module.py", code))) != []


def test_what_is_exact_is_left_alone() -> None:
    code = """
        folder = resources.files("app") / "ladders"
        failures = " / ".join(failures)
        read = json.loads(payload, parse_float=Decimal, parse_int=Decimal)
        half, scaled = number // 2, 10 ** scale
    """
    assert list(inexact(parse_source("app/module.py", cleandoc(code)))) == []


# -- the same, asked of what there is when it runs -------------------------------------------------


def types_in(annotation: Any) -> Iterator[Any]:
    """Give an annotation, and all that it is put together from."""
    yield annotation
    for part in get_args(annotation):
        yield from types_in(part)


def test_no_annotation_turns_out_to_be_a_float() -> None:
    """A name from elsewhere may mean one."""
    found = []
    for source in files_at(*WHERE):
        module = import_module(source.module)
        own = [
            one for one in vars(module).values() if getattr(one, "__module__", "") == source.module
        ]
        methods = [method for one in own if isclass(one) for method in vars(one).values()]
        for one in [*own, *methods]:
            if isclass(one) or isfunction(one):
                hints = get_type_hints(one, include_extras=True)
                found += [
                    f"{source.path} {one.__qualname__} {name}"
                    for name, hint in hints.items()
                    if float in types_in(hint)
                ]
    assert found == []


def test_every_number_that_is_kept_is_an_integer_or_an_exact_decimal() -> None:
    columns = [column for table in RevisionRow.metadata.tables.values() for column in table.columns]
    inexact = [
        str(column)
        for column in columns
        if column.type.python_type in {float, Decimal} and not isinstance(column.type, ExactDecimal)
    ]
    assert inexact == []
    assert sum(isinstance(column.type, ExactDecimal) for column in columns) > 4


def test_the_document_of_the_api_has_no_number_but_integers_and_text() -> None:
    def numbers(part: Any, path: str) -> Iterator[str]:
        if isinstance(part, dict):
            if "number" in (part.get("type"), *part.get("type", [])):
                yield path
            part = dict(part)
        elif isinstance(part, list):
            part = dict(enumerate(part))
        else:
            return
        for name, each in part.items():
            yield from numbers(each, f"{path}/{name}")

    assert list(numbers(DOCUMENT, "")) == []


# -- replies ---------------------------------------------------------------------------------------


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
