"""`tickgate api-key …`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import typer

from app.adapters.cli.output import print_json, print_line, print_table
from app.adapters.cli.shell import Json, Opened, duration, examples, instant, run
from app.domain.identity.api_keys import DEFAULT_OVERLAP, ApiKey, WantedKey
from app.domain.principal import Scope
from app.services.identity.api_key_service import ApiKeyService, IssuedKey
from app.services.identity.user_service import UserService

PAGE = 500
COLUMNS = (
    *("id", "name", "user_id", "scopes"),
    *("expires_at", "last_used_at", "retires_at", "revoked_at"),
)


@dataclass(frozen=True, slots=True)
class ApiKeyServices:
    """What the commands about API keys work with."""

    users: UserService
    api_keys: ApiKeyService


@dataclass(frozen=True, slots=True)
class Expiry:
    """A time, or how long from now: one type, as an option has to have."""

    expires: datetime | timedelta


def _expiry(text: str) -> Expiry:
    """Read either; there is a hyphen in every time, and in no duration."""
    return Expiry(instant(text) if "-" in text else duration(text))


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        # Not quoted: it may be the key itself.
        raise typer.BadParameter(
            "That is not the id of a key, as 'api-key list' shows it."
        ) from error


KeyId = Annotated[
    UUID, typer.Argument(parser=_id, metavar="ID", help="The key's id, as listed; not the key.")
]


class ApiKeyCommands:
    """API keys of anyone, for an operator at the machine."""

    def __init__(self, opened: Opened[ApiKeyServices]) -> None:
        self._opened = opened

    def create(  # noqa: PLR0913 - one parameter per option
        self,
        *,
        name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is for.")],
        user: Annotated[str, typer.Option(metavar="NAME", help="As whom it acts.")],
        scope: Annotated[list[Scope], typer.Option(help="What it may do; as often as needed.")],
        expires: Annotated[
            Expiry | None,
            typer.Option(
                parser=_expiry, metavar="TIME", help="When it expires: a time, or as 90d, 24h."
            ),
        ] = None,
        network: Annotated[
            list[str] | None,
            typer.Option(metavar="CIDR", help="From where it is good; as often as needed."),
        ] = None,
        as_json: Json = False,
    ) -> None:
        """Make an API key, and show it this once."""
        wanted = WantedKey(
            name, frozenset(scope), None if expires is None else expires.expires, network or ()
        )

        async def create(services: ApiKeyServices) -> IssuedKey:
            owner = await services.users.get_user_by_username(username=user)
            return await services.api_keys.create(user_id=owner.id, wanted=wanted)

        _print_issued(run(self._opened, create), as_json=as_json)

    def list_keys(
        self,
        *,
        user: Annotated[str | None, typer.Option(metavar="NAME", help="Of that user.")] = None,
        as_json: Json = False,
    ) -> None:
        """List API keys, those that are over too, newest first."""
        keys = run(self._opened, lambda services: _all_keys(services, user))
        if as_json:
            print_json({"items": [_document(api_key) for api_key in keys]})
        else:
            rows = [_document(one) | {"scopes": " ".join(sorted(one.scopes))} for one in keys]
            print_table(COLUMNS, rows)

    def revoke(self, *, key_id: KeyId, as_json: Json = False) -> None:
        """End an API key at once."""
        api_key = run(
            self._opened, lambda services: services.api_keys.revoke(key_id=key_id, owner=None)
        )
        if as_json:
            print_json(_document(api_key))
        else:
            print_line(f"API key {api_key.name} is revoked.")

    def rotate(
        self,
        *,
        key_id: KeyId,
        overlap: Annotated[
            timedelta | None,
            typer.Option(
                parser=duration,
                metavar="TIME",
                help="How long the old key goes on.  [default: 24h]",
            ),
        ] = None,
        as_json: Json = False,
    ) -> None:
        """Replace an API key by a new one, which is shown this once."""
        took = DEFAULT_OVERLAP if overlap is None else overlap
        issued = run(
            self._opened,
            lambda services: services.api_keys.rotate(key_id=key_id, owner=None, overlap=took),
        )
        _print_issued(issued, as_json=as_json)


def api_key_commands(opened: Opened[ApiKeyServices]) -> typer.Typer:
    """Put `tickgate api-key …` together."""
    commands = ApiKeyCommands(opened)
    group = typer.Typer(help="API keys, for bots.", no_args_is_help=True)
    group.command(
        "create",
        epilog=examples(
            "api-key create grid-bot-7 --user alice --scope range-units:read --expires 90d",
            "api-key create sync --user alice --scope range-units:write --network 203.0.113.0/24",
        ),
    )(commands.create)
    group.command("list")(commands.list_keys)
    group.command("revoke")(commands.revoke)
    group.command(
        "rotate",
        epilog=examples("api-key rotate 0199a1b2-0000-7000-8000-000000000000 --overlap 1h"),
    )(commands.rotate)
    return group


async def _all_keys(services: ApiKeyServices, user: str | None) -> list[ApiKey]:
    owner = None
    if user is not None:
        owner = (await services.users.get_user_by_username(username=user)).id
    keys = page = await services.api_keys.list_keys(owner=owner, limit=PAGE)
    while len(page) == PAGE:
        page = await services.api_keys.list_keys(owner=owner, before=page[-1].id, limit=PAGE)
        keys = keys + page
    return keys


def _print_issued(issued: IssuedKey, *, as_json: bool) -> None:
    if as_json:
        print_json(_document(issued.api_key) | {"key": issued.text})
        return
    print_line(f"API key {issued.api_key.name} is made, with the id {issued.api_key.id}.")
    print_line("It is shown this once:")
    print_line("")
    print_line(f"  {issued.text}")


def _document(api_key: ApiKey) -> dict[str, object]:
    """Give what the HTTP API tells of a key, and whose it is."""
    return {
        "id": api_key.id,
        "user_id": api_key.user_id,
        "name": api_key.name,
        "scopes": sorted(api_key.scopes),
        "created_at": api_key.created_at,
        "expires_at": api_key.expires_at,
        "allowed_networks": [str(network) for network in api_key.allowed_networks],
        "last_used_at": api_key.last_used_at,
        "last_used_ip": api_key.last_used_ip,
        "retires_at": api_key.retires_at,
        "revoked_at": api_key.revoked_at,
    }
