import json
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from app.adapters.cli.identity import PAGE
from app.domain.identity.login_log import Client, FailReason, LoginAttempt, Outcome
from app.domain.identity.users import User
from app.domain.principal import Role
from tests.builders import a_second_factor, a_user, an_attempt, at
from tests.unit.cli.program import Ended, Program, in_thread

PASSWORD = "correct horse battery staple"


@pytest.fixture
def alice(program: Program) -> User:
    return keep(program, a_user(username="Alice", email="alice@example.org", created_at=at()))


def keep(program: Program, user: User) -> User:
    program.identity_store.committed.users[user.id] = user
    return user


def log(program: Program, *attempts: LoginAttempt) -> None:
    for attempt in attempts:
        program.identity_store.committed.attempts[attempt.id] = attempt


def the_user(program: Program) -> User:
    (user,) = program.identity_store.committed.users.values()
    return user


def is_password_of(program: Program, user: User, password: str) -> bool:
    async def verify() -> bool:
        return await program.hasher.verify(password=password, stored=user.password_hash)

    return in_thread(lambda: anyio.run(verify))


def create(program: Program, *options: str, line: bytes = PASSWORD.encode()) -> int:
    return program.run("user", "create", "bob", "--password-stdin", *options, stdin=line).exit_code


# -- creating users --------------------------------------------------------------------------


def test_a_user_is_created_with_the_role_and_the_address_that_are_said(program: Program) -> None:
    assert create(program, "--role", "admin", "--email", "bob@example.org") == 0
    user = the_user(program)
    assert (user.username, user.role, user.email) == ("bob", Role.ADMIN, "bob@example.org")


def test_a_user_is_no_admin_unless_it_is_said(program: Program) -> None:
    create(program)
    assert the_user(program).role is Role.USER


def test_creating_tells_who_was_created(program: Program) -> None:
    ended = program.run("user", "create", "bob", "--password-stdin", stdin=PASSWORD)
    assert ended.stdout == "User bob is created, with the role user.\n"


def test_creating_tells_a_program_all_but_the_password(program: Program) -> None:
    ended = program.run("user", "create", "bob", "--password-stdin", "--json", stdin=PASSWORD)
    assert ended.document == {
        "id": str(the_user(program).id),
        "username": "bob",
        "email": None,
        "role": "user",
        "disabled": False,
        "created_at": "2026-01-02T03:04:05.678901Z",
        "password_changed_at": "2026-01-02T03:04:05.678901Z",
        "password_expires_at": None,
    }


@pytest.mark.parametrize(
    "line",
    [
        " blanks count, at both ends ",
        "긴 비밀번호도 그대로 받아들인다",
        "a carriage return \r inside stays",
    ],
)
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\nsecond line\n"])
def test_the_password_is_the_first_line_to_the_letter(
    program: Program, line: str, end: str
) -> None:
    create(program, line=(line + end).encode())
    assert is_password_of(program, the_user(program), line)


def test_a_password_is_utf_8_whatever_the_terminal_speaks(program: Program) -> None:
    program.run(
        "user",
        "create",
        "bob",
        "--password-stdin",
        stdin="große Straße 15".encode(),
        charset="cp1252",
    )
    assert is_password_of(program, the_user(program), "große Straße 15")


@pytest.mark.parametrize(
    "line",
    [b"", b"too short\n", b"\xff not utf-8 at all", b"x" * 1025, "é".encode() * 5000, b"x" * 10**6],
)
def test_a_password_against_the_rules_is_refused(program: Program, line: bytes) -> None:
    assert (create(program, line=line), program.identity_store.committed.users) == (1, {})


def test_a_password_is_asked_for_twice(program: Program) -> None:
    ended = program.run("user", "create", "bob", stdin=f"{PASSWORD}\n{PASSWORD}\n")
    assert ended.exit_code == 0
    assert is_password_of(program, the_user(program), PASSWORD)


def test_two_answers_that_differ_are_asked_for_again(program: Program) -> None:
    answers = [PASSWORD, "correct horse battery stable", PASSWORD, PASSWORD]
    ended = program.run("user", "create", "bob", stdin="\n".join([*answers, ""]))
    assert (ended.exit_code, "do not match" in ended.stderr) == (0, True)


def test_an_answer_is_shown_nowhere(program: Program) -> None:
    ended = program.run("user", "create", "bob", stdin=f"{PASSWORD}\n{PASSWORD}\n")
    assert PASSWORD not in ended.stdout + ended.stderr


def test_asking_leaves_standard_output_to_the_document(program: Program) -> None:
    ended = program.run("user", "passwd", "nobody", "--json", stdin=f"{PASSWORD}\n{PASSWORD}\n")
    assert "Password" not in ended.stdout


def test_no_answer_creates_nobody(program: Program) -> None:
    ended = program.run("user", "create", "bob", stdin=f"{PASSWORD}\n")
    assert (ended.exit_code, program.identity_store.committed.users) == (130, {})


@pytest.mark.usefixtures("alice")
def test_a_name_that_is_taken_is_refused(program: Program) -> None:
    ended = program.run("user", "create", "ALICE", "--password-stdin", stdin=PASSWORD)
    assert (ended.exit_code, "[username_taken]" in ended.stderr) == (1, True)


def test_a_name_that_is_none_is_refused_with_what_is_wrong(program: Program) -> None:
    ended = program.run("user", "create", "a\x1b[1mb", "--password-stdin", stdin=PASSWORD)
    assert (ended.exit_code, "[invalid_user] username: is not 3 to 64" in ended.stderr) == (1, True)


def test_a_role_that_is_none_is_wrong_usage(program: Program) -> None:
    assert (create(program, "--role", "root"), program.identity_store.committed.users) == (2, {})


def test_a_password_is_no_argument(program: Program) -> None:
    assert program.run("user", "create", "bob", PASSWORD).exit_code == 2


# -- users that are there --------------------------------------------------------------------


@pytest.mark.usefixtures("alice")
def test_users_are_listed_in_the_order_in_which_they_were_made(program: Program) -> None:
    keep(program, a_user(username="aaron", role=Role.ADMIN, disabled=True, created_at=at(1)))
    assert [row[:5] for row in program.run("user", "list").rows] == [
        ["username", "role", "disabled", "email", "created_at"],
        ["Alice", "user", "no", "alice@example.org", "2026-01-05T09:30:15Z"],
        ["aaron", "admin", "yes", "-", "2026-01-05T09:31:15Z"],
    ]


def test_users_are_listed_for_programs_without_what_is_secret(
    program: Program, alice: User
) -> None:
    ended = program.run("user", "list", "--json")
    assert ended.document == {
        "items": [
            {
                "id": str(alice.id),
                "username": "Alice",
                "email": "alice@example.org",
                "role": "user",
                "disabled": False,
                "created_at": "2026-01-05T09:30:15.123456Z",
                "password_changed_at": "2026-01-05T09:30:15.123456Z",
                "password_expires_at": None,
            }
        ]
    }


@pytest.mark.parametrize("number", [0, PAGE, 2 * PAGE + 1])
def test_every_user_is_listed_however_many(program: Program, number: int) -> None:
    names = [keep(program, a_user()).username for _ in range(number)]
    listed = program.run("user", "list", "--json").document["items"]
    assert [user["username"] for user in listed] == names


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(("command", "disabled"), [("disable", True), ("enable", False)])
def test_users_are_disabled_and_enabled_by_their_name_in_any_case(
    program: Program, command: str, disabled: bool
) -> None:
    keep(program, a_user(user_id=the_user(program).id, username="Alice", disabled=not disabled))
    ended = program.run("user", command, "aLICE", "--json")
    assert (ended.document["disabled"], the_user(program).disabled) == (disabled, disabled)


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("disable", "User Alice is disabled; all their sessions are over.\n"),
        ("enable", "User Alice is enabled.\n"),
    ],
)
def test_disabling_and_enabling_tell_whom(program: Program, command: str, line: str) -> None:
    assert program.run("user", command, "alice").stdout == line


def test_an_operator_sets_a_password_without_the_old_one(program: Program, alice: User) -> None:
    ended = program.run("user", "passwd", "alice", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert ended.stdout == "User Alice has a new password; all their sessions are over.\n"
    assert is_password_of(program, program.identity_store.committed.users[alice.id], PASSWORD)


@pytest.mark.parametrize("command", ["disable", "enable", "passwd"])
def test_a_user_who_is_not_there_is_refused(program: Program, command: str) -> None:
    options = ["--password-stdin"] if command == "passwd" else []
    ended = program.run("user", command, "nobody", *options, stdin=PASSWORD)
    line = "tickgate: There is no user nobody. [unknown_user]\n"
    assert (ended.exit_code, ended.stdout, ended.stderr) == (1, "", line)


# -- the login log ---------------------------------------------------------------------------


def found(program: Program, *options: str) -> list[str]:
    items = program.run("login-log", "search", "--json", *options).document["items"]
    return [item["request_id"] for item in items]


@pytest.fixture
def logged(program: Program) -> None:
    log(
        program,
        an_attempt(
            request_id="oldest",
            at=at(0),
            username="Alice",
            ip="203.0.113.7",
            outcome=Outcome.SUCCESS,
        ),
        an_attempt(
            request_id="middle",
            at=at(1),
            username="bob",
            ip="2001:db8::1",
            outcome=Outcome.FAILED,
            fail_reason=FailReason.BAD_PASSWORD,
        ),
        an_attempt(request_id="newest", at=at(2), username="bob", ip="203.0.113.7"),
    )


@pytest.mark.usefixtures("logged")
@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ([], ["newest", "middle", "oldest"]),
        (["--limit", "2"], ["newest", "middle"]),
        (["--user", "ALICE"], ["oldest"]),
        (["--ip", "203.0.113.7"], ["newest", "oldest"]),
        (["--ip", "::ffff:203.0.113.7"], ["newest", "oldest"]),
        (["--ip", "2001:DB8:0::1"], ["middle"]),
        (["--outcome", "success"], ["oldest"]),
        (["--reason", "bad_password"], ["middle"]),
        (["--since", "2026-01-05T09:31:15.123456Z"], ["newest", "middle"]),
        (["--until", "2026-01-05T18:31:15.123456+09:00"], ["oldest"]),
        (["--user", "bob", "--outcome", "pending"], ["newest"]),
        (["--user", "nobody"], []),
    ],
)
def test_attempts_are_found_newest_first_by_what_is_said(
    program: Program, options: list[str], ids: list[str]
) -> None:
    assert found(program, *options) == ids


@pytest.mark.parametrize("limit", [PAGE, PAGE + 1, 2 * PAGE, 3 * PAGE])
def test_a_search_goes_on_until_its_limit(program: Program, limit: int) -> None:
    attempts = [an_attempt(at=at(n // 3), request_id=str(n)) for n in range(2 * PAGE + 1)]
    log(program, *attempts)
    ids = [attempt.request_id for attempt in reversed(attempts)]
    assert found(program, "--limit", str(limit)) == ids[:limit]


def test_programs_are_told_everything_about_an_attempt(program: Program) -> None:
    attempt = an_attempt(
        at=at(),
        username="Alice",
        ip="203.0.113.7",
        user_agent="httpx/0.28",
        request_id="r-1",
        outcome=Outcome.FAILED,
        fail_reason=FailReason.UNKNOWN_USER,
        duration_ms=212,
    )
    log(program, attempt)
    (item,) = program.run("login-log", "search", "--json").document["items"]
    assert (
        item.items()
        >= {
            "id": str(attempt.id),
            "at": "2026-01-05T09:30:15.123456Z",
            "username": "Alice",
            "user_id": None,
            "ip": "203.0.113.7",
            "user_agent": "httpx/0.28",
            "request_id": "r-1",
            "outcome": "failed",
            "fail_reason": "unknown_user",
            "error_code": "E401",
            "session_id": None,
            "duration_ms": 212,
        }.items()
    )


@pytest.mark.usefixtures("logged")
def test_people_see_attempts_as_a_table(program: Program) -> None:
    assert program.run("login-log", "search", "--limit", "2").rows == [
        ["at", "username", "outcome", "fail_reason", "ip", "user_agent"],
        ["2026-01-05T09:32:15Z", "bob", "pending", "-", "203.0.113.7", "-"],
        ["2026-01-05T09:31:15Z", "bob", "failed", "bad_password", "2001:db8::1", "-"],
    ]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("[bold]curl[/bold]", "[bold]curl[/bold]"),
        ("[/]", "[/]"),
        (":smile:", ":smile:"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\r\nb", "a\\r\\nb"),
        ("a\u202eb\ud800", "a\\u202eb\\ud800"),
        ("\\x1b", "\\x1b"),
        ("틱게이트", "틱게이트"),
    ],
)
def test_what_a_client_sent_is_shown_and_does_nothing(
    program: Program, text: str, cell: str
) -> None:
    log(program, an_attempt(user_agent=text))
    assert program.run("login-log", "search").rows[1][-1] == cell


def test_what_a_terminal_cannot_write_is_escaped(program: Program) -> None:
    log(program, an_attempt(user_agent="틱"))
    assert program.run("login-log", "search", charset="ascii").rows[1][-1] == "\\ud2f1"


def test_a_long_text_is_neither_cut_nor_folded_in_a_pipe(program: Program) -> None:
    log(program, an_attempt(user_agent="x" * 512))
    assert program.run("login-log", "search").rows[1][-1] == "x" * 512


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--ip", "localhost"),
        ("--ip", "203.0.113.0/33"),
        ("--outcome", "lost"),
        ("--reason", "none"),
        ("--limit", "0"),
        ("--since", "2026-01-05"),
        ("--until", "2026-01-05T09:31:15"),
    ],
)
def test_what_cannot_be_searched_for_is_wrong_usage_that_names_it(
    program: Program, option: str, value: str
) -> None:
    ended = program.run("login-log", "search", option, value)
    assert (ended.exit_code, f"'{option}'" in ended.stderr) == (2, True)


# -- users from elsewhere --------------------------------------------------------------------


def imported(program: Program, *lines: str, options: tuple[str, ...] = ()) -> Ended:
    return program.run("user", "import", "-", *options, stdin="\n".join(lines))


def line(program: Program, username: str = "bob", **other: object) -> str:
    document = {"username": username, "password_hash": program.hasher.foreign(PASSWORD)}
    return json.dumps(document | other)


def test_a_user_is_created_with_the_hash_that_is_read(program: Program) -> None:
    stored = program.hasher.foreign(PASSWORD)
    options = ("--hash-stdin", "--role", "admin", "--email", "b@x.org")
    ended = program.run("user", "create", "bob", *options, stdin=f"{stored}\r\n")
    assert ended.stdout == "User bob is created, with the role admin.\n"
    user = the_user(program)
    assert (user.password_hash, user.role, user.email) == (stored, Role.ADMIN, "b@x.org")


@pytest.mark.parametrize("stored", [b"", b"hash", b"\xff\xfe", b"x" * 10**6, PASSWORD.encode()])
def test_what_is_no_hash_creates_nobody_and_is_not_shown(program: Program, stored: bytes) -> None:
    ended = program.run("user", "create", "bob", "--hash-stdin", stdin=stored)
    assert (ended.exit_code, program.identity_store.committed.users) == (1, {})
    assert "password_hash: is not a bcrypt hash" in ended.stderr
    assert PASSWORD not in ended.stderr


def test_a_hash_and_a_password_at_once_are_wrong_usage(program: Program) -> None:
    ended = program.run("user", "create", "bob", "--hash-stdin", "--password-stdin")
    assert ended.exit_code == 2


def test_a_file_of_users_is_imported(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "users.ndjson"
    lines = ["\ufeff" + line(program), "", line(program, "eve", role="admin", email="e@x.org")]
    file.write_text("\r\n".join(lines), encoding="utf-8")
    ended = program.run("user", "import", str(file), "--json")
    assert ended.exit_code == 0
    assert [
        (user["username"], user["role"], user["email"]) for user in ended.document["items"]
    ] == [
        ("bob", "user", None),
        ("eve", "admin", "e@x.org"),
    ]
    assert len(program.identity_store.committed.users) == 2


def test_a_null_is_what_is_left_out(program: Program) -> None:
    assert imported(program, line(program, email=None, role=None)).exit_code == 0
    assert the_user(program).role is Role.USER


def test_every_bad_line_is_told_by_its_number_and_nobody_is_imported(program: Program) -> None:
    ended = imported(
        program,
        line(program),
        "{",
        "[]",
        '{"username": "eve"}',
        line(program, "eve", role="root"),
        line(program, "eve", email=7),
        line(program, "eve", password="secret"),
        line(program, "BOB"),
        "[" * 100_000,
        *(line(program, "no name") for _ in range(20)),
    )
    assert (ended.exit_code, program.identity_store.committed.users) == (1, {})
    *faults, last = ended.stderr.splitlines()
    assert faults[:8] == [
        "tickgate: line 2: is not JSON in UTF-8",
        "tickgate: line 3: is not a JSON object",
        "tickgate: line 4: password_hash: is missing",
        "tickgate: line 5: role: is none of admin, user",
        "tickgate: line 6: email: is not a text",
        "tickgate: line 7: 'password': is not a field of a user",
        "tickgate: line 8: username: is that of line 1",
        "tickgate: line 9: is not JSON in UTF-8",
    ]
    numbers = [int(fault.split()[2].rstrip(":")) for fault in faults]
    assert numbers[8:] == sorted(numbers[8:])
    assert set(numbers[8:]) == set(range(10, 30))
    assert last == "tickgate: Nobody is imported. 28 of 29 lines are refused. [import_refused]"


@pytest.mark.parametrize("file", ["missing.ndjson", "."])
def test_a_file_that_cannot_be_read_is_wrong_usage(
    program: Program, tmp_path: Path, file: str
) -> None:
    assert program.run("user", "import", str(tmp_path / file)).exit_code == 2


# -- resets ----------------------------------------------------------------------------------


def redeem(program: Program, code: str) -> None:
    async def redeem() -> None:
        await program.resets.redeem(
            username="alice", code=code, new_password="another fine password", client=Client()
        )

    in_thread(lambda: anyio.run(redeem))


@pytest.mark.usefixtures("alice")
def test_a_reset_gives_a_code_that_sets_a_new_password(program: Program) -> None:
    ended = program.run("user", "reset", "alice")
    assert ended.exit_code == 0
    said, code, how = ended.stdout.splitlines()
    assert said == "User Alice can set a new password once, until 2026-01-02T04:04:05Z:"
    assert "/v1/auth/reset" in how
    redeem(program, code)
    assert is_password_of(program, the_user(program), "another fine password")


@pytest.mark.usefixtures("alice")
def test_a_program_gets_the_code_of_a_reset_as_json(program: Program) -> None:
    document = program.run("user", "reset", "ALICE", "--json").document
    redeem(program, document.pop("code"))
    assert document == {"username": "Alice", "expires_at": "2026-01-02T04:04:05.678901Z"}


def test_nobody_has_no_reset(program: Program) -> None:
    ended = program.run("user", "reset", "nobody")
    assert (ended.exit_code, "[unknown_user]" in ended.stderr) == (1, True)


# -- roles -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("alice")
def test_a_user_is_given_a_role(program: Program) -> None:
    ended = program.run("user", "role", "ALICE", "admin")
    assert ended.stdout == "User Alice has the role admin.\n"
    assert the_user(program).role is Role.ADMIN


@pytest.mark.parametrize("command", [["user", "disable", "boss"], ["user", "role", "boss", "user"]])
def test_the_last_administrator_stays_one(program: Program, command: list[str]) -> None:
    boss = keep(program, a_user(username="boss", role=Role.ADMIN))
    ended = program.run(*command)
    assert (ended.exit_code, "[last_admin]" in ended.stderr) == (1, True)
    assert the_user(program) == boss


def test_a_role_that_there_is_not_is_wrong_usage(program: Program) -> None:
    assert program.run("user", "role", "boss", "emperor").exit_code == 2


# -- second factors --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "required", "line"),
    [
        ("--require", True, "User Alice has to have a second factor.\n"),
        (
            "--no-require",
            False,
            "User Alice has to have a second factor only if their role has to.\n",
        ),
    ],
)
def test_an_operator_requires_a_second_factor(
    program: Program, alice: User, option: str, line: str, *, required: bool
) -> None:
    keep(program, replace(alice, mfa_required=not required))
    ended = program.run("user", "mfa", "ALICE", option)
    assert (ended.exit_code, ended.stdout) == (0, line)
    assert the_user(program).mfa_required is required


def test_an_operator_removes_a_second_factor_that_is_lost(program: Program, alice: User) -> None:
    keep(program, replace(alice, has_second_factor=True, mfa_required=True))
    factors = program.identity_store.committed.second_factors
    factors[alice.id] = a_second_factor(user_id=alice.id)
    ended = program.run("user", "mfa", "alice", "--remove")
    assert ended.stdout == (
        "User Alice has no second factor any more, and all their sessions are over.\n"
    )
    user = the_user(program)
    assert (user.has_second_factor, user.mfa_required) == (False, True)


def test_both_are_done_where_both_are_said(program: Program, alice: User) -> None:
    keep(program, replace(alice, mfa_required=True))
    ended = program.run("user", "mfa", "alice", "--no-require", "--remove", "--json")
    assert (ended.exit_code, ended.document["username"]) == (0, "Alice")
    assert not the_user(program).mfa_required


def test_what_to_do_about_a_second_factor_has_to_be_said(program: Program, alice: User) -> None:
    ended = program.run("user", "mfa", "alice")
    assert (ended.exit_code, "--require" in ended.stderr) == (2, True)
    assert the_user(program) == alice


def test_of_nobody_no_second_factor_is_required(program: Program) -> None:
    ended = program.run("user", "mfa", "nobody", "--require")
    assert (ended.exit_code, "[unknown_user]" in ended.stderr) == (1, True)
