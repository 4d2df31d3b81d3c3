"""`tickgate user …`."""

from typing import Annotated

import typer

from app.adapters.cli.identity_answers import print_user, print_users
from app.adapters.cli.identity_arguments import FromStdin, Name, new_password
from app.adapters.cli.identity_services import IdentityServices
from app.adapters.cli.shell import Json, Opened, examples, run
from app.domain.identity.users import User
from app.domain.principal import Role

PAGE = 500


class IdentityCommands:
    """Users, for an operator at the machine."""

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


async def _all_users(services: IdentityServices) -> list[User]:
    users = page = await services.users.list_users(limit=PAGE)
    while len(page) == PAGE:
        page = await services.users.list_users(after=page[-1].id, limit=PAGE)
        users = users + page
    return users
