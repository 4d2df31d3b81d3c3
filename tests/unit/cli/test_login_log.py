import csv
import json
from dataclasses import replace
from io import StringIO

import pytest

from app.domain.identity.findings import LEAST, FindingKind
from app.domain.identity.login_log import FailReason, LoginAttempt, Outcome
from tests.builders import an_attempt, at
from tests.unit.cli.program import Program


def log(program: Program, *attempts: LoginAttempt) -> None:
    program.identity_store.committed.attempts |= {one.id: one for one in attempts}


@pytest.mark.parametrize(("options", "count"), [((), 3), (("--user", "bob"), 1)])
def test_an_export_writes_what_matches(
    program: Program, options: tuple[str, ...], count: int
) -> None:
    log(program, an_attempt(username="bob"), an_attempt(username="=1"), an_attempt(username="코"))
    lines = program.run("login-log", "export", *options).stdout.splitlines()
    table = program.run("login-log", "export", "--format", "csv", *options, charset="ascii")
    rows = list(csv.DictReader(StringIO(table.stdout, newline="")))
    assert (len([json.loads(line) for line in lines]), len(rows)) == (count, count)


def test_the_last_attempts_are_shown_newest_last(program: Program) -> None:
    log(program, *(an_attempt(at=at(minute), username=f"user-{minute}") for minute in range(12)))
    shown = program.run("login-log", "tail", "-n", "2").rows
    assert [row[:2] + row[3:4] for row in shown] == [
        ["2026-01-05T09:40:15Z", "pending", "user-10"],
        ["2026-01-05T09:41:15Z", "pending", "user-11"],
    ]
    assert len(program.run("login-log", "tail").rows) == 10


def test_following_shows_what_comes_and_what_has_ended_until_it_is_interrupted(
    program: Program,
) -> None:
    pending = an_attempt(at=at(1), username="pending")
    late = an_attempt(at=at(1), username="late", outcome=Outcome.SUCCESS)
    ended = replace(pending, outcome=Outcome.FAILED, fail_reason=FailReason.BAD_PASSWORD)
    newer = an_attempt(at=at(60), username="newer")
    log(program, pending)
    changes = iter([(late,), (), (ended, newer), ()])

    def on_pause() -> None:
        more = next(changes, None)
        if more is None:
            raise KeyboardInterrupt
        log(program, *more)

    program.on_pause = on_pause
    ended_run = program.run("login-log", "tail", "-f", "--json")
    told = [json.loads(line) for line in ended_run.stdout.splitlines()]
    assert [(line["username"], line["outcome"]) for line in told] == [
        ("pending", "pending"),
        ("late", "success"),
        ("pending", "failed"),
        ("newer", "pending"),
    ]
    assert (ended_run.exit_code, ended_run.stderr) == (130, "")


def test_an_empty_log_can_be_followed(program: Program) -> None:
    def on_pause() -> None:
        if program.identity_store.committed.attempts:
            raise KeyboardInterrupt
        log(program, an_attempt(username="first"))

    program.on_pause = on_pause
    assert "first" in program.run("login-log", "tail", "-f").stdout


def test_findings_are_a_table_or_a_document(program: Program) -> None:
    count = LEAST[FindingKind.MANY_FAILURES]
    now = program.clock.now()
    log(
        program, *(an_attempt(at=now, ip="192.0.2.1", outcome=Outcome.FAILED) for _ in range(count))
    )
    [_, row] = program.run("login-log", "findings").rows
    assert row == ["2026-01-02T03:04:05Z", "many_failures", "192.0.2.1", "-", "-", "20", "1", "-"]
    document = program.run("login-log", "findings", "--window", "1h", "--json").document
    assert document["since"] == "2026-01-02T02:04:05.678901Z"
    assert document["items"][0]["failures"] == count
    assert "client" not in document["items"][0]


def test_pruning_tells_from_when_on_attempts_are_kept(program: Program) -> None:
    log(program, an_attempt(at=at(-60 * 24 * 400)))
    ended = program.run("login-log", "prune", "--older-than", "365d")
    assert ended.stdout == "Attempts from before 2025-01-01T00:00:00Z are removed.\n"
    assert program.identity_store.committed.attempts == {}


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        ("prune", "--older-than", "365"),
        ("prune", "--older-than", "-1d"),
        ("findings", "--window", "P1D"),
        ("findings", "--window", "8d"),
        ("findings", "--window", "1s"),
        ("export", "--format", "xml"),
        ("tail", "-n", "-1"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage_that_names_it(
    program: Program, command: str, option: str, value: str
) -> None:
    ended = program.run("login-log", command, option, value)
    assert (ended.exit_code, f"'{option}'" in ended.stderr) == (2, True)
