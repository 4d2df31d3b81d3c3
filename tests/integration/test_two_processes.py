"""Two processes on one database: what one of them does holds in the other at once."""

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx
import jwt
import pytest
from anyio import create_task_group, run_process
from authlib.oauth2.rfc6750 import InvalidTokenError  # type: ignore[import-untyped] # has no types
from authlib.oauth2.rfc9068 import (  # type: ignore[import-untyped] # has no types
    JWTBearerTokenValidator,
)
from authlib.oauth2.rfc9068.claims import (  # type: ignore[import-untyped] # has no types
    JWTAccessTokenClaims,
)
from joserfc import jwt as jose
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization

from app.adapters.security.signing_keys import make_first_key, read_keys
from app.adapters.sql.database import AsyncDatabase
from app.bootstrap.database import opened
from app.domain.identity.errors import LastAdmin
from app.domain.identity.users import User, UserChanges
from app.domain.principal import Role
from tests.application import PASSWORD
from tests.contracts.races import all_at_once
from tests.integration.server import (
    Server,
    application_on,
    command,
    environment_of,
    eventually,
    serving,
)
from tests.integration.test_server_process import Place, new_place

# The library would rather read Ed25519, the newer name of the same algorithm (RFC 9864).
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")

NEW_PASSWORD: Final = PASSWORD[::-1]
NUMBERS: Final = count(1)
DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "tokens.md"


@dataclass(frozen=True)
class Pair:
    """Two processes with a client each, and the administrator's token."""

    place: Place
    servers: list[Server]
    here: httpx.AsyncClient
    there: httpx.AsyncClient
    boss: dict[str, str]

    async def newcomer(self, role: str = "user") -> "Newcomer":
        name = f"user-{next(NUMBERS)}"
        body = {"username": name, "password": PASSWORD, "role": role}
        user = (await self.here.post("/v1/users", json=body, headers=self.boss)).json()
        login = await log_in(self.here, name)
        return Newcomer(user["id"], name, login, bearer(login))

    async def command(self, *arguments: str) -> dict[str, Any]:
        ended = await run_process(
            command(*arguments, "--json"),
            cwd=self.place.directory,
            env=environment_of(self.place.settings),
        )
        found: dict[str, Any] = json.loads(ended.stdout)
        return found


@dataclass(frozen=True)
class Newcomer:
    id: str
    name: str
    login: dict[str, Any]
    bearer: dict[str, str]


def bearer(login: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {login['access_token']}"}


async def log_in(client: httpx.AsyncClient, name: str) -> dict[str, Any]:
    answer = await client.post("/v1/auth/login", json={"username": name, "password": PASSWORD})
    assert answer.status_code == 200
    login: dict[str, Any] = answer.json()
    return login


@pytest.fixture(
    scope="module", params=[pytest.param("sqlite", marks=pytest.mark.thorough), "postgres"]
)
async def pair(
    anyio_backend: str,  # noqa: ARG001 - asked for first, so that all share one event loop
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server_url: str,
) -> AsyncIterator[Pair]:
    directory = tmp_path_factory.mktemp("pair")
    async with (
        AsyncExitStack() as stack,
        new_place(request.param, directory, postgres_server_url) as place,
    ):
        async with opened(place.settings_here(), makes=True) as application:
            await application.prepare()
            await application.users.create_user(username="boss", password=PASSWORD, role=Role.ADMIN)
        start = partial(serving, directory, settings=place.settings)
        servers = [await stack.enter_async_context(start()) for _ in range(2)]
        here, there = [await stack.enter_async_context(server.client()) for server in servers]
        yield Pair(place, servers, here, there, bearer(await log_in(here, "boss")))


# -- sessions --------------------------------------------------------------------------------


async def test_of_parallel_refreshes_one_succeeds_and_the_session_lives(pair: Pair) -> None:
    newcomer = await pair.newcomer()
    body = {"refresh_token": newcomer.login["refresh_token"]}
    answers: list[httpx.Response] = []

    async def refresh(client: httpx.AsyncClient) -> None:
        answers.append(await client.post("/v1/auth/refresh", json=body))

    async with create_task_group() as tasks:
        for client in [pair.here, pair.there] * 5:
            tasks.start_soon(refresh, client)
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 9}
    [renewed] = [answer.json() for answer in answers if answer.status_code == 200]
    assert (await pair.there.get("/v1/users/me", headers=bearer(renewed))).status_code == 200
    again = {"refresh_token": renewed["refresh_token"]}
    assert (await pair.there.post("/v1/auth/refresh", json=again)).status_code == 200


Act = Callable[[Pair, Newcomer], Awaitable[httpx.Response]]


async def logs_out(pair: Pair, who: Newcomer) -> httpx.Response:
    return await pair.here.post("/v1/auth/logout", headers=who.bearer)


async def ends_the_session(pair: Pair, who: Newcomer) -> httpx.Response:
    other = bearer(await log_in(pair.here, who.name))
    return await pair.here.delete(f"/v1/auth/sessions/{who.login['session_id']}", headers=other)


async def ends_other_sessions(pair: Pair, who: Newcomer) -> httpx.Response:
    other = bearer(await log_in(pair.here, who.name))
    return await pair.here.delete("/v1/auth/sessions", headers=other)


async def changes_the_password(pair: Pair, who: Newcomer) -> httpx.Response:
    other = bearer(await log_in(pair.here, who.name))
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    return await pair.here.post("/v1/users/me/password", json=body, headers=other)


async def is_disabled(pair: Pair, who: Newcomer) -> httpx.Response:
    body = {"disabled": True}
    return await pair.here.request("PATCH", f"/v1/users/{who.id}", json=body, headers=pair.boss)


async def has_all_sessions_ended(pair: Pair, who: Newcomer) -> httpx.Response:
    return await pair.here.delete(f"/v1/users/{who.id}/sessions", headers=pair.boss)


ACTS: Final[list[Act]] = [
    *(logs_out, ends_the_session, ends_other_sessions),
    *(changes_the_password, is_disabled, has_all_sessions_ended),
]


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
async def test_who_is_out_in_one_process_is_out_there_at_once_and_soon_in_the_other(
    pair: Pair, act: Act
) -> None:
    newcomer = await pair.newcomer()
    assert (await pair.there.get("/v1/users/me", headers=newcomer.bearer)).status_code == 200
    assert (await act(pair, newcomer)).is_success
    body = {"refresh_token": newcomer.login["refresh_token"]}
    answers = [
        await pair.here.get("/v1/users/me", headers=newcomer.bearer),
        await pair.there.post("/v1/auth/refresh", json=body),
    ]
    assert [answer.json()["code"] for answer in answers] == ["invalid_token"] * 2
    assert await eventually(partial(refuses, pair.there, "/v1/users/me", newcomer.bearer))


async def refuses(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> bool:
    return (await client.get(path, headers=headers)).status_code in {401, 403}


async def test_a_role_taken_away_in_one_process_is_soon_gone_in_the_other(pair: Pair) -> None:
    newcomer = await pair.newcomer("admin")
    assert (await pair.there.get("/v1/users", headers=newcomer.bearer)).status_code == 200
    url, body = f"/v1/users/{newcomer.id}", {"role": "user"}
    await pair.here.request("PATCH", url, json=body, headers=pair.boss)
    assert await eventually(partial(refuses, pair.there, "/v1/users", newcomer.bearer))


# -- keys ------------------------------------------------------------------------------------


class OfAnotherService(JWTBearerTokenValidator):  # type: ignore[misc] # see above
    """Verifies access tokens with a library that is not ours, and keys that were fetched.

    Its own way of decoding takes none but HS256, RS256 and ES256; what it checks of the claims
    stays as it is.
    """

    def __init__(self, keys: KeySetSerialization) -> None:
        super().__init__(issuer="tickgate", resource_server="tickgate")
        self._keys = KeySet.import_key_set(keys)

    def authenticate_token(self, token_string: str) -> JWTAccessTokenClaims:
        names = ("exp", "iat", "sub", "client_id", "jti", "auth_time", "scope")
        options = {name: {"essential": True} for name in names}
        options["iss"] = {"essential": True, "value": self.issuer}
        options["aud"] = {"essential": True, "value": self.resource_server}
        try:
            token = jose.decode(token_string, key=self._keys, algorithms=["EdDSA"])
        except JoseError as error:
            raise InvalidTokenError from error
        return JWTAccessTokenClaims(token.claims, token.header, options)


async def accepts(client: httpx.AsyncClient, token: str, *scopes: str) -> bool:
    keys = (await client.get("/.well-known/jwks.json")).json()
    validator = OfAnotherService(keys)
    try:
        claims = validator.authenticate_token(token)
        validator.validate_token(claims, list(scopes), None)
    except InvalidTokenError:
        return False
    return True


def with_other_payload(token: str, of: str) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{of.split('.')[1]}.{signature}"


async def test_another_service_verifies_a_token_without_asking(pair: Pair) -> None:
    token = (await pair.newcomer()).login["access_token"]
    assert await accepts(pair.there, token, "range-units:read")


async def test_a_forged_token_is_refused_by_another_service_and_here(pair: Pair) -> None:
    token = (await pair.newcomer()).login["access_token"]
    forged = [
        with_other_payload(token, pair.boss["Authorization"]),
        token.rpartition(".")[0] + ".",
        f"{token[:-4]}AAAA",
    ]
    assert [await accepts(pair.there, each) for each in forged] == [False] * 3
    answers = [
        await pair.there.get("/v1/users/me", headers={"Authorization": f"Bearer {each}"})
        for each in [*forged, "x" * 1_000_000]
    ]
    # What is too long for a header, the server refuses before it is read.
    assert {answer.status_code for answer in answers[:3]} == {401}
    assert answers[3].status_code in {400, 401, 431}


def kid(login: dict[str, Any]) -> str:
    found: str = jwt.get_unverified_header(login["access_token"])["kid"]
    return found


async def test_keys_are_rotated_and_removed_without_a_restart(pair: Pair) -> None:
    old = await pair.newcomer()
    made = (await pair.command("keys", "rotate"))["kid"]
    assert made > kid(old.login)

    async def is_signed_anew() -> dict[str, Any] | None:
        login = await log_in(pair.here, old.name)
        return login if kid(login) == made else None

    new = await eventually(is_signed_anew)
    assert new is not None
    me = [
        await client.get("/v1/users/me", headers=headers)
        for client in (pair.there, pair.here)
        for headers in (bearer(new), old.bearer)
    ]
    assert {answer.status_code for answer in me} == {200}
    tokens = [new["access_token"], old.login["access_token"]]
    assert [await accepts(pair.there, token) for token in tokens] == [True, True]
    await pair.command("keys", "remove", kid(old.login))

    async def is_refused() -> bool:
        answer = await pair.there.get("/v1/users/me", headers=old.bearer)
        return answer.status_code == 401

    assert await eventually(is_refused)
    pair.boss.update(bearer(await log_in(pair.here, "boss")))
    assert not await accepts(pair.there, tokens[1])
    assert await accepts(pair.there, (await log_in(pair.here, old.name))["access_token"])


async def test_the_key_that_signs_is_not_removed(pair: Pair) -> None:
    newest = (await pair.command("keys", "list"))["items"][0]["kid"]
    ended = await run_process(
        command("keys", "remove", newest),
        cwd=pair.place.directory,
        env=environment_of(pair.place.settings),
        check=False,
    )
    assert (ended.returncode, b"[signing_key_in_use]" in ended.stderr) == (1, True)


async def test_rotations_at_once_leave_keys_that_are_whole(tmp_path: Path) -> None:
    make_first_key(tmp_path)

    async def rotate() -> None:
        await run_process(
            command("keys", "rotate"),
            cwd=tmp_path,
            env=environment_of({"TICKGATE_TOKEN_KEYS": str(tmp_path)}),
        )

    async with create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(rotate)
    assert 2 <= len(read_keys(tmp_path)) <= 4


async def test_the_example_for_other_services_works_as_pasted(pair: Pair) -> None:
    newcomer = await pair.newcomer()
    [example] = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    example = example.replace("http://127.0.0.1:8000", pair.servers[1].base_url)
    tokens = [newcomer.login["access_token"], newcomer.login["access_token"][:-4] + "AAAA"]
    script = f"""{example}
print(verified({tokens[0]!r})["sub"])
try:
    verified({tokens[1]!r})
except jwt.PyJWTError:
    print("refused")
"""
    ended = await run_process([command()[0], "-c", script], env=environment_of({}))
    assert ended.stdout.decode().split() == [newcomer.id, "refused"]


# -- administrators --------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{"role": Role.USER}, {"disabled": True}], ids=str)
async def test_of_two_administrators_who_unseat_each_other_one_is_left(
    committed_database: AsyncDatabase, changes: UserChanges
) -> None:
    application = application_on(committed_database)
    admins = [
        await application.users.create_user(
            username=f"admin-{number}", password=PASSWORD, role=Role.ADMIN
        )
        for number in range(6)
    ]
    refused: list[User] = []

    async def unseat(user: User) -> None:
        try:
            await application.users.change_user(user_id=user.id, changes=changes)
        except LastAdmin:
            refused.append(user)

    # In both orders of their ids, as each would wait for the other if they held but themselves.
    await all_at_once(*[partial(unseat, admin) for admin in [*admins[::2], *admins[5::-2]]])
    left = [user for user in await application.users.list_users() if user.administers]
    assert [user.id for user in left] == [user.id for user in refused]
