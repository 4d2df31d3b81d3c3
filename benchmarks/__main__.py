"""Run benchmarks: `python -m benchmarks [NAME …]`; `benchmarks/README.md` says how to read them."""

import argparse
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import anyio

from benchmarks import attempts, growing, ingesting, logging_in, machine, pricing, reading, starting
from benchmarks.harness import QUICK, Bench, Benchmark, Results, take_turns
from benchmarks.peers.environments import prepare
from benchmarks.report import section
from tests.postgres import postgres_server

BENCHMARKS: Final = {
    each.name: each
    for each in (
        logging_in.LOGINS,
        logging_in.WAITING,
        reading.BENCHMARK,
        pricing.BENCHMARK,
        ingesting.BENCHMARK,
        attempts.BENCHMARK,
        starting.BENCHMARK,
        growing.BENCHMARK,
    )
}
RESULTS: Final = Path(__file__).with_name("results.md")
PLOTS: Final = "plots"
ROUNDS: Final = 5
MOST_ROUNDS: Final = 99


def _rounds(text: str) -> int:
    rounds = int(text)
    if not 1 <= rounds <= MOST_ROUNDS:
        raise argparse.ArgumentTypeError(f"is not from 1 to {MOST_ROUNDS}")
    return rounds


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        choices=[[], *BENCHMARKS],
        metavar="NAME",
        help=f"of {', '.join(BENCHMARKS)}; none: all of them",
    )
    parser.add_argument("--rounds", type=_rounds, default=ROUNDS, help="turns of each contestant")
    parser.add_argument("--quick", action="store_true", help="short turns: does it work at all")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help=f"where to write what is found, too; a full run of all of them: {RESULTS.name}",
    )
    asked = parser.parse_args()
    if asked.output is None and not asked.names and not asked.quick:
        asked.output = RESULTS
    return asked


def _progress(line: str) -> None:
    # A line that is written over on a terminal, and one after the other elsewhere.
    sys.stderr.write(f"\r\033[K{line}" if sys.stderr.isatty() else f"{line}\n")
    sys.stderr.flush()


def _measured(benchmark: Benchmark, bench: Bench, rounds: int) -> Results:
    for peer in benchmark.peers:
        _progress(f"{benchmark.name}: the environment of {peer}")
        prepare(peer)
    work = partial(take_turns, benchmark, bench, rounds=rounds, progress=_progress)
    results = anyio.run(work, backend_options={"use_uvloop": True})
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    return results


def main() -> None:
    """Measure, and print what is found."""
    asked = _arguments()
    with ExitStack() as stack:
        url = stack.enter_context(postgres_server(os.environ))
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="bench-")))
        bench = Bench(url, directory, QUICK if asked.quick else 1.0)
        command = " ".join(["python -m benchmarks", *sys.argv[1:]])
        head = [*machine.described(url), f"`{command}`, at a load of {machine.load_average()}"]
        lines = ["# Results", "", *(f"- {fact}" for fact in head), ""]
        for benchmark in map(BENCHMARKS.__getitem__, asked.names or BENCHMARKS):
            results = _measured(benchmark, bench, asked.rounds)
            found = [
                section(benchmark, results),
                f"The load was {machine.load_average()} then.",
                "",
            ]
            lines += found
            sys.stdout.write("\n".join(["", *found]))
            sys.stdout.flush()
            if asked.output is not None:  # after each, so that whoever ends it keeps what there is
                _write(asked.output, lines, benchmark.drawn(results))


def _write(output: Path, lines: list[str], plots: Mapping[str, str]) -> None:
    output.write_text("\n".join(lines))
    for name, drawn in plots.items():
        directory = output.parent / PLOTS
        directory.mkdir(exist_ok=True)
        (directory / name).write_text(drawn)


if __name__ == "__main__":
    main()
