"""Changes the core a little, thousands of times, and counts how often a test notices.

mutmut makes the changes, to domain, services and memory adapters, and runs the tests of the core
that reach each of them (`[tool.mutmut]` in pyproject.toml says which). This makes the copy that it
works on, `mutants/`, and judges what it found: fails under the score that is asked for, and shows
every change that no test noticed. Afterwards `cd mutants && mutmut browse` shows all of them.

mutmut leaves decorated functions alone. In the copy there are none: a decorator is applied in a
line of its own, below the function, which is the same thing.
"""

import argparse
import ast
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from strength.workspace import ROOT, copy_project, environment_of

COPY = ROOT / "mutants"
CORE = ("app/domain", "app/services", "app/adapters/memory")
MUTMUT = str(Path(sys.executable).with_name("mutmut"))
KILLED = {"killed", "timeout"}
OUT_OF_ACCOUNT = {"no tests", "not checked"}


def main() -> int:
    """Copy, mutate, judge."""
    arguments = _arguments()
    shutil.rmtree(COPY, ignore_errors=True)
    copy_project(COPY)
    for folder in CORE:
        for file in (COPY / folder).rglob("*.py"):
            file.write_text(undecorated(file.read_text()))
    began = time.monotonic()
    names = [arguments.only] if arguments.only else []
    _mutmut("run", "--max-children", str(arguments.jobs), *names)
    statuses = _statuses()
    survivors = [name for name, status in statuses.items() if status not in KILLED | OUT_OF_ACCOUNT]
    for name in survivors:
        _say(_mutmut("show", name, quiet=True))
    count = Counter(statuses.values())
    covered = len(statuses) - sum(count[status] for status in OUT_OF_ACCOUNT)
    score = 100 * (covered - len(survivors)) / covered if covered else 0.0
    _say(", ".join(f"{number} {status}" for status, number in count.most_common()))
    _say(
        f"{score:.2f} % of {covered} covered mutants killed, "
        f"{len(survivors)} survived, {time.monotonic() - began:.0f} s"
    )
    # What was not asked about is no failure; what was not reached at all is.
    unfinished = count["not checked"] and not arguments.only
    return 1 if score < arguments.least or unfinished else 0


def undecorated(source: str) -> str:
    """Apply each function's decorators below it: `def f` and `f = decorator(f)`."""
    lines = source.splitlines(keepends=True)
    functions = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.decorator_list
    ]
    for function in sorted(functions, key=lambda node: node.lineno, reverse=True):
        applied = function.name
        for decorator in reversed(function.decorator_list):
            applied = f"{ast.unparse(decorator)}({applied})"
        indent = " " * function.col_offset
        lines.insert(function.end_lineno or 0, f"{indent}{function.name} = {applied}\n")
        del lines[function.decorator_list[0].lineno - 1 : function.lineno - 1]
    return "".join(lines)


def _statuses() -> dict[str, str]:
    lines = _mutmut("results", "--all", "true", quiet=True).splitlines()
    pairs = (line.strip().partition(": ")[::2] for line in lines if line.startswith("    "))
    return dict(pairs)


def _mutmut(*arguments: str, quiet: bool = False) -> str:
    """Run mutmut in the copy. It writes its progress to the terminal, unless it is to be quiet."""
    ended = subprocess.run(  # noqa: S603 - the tool that stands beside our own interpreter
        [MUTMUT, *arguments],
        cwd=COPY,
        env=environment_of(COPY),
        stdout=subprocess.PIPE if quiet else None,
        text=True,
        check=False,
    )
    if ended.returncode:
        sys.exit(ended.returncode)  # mutmut has said why
    return ended.stdout or ""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m strength.mutants",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", metavar="PATTERN", help="mutants of that name: 'app.domain.text*'"
    )
    parser.add_argument("--jobs", metavar="N", type=int, default=2, help="at the same time (2)")
    parser.add_argument(
        "--least", metavar="PERCENT", type=float, default=95, help="the score to reach (95)"
    )
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
