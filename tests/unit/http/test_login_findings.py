import httpx
import pytest

from app.domain.identity.findings import LEAST, FindingKind
from app.domain.identity.login_log import Outcome
from tests.application import MemoryApplication
from tests.builders import an_attempt

FINDINGS = "/v1/login-log/findings"


async def test_what_is_found_is_told_with_what_its_kind_says(
    application: MemoryApplication, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    rows = application.identity_store.committed.attempts
    rows.clear()
    for number in range(LEAST[FindingKind.MANY_FAILURES]):
        attempt = an_attempt(
            at=application.clock.now(),
            ip="192.0.2.1",
            outcome=Outcome.FAILED,
            username=f"u{number % 2}",
        )
        rows[attempt.id] = attempt
    answer = await client.get(FINDINGS, params={"window": "PT1H"}, headers=admin)
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "since": "2026-01-02T02:04:05.678901Z",
            "until": "2026-01-02T03:04:05.678901Z",
            "items": [
                {
                    "kind": "many_failures",
                    "at": "2026-01-02T03:04:05.678901Z",
                    "network": "192.0.2.1",
                    "failures": 20,
                    "users": 2,
                }
            ],
        },
    )


@pytest.mark.parametrize("window", ["PT1M", "PT15M", "P7D", "P1DT1H1M1S", "PT90S", "PT24H"])
async def test_a_window_is_a_duration_of_iso_8601(
    client: httpx.AsyncClient, admin: dict[str, str], window: str
) -> None:
    answer = await client.get(FINDINGS, params={"window": window}, headers=admin)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "window",
    [
        "",
        "15",
        "15m",
        "PT",
        "P",
        "P1DT",
        "PT59S",
        "P8D",
        "P1M",
        "P1Y",
        "-PT15M",
        "PT0S",
        "PT9999999M",
    ],
)
async def test_any_other_window_is_refused(
    client: httpx.AsyncClient, admin: dict[str, str], window: str
) -> None:
    answer = await client.get(FINDINGS, params={"window": window}, headers=admin)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "window")
