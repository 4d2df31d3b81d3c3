"""Servers and programs as processes of their own, and what they cost."""

import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import anyio

from tests.integration.server import free_port

START_SECONDS: Final = 60
PROGRAM_SECONDS: Final = 900
_PROC: Final = Path("/proc")
_TICK: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_A_LOOK: Final = 0.005
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Served:
    """A server that runs: it and its children are a session of their own."""

    session: int
    port: int
    started_in: float
    """Seconds from its start to its first answer."""

    def cpu(self) -> float:
        """Give the processor seconds that all of it has used until now."""
        return sum(sum(map(int, fields[11:15])) for _, fields in self._processes()) / _TICK

    def memory(self) -> float:
        """Give what is in memory of it, in MiB."""
        pages = 0
        for directory, _ in self._processes():
            with suppress(FileNotFoundError, ProcessLookupError):
                pages += int((directory / "statm").read_text().split()[1])
        return pages * _PAGE / _MIB

    def _processes(self) -> Iterator[tuple[Path, list[str]]]:
        for directory in _PROC.glob("[0-9]*"):
            with suppress(FileNotFoundError, ProcessLookupError):
                # The name of the program is in brackets, and may hold anything.
                fields = (directory / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == self.session:
                    yield directory, fields


def cpu_of(processes: Iterable[int]) -> float:
    """Give the processor seconds that processes of one thread each have used until now."""
    used = 0
    for process in processes:
        with suppress(FileNotFoundError, ProcessLookupError):
            used += int((_PROC / str(process) / "schedstat").read_text().split()[0])
    return used / 1e9


def environment(**settings: str) -> dict[str, str]:
    """Give the environment of a process: nothing of this machine's but where programs are."""
    return {"PATH": os.environ["PATH"], **settings}


@asynccontextmanager
async def served(
    command: Sequence[str | Path],
    *,
    directory: Path,
    path: str,
    settings: Mapping[str, str],
) -> AsyncIterator[Served]:
    """Serve on a port, which is the last argument, until the block ends.

    It has started when it answers at `path`.
    """
    port = free_port()
    log = directory / f"{port}.log"
    began = perf_counter()
    with log.open("wb") as output:
        process = await anyio.open_process(
            [*map(str, command), str(port)],
            cwd=directory,
            env=environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    async with process:
        try:
            with anyio.fail_after(START_SECONDS):
                while not await _answers(port, path):
                    if process.returncode is not None:
                        said = await anyio.Path(log).read_text(errors="replace")
                        raise RuntimeError(f"The server has ended:\n{said}")
                    await anyio.sleep(_A_LOOK)
            yield Served(process.pid, port, perf_counter() - began)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


async def _answers(port: int, path: str) -> bool:
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    with suppress(OSError, anyio.EndOfStream, anyio.BrokenResourceError):
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(request)
            return b" 200 " in await stream.receive()
    return False


async def run_program(
    command: Sequence[str | Path], *, directory: Path, settings: Mapping[str, str]
) -> dict[str, Any]:
    """Run a program to its end, and give what its last line says, which is JSON."""
    with anyio.fail_after(PROGRAM_SECONDS):
        ended = await anyio.run_process(
            [*map(str, command)],
            cwd=directory,
            env=environment(**settings),
            stdin=subprocess.DEVNULL,
            check=False,
        )
    if ended.returncode != 0:
        raise RuntimeError(f"A program has failed:\n{ended.stderr.decode(errors='replace')}")
    said: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return said
