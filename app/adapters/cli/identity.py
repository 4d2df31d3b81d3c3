"""`tickgate user …` and `tickgate login-log …`."""

from dataclasses import dataclass
from typing import Annotated

import typer

from app.adapters.cli.identity_answers import print_attempts, print_user, print_users
from app.adapters.cli.identity_arguments import Address, FromStdin, Name, Since, Until, new_password
from app.adapters.cli.shell import Json, Opened, examples, run
from app.domain.identity.login_log import (
    FailReason,
    LoginAttempt,
    LoginLogFilter,
    LoginLogPosition,
    Outcome,
    username_key,
)
from app.domain.identity.networks import parse_network
from app.domain.identity.users import User
from app.domain.principal import Role
from app.services.identity.login_log_upkeep_service import LoginLogUpkeepService
from app.services.identity.user_login_log_service import UserLoginLogService
from app.services.identity.user_service import UserService

PAGE = 500


@dataclass(frozen=True, slots=True)
class IdentityServices:
    """What the commands about users and logins work with."""

    users: UserService
    login_log: UserLoginLogService
    upkeep: LoginLogUpkeepService


class IdentityCommands:
    """Users and the login log, for an operator at the machine."""

    def __init__(self, opened: Opened[IdentityServices]) -> None:
        self._opened = opened

    def create_user(
        self,
        *,
        name: Annotated[
            str, typer.Argument(metavar="NAME", help="3 to 64 letters, digits, dots, _ and -.")
        ],
        role: Annotated[Role, typer.Option(help="What the user may do.")] = Role.USER,
        email: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Unique.")] = None,
        password_stdin: FromStdin = False,
        as_json: Json = False,
    ) -> None:
        """Create a user. Asks for a password of at least 15 characters, twice."""
        password = new_password(from_stdin=password_stdin)
        user = run(
            self._opened,
            lambda services: services.users.create_user(
                username=name, password=password, email=email, role=role
            ),
        )
        print_user(user, f"is created, with the role {user.role}", as_json=as_json)

    def list_users(self, *, as_json: Json = False) -> None:
        """List all users, in the order in which they were made."""
        print_users(run(self._opened, _all_users), as_json=as_json)

    def disable_user(self, *, name: Name, as_json: Json = False) -> None:
        """Disable a user, which ends all their sessions."""
        user = self._set_disabled(name, disabled=True)
        print_user(user, "is disabled; all their sessions are over", as_json=as_json)

    def enable_user(self, *, name: Name, as_json: Json = False) -> None:
        """Let a disabled user log in again."""
        print_user(self._set_disabled(name, disabled=False), "is enabled", as_json=as_json)

    def set_password(
        self, *, name: Name, password_stdin: FromStdin = False, as_json: Json = False
    ) -> None:
        """Set a user's password, which ends all their sessions. Asks for it twice."""
        password = new_password(from_stdin=password_stdin)

        async def set_password(services: IdentityServices) -> User:
            user = await services.users.get_user_by_username(username=name)
            await services.users.set_password(user_id=user.id, new_password=password)
            return await services.users.get_user_by_id(user_id=user.id)

        user = run(self._opened, set_password)
        print_user(user, "has a new password; all their sessions are over", as_json=as_json)

    def _set_disabled(self, name: str, *, disabled: bool) -> User:
        async def set_disabled(services: IdentityServices) -> User:
            user = await services.users.get_user_by_username(username=name)
            return await services.users.set_disabled(user_id=user.id, disabled=disabled)

        return run(self._opened, set_disabled)

    def search_login_log(  # noqa: PLR0913 - one parameter per option
        self,
        *,
        user: Annotated[str | None, typer.Option(metavar="NAME", help="As it was typed.")] = None,
        ip: Address = None,
        outcome: Annotated[Outcome | None, typer.Option(help="How it ended.")] = None,
        reason: Annotated[FailReason | None, typer.Option(help="Why it failed, truly.")] = None,
        since: Since = None,
        until: Until = None,
        limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
        as_json: Json = False,
    ) -> None:
        """Search the attempts to log in, newest first. A pending one counts as failed."""
        matching = LoginLogFilter(
            username_key=None if user is None else username_key(user),
            network=None if ip is None else parse_network(ip),
            outcome=outcome,
            fail_reason=reason,
            since=since,
            until=until,
        )
        attempts = run(self._opened, lambda services: _search(services, matching, limit))
        print_attempts(attempts, as_json=as_json)


def user_commands(opened: Opened[IdentityServices]) -> typer.Typer:
    """Put `tickgate user …` together."""
    commands = IdentityCommands(opened)
    group = typer.Typer(help="Users.", no_args_is_help=True)
    group.command(
        "create",
        epilog=examples(
            "user create alice --role admin", "user create bot --password-stdin < password.txt"
        ),
    )(commands.create_user)
    group.command("list")(commands.list_users)
    group.command("disable")(commands.disable_user)
    group.command("enable")(commands.enable_user)
    group.command("passwd")(commands.set_password)
    return group


def login_log_commands(opened: Opened[IdentityServices]) -> typer.Typer:
    """Put `tickgate login-log …` together."""
    group = typer.Typer(help="The log of every attempt to log in.", no_args_is_help=True)
    group.command(
        "search",
        epilog=examples(
            "login-log search --user alice --outcome failed",
            "login-log search --since 2026-01-02T00:00:00+09:00 --json",
        ),
    )(IdentityCommands(opened).search_login_log)
    return group


async def _all_users(services: IdentityServices) -> list[User]:
    users = page = await services.users.list_users(limit=PAGE)
    while len(page) == PAGE:
        page = await services.users.list_users(after=page[-1].id, limit=PAGE)
        users = users + page
    return users


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
