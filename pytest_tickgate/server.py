"""The process, and what a test can tell it beside what any client can."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

_PREFIX: Final = "TICKGATE_"
_HERE: Final = Path(__file__).parents[1]
_PATIENCE: Final = 30


@dataclass(frozen=True, slots=True)
class TickgateUser:
    """Somebody who can log in. What a `role` may do, the API says."""

    username: str
    password: str
    role: str
    disabled: bool = False


USERS: Final[Mapping[str, TickgateUser]] = MappingProxyType(
    {
        user.username: user
        for user in (
            TickgateUser("admin", "not-a-secret-at-all-1", "admin"),
            TickgateUser("bot", "not-a-secret-at-all-2", "user"),
            TickgateUser("former", "not-a-secret-at-all-3", "user", disabled=True),
        )
    }
)


class TickgateError(Exception):
    """The server did not start, or refused what it was told."""


class TickgateClock:
    """The time that the server goes by: tokens, quotas of logins, and range units."""

    def __init__(self, server: "TickgateServer") -> None:
        self._server = server

    def now(self) -> datetime:
        """Give it."""
        return _time(self._server.tell("GET", "/_test/clock"))

    def set(self, time: datetime, *, frozen: bool = True) -> datetime:
        """Put it to a time with an offset, where it stands still, or runs on."""
        return self._put(time=time.isoformat(), frozen=frozen)

    def advance(self, by: timedelta | float) -> datetime:
        """Move it on, by so many seconds or a duration, and give the time then."""
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        return self._put(advance_seconds=seconds)

    def freeze(self) -> datetime:
        """Stop it where it is."""
        return self._put(frozen=True)

    def unfreeze(self) -> datetime:
        """Let it run on from where it is."""
        return self._put(frozen=False)

    def _put(self, **where: object) -> datetime:
        return _time(self._server.tell("PUT", "/_test/clock", where))


class TickgateServer:
    """A server that runs. `log` is where it writes what it says."""

    def __init__(self, base_url: str, log: Path) -> None:
        self.base_url = base_url
        self.users = USERS
        self.log = log
        self.clock = TickgateClock(self)

    def credentials(self, username: str) -> dict[str, str]:
        """Give what a user sends to `POST /v1/auth/login`."""
        return {"username": username, "password": self.users[username].password}

    def reset(self) -> None:
        """Make it forget all that was done, and the clock that was set."""
        self.tell("POST", "/_test/reset")

    def tell(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """Make a request, and give what the JSON of the answer says. Raises `TickgateError`."""
        connection = HTTPConnection(urlsplit(self.base_url).netloc, timeout=_PATIENCE)
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:  # noqa: PLR2004 - HTTP's: the client's fault, or the server's
            raise TickgateError(f"{method} {path}: {content.decode(errors='replace')}")
        return json.loads(content) if content else None


@contextmanager
def started(settings: Mapping[str, str]) -> Iterator[TickgateServer]:
    """Start a server, whose settings are these and no others, and end it with the block.

    It ends as well when this process dies, as its standard input ends then.
    """
    with (
        TemporaryDirectory(prefix="tickgate-") as directory,
        (Path(directory) / "log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "app", "serve", "--port", "0", "--until-eof"],
            # Not where the tests are: what is called `app` there is not the service.
            cwd=directory,
            env=_environment(settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,  # Ctrl-C is for the tests, which may still ask it something
        ) as process,
    ):
        assert process.stdin is not None  # noqa: S101 - for the type checker: they are pipes
        assert process.stdout is not None  # noqa: S101 - see above
        try:
            base_url = process.stdout.readline().strip()
            said = Path(log.name)
            if not base_url:
                raise TickgateError(f"The server did not start:\n{said.read_text()}")
            yield TickgateServer(base_url, said)
        finally:
            process.stdin.close()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Give this process's environment without settings, which would be another service's."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.upper().startswith(_PREFIX)
    }
    paths = [str(_HERE), *filter(None, [inherited.get("PYTHONPATH")])]
    given = {_PREFIX + name: value for name, value in settings.items()}
    return {**inherited, **given, _PREFIX + "STORE": "memory", "PYTHONPATH": os.pathsep.join(paths)}


def _time(answer: Mapping[str, str]) -> datetime:
    return datetime.fromisoformat(answer["time"])
