"""What was, is, and is announced of a market, and what a change changes, over HTTP."""

from datetime import timedelta
from typing import Any, Final

import httpx
import pytest

from app.adapters.exchanges.curated import bundled
from app.domain.identity.login_log import Client
from tests.application import PASSWORD, MemoryApplication
from tests.unit.http.api import NOBODY, refusal
from tests.unit.http.stating import BANDS, COARSER, COINONE, NOW, SHOWN, UNITS, put, units

DAY: Final = timedelta(days=1)
MOMENT: Final = timedelta(seconds=20)
LADDER: Final = f"{COINONE}/markets/KRW/*/range-units"
FEBRUARY, MARCH, APRIL = (f"2026-0{month}-01T00:00:00Z" for month in (2, 3, 4))
UPBIT: Final = "/v1/exchanges/upbit/markets/KRW/XRP"


async def history(
    client: httpx.AsyncClient, headers: dict[str, str], url: str = UNITS, **query: str
) -> list[dict[str, Any]]:
    answer = await client.get(f"{url}/history", params=query, headers=headers)
    assert answer.status_code == 200
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def announce(
    client: httpx.AsyncClient, admin: dict[str, str], start: str, **fields: Any
) -> str:
    body = {"range_units": COARSER, "effective_from": start} | fields
    answer = await put(client, admin, **body)
    assert answer.status_code == 201
    revision_id: str = answer.json()["revision_id"]
    return revision_id


@pytest.fixture
async def real(application: MemoryApplication) -> None:
    """The tables that come along, as the first start loads them."""
    exchanges, observations = bundled()
    await application.range_units.load_ladders(exchanges=exchanges, observations=observations)


async def later(application: MemoryApplication, by: timedelta) -> dict[str, str]:
    """Let more time pass than an access token is good for, and log in again."""
    application.clock.advance(by)
    login = await application.auth.authenticate_user(
        username="admin", password=PASSWORD, client=Client()
    )
    return {"Authorization": f"Bearer {login.access_token}"}


# -- histories -------------------------------------------------------------------------------


async def test_a_history_tells_when_each_revision_held_and_when_that_was_known(
    application: MemoryApplication, client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    shared = await put(client, coinone, LADDER)
    application.clock.advance(MOMENT)
    first = await announce(client, coinone, FEBRUARY)
    application.clock.advance(MOMENT)
    second = await announce(client, coinone, MARCH)  # the same content: it is put off
    items = await history(client, coinone)
    told = [(i["revision_id"], i["target_currency"], i["effective_from"]) for i in items]
    assert told == [
        (second, "BTC", MARCH),
        (first, "BTC", FEBRUARY),
        (shared.json()["revision_id"], "*", NOW),
    ]
    assert [i["superseded_at"] for i in items] == [None, items[0]["recorded_at"], None]
    assert [i["effective_until"] for i in items] == [None, None, None]


async def test_a_revision_ends_where_the_next_one_starts(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    await put(client, coinone)
    await announce(client, coinone, FEBRUARY)
    items = await history(client, coinone)
    assert [i["effective_until"] for i in items] == [None, FEBRUARY]


async def test_pages_of_a_history_have_every_revision_once(
    application: MemoryApplication, client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    for url in (UNITS, LADDER, UNITS, LADDER, UNITS):
        await put(client, coinone, url, range_units=COARSER if url == LADDER else BANDS)
        application.clock.advance(MOMENT)
        await put(client, coinone, url, range_units=BANDS if url == LADDER else COARSER)
    whole = await history(client, coinone)
    pages, part = [], {"limit": "3"}
    while part:
        answer = await client.get(f"{UNITS}/history", params=part, headers=coinone)
        page = answer.json()
        pages += page["items"]
        part = {"limit": "3", "cursor": page["next_cursor"]} if page["next_cursor"] else {}
    assert (pages, len(whole) > 6) == (whole, True)


async def test_a_revision_is_shown_by_its_id_with_its_table(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    stated = (await put(client, coinone)).json()
    await announce(client, coinone, FEBRUARY)
    answer = await client.get(f"/v1/range-units/revisions/{stated['revision_id']}", headers=coinone)
    assert answer.json() == stated | {"effective_until": FEBRUARY, "superseded_at": None}


@pytest.mark.usefixtures("real")
async def test_what_was_read_from_a_payload_names_its_bytes(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    shown = await units(client, coinone, f"{UPBIT}/range-units")
    assert shown["payload_digest"].startswith("sha256:")
    assert shown["payload_digest"] != shown["digest"]


# -- announced changes -----------------------------------------------------------------------


async def test_an_announced_revision_is_withdrawn_but_was_known(
    application: MemoryApplication, client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    await put(client, coinone)
    announced = await announce(client, coinone, FEBRUARY)
    known_at = application.clock.now().isoformat()
    application.clock.advance(MOMENT)
    answer = await client.delete(f"{UNITS}/scheduled/{announced}", headers=coinone)
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await units(client, coinone, as_of=MARCH))["range_units"] == SHOWN
    then = await units(client, coinone, as_of=MARCH, known_at=known_at)
    assert then["revision_id"] == announced


async def test_only_what_is_to_come_is_withdrawn(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    in_force = (await put(client, coinone)).json()["revision_id"]
    announced = await announce(client, coinone, FEBRUARY)
    shared = (await put(client, coinone, LADDER, effective_from=MARCH)).json()["revision_id"]
    refusals = []
    for revision in (in_force, NOBODY, shared, announced, announced):
        answer = await client.delete(f"{UNITS}/scheduled/{revision}", headers=coinone)
        refusals.append(answer.status_code if answer.is_success else refusal(answer))
    unknown = (404, "unknown_revision")
    assert refusals == [(409, "revision_in_force"), unknown, unknown, 204, unknown]


@pytest.mark.parametrize("start", [FEBRUARY, MARCH, None])
async def test_a_date_brought_forward_or_put_off_leaves_one_revision(
    application: MemoryApplication,
    client: httpx.AsyncClient,
    coinone: dict[str, str],
    start: str | None,
) -> None:
    await put(client, coinone)
    first = await announce(client, coinone, "2026-02-15T00:00:00Z")
    known_at = application.clock.now().isoformat()
    application.clock.advance(MOMENT)
    moved = await announce(client, coinone, start or application.clock.now().isoformat())
    standing = [i for i in await history(client, coinone) if i["superseded_at"] is None]
    assert (standing[0]["revision_id"], len(standing)) == (moved, 2)
    then = await units(client, coinone, as_of=APRIL, known_at=known_at)
    assert then["revision_id"] == first


async def test_a_date_is_not_moved_across_another_change(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    await put(client, coinone)
    await announce(client, coinone, MARCH, range_units=[{"range_min": "0", "price_unit": "2"}])
    back = await announce(client, coinone, APRIL)
    sooner = await announce(client, coinone, FEBRUARY)
    answering = [
        (await units(client, coinone, as_of=as_of))["revision_id"] for as_of in (FEBRUARY, APRIL)
    ]
    assert answering == [sooner, back]


# -- differences -----------------------------------------------------------------------------


@pytest.mark.usefixtures("real")
async def test_a_difference_is_told_by_instants_and_by_ids(
    client: httpx.AsyncClient, user: dict[str, str]
) -> None:
    by_instants = {"from": "2024-02-01T00:00:00+09:00", "to": "2025-08-01T00:00:00+09:00"}
    told = await client.get(f"{UPBIT}/range-units/diff", params=by_instants, headers=user)
    difference = told.json()
    by_ids = {
        "from": difference["before"]["revision_id"],
        "to": difference["after"]["revision_id"],
    }
    again = await client.get(f"{UPBIT}/range-units/diff", params=by_ids, headers=user)
    assert again.json() == difference
    assert {
        "range_min": "5000",
        "next_range_min": "10000",
        "unit_before": "1",
        "unit_after": "5",
    } in difference["coarser"]
    assert any(loss["first"] == "5001" for loss in difference["losses"])


@pytest.mark.usefixtures("real")
async def test_a_difference_of_what_is_not_known_is_refused(
    client: httpx.AsyncClient, user: dict[str, str]
) -> None:
    coinone = "/v1/exchanges/coinone/markets/KRW/BTC/range-units"
    elsewhere = (await units(client, user, coinone))["revision_id"]
    cases = {
        (NOBODY, FEBRUARY): (404, "unknown_revision"),
        (elsewhere, FEBRUARY): (404, "unknown_revision"),
        ("soon", FEBRUARY): (422, "invalid_request"),
    }
    refused = {
        asked: refusal(
            await client.get(
                f"{UPBIT}/range-units/diff",
                params={"from": asked[0], "to": asked[1]},
                headers=user,
            )
        )
        for asked in cases
    }
    assert refused == cases


# -- the real changes, and prices observed in a book -------------------------------------------


@pytest.mark.usefixtures("real")
async def test_the_bundled_history_answers_as_each_exchange_changed_its_units(
    client: httpx.AsyncClient, user: dict[str, str]
) -> None:
    coinone = "/v1/exchanges/coinone/markets/KRW/BTC"
    krx = "/v1/exchanges/krx/markets/KRW/005930"
    cases = [
        (UPBIT, "7003", "2024-01-28T23:59:59+09:00", False),
        (UPBIT, "7003", "2024-01-29T23:59:59+09:00", True),
        (UPBIT, "7003", "2025-07-30T23:59:59+09:00", True),
        (UPBIT, "7003", "2025-07-31T23:59:59+09:00", False),
        (UPBIT, "1234500", "2024-01-28T00:00:00+09:00", True),
        (UPBIT, "1234500", "2024-01-29T23:59:59+09:00", True),
        (UPBIT, "1234500", "2025-07-30T00:00:00+09:00", True),
        (UPBIT, "1234500", "2025-07-31T23:59:59+09:00", False),
        (coinone, "116455000", "2024-09-29T23:59:59+09:00", True),
        (coinone, "116455000", "2024-09-30T23:59:59+09:00", False),
        (krx, "1001", "2023-01-24T00:00:00+09:00", False),
        (krx, "1001", "2023-01-25T00:00:00+09:00", True),
    ]
    answers = []
    for market, price, as_of, _ in cases:
        url = f"{market}/prices/{price}"
        answer = (await client.get(url, params={"as_of": as_of}, headers=user)).json()
        answers.append((market, price, as_of, answer.get("valid", answer)))
    assert answers == cases


@pytest.mark.usefixtures("real")
async def test_an_observed_price_is_explained_by_the_revision_that_allowed_it(
    client: httpx.AsyncClient, user: dict[str, str]
) -> None:
    then = "2025-08-01T00:00:00+09:00"
    asked = {"prices": ["7003", "7000", "7000.5"], "observed": True, "as_of": then}
    answer = await client.post(f"{UPBIT}/prices/check", json=asked, headers=user)
    results = answer.json()["results"]
    old = await units(client, user, f"{UPBIT}/range-units", as_of="2025-07-30T00:00:00Z")
    allowed = {
        "revision_id": old["revision_id"],
        "effective_from": old["effective_from"],
        "effective_until": "2025-07-30T15:00:00Z",
    }
    told = [(result["valid"], result["grandfathered"]) for result in results]
    assert told == [(False, allowed), (True, None), (False, None)]
    single = await client.get(
        f"{UPBIT}/prices/7003", params={"observed": "true", "as_of": then}, headers=user
    )
    assert single.json()["grandfathered"] == allowed


@pytest.mark.usefixtures("real")
async def test_whether_a_price_was_observed_is_true_or_false(
    client: httpx.AsyncClient, user: dict[str, str]
) -> None:
    answers = {
        said: (
            await client.get(f"{UPBIT}/prices/1", params={"observed": said}, headers=user)
        ).status_code
        for said in ("true", "false", "1", "yes", "", "TRUE")
    }
    assert answers == {"true": 200, "false": 200, "1": 422, "yes": 422, "": 422, "TRUE": 422}


# -- the same again --------------------------------------------------------------------------


async def test_what_is_known_already_is_not_sent_again(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    await put(client, coinone)
    first = await client.get(UNITS, headers=coinone)
    tag = first.headers["ETag"]
    statuses = {
        said: (await client.get(UNITS, headers=coinone | {"If-None-Match": said})).status_code
        for said in (
            *(tag, f"W/{tag}", f'"other", {tag}', f'W/"a,b" ,, {tag},', "*", " * "),
            *('"other"', tag.strip('"'), f"{tag}x", f"x, {tag}", "", "w/" + tag),
        )
    }
    assert list(statuses.values()) == [304] * 6 + [200] * 6
    again = await client.get(UNITS, headers=coinone | {"If-None-Match": tag})
    assert again.content == b""
    names = ("ETag", "Cache-Control")
    assert [again.headers[name] for name in names] == [first.headers[name] for name in names]


async def test_a_tag_changes_whenever_the_body_does(
    application: MemoryApplication, client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    seen: dict[str, bytes] = {}
    known: set[bytes] = set()
    for bands in (BANDS, BANDS, COARSER, COARSER, BANDS):  # new, confirmed, new, confirmed, new
        application.clock.advance(MOMENT)
        await put(client, coinone, range_units=bands)
        then = {"known_at": application.clock.now().isoformat()}
        for query in ({}, {}, then):
            answer = await client.get(UNITS, params=query, headers=coinone)
            assert seen.setdefault(answer.headers["ETag"], answer.content) == answer.content
            known.add(answer.content)
    assert len(seen) == len(known) == 8


async def test_the_fields_of_a_body_are_those_of_the_form_that_its_tag_names(
    client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    await put(client, coinone)
    answer = await client.get(UNITS, headers=coinone)
    # A field more or less is a new form: count it up in the tag, then here.
    fields = (
        "anchor boundary digest effective_from exchange last_seen lint max_price min_price"
        " payload_digest quote_currency range_units recorded_at revision_id source"
        " target_currency top top_rule"
    )
    assert (answer.headers["ETag"][:3], " ".join(sorted(answer.json()))) == ('"1-', fields)


async def test_only_what_nothing_can_change_any_more_is_kept_for_ever(
    application: MemoryApplication, client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    await put(client, coinone)
    start = application.clock.now()
    coinone = await later(application, timedelta(minutes=10))
    now = application.clock.now()
    settled, unsettled = now - timedelta(minutes=5), now - timedelta(minutes=4, seconds=59)
    cases = {
        (start, settled): True,
        (now, settled): True,
        (start, unsettled): False,
        (start, None): False,  # a statement made later may be about then
        (None, settled): False,
        (now + DAY, settled): False,
        (None, None): False,
    }
    kept = {}
    for as_of, known_at in cases:
        asked = {"as_of": as_of, "known_at": known_at}
        query = {name: at.isoformat() for name, at in asked.items() if at is not None}
        answer = await client.get(UNITS, params=query, headers=coinone)
        kept[as_of, known_at] = "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["Cache-Control"].startswith("private, max-age=")
    assert kept == cases


async def test_an_answer_that_is_kept_for_ever_stays_the_same(
    application: MemoryApplication, client: httpx.AsyncClient, coinone: dict[str, str]
) -> None:
    await put(client, coinone)
    then = application.clock.now().isoformat()
    coinone = await later(application, timedelta(minutes=10))
    query = {"as_of": then, "known_at": then}
    first = await client.get(UNITS, params=query, headers=coinone)
    await put(client, coinone)  # confirmed
    application.clock.advance(MOMENT)
    await announce(client, coinone, "2026-01-02T00:00:00Z")  # late, about before then
    await put(client, coinone, effective_from=then.replace("00:00", "00:00"))
    again = await client.get(UNITS, params=query, headers=coinone)
    assert (again.content, again.headers["ETag"]) == (first.content, first.headers["ETag"])
