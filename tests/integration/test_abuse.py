"""What strangers do to the login of a service that runs in processes of its own.

Of the two processes that share a database, one has its peers on loopback for trusted proxies, so
that a test can come from any network; the other believes nobody.
"""

import json
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from anyio import connect_tcp, create_task_group, run_process
from sqlalchemy import text, update

from app.adapters.sql.identity.throttle import ThrottleSlotRow
from app.bootstrap.database import opened
from app.domain.identity.throttle import PENDING_FOR
from app.domain.identity.users import User
from tests.application import PASSWORD
from tests.integration.server import (
    PATIENCE,
    Server,
    command,
    environment_of,
    rows_of,
    serving,
)
from tests.integration.test_server_process import Place, new_place

LOGIN: Final = "/v1/auth/login"
WRONG: Final = "not the password of anyone"
LIMIT: Final = 5  # of one user from one network, by default
LIMIT_OF_A_USER: Final = 20
MANY: Final = 100
FLOOD: Final = 500
QUEUE: Final = 16  # so short that a flood does not fit
COST_OF_A_FLOOD: Final = 9
COST_OF_A_MOMENT: Final = 12  # a hash takes long enough to do something meanwhile
COST_OF_A_WHILE: Final = 14
A_FEW: Final = 5
MORE_THAN_FIT: Final = 50  # between the end of a hash and the answer
NUMBERS: Final = count(1)


def body(name: str, password: str) -> dict[str, str]:
    return {"username": name, "password": password}


def from_network(number: int) -> dict[str, str]:
    """Give the headers of who comes from another network than those of other numbers."""
    high, low = divmod(number, 256)
    return {"X-Forwarded-For": f"198.18.{high}.{low}"}


def elsewhere() -> dict[str, str]:
    """Give the headers of who comes from where nobody has come from."""
    return from_network(next(NUMBERS))


@asynccontextmanager
async def client_of(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client that opens as many connections as it has requests."""
    async with httpx.AsyncClient(
        base_url=server.base_url,
        timeout=PATIENCE,
        trust_env=False,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
    ) as client:
        yield client


@dataclass(frozen=True)
class Attacked:
    """Two processes on one database, a client of each, and what is found in the database."""

    place: Place
    servers: list[Server]
    trusting: httpx.AsyncClient
    wary: httpx.AsyncClient

    async def newcomer(self, *, password: str = PASSWORD, cost: int = 4) -> User:
        """Make a user whose password is hashed at that cost, and therefore checked at it."""
        settings = self.place.settings_here().model_copy(update={"bcrypt_cost": cost})
        async with opened(settings) as application:
            return await application.users.create_user(
                username=f"user-{next(NUMBERS)}", password=password
            )

    async def log_of(self, name: str) -> Counter[tuple[str, str | None]]:
        """Count how the attempts at a name have ended."""
        query = "SELECT outcome, fail_reason FROM login_attempts WHERE username = :name"
        found = await rows_of(self.place.database, query, name=name)
        return Counter((row.outcome, row.fail_reason) for row in found)

    async def pending(self, name: str) -> int:
        return (await self.log_of(name))["pending", None]

    async def command(self, *arguments: str) -> str:
        ended = await run_process(
            command(*arguments),
            cwd=self.place.directory,
            env=environment_of(self.place.settings),
        )
        return ended.stdout.decode()


@asynccontextmanager
async def prepared(kind: str, directory: Path, server_url: str) -> AsyncIterator[Place]:
    """Give a place whose database has its schema."""
    async with new_place(kind, directory, server_url) as place:
        async with opened(place.settings_here(), makes=True) as application:
            await application.prepare()
        yield place


# What counts guesses is proved on both by its contract; here it is two processes that share it.
@pytest.fixture(
    scope="module", params=[pytest.param("sqlite", marks=pytest.mark.thorough), "postgres"]
)
async def attacked(
    anyio_backend: str,  # noqa: ARG001 - asked for first, so that all share one event loop
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server_url: str,
) -> AsyncIterator[Attacked]:
    directory = tmp_path_factory.mktemp("attacked")
    async with (
        AsyncExitStack() as stack,
        prepared(request.param, directory, postgres_server_url) as place,
    ):
        wary = place.settings | {"TICKGATE_HASH_QUEUE": str(QUEUE)}
        trusting = wary | {"TICKGATE_TRUSTED_PROXIES": "127.0.0.0/8"}
        servers = [
            await stack.enter_async_context(serving(directory, settings=settings))
            for settings in (trusting, wary)
        ]
        clients = [await stack.enter_async_context(client_of(server)) for server in servers]
        yield Attacked(place, servers, *clients)


async def all_at_once(*requests: partial[Any]) -> list[httpx.Response]:
    answers: list[httpx.Response] = []

    async def ask(request: partial[Any]) -> None:
        answers.append(await request())

    async with create_task_group() as tasks:
        for request in requests:
            tasks.start_soon(ask, request)
    return answers


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


# -- guesses that race one another -----------------------------------------------------------


async def test_of_a_hundred_parallel_wrong_guesses_five_are_checked_and_all_are_in_the_log(
    attacked: Attacked,
) -> None:
    name = (await attacked.newcomer()).username
    guess = partial(attacked.wary.post, LOGIN, json=body(name, WRONG))
    answers = await all_at_once(*[guess] * MANY)
    assert statuses(answers) == {401: LIMIT, 429: MANY - LIMIT}
    assert await attacked.log_of(name) == {
        ("failed", "bad_password"): LIMIT,
        ("throttled", "throttled_pair"): MANY - LIMIT,
    }


async def test_who_is_throttled_is_told_the_limit_and_when_to_come_again(
    attacked: Attacked,
) -> None:
    name = (await attacked.newcomer()).username
    guess = partial(attacked.wary.post, LOGIN, json=body(name, WRONG))
    answers = await all_at_once(*[guess] * (LIMIT * 2))
    told = [answer for answer in answers if answer.status_code == 429]
    assert {answer.headers["RateLimit-Policy"] for answer in told} == {'"pair";q=5;w=300'}
    for answer in told:
        seconds = int(answer.headers["Retry-After"])
        assert 0 < seconds <= 300
        assert answer.headers["RateLimit"] == f'"pair";r=0;t={seconds}'
        assert answer.json()["code"] == "too_many_attempts"


async def test_a_hundred_parallel_correct_logins_all_succeed_and_are_in_the_log(
    attacked: Attacked,
) -> None:
    name = (await attacked.newcomer()).username
    login = partial(attacked.wary.post, LOGIN, json=body(name, PASSWORD))
    answers = await all_at_once(*[login] * MANY)
    assert statuses(answers) == {200: MANY}
    assert await attacked.log_of(name) == {("success", None): MANY}


async def test_guesses_spread_over_two_processes_share_one_limit(attacked: Attacked) -> None:
    name = (await attacked.newcomer()).username
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(client_of(server)) for server in attacked.servers * 5
        ]
        guesses = [partial(client.post, LOGIN, json=body(name, WRONG)) for client in clients]
        answers = await all_at_once(*guesses * (MANY // len(guesses)))
    assert statuses(answers) == {401: LIMIT, 429: MANY - LIMIT}
    assert (await attacked.log_of(name))["failed", "bad_password"] == LIMIT


async def test_who_is_throttled_by_one_process_is_throttled_by_the_other(
    attacked: Attacked,
) -> None:
    name = (await attacked.newcomer()).username
    for _ in range(LIMIT):
        await attacked.wary.post(LOGIN, json=body(name, WRONG))
    answer = await attacked.trusting.post(LOGIN, json=body(name, PASSWORD))
    assert answer.status_code == 429


async def test_correct_logins_among_racing_guesses_get_through_until_the_limit_is_reached(
    attacked: Attacked,
) -> None:
    name = (await attacked.newcomer()).username
    wrong, right = (
        partial(attacked.wary.post, LOGIN, json=body(name, password))
        for password in (WRONG, PASSWORD)
    )
    answers = await all_at_once(*[*[right] * 10, wrong] * (LIMIT - 1))
    assert statuses(answers) == {200: 10 * (LIMIT - 1), 401: LIMIT - 1}


# -- guesses that are broken off -------------------------------------------------------------


@asynccontextmanager
async def guess_in_flight(server: Server, name: str, password: str) -> AsyncIterator[None]:
    """Send a login over a connection of its own, which is closed at the end of the block."""
    content = json.dumps(body(name, password)).encode()
    head = (
        f"POST {LOGIN} HTTP/1.1\r\nHost: tickgate\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    url = httpx.URL(server.base_url)
    async with await connect_tcp(url.host, url.port or 80) as stream:
        await stream.send(head.encode() + content)
        yield


async def break_off(attacked: Attacked, name: str, password: str, *, times: int) -> None:
    """Hang up while so many passwords are checked, and wait until the log tells of each."""
    server = attacked.servers[1]

    async def are_pending() -> bool:
        return await attacked.pending(name) == times

    async def are_settled() -> bool:
        return await attacked.pending(name) == 0

    async with AsyncExitStack() as stack:
        for _ in range(times):
            await stack.enter_async_context(guess_in_flight(server, name, password))
        await server.eventually(are_pending)
    await server.eventually(are_settled)


async def test_guesses_of_a_client_that_hangs_up_count(attacked: Attacked) -> None:
    name = (await attacked.newcomer(cost=COST_OF_A_MOMENT)).username
    await break_off(attacked, name, WRONG, times=LIMIT)
    answer = await attacked.wary.post(LOGIN, json=body(name, PASSWORD))
    assert answer.status_code == 429
    assert (await attacked.log_of(name)).total() == LIMIT + 1


async def test_after_a_client_hung_up_there_is_room_for_the_next(attacked: Attacked) -> None:
    name = (await attacked.newcomer(cost=COST_OF_A_MOMENT)).username
    await break_off(attacked, name, PASSWORD, times=1)
    answer = await attacked.wary.post(LOGIN, json=body(name, PASSWORD))
    assert answer.status_code == 200


async def test_while_a_password_is_checked_it_answers_that_it_is_alive(attacked: Attacked) -> None:
    name = (await attacked.newcomer(cost=COST_OF_A_WHILE)).username
    server = attacked.servers[1]
    told: list[httpx.Response] = []

    async def ask(request: partial[Any]) -> None:
        told.append(await request())

    async with server.client() as client, create_task_group() as tasks:
        tasks.start_soon(ask, partial(attacked.wary.post, LOGIN, json=body(name, PASSWORD)))
        await server.eventually(partial(attacked.pending, name))
        for _ in range(MORE_THAN_FIT):
            await ask(partial(client.get, "/livez"))
    paths = [answer.request.url.path for answer in told]
    assert paths == ["/livez"] * MORE_THAN_FIT + [LOGIN]
    assert statuses(told) == {200: MORE_THAN_FIT + 1}


# -- a process that dies ---------------------------------------------------------------------


@dataclass(frozen=True)
class Killed:
    """What is left of a process that was killed while it checked a guess, and what came of it.

    There were `LIMIT - 1` failures before that guess. The next one reaches another process, and is
    not answered before the one that nobody checks any more has had its time.
    """

    left: Counter[tuple[str, str | None]]
    waiting: Counter[tuple[str, str | None]]
    answer: httpx.Response
    answer_to_blocked: httpx.Response


async def ask_the_dying(client: httpx.AsyncClient, name: str) -> None:
    with suppress(httpx.TransportError):
        await client.post(LOGIN, json=body(name, WRONG))


async def have_same_hash(place: Place, name: str, dear: str) -> None:
    """Let a password take as long to be checked as that of somebody else."""
    hashed = "(SELECT password_hash FROM users WHERE username = :dear)"
    statement = f"UPDATE users SET password_hash = {hashed} WHERE username = :name"  # noqa: S608 - our own query
    async with place.database.engine.begin() as connection:
        await connection.execute(text(statement), {"dear": dear, "name": name})


async def age_guesses(place: Place) -> None:
    """Let the guesses that are being checked have begun longer ago than any takes."""
    aged = update(ThrottleSlotRow).where(ThrottleSlotRow.pending)
    async with place.database.engine.begin() as connection:
        await connection.execute(aged.values(taken_at=datetime.now(UTC) - 2 * PENDING_FOR))


@pytest.fixture(
    scope="module", params=[pytest.param("sqlite", marks=pytest.mark.thorough), "postgres"]
)
async def killed(
    anyio_backend: str,  # noqa: ARG001 - asked for first, so that all share one event loop
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server_url: str,
) -> AsyncIterator[Killed]:
    directory = tmp_path_factory.mktemp("killed")
    async with prepared(request.param, directory, postgres_server_url) as place:
        start = partial(serving, directory, settings=place.settings)
        async with start() as server, server.client() as client:
            attacked = Attacked(place, [server], client, client)
            victim, blocked, dear = [
                (await attacked.newcomer(cost=cost)).username for cost in (4, 4, COST_OF_A_WHILE)
            ]
            for name in [victim] * (LIMIT - 1) + [blocked] * LIMIT:
                await client.post(LOGIN, json=body(name, WRONG))
            await have_same_hash(place, victim, dear)
            async with create_task_group() as tasks:
                tasks.start_soon(ask_the_dying, client, victim)
                await server.eventually(partial(attacked.pending, victim))
                await server.ends(signal.SIGKILL)
        left = await attacked.log_of(victim)
        async with start() as server, server.client() as client:
            answers: list[httpx.Response] = []

            async def guess() -> None:
                answers.append(await client.post(LOGIN, json=body(victim, PASSWORD)))

            async def waits() -> bool:
                return await attacked.pending(victim) == 2

            async with create_task_group() as tasks:
                tasks.start_soon(guess)
                await server.eventually(waits)
                answer_to_blocked = await client.post(LOGIN, json=body(blocked, PASSWORD))
                waiting = await attacked.log_of(victim)
                await age_guesses(place)
        yield Killed(left, waiting, answers[0], answer_to_blocked)


def test_a_guess_whose_process_is_killed_stays_in_the_log_as_pending(killed: Killed) -> None:
    assert killed.left == {("failed", "bad_password"): LIMIT - 1, ("pending", None): 1}


def test_while_it_may_be_checked_yet_nobody_gets_its_slot(killed: Killed) -> None:
    assert killed.waiting == {("failed", "bad_password"): LIMIT - 1, ("pending", None): 2}


def test_a_guess_whose_process_is_killed_counts_as_failed(killed: Killed) -> None:
    assert killed.answer.status_code == 429


def test_a_limit_outlives_its_process(killed: Killed) -> None:
    assert killed.answer_to_blocked.status_code == 429


# -- what strangers send ---------------------------------------------------------------------


PASSWORDS: Final[dict[str, tuple[bytes, set[int]]]] = {
    "73 bytes": (b"x" * 73, {401}),
    "1024 bytes": (b"x" * 1024, {401}),
    "10 kB": (b"x" * 10_000, {422}),
    "10 MB": (b"x" * 10_000_000, {413}),
    "NUL": (b"correct horse\\u0000 battery staple", {401, 422}),
    "a lone surrogate": (b"correct horse \\ud800 battery staple", {401, 422}),
    "four-byte characters": ("🙂".encode() * 1024, {401, 422}),
    "no UTF-8": (b"\xff\xfe correct horse", {422}),
}


async def test_passwords_that_nobody_has_are_refused_and_never_a_defect(
    attacked: Attacked,
) -> None:
    name = (await attacked.newcomer()).username
    answered = {}
    for what, (password, _) in PASSWORDS.items():
        content = b'{"username": "%b", "password": "%b"}' % (name.encode(), password)
        headers = elsewhere() | {"Content-Type": "application/json"}
        answer = await attacked.trusting.post(LOGIN, content=content, headers=headers)
        answered[what] = answer.status_code
    assert {
        what: status in PASSWORDS[what][1] for what, status in answered.items()
    } == dict.fromkeys(PASSWORDS, True), answered


async def test_passwords_that_share_72_bytes_are_two_passwords(attacked: Attacked) -> None:
    shared = "0123456789abcdef" * 5
    name = (await attacked.newcomer(password=shared[:72] + "A")).username
    tried = [shared[:72] + "A", shared[:72] + "B", shared[:72]]
    answers = [await attacked.wary.post(LOGIN, json=body(name, password)) for password in tried]
    assert [answer.status_code for answer in answers] == [200, 401, 401]


USERNAMES: Final[dict[str, tuple[str, str]]] = {
    "line breaks": ("{}\r\nadmin logged in", r"{}\r\nadmin logged in"),
    "ANSI escapes": ("{}\x1b[2J\x1b[31m", r"{}\x1b[2J\x1b[31m"),
    "line separators": ("{}\u2028\u0085\v", r"{}\u2028\x85\x0b"),
    "1 MB": ("{}" + "m" * 1_000_000, ""),
}


async def test_a_username_is_one_escaped_line_wherever_it_is_told(attacked: Attacked) -> None:
    mark = f"stranger-{next(NUMBERS)}"
    headers = elsewhere()
    for username, _ in USERNAMES.values():
        sent = body(username.format(mark), WRONG)
        answer = await attacked.trusting.post(LOGIN, json=sent, headers=headers)
        assert answer.status_code in {401, 413}
    told = await attacked.command("login-log", "search", "--ip", headers["X-Forwarded-For"])
    lines = await attacked.command(
        "login-log", "search", "--ip", headers["X-Forwarded-For"], "--json"
    )
    escaped = [recorded.format(mark) for _, recorded in USERNAMES.values()]
    found = [attempt["username"] for attempt in json.loads(lines)["items"]]
    assert found == escaped[::-1]
    for output in (told, lines, *[server.said() for server in attacked.servers]):
        assert all(line.isprintable() for line in output.split("\n"))


async def test_a_disabled_user_with_the_right_password_is_told_what_a_mistyped_one_is(
    attacked: Attacked,
) -> None:
    disabled, mistyped = [await attacked.newcomer() for _ in range(2)]
    async with opened(attacked.place.settings_here()) as application:
        await application.users.set_disabled(user_id=disabled.id, disabled=True)
    attempts = [body(disabled.username, PASSWORD), body(mistyped.username, WRONG)]
    headers = {"X-Request-ID": "order-1"}
    answers = [
        await attacked.trusting.post(LOGIN, json=attempt, headers=headers | elsewhere())
        for attempt in attempts
    ]
    for answer in answers:
        del answer.headers["Date"]
    [one, other] = [(answer.status_code, answer.headers, answer.content) for answer in answers]
    assert one == other
    assert await attacked.log_of(disabled.username) == {("failed", "disabled"): 1}


# -- where they say they are -----------------------------------------------------------------


async def ips_of(attacked: Attacked, name: str) -> list[str]:
    query = "SELECT ip FROM login_attempts WHERE username = :name ORDER BY at, id"
    return [row.ip for row in await rows_of(attacked.place.database, query, name=name)]


async def test_a_forged_address_gives_nobody_another_guess(attacked: Attacked) -> None:
    name = (await attacked.newcomer()).username
    answers = [
        await attacked.wary.post(LOGIN, json=body(name, WRONG), headers=elsewhere())
        for _ in range(LIMIT + 1)
    ]
    assert [answer.status_code for answer in answers] == [401] * LIMIT + [429]
    assert await ips_of(attacked, name) == ["127.0.0.1"] * (LIMIT + 1)


async def test_clients_of_a_trusted_proxy_are_told_apart(attacked: Attacked) -> None:
    name = (await attacked.newcomer()).username
    networks = [elsewhere() for _ in range(LIMIT + 1)]
    # What the client claims stands before what the proxy saw.
    headers = [
        {"X-Forwarded-For": f"203.0.113.9, {network['X-Forwarded-For']}"} for network in networks
    ]
    answers = [
        await attacked.trusting.post(LOGIN, json=body(name, WRONG), headers=sent)
        for sent in headers
    ]
    assert statuses(answers) == {401: LIMIT + 1}
    assert await ips_of(attacked, name) == [network["X-Forwarded-For"] for network in networks]


async def test_who_has_succeeded_from_their_network_is_not_locked_out_from_elsewhere(
    attacked: Attacked,
) -> None:
    name = (await attacked.newcomer()).username
    home = elsewhere()
    right = partial(attacked.trusting.post, LOGIN, json=body(name, PASSWORD))
    await right(headers=home)
    guesses = [
        partial(attacked.trusting.post, LOGIN, json=body(name, WRONG), headers=elsewhere())
        for _ in range(LIMIT_OF_A_USER + 5)
    ]
    # As many at once as there is room for: the others would be told to come again.
    told = [*await all_at_once(*guesses[:QUEUE]), *await all_at_once(*guesses[QUEUE:])]
    assert statuses(told) == {401: LIMIT_OF_A_USER, 429: 5}
    answers = [await right(headers=network) for network in (home, elsewhere())]
    assert [answer.status_code for answer in answers] == [200, 429]


# -- more of them than there is room for -----------------------------------------------------


def resident(process: int) -> int:
    """Give the memory of a process in kB, where the system tells."""
    status = Path(f"/proc/{process}/status")
    told = status.read_text() if status.exists() else "VmRSS: 1 kB"
    return int(re.findall(r"^VmRSS:\s+(\d+) kB", told, re.MULTILINE)[0])


@pytest.mark.thorough
async def test_in_a_flood_of_logins_it_stays_alive_and_small_and_refuses_politely(
    attacked: Attacked,
) -> None:
    names = [(await attacked.newcomer(cost=COST_OF_A_FLOOD)).username for _ in range(20)]
    guesses = [
        partial(attacked.trusting.post, LOGIN, json=body(name, password), headers=elsewhere())
        for name in names
        for password in [PASSWORD] * 20 + [WRONG] * 5
    ]
    server = attacked.servers[0]
    answers: list[httpx.Response] = []
    alive: list[int] = []
    before = resident(server.process.pid)

    async def ask(guess: partial[Any]) -> None:
        answers.append(await guess())

    async def look() -> None:
        while len(answers) < FLOOD:
            answer = await client.get("/livez")
            if len(answers) < FLOOD:  # or it might have waited for them
                alive.append(answer.status_code)

    async with server.client() as client, create_task_group() as tasks:
        tasks.start_soon(look)
        for guess in guesses:
            tasks.start_soon(ask, guess)
    told = statuses(answers)
    refusals = [answer for answer in answers if answer.status_code in {429, 503}]
    assert set(told) <= {200, 401, 429, 503}
    assert told[200] >= QUEUE
    assert refusals
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in refusals)
    assert len(alive) > A_FEW
    assert set(alive) == {200}
    assert resident(server.process.pid) < 2 * before
