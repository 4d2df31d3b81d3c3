import re

import pytest

from app.adapters.cli.output import print_json, print_line, print_table


def test_nothing_but_text_goes_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(["name"], [{"name": "[bold]x[/bold] 7 'quoted' https://example.org"}])
    expected = "name\n[bold]x[/bold] 7 'quoted' https://example.org\n"
    assert re.sub(" +\n", "\n", capsys.readouterr().out) == expected


def test_numbers_stand_on_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["price"], [{"price": "1"}, {"price": "116455500"}], numbers=["price"])
    assert capsys.readouterr().out == "    price\n        1\n116455500\n"


def test_a_table_without_rows_has_its_headings(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["a", "b"], [])
    assert capsys.readouterr().out.split() == ["a", "b"]


def test_a_line_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_line("a\nb\u2028c\x07")
    assert capsys.readouterr().out == "a\\nb\\u2028c\\x07\n"


def test_a_document_survives_what_no_encoding_has(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "a\ud800\x1b\u202e틱"})
    assert capsys.readouterr().out == '{\n  "name": "a\\ud800\\u001b\\u202e\\ud2f1"\n}\n'
