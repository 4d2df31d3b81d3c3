"""What `examples/` shows is run as its reader would, beside a package that is called as ours is."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.integration.server import environment_of

ROOT: Final = Path(__file__).resolve().parents[2]
GUIDE: Final = ROOT / "docs" / "testing-your-bot.md"
OF_THE_READER: Final = """
import app

def test_a_package_of_the_same_name_is_the_readers_own():
    assert app.WHOSE == "the reader's"
"""


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["-pno:xdist"], id="in one process"),
        pytest.param(["-pxdist", "-n2"], id="in two", marks=pytest.mark.thorough),
    ],
)
def test_the_tests_of_the_bot_pass_where_the_reader_has_a_package_called_app(
    tmp_path: Path, options: list[str]
) -> None:
    place = tmp_path / "bot"
    shutil.copytree(ROOT / "examples" / "bot", place)
    (place / "app").mkdir()
    (place / "app" / "__init__.py").write_text('WHOSE = "the reader\'s"\n')
    (place / "test_app.py").write_text(OF_THE_READER)
    [pasted] = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    (place / "test_pasted.py").write_text(pasted)
    plugins = ["-ppytest_tickgate", "-panyio", "-pno:cacheprovider", *options]
    ended = subprocess.run(  # noqa: S603 - our own interpreter and our own example
        [sys.executable, "-m", "pytest", "-q", *plugins],
        cwd=place,
        # What else is installed here takes its time, and is none of the reader's.
        env=environment_of({"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "TICKGATE_DATA_DIR": "another"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    assert re.search(r"^8 passed", ended.stdout, re.MULTILINE), ended.stdout


def test_the_bot_has_thirty_lines() -> None:
    assert len((ROOT / "examples" / "bot" / "bot.py").read_text().splitlines()) <= 30
