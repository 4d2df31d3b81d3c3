import json
import string
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from app.domain.identity.errors import InvalidToken
from app.domain.identity.sessions import AccessClaims
from app.domain.identity.users import PASSWORD_MOST_BYTES
from app.domain.principal import Scope
from app.ports.identity.security import AccessTokens, PasswordHasher
from tests.builders import new_id
from tests.contracts.races import all_at_once

PASSWORD = "correct horse battery staple"

UNHASHED = [
    pytest.param(None, id="none"),
    pytest.param("", id="empty"),
    pytest.param(" ", id="blank"),
    pytest.param("garbage", id="garbage"),
    pytest.param(PASSWORD, id="the-password-itself"),
    pytest.param("$2b$", id="only-a-prefix"),
    pytest.param("$2b$04$" + "." * 10, id="cut"),
    pytest.param("$2b$99$" + "a" * 53, id="of-an-impossible-cost"),
    pytest.param("$2b$31$" + "a" * 53, id="dearer-than-any-bound"),
    pytest.param("a\0b", id="with-a-nul"),
    pytest.param("a\ud800b", id="with-a-lone-surrogate"),
    pytest.param("a" * 100_000, id="over-long"),
]

UNCHECKABLE = [
    pytest.param("lone \ud800 surrogate", id="not-unicode"),
    pytest.param("a" * (PASSWORD_MOST_BYTES + 1), id="a-byte-too-long"),
    pytest.param("é" * PASSWORD_MOST_BYTES, id="too-long-in-bytes-only"),
    pytest.param("a" * 10_000_000, id="far-too-long"),
]

DIFFERENT = [
    pytest.param("a" * 72 + "b", "a" * 72 + "c", id="at-byte-73"),
    pytest.param("a" * 1023 + "b", "a" * 1023 + "c", id="at-byte-1024"),
    pytest.param("a" * 15, "a" * 16, id="one-is-a-beginning-of-the-other"),
    pytest.param("before\0after", "before\0other", id="after-a-nul"),
    pytest.param("ends", "ends\0", id="a-nul-at-the-end"),
    pytest.param("caf\u00e9", "cafe\u0301", id="composed-and-decomposed"),
    pytest.param("Case", "case", id="case"),
    pytest.param("space ", "space", id="a-space-at-the-end"),
    pytest.param("\uff57\uff49\uff44\uff45", "wide", id="width"),
]


class PasswordHasherContract:
    port: ClassVar[type] = PasswordHasher
    adapter: ClassVar[type]

    def test_what_is_tested_is_the_adapter_that_is_named(self, hasher: PasswordHasher) -> None:
        assert type(hasher) is self.adapter

    async def test_a_hash_verifies_its_password(self, hasher: PasswordHasher) -> None:
        stored = await hasher.hash(password=PASSWORD)
        assert await hasher.verify(password=PASSWORD, stored=stored)

    @pytest.mark.parametrize(
        "password",
        [
            pytest.param("", id="empty"),
            pytest.param("a" * PASSWORD_MOST_BYTES, id="the-longest"),
            pytest.param("\U0001f642" * (PASSWORD_MOST_BYTES // 4), id="the-longest-of-emoji"),
            pytest.param("\0", id="a-nul"),
            pytest.param(" \r\n\t", id="blanks"),
            pytest.param("пароль 暗証番号 كلمة السر", id="of-many-scripts"),
        ],
    )
    async def test_any_text_within_the_bounds_is_a_password(
        self, hasher: PasswordHasher, password: str
    ) -> None:
        stored = await hasher.hash(password=password)
        assert await hasher.verify(password=password, stored=stored)

    async def test_another_password_does_not_verify(self, hasher: PasswordHasher) -> None:
        stored = await hasher.hash(password=PASSWORD)
        assert not await hasher.verify(password=PASSWORD + "r", stored=stored)

    @pytest.mark.parametrize(("password", "other"), DIFFERENT)
    async def test_every_byte_of_a_password_counts(
        self, hasher: PasswordHasher, password: str, other: str
    ) -> None:
        stored = await hasher.hash(password=password)
        assert not await hasher.verify(password=other, stored=stored)

    async def test_equal_passwords_have_different_hashes(self, hasher: PasswordHasher) -> None:
        assert await hasher.hash(password=PASSWORD) != await hasher.hash(password=PASSWORD)

    async def test_a_hash_does_not_show_the_password(self, hasher: PasswordHasher) -> None:
        assert PASSWORD not in await hasher.hash(password=PASSWORD)

    async def test_a_hash_is_a_text_that_any_store_holds(self, hasher: PasswordHasher) -> None:
        stored = await hasher.hash(password="\0 \U0001f642")
        assert stored.isascii()
        assert stored.isprintable()

    @pytest.mark.parametrize("stored", UNHASHED)
    async def test_what_is_no_hash_verifies_nothing(
        self, hasher: PasswordHasher, stored: str | None
    ) -> None:
        assert not await hasher.verify(password=PASSWORD, stored=stored)

    @pytest.mark.parametrize("kept", [1, 10, -10, -1])
    async def test_a_truncated_hash_verifies_nothing(
        self, hasher: PasswordHasher, kept: int
    ) -> None:
        stored = await hasher.hash(password=PASSWORD)
        assert not await hasher.verify(password=PASSWORD, stored=stored[:kept])

    async def test_a_hash_with_something_behind_it_verifies_nothing(
        self, hasher: PasswordHasher
    ) -> None:
        stored = await hasher.hash(password=PASSWORD)
        assert not await hasher.verify(password=PASSWORD, stored=stored + "a")

    @pytest.mark.parametrize("password", UNCHECKABLE)
    async def test_a_password_out_of_bounds_does_not_verify(
        self, hasher: PasswordHasher, password: str
    ) -> None:
        stored = await hasher.hash(password=PASSWORD)
        assert not await hasher.verify(password=password, stored=stored)

    @pytest.mark.parametrize("password", UNCHECKABLE)
    async def test_a_password_out_of_bounds_does_not_verify_where_there_is_no_hash(
        self, hasher: PasswordHasher, password: str
    ) -> None:
        assert not await hasher.verify(password=password, stored=None)

    async def test_a_hash_just_made_need_not_be_made_anew(self, hasher: PasswordHasher) -> None:
        assert not hasher.needs_rehash(stored=await hasher.hash(password=PASSWORD))

    def foreign(self, password: str) -> str:
        """Hash as another program does."""
        raise NotImplementedError

    async def test_a_hash_of_another_program_is_accepted_verifies_and_is_to_be_made_anew(
        self, hasher: PasswordHasher
    ) -> None:
        stored = self.foreign(PASSWORD)
        told = (hasher.accepts(stored=stored), hasher.needs_rehash(stored=stored))
        assert told == (True, True)
        assert await hasher.verify(password=PASSWORD, stored=stored)
        assert not await hasher.verify(password="another password", stored=stored)

    async def test_a_hash_of_its_own_is_not_accepted_from_elsewhere(
        self, hasher: PasswordHasher
    ) -> None:
        assert not hasher.accepts(stored=await hasher.hash(password=PASSWORD))

    @pytest.mark.parametrize("stored", UNHASHED[1:])
    def test_what_is_no_hash_is_not_accepted(self, hasher: PasswordHasher, stored: str) -> None:
        assert not hasher.accepts(stored=stored)

    def test_a_hash_with_anything_more_or_less_is_not_accepted(
        self, hasher: PasswordHasher
    ) -> None:
        stored = self.foreign(PASSWORD)
        others = [
            stored[:-1],
            stored[1:],
            f"{stored}a",
            f"{stored}\n",
            f" {stored}",
            stored.upper(),
        ]
        assert [other for other in others if hasher.accepts(stored=other)] == []

    async def test_two_checks_at_once_do_not_disturb_each_other(
        self, hasher: PasswordHasher
    ) -> None:
        stored = await hasher.hash(password=PASSWORD)
        answers: dict[str, bool] = {}

        async def check(password: str) -> None:
            answers[password] = await hasher.verify(password=password, stored=stored)

        await all_at_once(lambda: check(PASSWORD), lambda: check("another password"))
        assert answers == {PASSWORD: True, "another password": False}


ALPHABET = string.ascii_letters + string.digits + "-_"


def claims(
    issued_at: datetime = datetime(2026, 1, 5, 9, 30, 15, tzinfo=UTC),
    lifetime: timedelta = timedelta(minutes=5),
) -> AccessClaims:
    return AccessClaims(
        token_id=new_id(),
        user_id=new_id(),
        session_id=new_id(),
        issued_at=issued_at,
        expires_at=issued_at + lifetime,
        authenticated_at=issued_at - lifetime,
        scopes=frozenset({Scope.USERS_ADMIN, Scope.RANGE_UNITS_READ}),
    )


def with_one_character_changed(token: str) -> Iterator[str]:
    """Change each character in turn, by the bit of a base64 digit that is never padding."""
    for place, character in enumerate(token):
        digit = ALPHABET.find(character)
        changed = ALPHABET[(digit + 32) % 64] if digit >= 0 else "A"
        yield token[:place] + changed + token[place + 1 :]


def unsigned(said: AccessClaims) -> str:
    """Forge a token that says it needs no signature."""
    header = {"alg": "none", "typ": "at+jwt"}
    payload = {
        "jti": str(said.token_id),
        "sub": str(said.user_id),
        "sid": str(said.session_id),
        "iat": int(said.issued_at.timestamp()),
        "exp": int(said.expires_at.timestamp()),
    }
    parts = (urlsafe_b64encode(json.dumps(part).encode()) for part in (header, payload))
    return ".".join(part.decode().rstrip("=") for part in parts) + "."


def accepted(tokens: AccessTokens, token: str) -> bool:
    try:
        tokens.read(token=token)
    except InvalidToken:
        return False
    return True  # pragma: no cover - a failure


class AccessTokensContract:
    port: ClassVar[type] = AccessTokens
    adapter: ClassVar[type]

    def test_what_is_tested_is_the_adapter_that_is_named(self, tokens: AccessTokens) -> None:
        assert type(tokens) is self.adapter

    def test_a_token_says_what_was_claimed(self, tokens: AccessTokens) -> None:
        said = claims()
        assert tokens.read(token=tokens.issue(claims=said)) == said

    def test_the_times_of_a_token_are_aware_and_in_utc(self, tokens: AccessTokens) -> None:
        read = tokens.read(token=tokens.issue(claims=claims()))
        assert [time.utcoffset() for time in (read.issued_at, read.expires_at)] == [
            timedelta(0),
            timedelta(0),
        ]

    @pytest.mark.parametrize("microsecond", [1, 499_999, 500_000, 654_321, 999_999])
    def test_the_times_of_a_token_are_cut_to_whole_seconds(
        self, tokens: AccessTokens, microsecond: int
    ) -> None:
        whole = datetime(2026, 1, 5, 9, 30, 15, tzinfo=UTC)
        said = claims(issued_at=whole.replace(microsecond=microsecond))
        read = tokens.read(token=tokens.issue(claims=said))
        assert (read.issued_at, read.expires_at) == (whole, whole + timedelta(minutes=5))

    def test_expiry_is_left_to_the_caller(self, tokens: AccessTokens) -> None:
        said = claims(issued_at=datetime(2001, 1, 1, tzinfo=UTC))
        assert tokens.read(token=tokens.issue(claims=said)) == said

    def test_a_token_from_the_future_is_left_to_the_caller(self, tokens: AccessTokens) -> None:
        said = claims(issued_at=datetime(2999, 1, 1, tzinfo=UTC))
        assert tokens.read(token=tokens.issue(claims=said)) == said

    def test_a_token_goes_into_a_header_as_it_is(self, tokens: AccessTokens) -> None:
        token = tokens.issue(claims=claims())
        assert token.isascii()
        assert token.isprintable()
        assert " " not in token

    def test_every_token_speaks_for_its_own_session(self, tokens: AccessTokens) -> None:
        said = [claims() for _ in range(5)]
        issued = [tokens.issue(claims=one) for one in said]
        assert [tokens.read(token=token) for token in issued] == said

    def test_a_token_changed_anywhere_is_refused(self, tokens: AccessTokens) -> None:
        token = tokens.issue(claims=claims())
        changed = list(with_one_character_changed(token))
        assert [other for other in changed if accepted(tokens, other)] == []

    def test_a_token_cut_anywhere_is_refused(self, tokens: AccessTokens) -> None:
        token = tokens.issue(claims=claims())
        cut = [token[:length] for length in range(len(token))]
        assert [other for other in cut if accepted(tokens, other)] == []

    def test_an_unsigned_token_is_refused(self, tokens: AccessTokens) -> None:
        with pytest.raises(InvalidToken):
            tokens.read(token=unsigned(claims()))

    @pytest.mark.parametrize(
        "token",
        [
            pytest.param("", id="empty"),
            pytest.param(".", id="a-dot"),
            pytest.param("..", id="two-dots"),
            pytest.param("a.b.c", id="three-parts-of-nothing"),
            pytest.param("e30.e30.e30", id="three-empty-objects"),
            pytest.param("W10.W10.W10", id="three-empty-lists"),
            pytest.param("no token at all", id="words"),
            pytest.param("a\0b", id="with-a-nul"),
            pytest.param("a\ud800b", id="with-a-lone-surrogate"),
            pytest.param("\uff11.\uff12.\uff13", id="of-wide-digits"),
            pytest.param("a" * 1_000_000, id="over-long"),
        ],
    )
    def test_what_is_no_token_is_refused(self, tokens: AccessTokens, token: str) -> None:
        with pytest.raises(InvalidToken):
            tokens.read(token=token)

    @pytest.mark.parametrize("around", ["{} ", " {}", "{}\n", "{}.", ".{}", "{}=", "Bearer {}"])
    def test_a_token_with_something_around_it_is_refused(
        self, tokens: AccessTokens, around: str
    ) -> None:
        token = around.format(tokens.issue(claims=claims()))
        with pytest.raises(InvalidToken):
            tokens.read(token=token)

    def test_a_token_may_speak_for_no_scope_at_all(self, tokens: AccessTokens) -> None:
        said = replace(claims(), scopes=frozenset())
        assert tokens.read(token=tokens.issue(claims=said)) == said

    def test_keys_are_published_each_with_an_id_of_its_own(self, tokens: AccessTokens) -> None:
        ids = [key.key_id for key in tokens.published()]
        assert ids
        assert len(set(ids)) == len(ids)

    def test_a_published_key_is_one_of_ed25519(self, tokens: AccessTokens) -> None:
        assert {len(key.public_key) for key in tokens.published()} == {32}

    def test_keys_that_were_published_changed_by_their_reader_change_nothing(
        self, tokens: AccessTokens
    ) -> None:
        published = tokens.published()
        published.clear()
        assert tokens.published() != []
