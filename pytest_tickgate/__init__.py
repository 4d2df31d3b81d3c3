"""A Tickgate for the tests of those who use one: the real API, in memory, in its own process.

pytest imports this wherever Tickgate is installed. So all that takes time waits until a fixture is
asked for, and nothing of the service is ever imported: its package is called `app`, as that of
whoever tests may be.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_tickgate.server import TickgateServer


@pytest.fixture(scope="session")
def tickgate_settings() -> Mapping[str, str]:
    """Settings of the server, such as `{"LOGIN_LIMIT_PAIR": "off"}`: to be overridden."""
    return {}


@pytest.fixture(scope="session")
def tickgate_server(tickgate_settings: Mapping[str, str]) -> Iterator["TickgateServer"]:
    """A server that lives as long as the test session; with xdist, each worker has one."""
    from pytest_tickgate.server import started  # noqa: PLC0415 - see above

    with started(tickgate_settings) as server:
        yield server


@pytest.fixture
def tickgate(tickgate_server: "TickgateServer") -> "TickgateServer":
    """The server as it was at its start: nothing is left of the test before."""
    tickgate_server.reset()
    return tickgate_server
