from base64 import b64decode
from datetime import timedelta

import httpx
import pytest

from app.domain.range_units.errors import FeedUnavailable
from tests.application import MemoryApplication
from tests.feeds import a_reply, ticks_of_upbit
from tests.unit.http.api import INGEST, JSON, NOBODY

SYNC = "/v1/exchanges/coinone/range-units/sync"
QUARANTINE = "/v1/exchanges/coinone/range-units/quarantine"


@pytest.fixture
async def job(client: httpx.AsyncClient, coinone: dict[str, str]) -> str:
    """Give the path of a job that has been begun."""
    answer = await client.post(SYNC, headers=coinone)
    assert answer.status_code == 202
    return answer.headers["Location"]


async def run(application: MemoryApplication) -> None:
    """Run what the API began last."""
    await application.sync_worker.run(job=application.begun[-1])


async def test_a_sync_is_accepted_begun_and_can_be_watched(
    client: httpx.AsyncClient,
    application: MemoryApplication,
    coinone: dict[str, str],
    user: dict[str, str],
) -> None:
    application.coinone.replies = {
        "KRW/BTC": [a_reply("1")],
        "KRW/ETH": FeedUnavailable("It is away."),
    }
    begun = await client.post(SYNC, headers=coinone)
    path = begun.headers["Location"]
    assert (begun.status_code, path) == (202, f"/v1/jobs/{begun.json()['id']}")
    assert (begun.json()["state"], begun.json()["requested_by"]) == ("queued", "admin")
    application.clock.advance(timedelta(seconds=1))
    await run(application)
    watched = (await client.get(path, headers=user)).json()
    assert watched == begun.json() | {
        "state": "done",
        "started_at": watched["heartbeat"],
        "ended_at": watched["heartbeat"],
        "heartbeat": "2026-01-02T03:04:06.678901Z",
        "parts": 2,
        "parts_done": 2,
        "parts_failed": 1,
        "attempted": 1,
        "inserted": 1,
        "failures": [{"part": "KRW/ETH", "reason": "It is away. [feed_unavailable]"}],
    }


async def test_a_tick_size_that_disagrees_is_told_with_what_is_known(
    client: httpx.AsyncClient, application: MemoryApplication, coinone: dict[str, str]
) -> None:
    upbit = "/v1/exchanges/upbit"
    await client.put(upbit, json={"name": "Upbit"}, headers=coinone)
    ladder = {"range_units": [{"range_min": "0", "price_unit": "1"}], "source": "a notice"}
    units = f"{upbit}/markets/KRW/*/range-units"
    stated = (await client.put(units, json=ladder, headers=coinone)).json()
    reply = ticks_of_upbit(KRW_BTC="1", KRW_ETH="2.0")
    application.upbit.replies = {"KRW/BTC,ETH": [reply]}
    begun = await client.post(f"{upbit}/range-units/sync", headers=coinone)
    await run(application)
    watched = (await client.get(begun.headers["Location"], headers=coinone)).json()
    told = "the exchange states the tick size 2, which is the unit of no band; next to it is 1"
    note = {"part": "KRW/BTC,ETH", "note": f"upbit KRW/ETH: {told}"}
    assert (watched["checked"], watched["disagreeing"], watched["notes"]) == (2, 1, [note])
    url = f"{upbit}/range-units/ingest?quote=KRW&target=ETH"
    answer = (await client.post(url, content=reply.payload, headers=coinone)).json()
    [finding] = answer["lint"]
    assert (answer["attempted"], answer["checked"], finding["code"]) == (0, 2, "scalar_disagrees")
    assert (await client.get(units, headers=coinone)).json() == stated


async def test_a_second_sync_is_refused_with_the_job_that_goes_on(
    client: httpx.AsyncClient, coinone: dict[str, str], job: str
) -> None:
    problem = (await client.post(SYNC, headers=coinone)).json()
    assert (problem["status"], problem["code"], f"/v1/jobs/{problem['job_id']}") == (
        409,
        "sync_in_progress",
        job,
    )


async def test_a_job_is_cancelled_and_resumed(
    client: httpx.AsyncClient,
    application: MemoryApplication,
    coinone: dict[str, str],
    job: str,
) -> None:
    cancelled = await client.post(f"{job}/cancel", headers=coinone)
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    resumed = await client.post(f"{job}/resume", headers=coinone)
    assert (resumed.status_code, resumed.json()["state"]) == (202, "queued")
    assert (resumed.headers["Location"], len(application.begun)) == (job, 2)
    await run(application)
    for what in ("cancel", "resume"):
        refused = (await client.post(f"{job}/{what}", headers=coinone)).json()
        assert (refused["status"], refused["code"]) == (409, "job_finished")


async def test_what_is_not_there_is_not_found(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    asked = {
        ("POST", "/v1/exchanges/nowhere/range-units/sync"): "no_feed",
        ("GET", f"/v1/jobs/{NOBODY}"): "unknown_job",
        ("POST", f"/v1/jobs/{NOBODY}/cancel"): "unknown_job",
        ("POST", f"/v1/jobs/{NOBODY}/resume"): "unknown_job",
        ("GET", f"{QUARANTINE}/{NOBODY}"): "unknown_payload",
        ("GET", "/v1/exchanges/nowhere/range-units/quarantine"): "unknown_exchange",
    }
    found = {
        (method, path): await client.request(method, path, headers=coinone)
        for method, path in asked
    }
    assert {key: (answer.status_code, answer.json()["code"]) for key, answer in found.items()} == {
        key: (404, code) for key, code in asked.items()
    }


async def test_jobs_are_listed_newest_first_page_by_page(
    client: httpx.AsyncClient, application: MemoryApplication, coinone: dict[str, str]
) -> None:
    begun = []
    for _ in range(3):
        begun.append((await client.post(SYNC, headers=coinone)).json()["id"])
        await run(application)
    listed: list[str] = []
    asked: dict[str, str] = {"limit": "2", "exchange": "Coinone"}
    while True:
        page = (await client.get("/v1/jobs", params=asked, headers=coinone)).json()
        listed += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        asked["cursor"] = page["next_cursor"]
    assert listed == begun[::-1]
    none = await client.get("/v1/jobs", params={"exchange": "korbit"}, headers=coinone)
    assert none.json() == {"items": [], "next_cursor": None}


async def test_a_cursor_that_is_none_is_refused(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    for cursor in ("x", "MQ", "YQpi", "MjAyNi0wMS0wMlQwMzowNDowNVoKYg"):
        for path in ("/v1/jobs", QUARANTINE):
            answer = await client.get(path, params={"cursor": cursor}, headers=coinone)
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


async def test_a_rejected_payload_is_listed_and_given_byte_for_byte(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    payloads = [b'{"result": "error"}', b"<html>\xff"]
    for payload in payloads:
        answer = await client.post(INGEST, content=payload, headers={**coinone, **JSON})
        assert answer.json()["code"] == "payload_rejected"
    pages = [
        (await client.get(QUARANTINE, params={"limit": "1"}, headers=coinone)).json(),
    ]
    cursor = {"limit": "1", "cursor": pages[0]["next_cursor"]}
    pages.append((await client.get(QUARANTINE, params=cursor, headers=coinone)).json())
    entries = [entry for page in pages for entry in page["items"]]
    details = [
        (await client.get(f"{QUARANTINE}/{entry['id']}", headers=coinone)).json()
        for entry in entries
    ]
    assert [b64decode(detail["payload"]) for detail in details] == payloads[::-1]
    assert [detail["source"] for detail in details] == ["a reply handed in by admin"] * 2
    assert all(detail["faults"] and detail["reason"] for detail in details)


async def test_looking_needs_no_more_than_reading_but_for_rejected_payloads(
    client: httpx.AsyncClient, user: dict[str, str], job: str
) -> None:
    asked = {
        ("GET", "/v1/jobs"): 200,
        ("GET", job): 200,
        ("POST", SYNC): 403,
        ("POST", f"{job}/cancel"): 403,
        ("POST", f"{job}/resume"): 403,
        ("GET", QUARANTINE): 403,
        ("GET", f"{QUARANTINE}/{NOBODY}"): 403,
    }
    found = {
        (method, path): (await client.request(method, path, headers=user)).status_code
        for method, path in asked
    }
    assert found == asked
