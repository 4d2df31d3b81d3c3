"""What a test costs: the same one as a plain function, on fakes, on mocks and on databases.

Every kind is run by pytest in a process of its own, one kind after another, and that several
times over: the machine's moods fall upon all of them. What counts is the median over a kind's
tests of the time from a test's setup to the end of its teardown, and of these the median over the
rounds; databases are started before the clock is.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

import pytest

from tests.postgres import postgres_server

_ROOT: Final = Path(__file__).parents[1]
_TESTS: Final = "benchmarks/cost_of_tests"
KINDS: Final = {
    "a plain function": [f"{_TESTS}/test_plain_function.py"],
    "a service on fakes": [f"{_TESTS}/test_on_fakes.py"],
    "the service with patch and AsyncMock": [f"{_TESTS}/test_on_mocks.py"],
    "the service on SQLite": [f"{_TESTS}/test_on_databases.py", "-k", "sqlite"],
    "the service on Postgres": [f"{_TESTS}/test_on_databases.py", "-k", "postgres"],
}
FAKES, MOCKS = "a service on fakes", "the service with patch and AsyncMock"
WANTED: Final = 4
"""How many times as fast as with mocks a test on fakes is to be."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Take the time of a test: this module is pytest's plugin, too."""
    begun = perf_counter()
    result = yield
    item.config.stash.setdefault(_TIMES, []).append(perf_counter() - begun)
    return result


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say how long the test took that took neither long nor short."""
    times = config.stash[_TIMES]
    sys.stdout.write(f"\nmedian {median(times):.9f}\n")


_TIMES: Final = pytest.StashKey[list[float]]()


def _with(*plugins: str) -> list[str]:
    return [word for plugin in plugins for word in ("-p", plugin)]


def cost(kind: str, environment: dict[str, str]) -> float:
    """Run the tests of a kind, and give what one costs, in seconds."""
    options = ["-x", *_with("no:cacheprovider", "no:randomly", "no:xdist", "benchmarks.tests")]
    run = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "pytest", "-q", *options, *KINDS[kind]],
        cwd=_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    said = run.stdout.rpartition("\nmedian ")[2]
    if run.returncode != 0 or not said:
        raise SystemExit(f"{kind}:\n{run.stdout}{run.stderr}")
    return float(said)


def main() -> int:
    """Print a table, and give 1 where fakes are not as much faster than mocks as they should be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tests", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often to run each kind")
    rounds = parser.parse_args().rounds
    costs: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with ExitStack() as stack:
        url = stack.enter_context(postgres_server(os.environ))
        environment = {**os.environ, "TEST_DATABASE_URL": url}
        for number in range(rounds):
            for kind in KINDS:
                sys.stderr.write(f"\r\033[Kround {number + 1} of {rounds}: {kind}")
                sys.stderr.flush()
                costs[kind].append(cost(kind, environment))
    sys.stderr.write("\r\033[K")
    plain = median(costs["a plain function"])
    sys.stdout.write(f"{'':36} {'µs':>8} {'least':>8} {'most':>8} {'ratio':>7}\n")
    for kind, seconds in costs.items():
        low, middle, high = (1e6 * pick(seconds) for pick in (min, median, max))
        ratio = median(seconds) / plain
        sys.stdout.write(f"{kind:36} {middle:8.0f} {low:8.0f} {high:8.0f} {ratio:7.1f}\n")
    faster = median(mock / fake for mock, fake in zip(costs[MOCKS], costs[FAKES], strict=True))
    sys.stdout.write(f"\nfakes are {faster:.1f} times as fast as mocks (wanted: {WANTED})\n")
    return int(faster < WANTED)


if __name__ == "__main__":
    sys.exit(main())
