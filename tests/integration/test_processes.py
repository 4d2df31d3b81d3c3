"""What shows only in a process of its own: imports, terminals, pipes, and races for a file."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
ANSI: Final = re.compile(r"\x1b\[[0-9;]*m")


IMPORTED: Final = """
import atexit, sys

atexit.register(lambda: print(*sorted({name.partition(".")[0] for name in sys.modules})))
import app.bootstrap
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Path]]:
    """Which packages a process ends with that imports the composition root, and files beside it."""
    folder = tmp_path_factory.mktemp("imported")
    ended = subprocess.run(  # noqa: S603 - our own interpreter and our own lines
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}){IMPORTED}"],
        cwd=folder,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout, list(folder.iterdir())


def test_importing_the_composition_root_does_nothing(imported: tuple[str, list[Path]]) -> None:
    said, files = imported
    assert (said.count("\n"), files) == (1, [])


def test_what_starts_in_memory_has_imported_nothing_of_a_database(
    imported: tuple[str, list[Path]],
) -> None:
    """That would take longer than all the rest of the start."""
    packages = imported[0].split()
    assert "fastapi" in packages
    assert {"sqlalchemy", "alembic", "asyncpg", "aiosqlite", "ua_parser"} & {*packages} == set()


def test_what_starts_has_imported_nothing_that_only_tables_of_commands_and_syncs_need(
    imported: tuple[str, list[Path]],
) -> None:
    assert {"httpx", "yaml"} & {*imported[0].split()} == set()


ON_MEMORY: Final = """
from app.adapters.cli.main import build_cli
from tests.unit.cli.program import Program

build_cli(Program().runtime())()
"""


@pytest.mark.parametrize("arguments", [["user", "list"], ["openapi"], ["--help"]])
def test_a_closed_pipe_ends_without_a_word(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(  # noqa: S603 - our own interpreter and our own lines
        [sys.executable, "-c", ON_MEMORY, *arguments],
        cwd=ROOT,
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert ended.stderr == b""


def on_a_terminal(line: str, *, columns: int) -> str:
    ours, theirs = os.openpty()
    environment = os.environ | {"COLUMNS": str(columns), "TERM": "xterm"}
    code = f"from app.adapters.cli.output import *; {line}"
    with subprocess.Popen(  # noqa: S603 - our own interpreter and our own line
        [sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=theirs
    ):
        os.close(theirs)
        written = b""
        while piece := _read(ours):
            written += piece
    os.close(ours)
    return ANSI.sub("", written.decode())


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # how Linux says that the other end is closed
        return b""


def test_a_long_text_is_folded_on_a_terminal_and_none_of_it_is_lost() -> None:
    shown = on_a_terminal("print_table(['a', 'b'], [{'a': 'x' * 70, 'b': 'y' * 70}])", columns=40)
    assert (shown.count("x"), shown.count("y")) == (70, 70)
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 40


MAKER: Final = """
import sys
from pathlib import Path

from app.adapters.security.signing_keys import make_first_key

folders = [Path(folder) for folder in sys.argv[1:]]
print("ready", flush=True)
sys.stdin.readline()
for folder in folders:
    make_first_key(folder)
    print((folder / "0001.pem").read_bytes().hex(), flush=True)
"""


def test_of_processes_that_race_for_the_first_key_all_see_the_same(tmp_path: Path) -> None:
    folders = [str(tmp_path / str(number)) for number in range(20)]
    makers = [
        subprocess.Popen(  # noqa: S603 - our own interpreter and our own lines
            [sys.executable, "-c", MAKER, *folders],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for maker in makers:
        assert maker.stdout is not None
        assert maker.stdout.readline() == "ready\n"
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.write("go\n")
        maker.stdin.flush()
    ended = [maker.communicate(timeout=30) for maker in makers]
    assert [errors for _, errors in ended] == ["", ""]
    seen = [output.split() for output, _ in ended]
    assert seen[0] == seen[1]
    assert len(set(seen[0])) == len(folders)
