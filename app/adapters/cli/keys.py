"""`tickgate keys …`: the keys that access tokens are signed with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import typer

from app.adapters.cli.output import print_json, print_line, print_table
from app.adapters.cli.shell import Json, examples


@dataclass(frozen=True, slots=True)
class KeyCommands:
    """What is done to the directory of keys.

    `list` gives id, time of making, and whether it signs, newest first; `rotate` the new id.
    """

    list: Callable[[], list[tuple[str, datetime, bool]]]
    rotate: Callable[[], str]
    remove: Callable[[str], None]


class _Keys:
    def __init__(self, keys: KeyCommands) -> None:
        self._keys = keys

    def list_keys(self, *, as_json: Json = False) -> None:
        """List the signing keys, newest first."""
        items = [
            {"kid": key_id, "made_at": made_at, "signs": signs}
            for key_id, made_at, signs in self._keys.list()
        ]
        if as_json:
            print_json({"items": items})
        else:
            print_table(["kid", "signs", "made_at"], items)

    def rotate(self, *, as_json: Json = False) -> None:
        """Make a new signing key. Running services sign with it within seconds.

        Tokens of the older keys stay good until those are removed.
        """
        key_id = self._keys.rotate()
        if as_json:
            print_json({"kid": key_id})
        else:
            print_line(f"Key {key_id} is made, and signs from now on.")

    def remove(
        self,
        *,
        key_id: Annotated[str, typer.Argument(metavar="KID", help="As listed.")],
        as_json: Json = False,
    ) -> None:
        """Remove a signing key that is not the newest: its tokens are refused from now on."""
        self._keys.remove(key_id)
        if as_json:
            print_json({"kid": key_id})
        else:
            print_line(f"Key {key_id} is removed; what it signed is refused.")


def key_commands(keys: KeyCommands) -> typer.Typer:
    """Put `tickgate keys …` together."""
    commands = _Keys(keys)
    group = typer.Typer(help="Keys that access tokens are signed with.", no_args_is_help=True)
    group.command("list")(commands.list_keys)
    group.command("rotate")(commands.rotate)
    group.command("remove", epilog=examples("keys remove 0001"))(commands.remove)
    return group
