import unicodedata

import pytest

from app.domain.identity.text import escaped, fold

BASIC_PLANE = [chr(code) for code in range(0x10000)]


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        pytest.param("Trader", "trader", id="case"),
        pytest.param("\uff34\uff32", "tr", id="width"),
        pytest.param("STRASSE", "strasse", id="capitals"),
        pytest.param("Straße", "strasse", id="sharp-s"),
        pytest.param("\ufb01x", "fix", id="ligature"),
        pytest.param("cafe\u0301", "caf\u00e9", id="decomposed"),
        pytest.param("\u212a", "k", id="kelvin-sign"),
        pytest.param("\u03c2", "\u03c3", id="final-sigma"),
        pytest.param("\u0130", "i\u0307", id="dotted-i"),
        pytest.param("한글", "한글", id="without-case"),
        pytest.param("", "", id="empty"),
    ],
)
def test_what_differs_only_in_case_or_form_folds_to_the_same(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_folding_what_is_folded_changes_nothing() -> None:
    folded = [fold(character) for character in BASIC_PLANE]
    assert [text for text in folded if fold(text) != text] == []


def test_a_character_and_its_compatible_form_fold_to_the_same() -> None:
    assert [
        character
        for character in BASIC_PLANE
        if fold(unicodedata.normalize("NFKD", character)) != fold(character)
    ] == []


def test_blanks_are_not_folded_away() -> None:
    assert fold(" a b ") == " a b "


def test_a_lone_surrogate_folds_to_itself() -> None:
    assert fold("\ud800") == "\ud800"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        pytest.param("trader", "trader", id="plain"),
        pytest.param("Zoë 코인원 🙂", "Zoë 코인원 🙂", id="of-other-scripts"),
        pytest.param("a b", "a b", id="with-a-space"),
        pytest.param("a\r\nb", "a\\r\\nb", id="with-a-line-break"),
        pytest.param("\x1b[31m", "\\x1b[31m", id="an-ansi-escape"),
        pytest.param("a\0b", "a\\x00b", id="with-a-nul"),
        pytest.param("\ud800", "\\ud800", id="a-lone-surrogate"),
        pytest.param("a\u202eb", "a\\u202eb", id="a-change-of-direction"),
        pytest.param("a\u200bb", "a\\u200bb", id="a-space-of-no-width"),
        pytest.param("a\u2028b", "a\\u2028b", id="a-line-separator"),
        pytest.param("a\u00a0b", "a\\xa0b", id="a-space-that-does-not-break"),
        pytest.param("\U000e0041", "\\U000e0041", id="a-tag"),
        pytest.param("a\\nb", "a\\\\nb", id="a-backslash"),
        pytest.param("", "", id="empty"),
    ],
)
def test_a_strangers_text_is_kept_on_one_harmless_line(text: str, kept: str) -> None:
    assert escaped(text, 64) == kept


def test_texts_that_differ_are_kept_apart() -> None:
    # What a line break is escaped to, and the same typed out, are two texts.
    assert escaped("\n", 64) != escaped("\\n", 64)


def test_no_character_gets_through_that_is_not_printable() -> None:
    kept = [escaped(character, 64) for character in BASIC_PLANE]
    assert [text for text in kept if not text.isprintable()] == []


def test_a_text_that_just_fits_is_kept_whole() -> None:
    assert escaped("a" * 64, 64) == "a" * 64


def test_a_text_that_does_not_fit_is_cut_and_marked() -> None:
    assert escaped("a" * 65, 64) == "a" * 63 + "…"


@pytest.mark.parametrize("character", ["a", "\0", "\ud800", "\U000e0041", "\\"])
@pytest.mark.parametrize("length", [7, 63, 64, 65, 1_000_000])
def test_nothing_kept_is_longer_than_the_limit(character: str, length: int) -> None:
    assert len(escaped(character * length, 64)) <= 64
