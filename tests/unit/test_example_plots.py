"""The plots of examples/plots, drawn from the API on memory adapters."""

import struct
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from app.domain.identity.login_log import Client, FailReason
from app.domain.principal import Role
from app.domain.range_units.revisions import Exchange, Market
from tests.application import PASSWORD, MemoryApplication, client_of
from tests.unit.http.api import refusal
from tests.unit.range_units.ladders import ladder

SCRIPT: Final = Path(__file__).parents[2] / "examples" / "plots" / "plots.py"
NOW: Final = datetime(2026, 1, 2, 3, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def plots() -> ModuleType:
    spec = spec_from_file_location("plots", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def _fill(application: MemoryApplication) -> str:
    """Have a ladder, two failed logins in a minute and one in the next; give an admin's token."""
    await application.range_units.put_exchange(exchange=Exchange("upbit", "Upbit"))
    await application.range_units.put_range_units(
        market=Market("upbit", "KRW", "*"),
        table=ladder("upbit-krw-2025-07-31").table,
        source="a notice",
        start_unknown=True,
    )
    for seconds in (0, 1, 60):
        application.clock.advance(timedelta(seconds=seconds))
        await application.login_log.log_login_attempt(
            username="bob", client=Client(), reason=FailReason.MALFORMED
        )
    await application.users.create_user(username="admin", password=PASSWORD, role=Role.ADMIN)
    login = await application.auth.authenticate_user(
        username="admin", password=PASSWORD, client=Client()
    )
    return login.access_token


class InProcess(httpx.BaseTransport):
    """Takes what a program sends to the application, which lives in a loop of its own."""

    def __init__(self, portal: BlockingPortal, client: httpx.AsyncClient) -> None:
        self._portal = portal
        self._client = client

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        ask = partial(self._client.request, request.method, request.url, headers=request.headers)
        answer = self._portal.call(ask)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


@pytest.fixture
def tickgate() -> Iterator[httpx.Client]:
    application = MemoryApplication()
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(client_of(application.http())) as served,
    ):
        headers = {"Authorization": f"Bearer {portal.call(_fill, application)}"}
        transport = InProcess(portal, served)
        with httpx.Client(transport=transport, base_url=served.base_url, headers=headers) as client:
            yield client


@pytest.mark.parametrize(
    "command",
    [["ladder", "upbit", "KRW/XRP"], ["failed-logins", "--until", NOW.isoformat()]],
    ids=["ladder", "failed-logins"],
)
def test_a_plot_is_drawn_as_a_png(
    plots: ModuleType, tickgate: httpx.Client, command: list[str], tmp_path: Path
) -> None:
    asked = plots._parser().parse_args([*command, "--to", str(tmp_path / "drawn.png")])
    plots.save(asked.draw(tickgate, asked), asked.to)
    picture = asked.to.read_bytes()
    width, height = struct.unpack(">II", picture[16:24])
    assert (picture[:4], width > 700, height > 300) == (b"\x89PNG", True, True)


def test_failed_logins_are_counted_by_the_minute(plots: ModuleType, tickgate: httpx.Client) -> None:
    times = plots.attempts(tickgate, "failed", NOW - timedelta(hours=1), NOW + timedelta(hours=1))
    minute = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    assert plots.per_minute(times) == Counter({minute: 2, minute + timedelta(minutes=1): 1})


def test_a_band_from_zero_begins_at_its_unit_and_an_open_one_ends(plots: ModuleType) -> None:
    bands = [
        {"range_min": "0", "next_range_min": "10", "price_unit": "0.1"},
        {"range_min": "10", "next_range_min": None, "price_unit": "5"},
    ]
    drawn = [tuple(map(str, step)) for step in plots.steps_of(bands)]
    assert drawn == [("0.1", "10", "0.1"), ("10", "100", "5")]


def test_a_refusal_is_told_in_one_line(plots: ModuleType, tickgate: httpx.Client) -> None:
    answer = tickgate.get("/v1/exchanges/none/markets/KRW/XRP/range-units")
    assert refusal(answer) == (404, "unknown_exchange")
    assert plots._refusal(answer) == "There is no exchange none. [unknown_exchange]"


def test_the_help_names_both_plots(plots: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        plots.main(["--help"])
    assert ended.value.code == 0
    assert {"ladder", "failed-logins"} <= set(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "wrong",
    [
        ["ladder", "upbit", "XRP"],
        ["failed-logins", "--minutes", "0"],
        ["failed-logins", "--until", "2026-01-02"],
    ],
    ids=["market", "minutes", "until"],
)
def test_what_cannot_be_asked_is_wrong_usage(plots: ModuleType, wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        plots.main(wrong)
    assert ended.value.code == 2
