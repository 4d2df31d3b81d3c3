"""Takes every commit, every rollback and every shield away, one at a time, and runs the tests.

Mutation testing changes what a line says, and deletes none. This is for the lines that no test
would miss on a day when nothing fails. Works on a copy of the project, where all tests have to
pass first; prints the first test that fails for each removal, and fails where none does. A test
that does not end hangs: that is noticed as well, and said.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from strength.places import Place, places_in
from strength.workspace import copy_project, environment_of

PYTEST = (
    *(sys.executable, "-u", "-m", "pytest", "-x", "-v", "-rfE", "--tb=no"),
    *("-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist"),
    *("-p", "strength.repeatable", "--hypothesis-profile=repeatable"),
)
LIKELY = ("units_of_work", "cancel", "sql_contracts", "outages", "sql_adapters")
"""What the names of tests say that are asked first, in this order."""

FEW = 5
UNNOTICED = "SURVIVED"


@dataclass(frozen=True)
class Verdict:
    """Whether a test noticed, and what there is to say about it."""

    noticed: bool
    words: str


def main() -> int:
    """Remove, run, report."""
    arguments = _arguments()
    with TemporaryDirectory(prefix="removals-") as folder:
        copy = Path(folder)
        copy_project(copy)
        every = places_in(copy / "app")
        count = Counter(place.kind for place in every)
        _say(f"{len(every)} places: {', '.join(f'{n} {kind}s' for kind, n in count.items())}")
        places = [place for place in every if re.search(arguments.only, _name(place, copy))]
        survivors = 0
        if not arguments.trusting:
            _say("[0] nothing removed")
            verdict = _verdict(_tests_of(copy), copy, arguments.patience)
            if verdict.words != UNNOTICED:
                _say(f"    {verdict.words}: nothing can be told by these tests")
                return 1
        for number, place in enumerate(places, start=1):
            _say(f"[{number}/{len(places)}] {_name(place, copy)}")
            began = time.monotonic()
            verdict = _verdict_without(place, copy, arguments.patience)
            survivors += not verdict.noticed
            _say(f"    {verdict.words} ({time.monotonic() - began:.0f} s)")
    _say(f"{len(places)} removed, {survivors} survived")
    return 1 if survivors else 0


def _verdict_without(place: Place, copy: Path, patience: float) -> Verdict:
    whole = place.file.read_bytes()
    place.file.write_bytes(place.without())
    tests = _tests_for(place, copy)
    try:
        # To collect all tests takes longer than to run a few: most removals need no more of them.
        for nearest in (tests[:1], tests[1:FEW], tests[FEW:]):
            verdict = _verdict(nearest, copy, patience)
            if verdict.noticed:
                break
        return verdict
    finally:
        place.file.write_bytes(whole)


def _tests_for(place: Place, copy: Path) -> list[Path]:
    """Give every file of tests, those first that are likely to notice."""

    def distance(test: Path) -> tuple[bool, bool, bool, bool, int, str]:
        integrated = test.is_relative_to(copy / "tests" / "integration")
        ranks = [rank for rank, word in enumerate(LIKELY) if word in test.stem]
        return (
            test.stem != f"test_{place.file.stem}",
            integrated == is_core,
            bool({"cli", "http"} & set(test.parts)),
            "memory" not in test.stem,
            min(ranks, default=len(LIKELY)),
            str(test),
        )

    is_core = bool({"services", "memory"} & set(place.file.parts))
    return sorted(_tests_of(copy), key=distance)


def _tests_of(copy: Path) -> list[Path]:
    """Give every file of tests, but for those about the source: what they say is no behaviour."""
    tests = (copy / "tests").rglob("test_*.py")
    return sorted(test for test in tests if "rules" not in str(test.relative_to(copy)))


def _verdict(tests: list[Path], copy: Path, patience: float) -> Verdict:
    log = copy / "pytest.log"
    with log.open("wb") as output:
        # In a session of its own: what hangs is ended with everything that it has started.
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own files
            [*PYTEST, *tests],
            cwd=copy,
            env=environment_of(copy),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            hangs = _hangs(process, log, patience)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
    lines = log.read_text(errors="replace").splitlines()
    if hangs:
        started = [line for line in lines if line.startswith("tests/")] or ["what no test begins"]
        return Verdict(noticed=True, words=f"hangs in {started[-1].strip()}")
    if code == 0:
        return Verdict(noticed=False, words=UNNOTICED)
    failed = [line for line in lines if line.startswith(("FAILED ", "ERROR ")) and "::" in line]
    if failed:
        return Verdict(noticed=True, words=f"noticed by {_test_in(failed[0])}")
    sys.exit("\n".join([*lines[-30:], "The tests could not run: see above."]))


def _hangs(process: "subprocess.Popen[bytes]", log: Path, patience: float) -> bool:
    """Wait for the end, or until nothing has been reported for too long."""
    size, since = 0, time.monotonic()
    while True:
        try:
            process.wait(1)
        except subprocess.TimeoutExpired:
            if log.stat().st_size > size:
                size, since = log.stat().st_size, time.monotonic()
            elif time.monotonic() - since > patience:
                return True
        else:
            return False


def _test_in(line: str) -> str:
    """Read `FAILED tests/test_this.py::test_that[with blanks] - AssertionError: …`."""
    return line.partition(" ")[2].partition(" - ")[0]


def _name(place: Place, copy: Path) -> str:
    return f"{place.file.relative_to(copy)}:{place.line} {place.kind}: {place.was}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m strength.removals",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", metavar="PATTERN", default="", help="regular expression: FILE:LINE KIND: CODE"
    )
    parser.add_argument(
        "--trusting", action="store_true", help="do not run the tests with nothing removed"
    )
    parser.add_argument(
        "--patience",
        metavar="SECONDS",
        type=float,
        default=90,
        help="after which a test that has not ended counts as hanging (90)",
    )
    return parser.parse_args()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
