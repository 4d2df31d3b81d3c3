"""The settings: environment variables with the prefix `TICKGATE_`, and the same in `.env`."""

import os
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from functools import cache
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Self

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from app.adapters.exchanges.registry import ASKED, read_urls
from app.domain.identity.networks import parse_network
from app.domain.identity.throttle import Kind, Limit, Limits, parse_limit
from app.domain.principal import Role
from app.importing import for_good

if TYPE_CHECKING:
    from sqlalchemy import URL

PREFIX: Final = "TICKGATE_"
DRIVERS: Final = ("postgresql+asyncpg", "sqlite+aiosqlite")
_PYDANTIC: Final = "Value error, "  # Pydantic's, before a message of ours


def _limit(value: object) -> object:
    if not isinstance(value, str):
        return value
    return None if value == "off" else parse_limit(value)


LimitSetting = Annotated[Limit | None, BeforeValidator(_limit)]
"""So many within a time, such as `5/5m`; `off` for no limit."""


class LogFormat(StrEnum):
    """How the service's own log is written."""

    CONSOLE = "console"
    JSON = "json"


class Store(StrEnum):
    """What the service keeps everything in."""

    SQL = "sql"
    MEMORY = "memory"


_OF_A_DATABASE: Final = (
    *("data_dir", "database_url", "database_pool", "database_pooler"),
    *("token_keys", "read_database_url"),
)
"""Settings that say nothing to a service that keeps everything in memory."""


class Pooler(StrEnum):
    """What is between the service and Postgres."""

    NONE = "none"
    """Nothing, or what gives a client one connection for as long as it is there."""
    TRANSACTION = "transaction"
    """What gives each transaction any connection."""


_NOTHING: Final = re.compile(r"(?!)")
_ANYTHING: Final = re.compile(r".+")
_QUERIES: Final[Mapping[str, Mapping[str, re.Pattern[str]]]] = {
    "postgresql": {
        "host": _ANYTHING,
        "port": re.compile(r"[0-9]{1,5}"),
        "passfile": _ANYTHING,
        "ssl": re.compile(r"disable|allow|prefer|require|verify-ca|verify-full"),
        "target_session_attrs": re.compile(
            r"any|primary|standby|read-write|read-only|prefer-standby"
        ),
    },
    "sqlite": {},
}
"""What a database URL may say after its question mark; the driver fails on all else, or later."""


class WrongSetting(Exception):
    """A setting that cannot be used; the message is one line that names the variable."""


_EVERY: Final = re.compile(r"([a-z0-9][a-z0-9_-]{0,31})=([1-9][0-9]{0,5})([smhd])")
_TOKEN: Final = re.compile(r"[!-~]{16,1024}")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _every(value: object) -> object:
    """Read how often each exchange is synced: `coinone=6h,korbit=1d`."""
    if not isinstance(value, str):
        return value
    found = [_EVERY.fullmatch(part.strip()) for part in value.split(",")]
    times = {match[1]: timedelta(**{_UNITS[match[3]]: int(match[2])}) for match in found if match}
    if len(times) < len(found):
        raise ValueError("is not exchanges, each once, with a time such as coinone=6h,korbit=1d")
    for exchange in times.keys() - ASKED.keys():
        raise ValueError(f"it is not known where {exchange} publishes its range units")
    return tuple(times.items())


def _roles(value: object) -> object:
    """Read roles that are separated by commas."""
    if not isinstance(value, str):
        return value
    names = {name.strip() for name in value.split(",")}
    if not names <= {*Role}:
        raise ValueError(f"is not some of {', '.join(Role)}, separated by commas")
    return frozenset(map(Role, names))


def _token(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not _TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("is not 16 characters or more of ASCII, without spaces")
    return value


def _exchange_urls(value: object) -> object:
    return read_urls(value) if isinstance(value, str) else value


def _is_postgres(url: SecretStr) -> bool:
    return url.get_secret_value().startswith("postgresql")


class Settings(BaseModel):
    """Everything that can be set. Durations name their unit, sizes are in bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: Store = Store.SQL
    data_dir: Path = Path("data")
    database_url: SecretStr | None = None
    read_database_url: SecretStr | None = None
    token_keys: Path | None = None
    bcrypt_cost: Annotated[int, Field(ge=4, le=16)] = 12
    password_pepper: SecretStr = SecretStr("")
    hash_threads: Annotated[int, Field(ge=1, le=64)] = os.cpu_count() or 1
    hash_queue: Annotated[int, Field(ge=0, le=10_000)] = 128
    token_issuer: Annotated[str, Field(pattern=r"^[!-~]{1,255}$")] = "tickgate"  # noqa: S105 - a name
    access_token_seconds: Annotated[int, Field(ge=30, le=3600)] = 300
    session_idle_days: Annotated[int, Field(ge=1, le=365)] = 14
    session_max_days: Annotated[int, Field(ge=1, le=365)] = 90
    login_limit_pair: LimitSetting = Limit(5, timedelta(minutes=5))
    login_limit_user: LimitSetting = Limit(20, timedelta(minutes=5))
    login_limit_network: LimitSetting = Limit(100, timedelta(minutes=5))
    login_limit_global: LimitSetting = Limit(1000, timedelta(minutes=1))
    login_waiting: Annotated[int, Field(ge=0, le=10_000)] = 256
    mfa_required_roles: Annotated[frozenset[Role], BeforeValidator(_roles)] = frozenset()
    database_pool: Annotated[int, Field(ge=1, le=1000)] = 10
    drain_seconds: Annotated[int, Field(ge=0, le=600)] = 0
    shutdown_seconds: Annotated[int, Field(ge=1, le=600)] = 10
    database_pooler: Pooler = Pooler.NONE
    login_log_retention_days: Annotated[int, Field(ge=0, le=36_500)] = 365
    sync_every: Annotated[tuple[tuple[str, timedelta], ...], BeforeValidator(_every)] = ()
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    log_format: LogFormat | None = None
    """None: whichever suits who reads it, a person at a terminal or a program."""
    metrics_token: Annotated[SecretStr | None, AfterValidator(_token)] = None
    metrics_port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    metrics_host: str = "127.0.0.1"
    max_body_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024
    max_payload_bytes: Annotated[int, Field(ge=1024)] = 32 * 1024 * 1024
    exchange_urls: Annotated[Mapping[str, str], BeforeValidator(_exchange_urls)] = {}

    @classmethod
    def load(
        cls, environment: Mapping[str, str] | None = None, env_file: Path = Path(".env")
    ) -> Self:
        """Read the environment (default: the process's), over what a `.env` file says.

        An empty variable is one that is not set, an unknown one is a misspelt one. Raises
        `WrongSetting`.
        """
        environment = os.environ if environment is None else environment
        try:
            written = dotenv_values(env_file, interpolate=False)
        except UnicodeDecodeError:
            raise WrongSetting(f"{env_file} is not a text in UTF-8") from None
        values = {
            name.removeprefix(PREFIX).lower(): value
            for source in (written, environment)
            for name, value in source.items()
            if name.startswith(PREFIX) and value
        }
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            name = PREFIX + str(first["loc"][0]).upper()
            unknown = first["type"] == "extra_forbidden"
            reason = "there is no such setting" if unknown else first["msg"].removeprefix(_PYDANTIC)
            raise WrongSetting(f"{name}: {reason}") from None
        if settings.store is Store.MEMORY:
            for idle in (name for name in _OF_A_DATABASE if name in values):
                raise WrongSetting(
                    f"{PREFIX}{idle.upper()}: has no meaning with {PREFIX}STORE=memory"
                )
        return settings

    @field_validator("database_url", "read_database_url")
    @classmethod
    def _is_usable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            make_url = _maker_of_urls()
            from sqlalchemy.exc import ArgumentError  # noqa: PLC0415 - only a database needs it

            try:
                url = make_url(value.get_secret_value())
                driver = url.drivername
            except (ArgumentError, ValueError):
                raise ValueError("is not a database URL") from None
            if driver not in DRIVERS:
                raise ValueError(f"begins with none of {', '.join(f'{d}://' for d in DRIVERS)}")
            if url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}:
                raise ValueError("names no file, and a database in memory would be one per use")
            if "sslmode" in url.query:
                raise ValueError("has sslmode=…, which the driver spells ssl=…")
            taken = _QUERIES[url.get_backend_name()]
            for name, given in url.query.items():
                if not isinstance(given, str) or not taken.get(name, _NOTHING).fullmatch(given):
                    names = ", ".join(taken) or "nothing"
                    raise ValueError(f"has an odd query after the ?; it takes {names}, each once")
            if url.port is not None and not 0 < url.port < 65536:  # noqa: PLR2004 - TCP's
                raise ValueError("has no port number of TCP")
        return value

    @field_validator("read_database_url")
    @classmethod
    def _is_a_replica(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        of = info.data.get("database_url")
        if value is not None and not all(url and _is_postgres(url) for url in (of, value)):
            raise ValueError("has to be a replica of a TICKGATE_DATABASE_URL, both on Postgres")
        return value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _are_networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        written = [part.strip() for part in value.split(",")]
        try:
            return tuple(parse_network(part) for part in written if part)
        except ValueError:
            raise ValueError(
                "has to be addresses and networks with commas between, such as 10.0.0.0/8,::1"
            ) from None

    @field_validator("password_pepper")
    @classmethod
    def _is_text(cls, value: SecretStr) -> SecretStr:
        try:
            value.get_secret_value().encode()
        except UnicodeEncodeError:
            raise ValueError("is not a text in UTF-8") from None
        return value

    @property
    def login_limits(self) -> Limits:
        """How many failed logins there may be, of each kind that is counted."""
        limits = {
            Kind.PAIR: self.login_limit_pair,
            Kind.USER: self.login_limit_user,
            Kind.NETWORK: self.login_limit_network,
            Kind.EVERYONE: self.login_limit_global,
        }
        return {kind: limit for kind, limit in limits.items() if limit is not None}

    @property
    def async_db_url(self) -> "URL":
        """Where the database is: by default a SQLite file in `data_dir`."""
        if self.database_url is not None:
            return _make_url(self.database_url.get_secret_value())
        return _make_url("sqlite+aiosqlite://").set(database=str(self.data_dir / "tickgate.db"))

    @property
    def replica_url(self) -> "URL | None":
        """Where a copy of the database is that may be read instead, if anywhere."""
        url = self.read_database_url
        return None if url is None else _make_url(url.get_secret_value())

    @property
    def login_log_retention(self) -> timedelta | None:
        """How long attempts to log in are kept; None: for ever."""
        days = self.login_log_retention_days
        return timedelta(days=days) if days else None

    @property
    def is_embedded(self) -> bool:
        """Whether the database is a file that this service keeps itself."""
        return self.async_db_url.get_backend_name() == "sqlite"

    @property
    def token_keys_dir(self) -> Path:
        """Where the keys are that access tokens are signed with."""
        return self.token_keys or self.data_dir / "keys"


@cache
def _maker_of_urls() -> Callable[[str], "URL"]:
    with for_good():
        from sqlalchemy import make_url  # noqa: PLC0415 - a service in memory starts faster without

    return make_url


def _make_url(written: str) -> "URL":
    return _maker_of_urls()(written)
