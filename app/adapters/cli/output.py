"""How answers leave the command line: tables for people, one JSON document for programs.

Texts come from strangers: a username that was typed at a login, the source of a payload. None of
them may move the cursor, ring the bell or be taken for markup.
"""

import json
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime

import typer

# A pipe or a file has no width: nothing is folded there.
WIDTH_OF_A_FILE = 1_000_000


def print_json(document: Mapping[str, object]) -> None:
    """Write the one document of a command. It is all ASCII, which any terminal can take."""
    typer.echo(json.dumps(document, indent=2, default=_text))


def write_text(text: str) -> None:
    """Write a text that is made for programs as it is, in UTF-8 whatever the terminal speaks."""
    typer.echo(text.encode(), nl=False)


def print_line(text: str) -> None:
    """Write a line for people."""
    typer.echo(_encodable(harmless(text)))


def print_table(
    columns: Sequence[str],
    documents: Iterable[Mapping[str, object]],
    *,
    numbers: Collection[str] = (),
) -> None:
    """Write some fields of documents as a table for people, `numbers` aligned on the right."""
    # What draws is imported by those who draw: a server, which never does, starts without.
    from rich.console import Console  # noqa: PLC0415 - see above
    from rich.table import Table  # noqa: PLC0415 - see above
    from rich.text import Text  # noqa: PLC0415 - see above

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(
            Text(column), justify="right" if column in numbers else "left", overflow="fold"
        )
    for document in documents:
        cells = (_encodable(harmless(shown(document[column]))) for column in columns)
        table.add_row(*map(Text, cells))
    is_terminal = sys.stdout.isatty()
    width = None if is_terminal else WIDTH_OF_A_FILE
    Console(width=width, force_terminal=is_terminal).print(table)


def complain(message: str) -> None:
    """Write one line on standard error."""
    typer.echo(f"tickgate: {harmless(message)}", err=True)


def harmless(text: str) -> str:
    """Escape what is not printable: control and format characters, line breaks, surrogates."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def rfc3339(at: datetime) -> str:
    """Write an instant in UTC: `2026-01-02T03:04:05Z`."""
    return at.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def shown(value: object) -> str:
    """Write a value for people: times to the second, nothing as a dash."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return rfc3339(value.replace(microsecond=0))
        case _:
            return str(value)


def _text(value: object) -> str:
    return rfc3339(value) if isinstance(value, datetime) else str(value)


def _encodable(text: str) -> str:
    encoding = sys.stdout.encoding
    return text.encode(encoding, "backslashreplace").decode(encoding)
