"""The whole application in this process, over HTTP, on SQLite and on Postgres."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from anyio import create_task_group
from pydantic import SecretStr

from app.adapters.memory.identity.one_time_codes import SequentialCodes
from app.adapters.security.signing_keys import make_first_key
from app.adapters.security.vault import make_vault_key
from app.adapters.sql.database import AsyncDatabase
from app.bootstrap import http_app
from app.bootstrap.database import DatabaseApplication, opened
from app.domain.principal import Role
from app.settings import Settings
from tests.application import PASSWORD, client_of
from tests.integration.server import contents_of, rows_of
from tests.use_cases import STEP

MARKET: Final = "/v1/exchanges/coinone/markets/KRW/BTC"
REPLY: Final = Path(__file__).parents[1] / "payloads" / "coinone_range_units_KRW_BTC.json"
MANY: Final = 50
LIMIT: Final = 5  # of one user from one network, by default

Headers = dict[str, str]


@pytest.fixture(scope="module")
async def running(
    migrated_database: AsyncDatabase, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[DatabaseApplication, httpx.AsyncClient]]:
    """The application, to be called by hand, and as an API with a client."""
    url = migrated_database.url.render_as_string(hide_password=False)
    directory = tmp_path_factory.mktemp("application")
    settings = Settings(database_url=SecretStr(url), data_dir=directory, bcrypt_cost=4)
    make_first_key(settings.token_keys_dir)
    make_vault_key(settings.token_keys_dir)
    async with opened(settings) as application, client_of(http_app(settings)) as client:
        yield application, client


@pytest.fixture
async def client(
    running: tuple[DatabaseApplication, httpx.AsyncClient],
    committed_database: AsyncDatabase,  # noqa: ARG001 - emptied afterwards
) -> httpx.AsyncClient:
    application, client = running
    await application.users.create_user(username="boss", password=PASSWORD, role=Role.ADMIN)
    return client


async def log_in(
    client: httpx.AsyncClient, username: str = "boss", password: str = PASSWORD
) -> httpx.Response:
    body = {"username": username, "password": password}
    return await client.post("/v1/auth/login", json=body)


@pytest.fixture
async def boss(client: httpx.AsyncClient) -> Headers:
    login = await log_in(client)
    return {"Authorization": f"Bearer {login.json()['access_token']}"}


@pytest.fixture
async def ingested(client: httpx.AsyncClient, boss: Headers) -> httpx.Response:
    exchange = {"name": "Coinone", "time_zone": "Asia/Seoul"}
    await client.put("/v1/exchanges/coinone", json=exchange, headers=boss)
    return await client.post(
        "/v1/exchanges/coinone/range-units/ingest",
        params={"quote": "KRW", "target": "BTC"},
        content=REPLY.read_bytes(),
        headers=boss,
    )


async def test_who_logged_in_is_told_who_they_are(client: httpx.AsyncClient, boss: Headers) -> None:
    answer = await client.get("/v1/users/me", headers=boss)
    assert (answer.status_code, answer.json()["username"]) == (200, "boss")


async def test_the_application_is_ready(client: httpx.AsyncClient) -> None:
    assert (await client.get("/readyz")).status_code == 200


async def test_a_reply_is_taken(ingested: httpx.Response) -> None:
    counts = {"attempted": 1, "inserted": 1, "updated": 0, "unchanged": 0, "rejected": 0}
    answer = ingested.json()
    lint = answer.pop("lint")
    rest = {"checked": 0, "rejections": []}
    assert (ingested.status_code, answer) == (200, counts | rest)
    assert [finding["code"] for finding in lint] == ["sentinel_top"]


@pytest.mark.usefixtures("ingested")
async def test_range_units_are_those_of_the_reply(client: httpx.AsyncClient, boss: Headers) -> None:
    answer = await client.get(f"{MARKET}/range-units", headers=boss)
    shown = [
        {name: Decimal(number) for name, number in band.items()}
        for band in answer.json()["range_units"]
    ]
    reply = json.loads(REPLY.read_bytes(), parse_float=Decimal)
    assert shown == reply["range_price_units"]


@pytest.mark.usefixtures("ingested")
async def test_a_price_is_judged_by_the_reply(client: httpx.AsyncClient, boss: Headers) -> None:
    answer = await client.get(f"{MARKET}/prices/116455500", headers=boss)
    judged = answer.json()
    assert (judged["valid"], judged["floor"], judged["ceil"]) == (False, "116455000", "116456000")


@pytest.mark.usefixtures("ingested")
async def test_prices_are_rounded_by_the_reply(client: httpx.AsyncClient, boss: Headers) -> None:
    body = {"prices": ["0.00015", "5003"], "direction": "down"}
    answer = await client.post(f"{MARKET}/prices/round", json=body, headers=boss)
    assert [result["rounded"] for result in answer.json()["results"]] == ["0.0001", "5000"]


@pytest.mark.usefixtures("ingested")
async def test_prices_are_checked_by_the_reply(client: httpx.AsyncClient, boss: Headers) -> None:
    body = {"prices": ["5005", "5003"]}
    answer = await client.post(f"{MARKET}/prices/check", json=body, headers=boss)
    assert [result["valid"] for result in answer.json()["results"]] == [True, False]


@pytest.mark.usefixtures("ingested")
async def test_prices_of_36_digits_and_units_of_18_decimals_are_exact(
    client: httpx.AsyncClient, boss: Headers
) -> None:
    start, unit = "123456789012345678", "0.000000000000000007"
    table = {"range_units": [{"range_min": start, "price_unit": unit}], "anchor": "range_min"}
    market = MARKET.replace("BTC", "WEI")
    body = table | {"source": "a notice"}
    put = await client.put(f"{market}/range-units", json=body, headers=boss)
    off = f"{start}.000000000000000008"
    answer = await client.get(f"{market}/prices/{off}", headers=boss)
    names = ("price", "floor", "ceil", "price_unit", "range_min")
    assert (put.status_code, [answer.json()[name] for name in names]) == (
        201,
        [off, f"{start}.000000000000000007", f"{start}.000000000000000014", unit, start],
    )


@pytest.mark.usefixtures("ingested")
async def test_a_change_is_announced_moved_compared_withdrawn_and_remembered(
    client: httpx.AsyncClient, boss: Headers
) -> None:
    announced = []
    for start in ("2099-03-01T00:00:00Z", "2099-02-01T00:00:00Z"):
        body = UNITS | {"effective_from": start}
        put = await client.put(f"{MARKET}/range-units", json=body, headers=boss)
        announced.append(put.json()["revision_id"])
    first, moved = announced
    whole = await client.get(f"{MARKET}/range-units/history", headers=boss)
    items = whole.json()["items"]
    assert [(item["revision_id"], item["superseded_at"] is None) for item in items[:2]] == [
        (moved, True),
        (first, False),
    ]
    assert items[2]["effective_until"] == "2099-02-01T00:00:00Z"
    query = {"from": items[2]["revision_id"], "to": "2099-02-01T00:00:00Z"}
    told = await client.get(f"{MARKET}/range-units/diff", params=query, headers=boss)
    assert told.json()["after"]["revision_id"] == moved
    asked = {"observed": "true", "as_of": "2099-02-02T00:00:00Z"}
    observed = await client.get(f"{MARKET}/prices/8", params=asked, headers=boss)
    assert observed.json()["grandfathered"]["revision_id"] == items[2]["revision_id"]
    url = f"{MARKET}/range-units/scheduled/{moved}"
    statuses = [(await client.delete(url, headers=boss)).status_code for _ in range(2)]
    assert statuses == [204, 404]


UNITS: Final = {
    "range_units": [{"range_min": "0", "price_unit": "0.1"}, {"range_min": "7", "price_unit": "3"}],
    "source": "a notice",
}


@pytest.mark.usefixtures("ingested")
async def test_stated_range_units_answer_from_then_on(
    client: httpx.AsyncClient, boss: Headers
) -> None:
    put = await client.put(f"{MARKET}/range-units", json=UNITS, headers=boss)
    answer = await client.get(f"{MARKET}/prices/8", headers=boss)
    assert (put.status_code, answer.json()["price_unit"]) == (201, "3")
    assert answer.json()["revision_id"] == put.json()["revision_id"]


@pytest.mark.usefixtures("ingested")
async def test_stating_the_same_again_changes_nothing(
    client: httpx.AsyncClient, boss: Headers
) -> None:
    first = await client.put(f"{MARKET}/range-units", json=UNITS, headers=boss)
    again = await client.put(f"{MARKET}/range-units", json=UNITS, headers=boss)
    assert again.status_code == 200
    assert again.json()["revision_id"] == first.json()["revision_id"]


@pytest.mark.usefixtures("ingested")
async def test_exchanges_and_markets_are_listed(client: httpx.AsyncClient, boss: Headers) -> None:
    exchanges = await client.get("/v1/exchanges", headers=boss)
    markets = await client.get("/v1/exchanges/coinone/markets", headers=boss)
    assert [exchange["exchange"] for exchange in exchanges.json()["items"]] == ["coinone"]
    assert markets.json()["items"] == [{"quote_currency": "KRW", "target_currency": "BTC"}]


@pytest.fixture
async def bot(client: httpx.AsyncClient, boss: Headers) -> Headers:
    body = {"username": "grid-bot-7", "password": PASSWORD}
    await client.post("/v1/users", json=body, headers=boss)
    await log_in(client, "Grid-Bot-7", "not the password")
    login = await log_in(client, "grid-bot-7")
    return {"Authorization": f"Bearer {login.json()['access_token']}"}


async def test_a_new_user_sees_their_own_logins_only(
    client: httpx.AsyncClient, bot: Headers
) -> None:
    answer = await client.get("/v1/users/me/login-log", headers=bot)
    assert [(seen["username"], seen["outcome"]) for seen in answer.json()["items"]] == [
        ("grid-bot-7", "success"),
        ("Grid-Bot-7", "failed"),
    ]


async def test_a_new_user_may_not_see_the_logins_of_others(
    client: httpx.AsyncClient, bot: Headers
) -> None:
    assert (await client.get("/v1/login-log", headers=bot)).status_code == 403


SEARCHES: Final[dict[str, list[str]]] = {
    "": ["grid-bot-7", "Grid-Bot-7", "boss"],
    "username=GRID-BOT-7": ["grid-bot-7", "Grid-Bot-7"],
    "outcome=failed": ["Grid-Bot-7"],
    "reason=bad_password": ["Grid-Bot-7"],
    "outcome=success&username=grid-bot-7": ["grid-bot-7"],
    "outcome=success&ip=203.0.113.7": ["grid-bot-7", "boss"],
    "ip=203.0.113.8": [],
    "until=2026-01-01T00:00:00Z": [],
    "since=2026-01-01T00:00:00Z": ["grid-bot-7", "Grid-Bot-7", "boss"],
}


@pytest.mark.usefixtures("bot")
async def test_the_login_log_is_searched(client: httpx.AsyncClient, boss: Headers) -> None:
    found = {}
    for search in SEARCHES:
        answer = await client.get(f"/v1/login-log?{search}", headers=boss)
        found[search] = [attempt["username"] for attempt in answer.json()["items"]]
    assert found == SEARCHES


async def test_the_login_log_is_read_page_by_page_while_others_log_in(
    client: httpx.AsyncClient, boss: Headers
) -> None:
    for number in range(6):
        await log_in(client, f"stranger-{number}", "whatever it may be")
    seen: list[str] = []
    page: dict[str, str] = {"limit": "3"}
    while True:
        answer = (await client.get("/v1/login-log", params=page, headers=boss)).json()
        seen += [attempt["username"] for attempt in answer["items"]]
        if answer["next_cursor"] is None:
            break
        page["cursor"] = answer["next_cursor"]
        await log_in(client, "late-stranger", "whatever it may be")
    assert seen == [*(f"stranger-{number}" for number in reversed(range(6))), "boss"]


KEY: Final = {
    "name": "grid bot",
    "scopes": ["range-units:read", "users:admin"],
    "expires_at": "2099-01-01T00:00:00Z",
    "allowed_networks": ["203.0.113.0/24", "2001:db8::/32"],
}


@pytest.fixture
async def key(client: httpx.AsyncClient, boss: Headers) -> dict[str, Any]:
    answer = await client.post("/v1/api-keys", json=KEY, headers=boss)
    document: dict[str, Any] = answer.json()
    return document


def with_key(key: dict[str, Any]) -> Headers:
    return {"Authorization": f"Bearer {key['key']}"}


async def test_a_key_acts_as_who_made_it_and_its_use_is_noted(
    client: httpx.AsyncClient, boss: Headers, key: dict[str, Any]
) -> None:
    me = await client.get("/v1/users/me", headers=with_key(key))
    [listed] = (await client.get("/v1/api-keys", headers=boss)).json()["items"]
    assert (me.status_code, me.json()["username"]) == (200, "boss")
    assert {name: listed[name] for name in KEY} == KEY
    assert (listed["last_used_ip"], listed["last_used_at"] is None) == ("203.0.113.7", False)


async def test_a_rotated_key_goes_on_beside_its_successor_until_it_is_revoked(
    client: httpx.AsyncClient, boss: Headers, key: dict[str, Any]
) -> None:
    new = (await client.post(f"/v1/api-keys/{key['id']}/rotate", headers=boss)).json()
    both = [await client.get("/v1/users/me", headers=with_key(each)) for each in (key, new)]
    await client.delete(f"/v1/api-keys/{key['id']}", headers=boss)
    rest = [await client.get("/v1/users/me", headers=with_key(each)) for each in (key, new)]
    answers = [answer.status_code for answer in both + rest]
    assert answers == [200, 200, 401, 200]


async def test_nothing_that_proves_a_key_is_in_the_database(
    committed_database: AsyncDatabase, key: dict[str, Any]
) -> None:
    rows = str(await contents_of(committed_database))
    assert (key["id"].replace("-", "") in rows.replace("-", ""), key["key"][25:68] in rows) == (
        True,
        False,
    )


async def test_of_keys_that_are_made_at_once_no_more_are_live_than_may_be(
    client: httpx.AsyncClient, boss: Headers
) -> None:
    statuses: list[int] = []

    async def make(count: int) -> None:
        for _ in range(count):
            answer = await client.post("/v1/api-keys", json=KEY, headers=boss)
            statuses.append(answer.status_code)

    async with create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(make, 17)
    assert Counter(statuses) == {201: 100, 409: 2}


async def all_at_once(client: httpx.AsyncClient, password: str) -> list[httpx.Response]:
    answers: list[httpx.Response] = []

    async def attempt() -> None:
        answers.append(await log_in(client, password=password))

    async with create_task_group() as tasks:
        for _ in range(MANY):
            tasks.start_soon(attempt)
    return answers


async def outcomes(database: AsyncDatabase) -> Counter[tuple[Any, ...]]:
    attempts = await rows_of(database, "SELECT outcome, fail_reason FROM login_attempts")
    return Counter(tuple(attempt) for attempt in attempts)


async def test_parallel_correct_logins_open_a_session_each(client: httpx.AsyncClient) -> None:
    answers = await all_at_once(client, PASSWORD)
    assert Counter(answer.status_code for answer in answers) == {200: MANY}
    assert len({answer.json()["session_id"] for answer in answers}) == MANY


async def test_parallel_correct_logins_are_all_in_the_log(
    client: httpx.AsyncClient, committed_database: AsyncDatabase
) -> None:
    await all_at_once(client, PASSWORD)
    assert await outcomes(committed_database) == {("success", None): MANY}


async def test_of_parallel_wrong_guesses_only_the_limit_is_checked(
    client: httpx.AsyncClient,
) -> None:
    answers = await all_at_once(client, "not the password")
    assert Counter(answer.status_code for answer in answers) == {401: LIMIT, 429: MANY - LIMIT}


async def test_parallel_wrong_guesses_are_all_in_the_log(
    client: httpx.AsyncClient, committed_database: AsyncDatabase
) -> None:
    await all_at_once(client, "not the password")
    assert await outcomes(committed_database) == {
        ("failed", "bad_password"): LIMIT,
        ("throttled", "throttled_pair"): MANY - LIMIT,
    }


# -- with a second factor --------------------------------------------------------------------

OWN: Final = "/v1/users/me/mfa"


def code_of(secret: str, *, steps: int = 0) -> str:
    """Give the code that a device shows, or will show so many steps later."""
    return SequentialCodes().code_at(secret=secret, at=datetime.now(UTC) + steps * STEP)


@pytest.fixture
async def recovery_codes(client: httpx.AsyncClient, boss: Headers) -> list[str]:
    """Give the boss a second factor, whose device shows the next code already."""
    begun = await client.post(OWN, json={"current_password": PASSWORD}, headers=boss)
    code = code_of(begun.json()["secret"])
    confirmed = await client.post(f"{OWN}/confirm", json={"code": code}, headers=boss)
    codes: list[str] = confirmed.json()["recovery_codes"]
    return codes


async def answer_challenge(client: httpx.AsyncClient, code: str) -> httpx.Response:
    challenge = (await log_in(client)).json()["mfa_challenge"]
    return await client.post("/v1/auth/mfa", json={"challenge": challenge, "code": code})


async def test_from_enrolling_to_removing_a_second_factor(
    client: httpx.AsyncClient, boss: Headers
) -> None:
    begun = await client.post(OWN, json={"current_password": PASSWORD}, headers=boss)
    secret = begun.json()["secret"]
    # The step before, so that the login has one left whenever the clock moves on.
    code = {"code": code_of(secret, steps=-1)}
    confirmed = await client.post(f"{OWN}/confirm", json=code, headers=boss)
    codes = confirmed.json()["recovery_codes"]
    lacking = await log_in(client)
    login = await answer_challenge(client, code_of(secret, steps=1))
    proof = {"current_password": PASSWORD, "code": codes[0]}
    headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
    removed = await client.post(f"{OWN}/remove", json=proof, headers=headers)
    answers = (begun, confirmed, lacking, login, removed, await log_in(client))
    assert [answer.status_code for answer in answers] == [201, 200, 401, 200, 204, 200]


async def test_of_parallel_uses_of_one_code_one_opens_a_session(
    client: httpx.AsyncClient, recovery_codes: list[str]
) -> None:
    answers: list[int] = []

    async def use() -> None:
        answers.append((await answer_challenge(client, recovery_codes[0])).status_code)

    async with create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(use)
    assert Counter(answers) == {200: 1, 401: LIMIT, 429: 9 - LIMIT}


async def test_of_parallel_guesses_at_one_challenge_five_are_looked_at(
    client: httpx.AsyncClient, recovery_codes: list[str], committed_database: AsyncDatabase
) -> None:
    assert recovery_codes
    challenge = (await log_in(client)).json()["mfa_challenge"]
    told: list[str] = []

    async def guess() -> None:
        body = {"challenge": challenge, "code": "no code"}
        told.append((await client.post("/v1/auth/mfa", json=body)).json()["code"])

    async with create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(guess)
    assert Counter(told) == {"invalid_code": 5, "invalid_challenge": 15}
    assert (await outcomes(committed_database))["failed", "mfa_failed"] == 20
