"""The wheel, installed where nothing of this project is but what it depends on."""

import re
import subprocess
import sys
import sysconfig
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from anyio import open_process

from tests.integration.server import Server, answers, free_port

ROOT: Final = Path(__file__).parents[2]

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the programs of an environment with the wheel; what it needs is that of the tests."""
    directory = tmp_path_factory.mktemp("wheel")
    _run("-m", "hatchling", "build", "-t", "wheel", "-d", str(directory))
    [wheel] = directory.glob("*.whl")
    environment = directory / "environment"
    _run("-m", "venv", "--without-pip", str(environment))
    programs = environment / "bin"
    install = ["install", "--no-index", "--no-deps", "-q", str(wheel)]
    _run("-m", "pip", "--disable-pip-version-check", "--python", str(programs / "python"), *install)
    [packages] = environment.glob("lib/python*/site-packages")
    # A line of this file is put on the path, but links within are not followed: an editable
    # install of this project is not found by it.
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib"))
    return programs


def _run(*arguments: str) -> None:
    command = [sys.executable, *arguments]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)  # noqa: S603 - our own words


def said(directory: Path, *command: str) -> str:
    """Give what a command says, in a directory of its own and with no environment."""
    found = subprocess.run(  # noqa: S603 - our own words
        command, cwd=directory, env={}, check=True, capture_output=True, text=True
    )
    return found.stdout


def test_the_command_is_that_of_the_wheel(environment: Path, tmp_path: Path) -> None:
    version = said(tmp_path, str(environment / "tickgate"), "--version")
    assert re.fullmatch(r"tickgate \d+\.\d+\.\d+\n", version)
    found = said(tmp_path, str(environment / "python"), "-c", "import app; print(app.__file__)")
    assert Path(found).is_relative_to(environment.parent)


async def test_it_serves_from_an_empty_directory(environment: Path, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log.txt"
    with log.open("wb") as output:
        process = await open_process(
            [environment / "tickgate", "serve", "--init", "--port", str(port)],
            cwd=tmp_path,
            env={},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    server = Server(f"http://127.0.0.1:{port}", process, log)
    async with process:
        try:
            async with server.client() as client:
                await server.eventually(partial(answers, client))
                [password] = re.findall(r"^ *password: (\S+)$", server.said(), re.MULTILINE)
                body = {"username": "admin", "password": password}
                login = await client.post("/v1/auth/login", json=body)
                client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
                price = await client.get("/v1/exchanges/upbit/markets/KRW/BTC/prices/1000")
                document = (await client.get("/openapi.json")).json()
                page = await client.get("/docs/files/swagger-ui-bundle.js")
        finally:
            process.kill()
    assert (price.json()["valid"], page.status_code) == (True, 200)
    assert "example" in str(document["paths"]["/v1/users"]["post"]["requestBody"])
