"""The command line: every command, and what becomes of a refusal.

Exit codes: 0 done; 1 refused by a rule, with one line on standard error that says why; 2 wrong
usage; 3 unavailable; 130 interrupted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from app.adapters.cli.api_keys import ApiKeyServices, api_key_commands
from app.adapters.cli.identity import user_commands
from app.adapters.cli.identity_services import IdentityServices
from app.adapters.cli.keys import KeyCommands, key_commands
from app.adapters.cli.login_log import login_log_commands
from app.adapters.cli.output import complain, print_json, print_line
from app.adapters.cli.range_units import range_units_commands
from app.adapters.cli.range_units_services import RangeUnitsServices
from app.adapters.cli.shell import Json, Opened, examples
from app.domain.errors import ErrorKind, TickgateError
from app.domain.range_units.revisions import Observation

REFUSED = 1
UNAVAILABLE = 3
INTERRUPTED = 130

EXIT_CODES = dict.fromkeys(ErrorKind, REFUSED) | {ErrorKind.UNAVAILABLE: UNAVAILABLE}
MOST_FAULTS = 10


@dataclass(frozen=True, slots=True)
class DatabaseCommands:
    """Migrations. `check` lists where the schema is not what the code expects."""

    upgrade: Callable[[str], None]
    downgrade: Callable[[str], None]
    current: Callable[[], str]
    check: Callable[[], list[str]]


@dataclass(frozen=True, slots=True)
class Runtime:
    """What the commands call. Nothing is set up, and no setting read, before that."""

    identity: Opened[IdentityServices]
    api_keys: Opened[ApiKeyServices]
    range_units: Opened[RangeUnitsServices]
    read_curated: Callable[[bytes], Observation]
    vectors: Callable[[], str]
    serve: Callable[..., None]
    """Keywords `host`, `port`, `workers`, `init` (None where nothing was said), `expose`,
    and `until_eof`."""
    database: DatabaseCommands
    keys: KeyCommands
    openapi: Callable[[], dict[str, Any]]
    version: str


class _Refusing(TyperGroup):
    """Turns what a command raises into an exit code, in the one place."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except TickgateError as error:
            complain(_in_one_line(error))
            raise typer.Exit(EXIT_CODES[error.kind]) from error
        except typer.Abort as error:
            complain("interrupted before the question was answered")
            raise typer.Exit(INTERRUPTED) from error
        except KeyboardInterrupt as error:
            raise typer.Exit(INTERRUPTED) from error


def _in_one_line(error: TickgateError) -> str:
    faults = [str(fault) for fault in error.faults[:MOST_FAULTS]]
    if len(error.faults) > MOST_FAULTS:
        faults.append(f"and {len(error.faults) - MOST_FAULTS} more")
    return f"{error.detail} [{error.code}] {'; '.join(faults)}".rstrip()


class _ServiceCommands:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def serve(  # noqa: PLR0913 - its options
        self,
        *,
        host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
        port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8000,
        workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
        init: Annotated[
            bool | None,
            typer.Option(
                "--init/--no-init",
                help="Migrate, load the bundled range units and make the first admin, or do not. "
                "[default: with an embedded database]",
            ),
        ] = None,
        expose: Annotated[
            bool,
            typer.Option(
                "--expose",
                help="With TICKGATE_STORE=memory: listen beyond the loopback, "
                "though whoever reaches it can reset it.",
            ),
        ] = False,
        until_eof: Annotated[
            bool,
            typer.Option(
                "--until-eof",
                help="With TICKGATE_STORE=memory: end with the standard input, "
                "and so with whoever writes to it.",
            ),
        ] = False,
    ) -> None:
        """Run the service until it is interrupted."""
        self._runtime.serve(
            host=host,
            port=port,
            workers=workers,
            init=init,
            expose=expose,
            until_eof=until_eof,
        )

    def openapi(self) -> None:
        """Write the OpenAPI document of the HTTP API."""
        print_json(self._runtime.openapi())


class _MigrationCommands:
    def __init__(self, database: DatabaseCommands) -> None:
        self._database = database

    def upgrade(
        self, revision: Annotated[str, typer.Argument(metavar="REV", help="How far.")] = "head"
    ) -> None:
        """Bring the schema up to date."""
        self._database.upgrade(revision)

    def downgrade(
        self,
        revision: Annotated[
            str, typer.Argument(metavar="REV", help="How far; base is all the way.")
        ],
    ) -> None:
        """Take migrations back.

        Data that only later migrations have a place for is lost.
        """
        self._database.downgrade(revision)

    def current(self, *, as_json: Json = False) -> None:
        """Say which migration the database is at."""
        revision = self._database.current()
        if as_json:
            print_json({"revision": revision or None})
        else:
            print_line(revision or "none")

    def check(self, *, as_json: Json = False) -> None:
        """Compare the schema with what the code expects.

        The exit code is 1 if they differ.
        """
        differences = self._database.check()
        if as_json:
            print_json({"differences": differences})
        else:
            for difference in differences or ["The schema is as expected."]:
                print_line(difference)
        if differences:
            complain("the schema is not what the code expects")
            raise typer.Exit(REFUSED)


def build_cli(runtime: Runtime) -> typer.Typer:
    """Put all commands together."""
    # Plain help and messages: broken up to fit a box, they can be neither searched nor copied.
    cli = typer.Typer(
        cls=_Refusing,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    def say_version(wanted: bool) -> None:  # noqa: FBT001 - Typer calls it so
        if wanted:
            print_line(f"tickgate {runtime.version}")
            raise typer.Exit

    @cli.callback()
    def options(
        *,
        version: Annotated[
            bool,
            typer.Option("--version", is_eager=True, callback=say_version, help="Say the version."),
        ] = False,
    ) -> None:
        """Who may act, and at which prices: the service, and its administration."""

    service = _ServiceCommands(runtime)
    cli.command(epilog=examples("serve --port 9000 --workers 4"))(service.serve)
    cli.command(epilog=examples("openapi > openapi.json"))(service.openapi)
    cli.add_typer(_migration_commands(runtime.database), name="db")
    cli.add_typer(key_commands(runtime.keys), name="keys")
    cli.add_typer(user_commands(runtime.identity), name="user")
    cli.add_typer(api_key_commands(runtime.api_keys), name="api-key")
    cli.add_typer(login_log_commands(runtime.identity), name="login-log")
    cli.add_typer(
        range_units_commands(runtime.range_units, runtime.read_curated, runtime.vectors),
        name="range-units",
    )
    return cli


def _migration_commands(database: DatabaseCommands) -> typer.Typer:
    commands = _MigrationCommands(database)
    group = typer.Typer(help="Migrations of the database.", no_args_is_help=True)
    group.command()(commands.upgrade)
    group.command(epilog=examples("db downgrade base"))(commands.downgrade)
    group.command()(commands.current)
    group.command()(commands.check)
    return group
