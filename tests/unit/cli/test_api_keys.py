from datetime import timedelta

import anyio
import pytest

from app.adapters.cli.api_keys import PAGE
from app.domain.identity.api_keys import ApiKey
from app.domain.identity.errors import InvalidToken
from app.domain.identity.users import User
from app.domain.principal import Principal, Role, Scope
from tests.builders import a_user, an_api_key, at
from tests.unit.cli.program import Ended, Program, in_thread

READ = "range-units:read"


@pytest.fixture
def alice(program: Program) -> User:
    user = a_user(username="Alice", role=Role.ADMIN)
    program.identity_store.committed.users[user.id] = user
    return user


def create(program: Program, *options: str, scope: str = READ) -> Ended:
    return program.run(
        "api-key", "create", "grid bot", "--user", "alice", "--scope", scope, *options
    )


def put(program: Program, *api_keys: ApiKey) -> None:
    for api_key in api_keys:
        program.identity_store.committed.api_keys[api_key.id] = api_key


def the_key(program: Program) -> ApiKey:
    [api_key] = program.identity_store.committed.api_keys.values()
    return api_key


def who(program: Program, key: str) -> Principal | None:
    async def authenticate() -> Principal | None:
        try:
            principal, _ = await program.api_keys.authenticate(key=key, ip="203.0.113.7")
        except InvalidToken:
            return None
        return principal

    return in_thread(lambda: anyio.run(authenticate))


# -- creating --------------------------------------------------------------------------------


def test_a_key_is_made_and_shown(program: Program, alice: User) -> None:
    ended = create(program)
    lines = ended.stdout.splitlines()
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert lines[0] == f"API key grid bot is made, with the id {the_key(program).id}."
    principal = who(program, lines[-1].strip())
    assert principal is not None
    assert (principal.user_id, principal.scopes) == (
        alice.id,
        frozenset({Scope.RANGE_UNITS_READ}),
    )


@pytest.mark.usefixtures("alice")
def test_a_program_is_told_all_of_it(program: Program) -> None:
    options = (
        "--scope",
        "users:admin",
        "--network",
        "203.0.113.0/24",
        "--network",
        "::1",
        "--json",
    )
    document = create(program, *options, "--expires", "2027-01-01T00:00:00Z").document
    assert who(program, document.pop("key"))
    assert document == {
        "id": str(the_key(program).id),
        "user_id": str(the_key(program).user_id),
        "name": "grid bot",
        "scopes": [READ, "users:admin"],
        "created_at": "2026-01-02T03:04:05.678901Z",
        "expires_at": "2027-01-01T00:00:00Z",
        "allowed_networks": ["203.0.113.0/24", "::1/128"],
        "last_used_at": None,
        "last_used_ip": None,
        "retires_at": None,
        "revoked_at": None,
    }


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("90d", timedelta(days=90)),
        ("24h", timedelta(hours=24)),
        ("30m", timedelta(minutes=30)),
        ("45s", timedelta(seconds=45)),
    ],
)
def test_a_key_expires_so_long_from_now(program: Program, text: str, after: timedelta) -> None:
    create(program, "--expires", text)
    assert the_key(program).expires_at == program.clock.now() + after


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(
    "options",
    [
        ("--expires", "soon"),
        ("--expires", "2027-01-01T00:00:00"),
        ("--expires", "90"),
        ("--expires", "9999999999d"),
        ("--expires", ""),
        ("--scope", "root"),
    ],
)
def test_what_does_not_read_is_wrong_usage(program: Program, options: tuple[str, ...]) -> None:
    assert create(program, *options).exit_code == 2
    assert program.identity_store.committed.api_keys == {}


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--expires", "2025-01-01T00:00:00Z"), "expires_at: is not in the future"),
        (("--network", "10.0.0.1/8"), "allowed_networks[0]: is not a network"),
    ],
)
def test_a_key_against_the_rules_is_refused_with_what_is_wrong(
    program: Program, options: tuple[str, ...], told: str
) -> None:
    ended = create(program, *options)
    assert (ended.exit_code, told in ended.stderr, ended.stdout) == (1, True, "")


def test_nobody_gets_no_key(program: Program) -> None:
    ended = create(program)
    assert (ended.exit_code, "[unknown_user]" in ended.stderr) == (1, True)


# -- listing ---------------------------------------------------------------------------------


def test_keys_are_listed_of_one_user_or_of_all(program: Program, alice: User) -> None:
    mine = an_api_key(user_id=alice.id, scopes=frozenset(Scope), last_used_at=at())
    other = an_api_key()
    put(program, mine, other)
    every = program.run("api-key", "list", "--json").document["items"]
    hers = program.run("api-key", "list", "--user", "ALICE", "--json").document["items"]
    assert [item["id"] for item in every] == [str(other.id), str(mine.id)]
    assert [item["id"] for item in hers] == [str(mine.id)]


def test_a_listed_key_shows_no_digest(program: Program, alice: User) -> None:
    api_key = an_api_key(user_id=alice.id, digest="the-digest")
    put(program, api_key)
    for option in ((), ("--json",)):
        shown = program.run("api-key", "list", *option).stdout
        assert (str(api_key.id) in shown, "the-digest" in shown) == (True, False)


def test_people_see_scopes_as_words(program: Program, alice: User) -> None:
    put(program, an_api_key(user_id=alice.id, scopes=frozenset({Scope.USERS_ADMIN})))
    heading, row = program.run("api-key", "list").rows
    assert (heading[0], "users:admin" in row) == ("id", True)


def test_however_many_there_are_all_are_listed(program: Program, alice: User) -> None:
    put(program, *[an_api_key(user_id=alice.id) for _ in range(PAGE + 1)])
    assert len(program.run("api-key", "list", "--json").document["items"]) == PAGE + 1


# -- rotating and revoking -------------------------------------------------------------------


@pytest.mark.usefixtures("alice")
def test_a_key_is_rotated_with_an_overlap(program: Program) -> None:
    old = create(program, "--json").document
    new = program.run("api-key", "rotate", old["id"], "--overlap", "1h", "--json").document
    program.clock.advance(timedelta(minutes=59))
    assert [who(program, key["key"]) is None for key in (old, new)] == [False, False]
    program.clock.advance(timedelta(minutes=1))
    assert [who(program, key["key"]) is None for key in (old, new)] == [True, False]


@pytest.mark.usefixtures("alice")
def test_the_overlap_is_a_day_unless_it_is_said(program: Program) -> None:
    old = the_id(create(program))
    program.run("api-key", "rotate", old)
    ends = [one.retires_at for one in program.identity_store.committed.api_keys.values()]
    assert ends == [program.clock.now() + timedelta(hours=24), None]


def the_id(ended: Ended) -> str:
    return ended.rows[0][-1].rstrip(".")


@pytest.mark.usefixtures("alice")
def test_a_key_is_revoked(program: Program) -> None:
    document = create(program, "--json").document
    ended = program.run("api-key", "revoke", document["id"])
    assert (ended.exit_code, ended.stdout) == (0, "API key grid bot is revoked.\n")
    assert who(program, document["key"]) is None


@pytest.mark.usefixtures("alice")
def test_revoking_tells_a_program_when(program: Program) -> None:
    key_id = the_id(create(program))
    document = program.run("api-key", "revoke", key_id, "--json").document
    assert (document["id"], document["revoked_at"]) == (key_id, "2026-01-02T03:04:05.678901Z")


@pytest.mark.parametrize("command", ["revoke", "rotate"])
def test_an_unknown_key_is_refused(program: Program, command: str) -> None:
    ended = program.run("api-key", command, "00000000-0000-0000-0000-00000000ffff")
    assert (ended.exit_code, "[unknown_api_key]" in ended.stderr) == (1, True)


@pytest.mark.usefixtures("alice")
def test_a_key_in_place_of_its_id_is_wrong_usage_and_not_repeated(program: Program) -> None:
    key = create(program, "--json").document["key"]
    ended = program.run("api-key", "revoke", key)
    assert (ended.exit_code, key[25:60] in ended.stderr) == (2, False)


@pytest.mark.usefixtures("alice")
def test_an_overlap_that_is_too_long_is_refused(program: Program) -> None:
    ended = program.run("api-key", "rotate", the_id(create(program)), "--overlap", "31d")
    assert (ended.exit_code, "overlap_seconds" in ended.stderr) == (1, True)
