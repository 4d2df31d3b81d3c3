from typing import NoReturn

import pytest

from app.adapters.cli.keys import KeyCommands
from app.adapters.cli.main import DatabaseCommands, Runtime
from app.domain.errors import ErrorKind, Fault, TickgateError
from app.domain.identity.errors import InvalidUser
from tests.unit.cli.program import STAGE, VERSION, Program

UNTOLD: dict[str, object] = {
    "host": "127.0.0.1",
    "port": 8000,
    "workers": 1,
    "init": None,
    "expose": False,
    "until_eof": False,
}

COMMANDS = [
    "",
    "serve",
    "openapi",
    "db",
    "db upgrade",
    "db downgrade",
    "db current",
    "db check",
    "user",
    "user create",
    "user list",
    "user disable",
    "user enable",
    "user passwd",
    "api-key",
    "api-key create",
    "api-key list",
    "api-key revoke",
    "api-key rotate",
    "user role",
    "keys",
    "keys list",
    "keys rotate",
    "keys remove",
    "login-log",
    "login-log search",
    "range-units",
    "range-units import",
    "range-units show",
    "range-units check",
    "range-units round",
]


def refuse(*_: object, **__: object) -> NoReturn:
    pytest.fail("nothing of the runtime is needed here")  # pragma: no cover - a failure


def raising(error: BaseException) -> Program:
    program = Program()

    def on_serve() -> None:
        raise error

    program.on_serve = on_serve
    return program


# -- help ------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help_needs_nothing_to_be_set_up(command: str) -> None:
    runtime = Runtime(
        identity=refuse,
        api_keys=refuse,
        range_units=refuse,
        read_curated=refuse,
        vectors=refuse,
        serve=refuse,
        database=DatabaseCommands(refuse, refuse, refuse, refuse),
        keys=KeyCommands(refuse, refuse, refuse),
        openapi=refuse,
        version=VERSION,
    )
    ended = STAGE.run(runtime, [*command.split(), "--help"])
    assert (ended.exit_code, ended.stdout.splitlines()[0].split()[0]) == (0, "Usage:")


@pytest.mark.parametrize("group", ["", "db", "user", "api-key", "login-log", "range-units"])
def test_every_command_says_in_one_whole_line_what_it_does(program: Program, group: str) -> None:
    listed = program.run(*group.split(), "--help").stdout.partition("Commands:\n")[2]
    assert [line for line in listed.splitlines() if not line.endswith(".")] == []
    assert "..." not in listed


def test_the_examples_stand_one_on_a_line(program: Program) -> None:
    shown = program.run("user", "create", "--help").stdout
    assert "    tickgate user create alice --role admin\n" in shown


def test_no_command_at_all_is_wrong_usage_and_shows_the_help(program: Program) -> None:
    ended = program.run()
    assert (ended.exit_code, "Usage: tickgate" in ended.stderr) == (2, True)


def test_an_unknown_command_is_wrong_usage(program: Program) -> None:
    assert program.run("sever").exit_code == 2


def test_the_version_is_one_line(program: Program) -> None:
    assert program.run("--version").stdout == "tickgate 1.2.3\n"


def test_completion_can_be_installed(program: Program) -> None:
    assert "--install-completion" in program.run("--help").stdout


# -- what becomes of a refusal ---------------------------------------------------------------


def test_a_refusal_is_one_line_with_its_code_and_faults() -> None:
    faults = [Fault("username", "is too short"), Fault("", "is odd")]
    ended = raising(InvalidUser("That will not do.", faults=faults)).run("serve")
    line = "tickgate: That will not do. [invalid_user] username: is too short; is odd\n"
    assert (ended.exit_code, ended.stdout, ended.stderr) == (1, "", line)


def test_a_refusal_with_many_faults_counts_those_it_leaves_out() -> None:
    faults = [Fault(f"bands[{place}]", "is odd") for place in range(12)]
    ended = raising(InvalidUser("No.", faults=faults)).run("serve")
    assert ended.stderr.endswith("bands[9]: is odd; and 2 more\n")


def test_what_a_refusal_quotes_stays_on_its_line_and_moves_no_cursor() -> None:
    ended = raising(InvalidUser("No \x1b[2J\r\nroot: fine\u202e\ud800.")).run("serve")
    assert ended.stderr == ("tickgate: No \\x1b[2J\\r\\nroot: fine\\u202e\\ud800. [invalid_user]\n")


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_only_what_is_unavailable_is_told_from_other_refusals(kind: ErrorKind) -> None:
    refusal = type("Refusal", (TickgateError,), {"kind": kind, "code": "refused"})
    code = 3 if kind is ErrorKind.UNAVAILABLE else 1
    assert raising(refusal("No.")).run("serve").exit_code == code


def test_a_store_that_does_not_answer_is_unavailable(program: Program) -> None:
    program.identity_store.down = True
    ended = program.run("user", "list")
    line = "tickgate: The store does not answer. [store_unavailable]\n"
    assert (ended.exit_code, ended.stdout, ended.stderr) == (3, "", line)


def test_ctrl_c_ends_without_a_word() -> None:
    ended = raising(KeyboardInterrupt()).run("serve")
    assert (ended.exit_code, ended.stdout, ended.stderr) == (130, "", "")


# -- the service -----------------------------------------------------------------------------


def test_serving_is_local_on_one_worker_and_decides_itself_whether_to_initialise(
    program: Program,
) -> None:
    assert program.run("serve").exit_code == 0
    assert program.served == [UNTOLD]


def test_serving_takes_what_the_options_say(program: Program) -> None:
    program.run("serve", "--host", "::1", "--port", "0", "--workers", "4", "--init")
    program.run("serve", "--expose", "--until-eof")
    assert program.served == [
        UNTOLD | {"host": "::1", "port": 0, "workers": 4, "init": True},
        UNTOLD | {"expose": True, "until_eof": True},
    ]


def test_initialising_can_be_declined(program: Program) -> None:
    program.run("serve", "--no-init")
    assert [how["init"] for how in program.served] == [False]


@pytest.mark.parametrize("wrong", [("--port", "65536"), ("--port", "-1"), ("--workers", "0")])
def test_serving_refuses_what_cannot_be(program: Program, wrong: tuple[str, str]) -> None:
    assert (program.run("serve", *wrong).exit_code, program.served) == (2, [])


def test_the_openapi_document_is_json_that_any_terminal_takes(program: Program) -> None:
    ended = program.run("openapi")
    title = ended.document["info"]["title"]
    assert (title, ended.stdout.isascii()) == ("Tickgate 틱게이트", True)


# -- migrations ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "done"),
    [
        (["upgrade"], "up to head"),
        (["upgrade", "0002"], "up to 0002"),
        (["downgrade", "base"], "down to base"),
    ],
)
def test_migrations_go_as_far_as_said(program: Program, arguments: list[str], done: str) -> None:
    assert (program.run("db", *arguments).exit_code, program.migrated) == (0, [done])


def test_a_downgrade_says_how_far(program: Program) -> None:
    assert (program.run("db", "downgrade").exit_code, program.migrated) == (2, [])


@pytest.mark.parametrize(("revision", "line"), [("0001", "0001\n"), ("", "none\n")])
def test_the_current_migration_is_one_line(program: Program, revision: str, line: str) -> None:
    program.revision = revision
    assert program.run("db", "current").stdout == line


@pytest.mark.parametrize(("revision", "told"), [("0001", "0001"), ("", None)])
def test_the_current_migration_is_told_to_programs(
    program: Program, revision: str, told: str | None
) -> None:
    program.revision = revision
    assert program.run("db", "current", "--json").document == {"revision": told}


def test_a_schema_as_expected_passes(program: Program) -> None:
    ended = program.run("db", "check")
    assert (ended.exit_code, ended.stdout) == (0, "The schema is as expected.\n")


def test_a_schema_that_differs_is_refused_with_each_difference(program: Program) -> None:
    program.differences = ["users lacks the column email", "login_log is missing"]
    ended = program.run("db", "check")
    assert (ended.exit_code, ended.stdout.splitlines()) == (1, program.differences)


def test_the_differences_are_told_to_programs(program: Program) -> None:
    program.differences = ["login_log is missing"]
    ended = program.run("db", "check", "--json")
    assert (ended.exit_code, ended.document) == (1, {"differences": program.differences})
