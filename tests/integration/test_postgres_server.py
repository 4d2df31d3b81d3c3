import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.postgres import find_binaries, postgres_server

# A server that already runs is of no use to the tests of how one is started.
HERE = {key: value for key, value in os.environ.items() if key != "TEST_DATABASE_URL"}
HOLD_A_SERVER = """
import os, sys
from tests.postgres import postgres_server
with postgres_server(os.environ) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


def ask(url: str, *questions: str) -> list[object]:
    async def answers() -> list[object]:
        engine = create_async_engine(url)
        try:
            async with engine.connect() as connection:
                return [await connection.scalar(text(question)) for question in questions]
        finally:
            await engine.dispose()

    return asyncio.run(answers())


def directory_of(url: str) -> Path:
    [data] = ask(url, "SHOW data_directory")
    return Path(str(data)).parent


def listens(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", make_url(url).port)) == 0


def eventually(holds: Callable[[], bool]) -> bool:
    """Ask again and again, for some milliseconds as a rule."""
    deadline = time.monotonic() + 20
    while not (held := holds()) and time.monotonic() < deadline:
        pass
    return held


def installation(binaries: Path, **programs: str) -> dict[str, str]:
    """Shell scripts in place of PostgreSQL, as the environment that has them used."""
    binaries.mkdir()
    for name, body in programs.items():
        (binaries / name).write_text(f"#!/bin/sh\n{body}\n")
        (binaries / name).chmod(0o755)
    return {"PG_BINDIR": str(binaries)}


@pytest.fixture(params=["machine", "wheel"])
def binaries(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "machine":
        return find_binaries(os.environ)
    return find_binaries({}, system=tmp_path)


def test_the_server_answers_and_is_set_up_for_tests(binaries: Path) -> None:
    with postgres_server({"PG_BINDIR": str(binaries)}) as url:
        assert url.startswith("postgresql+asyncpg://postgres@127.0.0.1:")
        assert ask(
            url,
            "SELECT 1",
            "SHOW listen_addresses",
            "SHOW fsync",
            "SHOW synchronous_commit",
            "SHOW full_page_writes",
            "SHOW server_encoding",
            "SELECT datcollate FROM pg_database WHERE datname = 'postgres'",
            "SHOW timezone",
        ) == [1, "127.0.0.1", "off", "off", "off", "UTF8", "C", "UTC"]


def test_a_server_can_be_as_durable_as_those_in_production() -> None:
    with postgres_server(HERE, durable=True) as url:
        settings = ("fsync", "synchronous_commit", "full_page_writes")
        assert ask(url, *(f"SHOW {setting}" for setting in settings)) == ["on", "on", "on"]


def test_the_end_of_the_block_stops_the_server_and_removes_its_directory() -> None:
    with postgres_server(HERE) as url:
        directory = directory_of(url)
        assert directory.is_dir()
    assert not directory.exists()
    assert not listens(url)


def test_a_test_run_that_is_killed_leaves_no_server_and_no_directory() -> None:
    with subprocess.Popen(  # noqa: S603 - this interpreter, the lines above
        [sys.executable, "-c", HOLD_A_SERVER],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env=HERE,
    ) as run:
        assert run.stdout
        url = run.stdout.readline().strip()
        directory = directory_of(url)
        assert directory.is_dir()
        run.kill()
    assert eventually(lambda: not directory.exists())
    assert not listens(url)


def test_two_servers_live_side_by_side() -> None:
    with postgres_server(HERE) as one, postgres_server(HERE) as other:
        assert directory_of(one) != directory_of(other)


def test_programs_that_no_other_user_can_read_serve_even_root(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    found = find_binaries({}, system=tmp_path)
    package = found.parents[1]
    for part in (package, package.with_name(f"{package.name}.libs")):
        (tmp_path / part.name).symlink_to(part)
    private = tmp_path / found.relative_to(package.parent)
    with postgres_server({"PG_BINDIR": str(private)}) as url:
        assert ask(url, "SELECT 1") == [1]


def test_a_start_that_fails_is_tried_again_for_the_port_may_have_been_lost(tmp_path: Path) -> None:
    environment = installation(
        tmp_path / "bin",
        initdb="mkdir -p data",
        postgres="mkdir lost 2>/dev/null && exit 1\n"
        "printf '%s\\n\\n\\n\\n\\n\\n\\nready\\n' $$ >data/postmaster.pid\n"
        "exec sleep 60",
    )
    with postgres_server(environment) as url:
        assert make_url(url).port


@pytest.mark.parametrize("program", ["initdb", "postgres"])
def test_a_failed_start_shows_the_last_words_of_the_program(tmp_path: Path, program: str) -> None:
    programs = {"initdb": "true", "postgres": "true", program: "echo no luck >&2; exit 1"}
    with (
        pytest.raises(RuntimeError, match=f"(?s)bin/{program} failed.*no luck"),
        postgres_server(installation(tmp_path / "bin", **programs)),
    ):
        pass
