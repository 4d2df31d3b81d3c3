"""`tickgate login-log …`."""

from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

import typer

from app.adapters.cli.identity_answers import print_attempt, print_attempts, print_findings
from app.adapters.cli.identity_arguments import Address, Since, Until, Window, duration
from app.adapters.cli.identity_services import IdentityServices
from app.adapters.cli.output import print_line, rfc3339, write_text
from app.adapters.cli.shell import Json, Opened, examples, run
from app.domain.identity.login_log import (
    FailReason,
    LoginAttempt,
    LoginLogFilter,
    LoginLogPosition,
    Outcome,
    username_key,
)
from app.domain.identity.login_log_export import ExportFormat, header, line_of
from app.domain.identity.networks import parse_network

PAGE: Final = 500
LATEST: Final = timedelta(minutes=15)
# An attempt is recorded a moment after the instant that it says, and settled later still.
LATE: Final = timedelta(seconds=60)

User = Annotated[str | None, typer.Option(metavar="NAME", help="As it was typed.")]
HowItEnded = Annotated[
    Outcome | None, typer.Option(help="How it ended; failed: pending ones, too.")
]
Reason = Annotated[FailReason | None, typer.Option(help="Why it failed, truly.")]


class LoginLogCommands:
    """The login log, for an operator at the machine."""

    def __init__(self, opened: Opened[IdentityServices]) -> None:
        self._opened = opened

    def search(  # noqa: PLR0913 - one parameter per option
        self,
        *,
        user: User = None,
        ip: Address = None,
        outcome: HowItEnded = None,
        reason: Reason = None,
        since: Since = None,
        until: Until = None,
        limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
        as_json: Json = False,
    ) -> None:
        """Search the attempts to log in, newest first. A pending one counts as failed."""
        matching = _filter(user, ip, outcome, reason, since, until)
        attempts = run(self._opened, lambda services: _search(services, matching, limit))
        print_attempts(attempts, as_json=as_json)

    def export(  # noqa: PLR0913 - one parameter per option
        self,
        *,
        how: Annotated[
            ExportFormat, typer.Option("--format", help="A line of JSON, or of CSV, an attempt.")
        ] = ExportFormat.NDJSON,
        user: User = None,
        ip: Address = None,
        outcome: HowItEnded = None,
        reason: Reason = None,
        since: Since = None,
        until: Until = None,
    ) -> None:
        """Write all attempts that match, newest first, in UTF-8.

        In CSV, cells that a spreadsheet would take for formulas begin with an apostrophe.
        """
        matching = _filter(user, ip, outcome, reason, since, until)

        async def export(services: IdentityServices) -> None:
            write_text(header(how))
            async with aclosing(services.login_log.pages(matching=matching)) as pages:
                async for page in pages:
                    write_text("".join(line_of(attempt, how) for attempt in page))

        run(self._opened, export)

    def tail(
        self,
        *,
        number: Annotated[int, typer.Option("-n", min=0, help="So many of the last ones.")] = 10,
        follow: Annotated[bool, typer.Option("-f", help="Go on until interrupted.")] = False,
        as_json: Json = False,
    ) -> None:
        """Show the last attempts, the newest at the end.

        One that was pending is shown again when it has ended.
        """

        async def tail(services: IdentityServices) -> None:
            last = await _search(services, LoginLogFilter(), max(number, 1))
            for attempt in reversed(last[:number]):
                print_attempt(attempt, as_json=as_json)
            if follow:
                await _follow(services, last, as_json=as_json)

        run(self._opened, tail)

    def findings(self, *, window: Window = None, as_json: Json = False) -> None:
        """Tell what the latest attempts show: guessing, and new places."""
        found = run(
            self._opened, lambda services: services.login_log.findings(window=window or LATEST)
        )
        print_findings(found, as_json=as_json)

    def prune(
        self,
        *,
        older_than: Annotated[
            timedelta, typer.Option(parser=duration, metavar="TIME", help="Such as 365d.")
        ],
    ) -> None:
        """Remove the months of which every day is older than that."""
        kept = run(self._opened, lambda services: services.upkeep.prune(older_than=older_than))
        print_line(f"Attempts from before {rfc3339(kept)} are removed.")


def login_log_commands(opened: Opened[IdentityServices]) -> typer.Typer:
    """Put `tickgate login-log …` together."""
    commands = LoginLogCommands(opened)
    group = typer.Typer(help="The log of every attempt to log in.", no_args_is_help=True)
    group.command(
        "search",
        epilog=examples(
            "login-log search --user alice --outcome failed",
            "login-log search --ip 192.0.2.0/24 --since 2026-01-02T00:00:00+09:00 --json",
        ),
    )(commands.search)
    group.command("tail", epilog=examples("login-log tail -f -n 20"))(commands.tail)
    group.command("findings", epilog=examples("login-log findings --window 1h"))(commands.findings)
    group.command(
        "export",
        epilog=examples("login-log export --format csv --since 2026-01-01T00:00:00Z > log.csv"),
    )(commands.export)
    group.command("prune", epilog=examples("login-log prune --older-than 365d"))(commands.prune)
    return group


def _filter(  # noqa: PLR0913, PLR0917 - one parameter per option
    user: str | None,
    ip: str | None,
    outcome: Outcome | None,
    reason: FailReason | None,
    since: datetime | None,
    until: datetime | None,
) -> LoginLogFilter:
    return LoginLogFilter(
        username_key=None if user is None else username_key(user),
        network=None if ip is None else parse_network(ip),
        outcome=outcome,
        fail_reason=reason,
        since=since,
        until=until,
    )


async def _search(
    services: IdentityServices, matching: LoginLogFilter, limit: int
) -> list[LoginAttempt]:
    found: list[LoginAttempt] = []
    before = None
    while len(found) < limit:
        size = min(PAGE, limit - len(found))
        page = await services.login_log.search(matching=matching, before=before, limit=size)
        found += page
        if len(page) < size:
            break
        before = LoginLogPosition(page[-1].at, page[-1].id)
    return found


async def _follow(services: IdentityServices, shown: list[LoginAttempt], *, as_json: bool) -> None:
    """Look again and again, a little further back than the newest that is known."""
    matching = LoginLogFilter(since=shown[0].at - LATE if shown else None)
    known = _outcomes(await _all(services, matching)) if shown else {}
    while True:
        await services.pause()
        found = await _all(services, matching)
        for attempt in reversed(found):
            if known.get(attempt.id) is not attempt.outcome:
                print_attempt(attempt, as_json=as_json)
        known = _outcomes(found)
        if found:
            matching = replace(matching, since=found[0].at - LATE)


async def _all(services: IdentityServices, matching: LoginLogFilter) -> list[LoginAttempt]:
    async with aclosing(services.login_log.pages(matching=matching)) as pages:
        return [attempt async for page in pages for attempt in page]


def _outcomes(attempts: list[LoginAttempt]) -> dict[UUID, Outcome]:
    return {attempt.id: attempt.outcome for attempt in attempts}
