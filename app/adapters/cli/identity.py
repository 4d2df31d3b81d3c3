"""`tickgate user …`."""

from pathlib import Path
from typing import Annotated

import typer

from app.adapters.cli.identity_answers import print_reset, print_user, print_users
from app.adapters.cli.identity_arguments import FromStdin, HashFromStdin, Name, new_password
from app.adapters.cli.identity_imports import hash_from_stdin, lines_of
from app.adapters.cli.identity_services import IdentityServices
from app.adapters.cli.output import complain
from app.adapters.cli.shell import Json, Opened, examples, run
from app.domain.identity.errors import ImportRefused
from app.domain.identity.user_imports import ImportedUser
from app.domain.identity.users import User
from app.domain.principal import Role
from app.services.identity.password_reset_service import IssuedReset

PAGE = 500


class IdentityCommands:
    """Users, for an operator at the machine."""

    def __init__(self, opened: Opened[IdentityServices]) -> None:
        self._opened = opened

    def create_user(  # noqa: PLR0913 - one parameter per option
        self,
        *,
        name: Annotated[
            str, typer.Argument(metavar="NAME", help="3 to 64 letters, digits, dots, _ and -.")
        ],
        role: Annotated[Role, typer.Option(help="What the user may do.")] = Role.USER,
        email: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Unique.")] = None,
        password_stdin: FromStdin = False,
        hash_stdin: HashFromStdin = False,
        as_json: Json = False,
    ) -> None:
        """Create a user. Asks for a password of at least 15 characters, twice."""
        if hash_stdin and password_stdin:
            raise typer.BadParameter("--hash-stdin and --password-stdin exclude each other.")
        if hash_stdin:
            imported = ImportedUser(1, name, hash_from_stdin(), email, role)
            user = run(self._opened, lambda services: services.imports.import_user(user=imported))
        else:
            password = new_password(from_stdin=password_stdin)
            user = run(
                self._opened,
                lambda services: services.users.create_user(
                    username=name, password=password, email=email, role=role
                ),
            )
        print_user(user, f"is created, with the role {user.role}", as_json=as_json)

    def import_users(
        self,
        *,
        file: Annotated[Path, typer.Argument(metavar="FILE", help="- is standard input.")],
        as_json: Json = False,
    ) -> None:
        """Import users with their bcrypt hashes: all of them, or none.

        A line of the file is a JSON object with "username" and "password_hash", and perhaps
        "email" and "role". Each thing that is wrong with a line is told with its number.
        """
        lines = lines_of(file)
        try:
            users = run(self._opened, lambda services: services.imports.import_users(lines=lines))
        except ImportRefused as error:
            for fault in error.faults:
                complain(str(fault))
            refused = len({fault.about for fault in error.faults})
            detail = f"{error.detail} {refused} of {len(lines)} lines are refused."
            raise ImportRefused(detail) from error
        print_users(users, as_json=as_json)

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

    def reset_password(self, *, name: Name, as_json: Json = False) -> None:
        """Give a user a code that sets a new password, once, within the hour.

        It takes the place of an earlier one. Until it is used, nothing changes for the user.
        """

        async def issue(services: IdentityServices) -> tuple[User, IssuedReset]:
            user = await services.users.get_user_by_username(username=name)
            return user, await services.resets().issue(user_id=user.id)

        user, issued = run(self._opened, issue)
        print_reset(user, issued.code, issued.expires_at, as_json=as_json)

    def set_role(
        self,
        *,
        name: Name,
        role: Annotated[Role, typer.Argument(metavar="ROLE", help="admin or user.")],
        as_json: Json = False,
    ) -> None:
        """Say what a user may do from now on."""

        async def set_role(services: IdentityServices) -> User:
            user = await services.users.get_user_by_username(username=name)
            return await services.users.change_user(user_id=user.id, changes={"role": role})

        user = run(self._opened, set_role)
        print_user(user, f"has the role {user.role}", as_json=as_json)

    def set_second_factor(
        self,
        *,
        name: Name,
        require: Annotated[
            bool | None,
            typer.Option(
                "--require/--no-require", help="Must have one, or as is said of their role."
            ),
        ] = None,
        remove: Annotated[
            bool, typer.Option("--remove", help="The device is lost; ends all their sessions.")
        ] = False,
        as_json: Json = False,
    ) -> None:
        """Require a second factor, or remove one that is lost."""
        if require is None and not remove:
            raise typer.BadParameter("Say --require, --no-require or --remove.")

        async def set_second_factor(services: IdentityServices) -> User:
            user = await services.users.get_user_by_username(username=name)
            if require is not None:
                user = await services.users.change_user(
                    user_id=user.id, changes={"mfa_required": require}
                )
            if remove:
                user = await services.users.remove_second_factor(user_id=user.id)
            return user

        user = run(self._opened, set_second_factor)
        news = ["has no second factor any more, and all their sessions are over"] if remove else []
        if require is not None:
            only = "" if require else " only if their role has to"
            news.append(f"has to have a second factor{only}")
        print_user(user, "; ".join(news), as_json=as_json)

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
            "user create alice --role admin",
            "user create bot --password-stdin < password.txt",
            "user create bob --hash-stdin < hash.txt",
        ),
    )(commands.create_user)
    group.command("import", epilog=examples("user import users.ndjson"))(commands.import_users)
    group.command("list")(commands.list_users)
    group.command("disable")(commands.disable_user)
    group.command("enable")(commands.enable_user)
    group.command("role", epilog=examples("user role alice admin"))(commands.set_role)
    group.command("passwd")(commands.set_password)
    group.command("reset")(commands.reset_password)
    group.command("mfa", epilog=examples("user mfa alice --require", "user mfa alice --remove"))(
        commands.set_second_factor
    )
    return group


async def _all_users(services: IdentityServices) -> list[User]:
    users = page = await services.users.list_users(limit=PAGE)
    while len(page) == PAGE:
        page = await services.users.list_users(after=page[-1].id, limit=PAGE)
        users = users + page
    return users
