import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.domain.principal import Role
from app.settings import Settings, Store, WrongSetting

NUMBERS = [
    pytest.param("bcrypt_cost", 4, 16, id="bcrypt_cost"),
    pytest.param("hash_threads", 1, 64, id="hash_threads"),
    pytest.param("hash_queue", 0, 10_000, id="hash_queue"),
    pytest.param("access_token_seconds", 30, 3600, id="access_token_seconds"),
    pytest.param("session_idle_days", 1, 365, id="session_idle_days"),
    pytest.param("session_max_days", 1, 365, id="session_max_days"),
    pytest.param("database_pool", 1, 1000, id="database_pool"),
    pytest.param("shutdown_seconds", 1, 600, id="shutdown_seconds"),
    pytest.param("drain_seconds", 0, 600, id="drain_seconds"),
    pytest.param("login_log_retention_days", 0, 36_500, id="login_log_retention_days"),
    pytest.param("max_body_bytes", 1024, None, id="max_body_bytes"),
    pytest.param("max_payload_bytes", 1024, None, id="max_payload_bytes"),
]

POSTGRES = "postgresql+asyncpg://tickgate:hunter2@db.example:5432/tickgate"

WRONG_URLS = [
    pytest.param("hunter2", id="no-url"),
    pytest.param("postgresql://tickgate:hunter2@db.example/tickgate", id="without-a-driver"),
    pytest.param("postgresql+psycopg://tickgate:hunter2@db.example/d", id="another-driver"),
    pytest.param("sqlite:///hunter2.db", id="a-driver-that-blocks"),
    pytest.param("mysql+aiomysql://tickgate:hunter2@db.example/d", id="another-database"),
    pytest.param("postgresql+asyncpg://u:p@db.example:hunter2/d", id="a-port-of-letters"),
    pytest.param("sqlite+aiosqlite://", id="a-database-in-memory"),
    pytest.param("sqlite+aiosqlite:///:memory:", id="a-database-in-memory-by-name"),
    pytest.param("postgresql+asyncpg://u:hunter2@h/d?sslmode=require", id="an-option-of-libpq"),
    pytest.param("postgresql+asyncpg://u:hunter2@h/d?application_name=x", id="an-odd-option"),
    pytest.param("postgresql+asyncpg://u:hunter2@h/d?ssl=bogus", id="an-odd-way-of-ssl"),
    pytest.param("postgresql+asyncpg://u:hunter2@h/d?command_timeout=abc", id="a-bound-of-ours"),
    pytest.param("postgresql+asyncpg://u:hunter2@h/d?ssl=allow&ssl=prefer", id="an-option-twice"),
    pytest.param("sqlite+aiosqlite:///hunter2.db?mode=ro", id="an-option-of-sqlite"),
    pytest.param("postgresql+asyncpg://u:hunter2@h:99999/d", id="a-port-beyond-all"),
    # What follows an unescaped `@` of a password is taken for the host and its port.
    pytest.param("postgresql+asyncpg://u:p@:hunter2@db.example/d", id="a-password-not-escaped"),
]


def load(environment: dict[str, str] | None = None, env_file: Path = Path("missing")) -> Settings:
    return Settings.load(environment or {}, env_file)


def refusal(environment: dict[str, str]) -> str:
    with pytest.raises(WrongSetting) as caught:
        load(environment)
    return str(caught.value)


# -- the login log ---------------------------------------------------------------------------


def test_the_login_log_is_kept_for_a_year_or_as_it_is_said_or_for_ever() -> None:
    kept = [
        load({"TICKGATE_LOGIN_LOG_RETENTION_DAYS": days}).login_log_retention
        for days in ("", "30", "0")
    ]
    assert kept == [timedelta(days=365), timedelta(days=30), None]


# -- the store -------------------------------------------------------------------------------


def test_a_store_in_memory_takes_no_setting_of_a_database() -> None:
    assert load({"TICKGATE_STORE": "memory", "TICKGATE_DATABASE_URL": ""}).store is Store.MEMORY
    for name in ("DATA_DIR", "DATABASE_URL", "DATABASE_POOL", "TOKEN_KEYS"):
        variable = f"TICKGATE_{name}"
        value = POSTGRES if name == "DATABASE_URL" else "7"
        told = refusal({"TICKGATE_STORE": "memory", variable: value})
        assert told == f"{variable}: has no meaning with TICKGATE_STORE=memory"


# -- proxies ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "trusted"),
    [
        ("10.0.0.0/8", ["10.0.0.0/8"]),
        ("10.1.2.3/8", ["10.0.0.0/8"]),
        (" 192.0.2.1 ,, ::1,fd00::/8", ["192.0.2.1/32", "::1/128", "fd00::/8"]),
        ("::ffff:192.0.2.1", ["192.0.2.1/32"]),
        (",", []),
    ],
)
def test_trusted_proxies_are_addresses_and_networks(written: str, trusted: list[str]) -> None:
    settings = load({"TICKGATE_TRUSTED_PROXIES": written})
    assert list(map(str, settings.trusted_proxies)) == trusted


def test_no_proxy_is_trusted_unless_it_is_said() -> None:
    assert load().trusted_proxies == ()


@pytest.mark.parametrize("written", ["proxy.example", "10.0.0.0/33", "10.0.0.1:80", "*", "::1;::2"])
def test_proxies_that_cannot_be_read_stop_the_start(written: str) -> None:
    told = refusal({"TICKGATE_TRUSTED_PROXIES": written})
    assert told.startswith("TICKGATE_TRUSTED_PROXIES: has to be addresses")


# -- metrics ---------------------------------------------------------------------------------


def test_metrics_are_served_nowhere_unless_it_is_said() -> None:
    settings = load()
    assert (settings.metrics_token, settings.metrics_port) == (None, None)
    assert settings.metrics_host == "127.0.0.1"


def test_a_token_for_metrics_that_could_be_guessed_or_not_be_sent_stops_the_start() -> None:
    for token in ("hunter2", "hunter2 hunter2 hunter2", "hunter2-hunter2-\u00e9", "hunter2" * 200):
        told = refusal({"TICKGATE_METRICS_TOKEN": token})
        assert told.startswith("TICKGATE_METRICS_TOKEN: is not 16 characters or more")
        assert "hunter2" not in told


# -- exchanges -------------------------------------------------------------------------------


def test_exchanges_are_asked_where_it_is_said() -> None:
    written = " coinone = HTTPS://Mirror.example/co/ ,, okx=http://127.0.0.1:8080,"
    assert load({"TICKGATE_EXCHANGE_URLS": written}).exchange_urls == {
        "coinone": "https://mirror.example/co",
        "okx": "http://127.0.0.1:8080",
    }


def test_urls_of_exchanges_that_cannot_be_used_stop_the_start_and_are_not_shown() -> None:
    for written in (
        "https://hunter2.example",
        "mtgox=https://hunter2.example",
        "OKX=https://hunter2.example",
        "okx",
        "okx=",
        "okx=hunter2.example",
        "okx=ftp://hunter2.example",
        "okx=https://",
        "okx=https://u:hunter2@okx.example",
        "okx=https://hunter2@okx.example",
        "okx=https://okx.example/?key=hunter2",
        "okx=https://okx.example/?",
        "okx=https://okx.example/#hunter2",
        "okx=https://okx.example:hunter2",
        "okx=https://okx.example:99999",
        "okx=https://hunter2\n.example",
        "okx=https://hunter2\udcff.example",
        "okx=https://[hunter2",
        "okx=https://[::hunter2]",
        "okx=https://[::1:2:3:4:5:6:7:8:9]/hunter2",
        "okx=https://hunter2.example/" + "x" * 200,
        "okx=https://hunter2.example,okx=https://hunter2.example",
    ):
        [line] = refusal({"TICKGATE_EXCHANGE_URLS": written}).splitlines()
        assert line.startswith("TICKGATE_EXCHANGE_URLS: "), written
        assert "hunter2" not in line, written


# -- what is set where nothing is said ---------------------------------------------------------


def test_nothing_has_to_be_set() -> None:
    assert load() == Settings()


def test_a_password_is_hashed_at_a_cost_of_twelve() -> None:
    assert load().bcrypt_cost == 12


def test_as_many_passwords_are_hashed_at_once_as_there_are_processors() -> None:
    assert load().hash_threads == (os.cpu_count() or 1)


def test_an_access_token_is_good_for_five_minutes_and_a_session_for_weeks() -> None:
    settings = load()
    assert (
        settings.access_token_seconds,
        settings.session_idle_days,
        settings.session_max_days,
    ) == (300, 14, 90)


def test_there_is_no_pepper() -> None:
    assert load().password_pepper.get_secret_value() == ""


def test_requests_and_payloads_are_bounded() -> None:
    settings = load()
    assert (settings.max_body_bytes, settings.max_payload_bytes) == (64 * 1024, 32 * 1024 * 1024)


def test_the_database_is_a_file_in_the_data_directory() -> None:
    assert str(load().async_db_url) == "sqlite+aiosqlite:///data/tickgate.db"


def test_the_signing_keys_are_in_the_data_directory() -> None:
    assert load().token_keys_dir == Path("data/keys")


# -- what is set -------------------------------------------------------------------------------


def test_every_setting_is_read_from_its_variable() -> None:
    settings = load(
        {
            "TICKGATE_DATA_DIR": "/var/lib/tickgate",
            "TICKGATE_DATABASE_URL": POSTGRES,
            "TICKGATE_TOKEN_KEYS": "/run/keys",
            "TICKGATE_BCRYPT_COST": "10",
            "TICKGATE_PASSWORD_PEPPER": "a pepper",
            "TICKGATE_HASH_THREADS": "3",
            "TICKGATE_HASH_QUEUE": "7",
            "TICKGATE_ACCESS_TOKEN_SECONDS": "60",
            "TICKGATE_TOKEN_ISSUER": "https://tickgate.example",
            "TICKGATE_SESSION_IDLE_DAYS": "2",
            "TICKGATE_SESSION_MAX_DAYS": "5",
            "TICKGATE_DATABASE_POOL": "20",
            "TICKGATE_MAX_BODY_BYTES": "2048",
            "TICKGATE_MAX_PAYLOAD_BYTES": "4096",
            "TICKGATE_EXCHANGE_URLS": "okx=https://okx.example",
        }
    )
    assert {
        "data_dir": settings.data_dir,
        "database_url": settings.async_db_url.render_as_string(hide_password=False),
        "token_keys": settings.token_keys_dir,
        "bcrypt_cost": settings.bcrypt_cost,
        "password_pepper": settings.password_pepper.get_secret_value(),
        "hash_threads": settings.hash_threads,
        "hash_queue": settings.hash_queue,
        "access_token_seconds": settings.access_token_seconds,
        "token_issuer": settings.token_issuer,
        "session_idle_days": settings.session_idle_days,
        "session_max_days": settings.session_max_days,
        "database_pool": settings.database_pool,
        "max_body_bytes": settings.max_body_bytes,
        "max_payload_bytes": settings.max_payload_bytes,
        "exchange_urls": settings.exchange_urls,
    } == {
        "data_dir": Path("/var/lib/tickgate"),
        "database_url": POSTGRES,
        "token_keys": Path("/run/keys"),
        "bcrypt_cost": 10,
        "password_pepper": "a pepper",
        "hash_threads": 3,
        "hash_queue": 7,
        "access_token_seconds": 60,
        "token_issuer": "https://tickgate.example",
        "session_idle_days": 2,
        "session_max_days": 5,
        "database_pool": 20,
        "max_body_bytes": 2048,
        "max_payload_bytes": 4096,
        "exchange_urls": {"okx": "https://okx.example"},
    }


@pytest.mark.parametrize("name", [" ", "two words", "a\nb", "caf\u00e9", "x" * 256], ids=repr)
def test_an_issuer_is_one_word_of_ascii(name: str) -> None:
    with pytest.raises(WrongSetting, match=r"^TICKGATE_TOKEN_ISSUER: "):
        load({"TICKGATE_TOKEN_ISSUER": name})


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    empty = {f"TICKGATE_{name.upper()}": "" for name in Settings.model_fields}
    assert load(empty) == Settings()


def test_variables_of_others_are_none_of_our_business() -> None:
    assert load({"PATH": "/bin", "BCRYPT_COST": "4", "OTHER_TICKGATE_X": "1"}) == Settings()


def test_the_process_is_asked_where_no_environment_is_given(tmp_path: Path) -> None:
    expected = load(dict(os.environ), tmp_path / "missing")
    assert Settings.load(env_file=tmp_path / "missing") == expected


@pytest.mark.parametrize("name", Settings.model_fields)
def test_settings_do_not_change_once_they_are_read(name: str) -> None:
    with pytest.raises(ValidationError):
        setattr(load(), name, None)


@pytest.mark.parametrize(("name", "least", "most"), NUMBERS)
def test_a_number_may_be_as_small_and_as_large_as_its_bounds(
    name: str, least: int, most: int | None
) -> None:
    bounds = [least] if most is None else [least, most]
    read = [getattr(load({f"TICKGATE_{name.upper()}": str(bound)}), name) for bound in bounds]
    assert read == bounds


@pytest.mark.parametrize(("name", "least", "most"), NUMBERS)
def test_a_number_beyond_its_bounds_is_refused_by_name(
    name: str, least: int, most: int | None
) -> None:
    variable = f"TICKGATE_{name.upper()}"
    beyond = [least - 1] if most is None else [least - 1, most + 1]
    refusals = [refusal({variable: str(number)}) for number in beyond]
    assert [text.split(": ")[0] for text in refusals] == [variable] * len(beyond)


@pytest.mark.parametrize(("name", "least", "most"), NUMBERS)
def test_what_is_no_number_is_refused_by_name_in_one_line(
    name: str, least: int, most: int | None
) -> None:
    variable = f"TICKGATE_{name.upper()}"
    for value in ("x", "1.5", "0x10", "1e3", "nan", "9" * 5000, "\n", "1 000"):
        [line] = refusal({variable: value}).splitlines()
        assert line.startswith(f"{variable}: "), (value, least, most)


@pytest.mark.parametrize("name", ["BCRYPT_COSTS", "DATABASE", "", "TOKEN_KEYS_DIR", "ASYNC_DB_URL"])
def test_a_setting_that_there_is_not_is_refused_by_name(name: str) -> None:
    assert refusal({f"TICKGATE_{name}": "1"}) == f"TICKGATE_{name}: there is no such setting"


def test_of_several_wrong_settings_one_is_named() -> None:
    text = refusal({"TICKGATE_BCRYPT_COST": "x", "TICKGATE_HASH_QUEUE": "-1"})
    assert text.startswith("TICKGATE_BCRYPT_COST: ")


# -- the database ------------------------------------------------------------------------------


@pytest.mark.parametrize("url", WRONG_URLS)
def test_a_database_that_cannot_be_used_is_refused_by_name_in_one_line(url: str) -> None:
    text = refusal({"TICKGATE_DATABASE_URL": url})
    assert text.startswith("TICKGATE_DATABASE_URL: ")
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("url", WRONG_URLS)
def test_the_refusal_of_a_database_shows_nothing_of_its_url(url: str) -> None:
    assert "hunter2" not in refusal({"TICKGATE_DATABASE_URL": url})


def test_the_refusal_of_a_driver_says_which_there_are() -> None:
    text = refusal({"TICKGATE_DATABASE_URL": "sqlite:///tickgate.db"})
    assert "postgresql+asyncpg://" in text
    assert "sqlite+aiosqlite://" in text


def test_the_database_that_is_set_is_the_one_that_is_used() -> None:
    url = load({"TICKGATE_DATABASE_URL": POSTGRES}).async_db_url
    assert (url.drivername, url.host, url.port, url.database) == (
        "postgresql+asyncpg",
        "db.example",
        5432,
        "tickgate",
    )


def test_a_password_with_escapes_is_read_as_meant() -> None:
    settings = load({"TICKGATE_DATABASE_URL": "postgresql+asyncpg://u:p%40%2F%3A@h/d"})
    assert settings.async_db_url.password == "p@/:"


def test_the_database_file_moves_with_the_data_directory() -> None:
    url = load({"TICKGATE_DATA_DIR": "/var/lib/tickgate"}).async_db_url
    assert url.database == "/var/lib/tickgate/tickgate.db"


@pytest.mark.parametrize("folder", ["/a b/ç", "/a?b", "/a#b", "/a%20b", "/a@b:c"])
def test_any_directory_can_hold_the_database(folder: str) -> None:
    url = load({"TICKGATE_DATA_DIR": folder}).async_db_url
    assert url.database == f"{folder}/tickgate.db"


@pytest.mark.parametrize(
    ("environment", "embedded"),
    [
        pytest.param({}, True, id="by-default"),
        pytest.param({"TICKGATE_DATABASE_URL": "sqlite+aiosqlite:///x.db"}, True, id="sqlite"),
        pytest.param({"TICKGATE_DATABASE_URL": POSTGRES}, False, id="postgres"),
    ],
)
def test_a_database_that_is_a_file_is_embedded(
    environment: dict[str, str], *, embedded: bool
) -> None:
    assert load(environment).is_embedded is embedded


def test_the_signing_keys_move_with_the_data_directory() -> None:
    keys = load({"TICKGATE_DATA_DIR": "/var/lib/tickgate"}).token_keys_dir
    assert keys == Path("/var/lib/tickgate/keys")


def test_the_signing_keys_can_be_elsewhere() -> None:
    settings = load({"TICKGATE_DATA_DIR": "/var/lib/tickgate", "TICKGATE_TOKEN_KEYS": "/run/keys"})
    assert settings.token_keys_dir == Path("/run/keys")


# -- secrets -----------------------------------------------------------------------------------


@pytest.mark.parametrize("show", [repr, str, Settings.model_dump_json])
def test_settings_that_are_shown_show_no_secret(show: Callable[[Settings], str]) -> None:
    secrets = {"TICKGATE_DATABASE_URL": POSTGRES, "TICKGATE_PASSWORD_PEPPER": "hunter2"}
    assert "hunter2" not in show(load(secrets))


def test_the_url_of_the_database_hides_its_password() -> None:
    url = load({"TICKGATE_DATABASE_URL": POSTGRES}).async_db_url
    assert "hunter2" not in f"{url} {url!r}"


# -- the .env file -----------------------------------------------------------------------------


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_a_file_sets_what_the_environment_does_not(env_file: Path) -> None:
    env_file.write_text("TICKGATE_BCRYPT_COST=10\nTICKGATE_DATA_DIR='/a b'\n")
    settings = load(env_file=env_file)
    assert (settings.bcrypt_cost, settings.data_dir) == (10, Path("/a b"))


def test_the_environment_overrides_the_file(env_file: Path) -> None:
    env_file.write_text("TICKGATE_BCRYPT_COST=10\nTICKGATE_HASH_QUEUE=5\n")
    settings = load({"TICKGATE_BCRYPT_COST": "11"}, env_file)
    assert (settings.bcrypt_cost, settings.hash_queue) == (11, 5)


def test_a_file_may_hold_comments_blanks_and_variables_of_others(env_file: Path) -> None:
    env_file.write_text(
        "# ours\n\nOTHER=1\nexport TICKGATE_HASH_QUEUE=5 # few\nTICKGATE_DATA_DIR\n"
    )
    assert load(env_file=env_file) == Settings(hash_queue=5)


def test_a_wrong_setting_of_the_file_is_refused_by_name(env_file: Path) -> None:
    env_file.write_text("TICKGATE_BCRYPT_COST=x\n")
    with pytest.raises(WrongSetting, match=r"^TICKGATE_BCRYPT_COST: "):
        load(env_file=env_file)


def test_a_setting_of_the_file_that_there_is_not_is_refused_by_name(env_file: Path) -> None:
    env_file.write_text("TICKGATE_COST=10\n")
    with pytest.raises(WrongSetting, match=r"^TICKGATE_COST: there is no such setting$"):
        load(env_file=env_file)


def test_what_the_environment_overrides_need_not_be_right(env_file: Path) -> None:
    env_file.write_text("TICKGATE_BCRYPT_COST=x\n")
    assert load({"TICKGATE_BCRYPT_COST": "10"}, env_file).bcrypt_cost == 10


def test_a_secret_of_the_file_is_taken_as_it_is_written(env_file: Path) -> None:
    # Were it filled in from the process, one file would mean a different pepper on each machine.
    env_file.write_text("TICKGATE_PASSWORD_PEPPER='a${PATH}b$c'\n")
    assert load(env_file=env_file).password_pepper.get_secret_value() == "a${PATH}b$c"


def test_a_file_that_is_no_text_is_refused(env_file: Path) -> None:
    env_file.write_bytes(b"TICKGATE_DATA_DIR=\xff\xfe\n")
    with pytest.raises(WrongSetting):
        load(env_file=env_file)


def test_a_file_changes_nothing_about_the_process(env_file: Path) -> None:
    env_file.write_text("TICKGATE_HASH_QUEUE=5\n")
    before = dict(os.environ)
    load(env_file=env_file)
    assert dict(os.environ) == before


# -- second factors ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ("", set()),
        ("admin", {Role.ADMIN}),
        ("user,admin", {Role.ADMIN, Role.USER}),
        (" admin , admin ", {Role.ADMIN}),
    ],
)
def test_roles_that_have_to_have_a_second_factor_are_separated_by_commas(
    text: str, roles: set[Role]
) -> None:
    assert load({"TICKGATE_MFA_REQUIRED_ROLES": text}).mfa_required_roles == roles


@pytest.mark.parametrize("text", ["root", "admin,", "Admin", "admin;user", "admin user"])
def test_what_is_no_role_is_refused(text: str) -> None:
    assert refusal({"TICKGATE_MFA_REQUIRED_ROLES": text}) == (
        "TICKGATE_MFA_REQUIRED_ROLES: is not some of admin, user, separated by commas"
    )


# -- syncs ---------------------------------------------------------------------------------


def test_each_exchange_is_synced_as_often_as_it_says() -> None:
    asked = load({"TICKGATE_SYNC_EVERY": "coinone=6h, korbit=1d,okx=90s,bybit=5m"}).sync_every
    assert dict(asked) == {
        "coinone": timedelta(hours=6),
        "korbit": timedelta(days=1),
        "okx": timedelta(seconds=90),
        "bybit": timedelta(minutes=5),
    }
    assert load().sync_every == ()


def test_a_schedule_that_is_none_stops_the_start_naming_the_variable() -> None:
    wrong = ["coinone", "coinone=6", "coinone=0h", "coinone=6h,", "coinone=6h,coinone=1d", "a b=1h"]
    assert {refusal({"TICKGATE_SYNC_EVERY": text}) for text in wrong} == {
        "TICKGATE_SYNC_EVERY: is not exchanges, each once, with a time such as coinone=6h,korbit=1d"
    }


def test_a_schedule_of_an_exchange_that_cannot_be_asked_stops_the_start() -> None:
    told = refusal({"TICKGATE_SYNC_EVERY": "coinone=6h,nowhere=6h"})
    assert told.startswith("TICKGATE_SYNC_EVERY: it is not known where nowhere ")


def test_only_a_database_on_postgres_has_a_replica() -> None:
    read = {"TICKGATE_READ_DATABASE_URL": POSTGRES}
    both = {"TICKGATE_DATABASE_URL": POSTGRES, **read}
    assert str(Settings.load(both).replica_url).startswith("postgresql+asyncpg://")
    assert Settings.load({}).replica_url is None
    embedded = {"TICKGATE_READ_DATABASE_URL": "sqlite+aiosqlite:///other.db"}
    for wrong in (read, {**both, **embedded}):
        with pytest.raises(WrongSetting, match="TICKGATE_READ_DATABASE_URL: has to be a replica"):
            Settings.load(wrong)
