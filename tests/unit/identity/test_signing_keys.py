"""Signing keys that come and go while a service runs."""

import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.adapters.security.key_files import KeysUnreadable
from app.adapters.security.signing_keys import (
    SigningKeyInUse,
    UnknownSigningKey,
    WatchedKeys,
    list_keys,
    make_first_key,
    make_next_key,
    remove_key,
)


class Watched:
    """A directory of keys that is watched; `seconds` is what time it is."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.seconds = 100.0
        make_first_key(directory)
        self.keys = WatchedKeys(directory, seconds=lambda: self.seconds)

    def signs_with(self) -> str:
        return self.keys.signing()[0]

    def published(self) -> list[str]:
        return list(self.keys.published())


class Complaints(logging.Handler):
    """What is written to the log about keys."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record.getMessage())


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    handler, logger = Complaints(), logging.getLogger("app.adapters.security.signing_keys")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_a_new_key_is_published_within_a_second(watched: Watched) -> None:
    make_next_key(watched.directory)
    watched.seconds += 1
    assert watched.published() == ["0001", "0002"]


def test_the_directory_is_looked_at_once_a_second(watched: Watched) -> None:
    make_next_key(watched.directory)
    watched.seconds += 0.9
    assert watched.published() == ["0001"]


def test_a_new_key_signs_once_it_has_been_known_for_a_second(watched: Watched) -> None:
    make_next_key(watched.directory)
    watched.seconds += 1
    when_seen = watched.signs_with()
    watched.seconds += 1
    assert (when_seen, watched.signs_with()) == ("0001", "0002")


def test_a_key_that_signs_elsewhere_is_known_by_then_without_a_second_look(
    watched: Watched,
) -> None:
    other = WatchedKeys(watched.directory, seconds=lambda: watched.seconds)
    make_next_key(watched.directory)
    other.verifying("forged")  # the look that an unknown key is worth is spent
    while watched.signs_with() != "0002":
        watched.seconds += 0.25
        other.verifying("forged")
    assert other.verifying("0002") is not None


def test_an_unknown_key_is_looked_for_at_once(watched: Watched) -> None:
    make_next_key(watched.directory)
    assert watched.keys.verifying("0002") is not None


def test_unknown_keys_are_looked_for_once_a_second(watched: Watched) -> None:
    watched.keys.verifying("forged")
    make_next_key(watched.directory)
    watched.seconds += 0.5
    assert watched.keys.verifying("0002") is None
    watched.seconds += 0.5
    assert watched.keys.verifying("0002") is not None


def test_an_older_key_verifies_until_it_is_removed(watched: Watched) -> None:
    make_next_key(watched.directory)
    watched.seconds += 1
    assert watched.keys.verifying("0001") is not None
    remove_key(watched.directory, "0001")
    watched.seconds += 1
    assert watched.keys.verifying("0001") is None


def test_a_key_that_is_gone_signs_no_more(watched: Watched) -> None:
    make_next_key(watched.directory)
    remove_key(watched.directory, "0001")
    watched.seconds += 1
    assert watched.signs_with() == "0002"


@pytest.mark.parametrize("harm", ["a broken key", "no key", "no directory"])
def test_what_cannot_be_read_leaves_the_keys_that_are_known(
    tmp_path: Path, complaints: Complaints, harm: str
) -> None:
    watched = Watched(tmp_path / "keys")
    if harm == "a broken key":
        (watched.directory / "0002.pem").write_bytes(b"garbage")
    else:
        (watched.directory / "0001.pem").unlink()
    if harm == "no directory":
        watched.directory.rmdir()
    for _ in range(3):
        watched.seconds += 1
        assert (watched.signs_with(), watched.published()) == ("0001", ["0001"])
    assert len(complaints.records) == 1


def test_after_harm_was_undone_keys_come_again(watched: Watched) -> None:
    broken = watched.directory / "0002.pem"
    broken.write_bytes(b"garbage")
    watched.seconds += 1
    watched.published()
    broken.unlink()
    make_next_key(watched.directory)
    watched.seconds += 1
    assert watched.published() == ["0001", "0002"]


def test_a_start_without_keys_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeysUnreadable, match="holds no key"):
        WatchedKeys(tmp_path)


# -- the directory -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("newest", "made"),
    [
        ("0001", "0002"),
        ("0009", "0010"),
        ("9999", "9999-0001"),
        ("9999-0001", "9999-0002"),
        ("2026-08", "2026-09"),
        ("main", "main-0001"),
    ],
)
def test_the_next_key_is_the_greatest(tmp_path: Path, newest: str, made: str) -> None:
    make_first_key(tmp_path)
    (tmp_path / "0001.pem").rename(tmp_path / f"{newest}.pem")
    assert make_next_key(tmp_path) == made
    assert [key.key_id for key in list_keys(tmp_path)] == [made, newest]


def test_the_next_key_of_none_is_the_first(tmp_path: Path) -> None:
    assert make_next_key(tmp_path / "new") == "0001"


def test_the_next_key_is_its_owners_only(tmp_path: Path) -> None:
    make_first_key(tmp_path)
    make_next_key(tmp_path)
    assert stat.S_IMODE((tmp_path / "0002.pem").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0001.pem", "0002.pem"]


def test_the_newest_of_the_keys_that_are_listed_signs(tmp_path: Path) -> None:
    make_first_key(tmp_path)
    make_next_key(tmp_path)
    assert [(key.key_id, key.signs) for key in list_keys(tmp_path)] == [
        ("0002", True),
        ("0001", False),
    ]


def test_a_key_is_listed_with_when_it_was_made(tmp_path: Path) -> None:
    make_first_key(tmp_path)
    [key] = list_keys(tmp_path)
    assert key.made_at.timestamp() == pytest.approx((tmp_path / "0001.pem").stat().st_mtime)


@pytest.mark.parametrize("rotated", [False, True])
def test_the_newest_key_is_not_removed(tmp_path: Path, *, rotated: bool) -> None:
    make_first_key(tmp_path)
    newest = make_next_key(tmp_path) if rotated else "0001"
    with pytest.raises(SigningKeyInUse):
        remove_key(tmp_path, newest)
    assert newest in {key.key_id for key in list_keys(tmp_path)}


@pytest.mark.parametrize("key_id", ["0000", "../0001", "0001.pem", "", "a\0b", "*"])
def test_a_key_that_is_not_there_is_not_removed(tmp_path: Path, key_id: str) -> None:
    (tmp_path / "keys").mkdir()
    make_first_key(tmp_path / "keys")
    make_first_key(tmp_path)
    with pytest.raises(UnknownSigningKey):
        remove_key(tmp_path / "keys", key_id)
    assert (tmp_path / "0001.pem").exists()


def test_two_keys_are_never_the_same(tmp_path: Path) -> None:
    make_first_key(tmp_path)
    make_next_key(tmp_path)
    keys = WatchedKeys(tmp_path).published().values()
    assert len({key.public_bytes_raw() for key in keys} | {_unrelated()}) == 3


def _unrelated() -> bytes:
    return Ed25519PrivateKey.generate().public_key().public_bytes_raw()
