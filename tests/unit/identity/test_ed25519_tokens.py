import base64
import hashlib
import hmac
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from app.adapters.security.key_files import KeysUnreadable
from app.adapters.security.signing_keys import SigningKeys, make_first_key
from app.adapters.security.tokens import Ed25519AccessTokens
from app.domain.identity.errors import InvalidToken
from app.domain.identity.sessions import AccessClaims
from app.domain.principal import Scope
from tests.builders import at, new_id

KEY = Ed25519PrivateKey.generate()
OTHER_KEY = Ed25519PrivateKey.generate()

HEADER: Mapping[str, object] = {"alg": "EdDSA", "typ": "at+jwt", "kid": "0001"}
PAYLOAD: Mapping[str, object] = {
    "iss": "tickgate",
    "aud": "tickgate",
    "sub": str(UUID(int=1)),
    "sid": str(UUID(int=2)),
    "iat": 1_767_605_415,
    "exp": 1_767_605_715,
    "jti": str(UUID(int=3)),
    "client_id": "tickgate",
    "auth_time": 1_767_605_415,
    "scope": "login-log:read of-a-later-version",
}


def some_claims() -> AccessClaims:
    start = at().replace(microsecond=0)
    return AccessClaims(
        token_id=new_id(),
        user_id=new_id(),
        session_id=new_id(),
        issued_at=start,
        expires_at=start.replace(minute=59),
        authenticated_at=start.replace(minute=1),
        scopes=frozenset({Scope.RANGE_UNITS_READ, Scope.LOGIN_LOG_READ}),
    )


def tokens_of(**keys: Ed25519PrivateKey) -> Ed25519AccessTokens:
    """Give a signer of keys by their ids, each written `k0001`."""
    by_id = {name.removeprefix("k"): key for name, key in keys.items()}
    return Ed25519AccessTokens(keys=SigningKeys(by_id), name="tickgate")


@pytest.fixture
def tokens() -> Ed25519AccessTokens:
    return tokens_of(k0001=KEY)


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def decoded(part: str) -> dict[str, object]:
    content: dict[str, object] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return content


def unsigned(header: Mapping[str, object], payload: Mapping[str, object]) -> str:
    return ".".join(encoded(json.dumps(part).encode()) for part in (header, payload))


def signed(
    *,
    key: Ed25519PrivateKey = KEY,
    header: Mapping[str, object] | None = None,
    claims: Mapping[str, object] | None = None,
    without: str = "",
) -> str:
    """Sign what no signer would: a token that differs from a good one as the test says."""
    said = {name: value for name, value in {**PAYLOAD, **(claims or {})}.items() if name != without}
    text = unsigned({**HEADER, **(header or {})}, said)
    return f"{text}.{encoded(key.sign(text.encode()))}"


def refuses(tokens: Ed25519AccessTokens, token: str) -> None:
    with pytest.raises(InvalidToken):
        tokens.read(token=token)


# -- what a token says -------------------------------------------------------------------------


def test_a_token_signed_by_hand_is_read(tokens: Ed25519AccessTokens) -> None:
    # The refusals below are worth something only because this one is taken.
    assert tokens.read(token=signed()) == AccessClaims(
        token_id=UUID(int=3),
        user_id=UUID(int=1),
        session_id=UUID(int=2),
        issued_at=at().replace(microsecond=0),
        expires_at=at(5).replace(microsecond=0),
        authenticated_at=at().replace(microsecond=0),
        scopes=frozenset({Scope.LOGIN_LOG_READ}),
    )


def test_a_token_says_how_it_is_signed_and_what_it_is(tokens: Ed25519AccessTokens) -> None:
    header = tokens.issue(claims=some_claims()).split(".")[0]
    assert decoded(header) == HEADER


def test_a_token_says_what_an_access_token_has_to(tokens: Ed25519AccessTokens) -> None:
    claims = some_claims()
    payload = tokens.issue(claims=claims).split(".")[1]
    assert decoded(payload) == {
        "iss": "tickgate",
        "aud": "tickgate",
        "sub": str(claims.user_id),
        "sid": str(claims.session_id),
        "iat": int(claims.issued_at.timestamp()),
        "exp": int(claims.expires_at.timestamp()),
        "jti": str(claims.token_id),
        "client_id": "tickgate",
        "auth_time": int(claims.authenticated_at.timestamp()),
        "scope": "login-log:read range-units:read",
    }


def test_anyone_with_the_public_key_can_verify_a_token(tokens: Ed25519AccessTokens) -> None:
    text, _, signature = tokens.issue(claims=some_claims()).rpartition(".")
    KEY.public_key().verify(base64.urlsafe_b64decode(signature + "=="), text.encode())


# -- forgeries ---------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None], ids=repr)
def test_a_token_that_says_it_needs_no_signature_is_refused(
    tokens: Ed25519AccessTokens, algorithm: str | None
) -> None:
    refuses(tokens, unsigned({**HEADER, "alg": algorithm}, PAYLOAD) + ".")


@pytest.mark.parametrize("encoding", ["raw", "pem", "der"])
def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(
    tokens: Ed25519AccessTokens, encoding: str
) -> None:
    public, info = KEY.public_key(), serialization.PublicFormat.SubjectPublicKeyInfo
    secrets = {
        "raw": public.public_bytes_raw(),
        "pem": public.public_bytes(serialization.Encoding.PEM, info),
        "der": public.public_bytes(serialization.Encoding.DER, info),
    }
    text = unsigned({**HEADER, "alg": "HS256"}, PAYLOAD)
    digest = hmac.digest(secrets[encoding], text.encode(), hashlib.sha256)
    refuses(tokens, f"{text}.{encoded(digest)}")


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256", "Ed25519", "eddsa", "EdDSA ", 1])
def test_a_token_that_names_another_algorithm_is_refused(
    tokens: Ed25519AccessTokens, algorithm: object
) -> None:
    refuses(tokens, signed(header={"alg": algorithm}))


def test_a_token_signed_with_a_foreign_key_is_refused(tokens: Ed25519AccessTokens) -> None:
    refuses(tokens, signed(key=OTHER_KEY))


@pytest.mark.parametrize(
    "key_id",
    ["0002", "", "../0001", "0001.pem", "0001\0", "\ud800", "0001 ", 1, None, ["0001"], {}, True],
    ids=repr,
)
def test_a_token_of_an_unknown_key_is_refused(tokens: Ed25519AccessTokens, key_id: object) -> None:
    refuses(tokens, signed(header={"kid": key_id}))


def test_a_token_that_does_not_name_its_key_is_refused(tokens: Ed25519AccessTokens) -> None:
    text = unsigned({"alg": "EdDSA", "typ": "at+jwt"}, PAYLOAD)
    refuses(tokens, f"{text}.{encoded(KEY.sign(text.encode()))}")


@pytest.mark.parametrize("kind", ["JWT", "jwt", "rt+jwt", "AT+JWT", "", None, 1, ["at+jwt"]])
def test_a_token_of_another_kind_is_refused(tokens: Ed25519AccessTokens, kind: object) -> None:
    refuses(tokens, signed(header={"typ": kind}))


@pytest.mark.parametrize("issuer", ["other", "", "Tickgate", "tickgate ", 1, ["tickgate"], None])
def test_a_token_of_another_issuer_is_refused(tokens: Ed25519AccessTokens, issuer: object) -> None:
    refuses(tokens, signed(claims={"iss": issuer}))


@pytest.mark.parametrize("audience", ["other", "", "Tickgate", "tickgate ", 1, [], ["other"], None])
def test_a_token_for_another_audience_is_refused(
    tokens: Ed25519AccessTokens, audience: object
) -> None:
    refuses(tokens, signed(claims={"aud": audience}))


@pytest.mark.parametrize("claim", sorted(PAYLOAD))
def test_a_token_that_lacks_a_claim_is_refused(tokens: Ed25519AccessTokens, claim: str) -> None:
    refuses(tokens, signed(without=claim))


@pytest.mark.parametrize("claim", ["sub", "sid", "jti"])
@pytest.mark.parametrize("value", ["", "x", 1, True, [], {}, [str(UUID(int=1))]], ids=repr)
def test_a_token_with_an_id_that_is_none_is_refused(
    tokens: Ed25519AccessTokens, claim: str, value: object
) -> None:
    refuses(tokens, signed(claims={claim: value}))


@pytest.mark.parametrize("claim", ["iat", "exp"])
@pytest.mark.parametrize("value", ["soon", [], {}, 10**12, 10**18, -(10**18), 10**30], ids=repr)
def test_a_token_with_a_time_that_is_none_is_refused(
    tokens: Ed25519AccessTokens, claim: str, value: object
) -> None:
    refuses(tokens, signed(claims={claim: value}))


@pytest.mark.parametrize("payload", ["[]", "null", '"text"', "1", "{", "", "[" * 50_000])
def test_a_signature_over_no_claims_at_all_is_refused(
    tokens: Ed25519AccessTokens, payload: str
) -> None:
    text = f"{encoded(json.dumps(HEADER).encode())}.{encoded(payload.encode())}"
    refuses(tokens, f"{text}.{encoded(KEY.sign(text.encode()))}")


@pytest.mark.parametrize("header", ["[]", "null", '"text"', "{", "[" * 50_000, '{"a":' * 50_000])
def test_a_header_that_is_none_is_refused(tokens: Ed25519AccessTokens, header: str) -> None:
    refuses(tokens, f"{encoded(header.encode())}.e30.AAAA")


class Counting(BaseHTTPRequestHandler):
    """Counts the requests, and answers none."""

    requests = 0

    def do_GET(self) -> None:  # pragma: no cover - nobody asks
        type(self).requests += 1


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Give the URL of a server of somebody else's, which must not be asked for anything."""
    Counting.requests = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Counting) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/jwks.json"
        server.shutdown()
        thread.join()


def public_jwk(key: Ed25519PrivateKey) -> dict[str, str]:
    x = encoded(key.public_key().public_bytes_raw())
    return {"kty": "OKP", "crv": "Ed25519", "kid": "0001", "x": x}


def test_keys_that_a_token_brings_along_or_points_to_are_not_looked_at(
    tokens: Ed25519AccessTokens, elsewhere: str
) -> None:
    for name, value in {
        "jku": elsewhere,
        "x5u": elsewhere,
        "jwk": public_jwk(OTHER_KEY),
        "x5c": [encoded(OTHER_KEY.public_key().public_bytes_raw())],
        "x5t": encoded(b"a digest"),
    }.items():
        refuses(tokens, signed(key=OTHER_KEY, header={name: value}))
        refuses(tokens, signed(key=OTHER_KEY, header={name: value, "kid": "0002"}))
        assert tokens.read(token=signed(header={name: value})).user_id == UUID(int=1)
    assert Counting.requests == 0


@pytest.mark.parametrize("names", [["exp"], ["b64"], ["unheard-of"], [], None], ids=repr)
def test_a_token_that_demands_an_extension_is_refused(
    tokens: Ed25519AccessTokens, names: list[str] | None
) -> None:
    refuses(tokens, signed(header={"crit": names, "unheard-of": 1}))


@pytest.mark.parametrize("claim", ["iat", "exp", "auth_time"])
@pytest.mark.parametrize("value", ["1767605715", 1767605715.5, 1767605715.0, True, None], ids=repr)
def test_a_time_that_is_no_whole_number_is_refused(
    tokens: Ed25519AccessTokens, claim: str, value: object
) -> None:
    refuses(tokens, signed(claims={claim: value}))


@pytest.mark.parametrize("value", [None, 1, ["users:admin"], {}], ids=repr)
def test_scopes_that_are_no_text_are_refused(tokens: Ed25519AccessTokens, value: object) -> None:
    refuses(tokens, signed(claims={"scope": value}))


def signed_as_written(header: str, payload: str) -> str:
    text = f"{encoded(header.encode())}.{encoded(payload.encode())}"
    return f"{text}.{encoded(KEY.sign(text.encode()))}"


@pytest.mark.parametrize("part", ["header", "payload"])
def test_a_name_that_is_there_twice_is_refused(tokens: Ed25519AccessTokens, part: str) -> None:
    header, payload = json.dumps(HEADER), json.dumps(PAYLOAD)
    assert tokens.read(token=signed_as_written(header, payload)).user_id == UUID(int=1)
    if part == "header":
        refuses(tokens, signed_as_written('{"kid": "0001", ' + header[1:], payload))
    else:
        refuses(tokens, signed_as_written(header, f'{{"sub": "{UUID(int=9)}", ' + payload[1:]))


def test_a_payload_of_another_token_is_refused(tokens: Ed25519AccessTokens) -> None:
    one, other = signed().split("."), signed(claims={"sub": str(UUID(int=9))}).split(".")
    refuses(tokens, ".".join([one[0], other[1], one[2]]))


@pytest.mark.parametrize("signature", ["", "AAAA", "A" * 86], ids=["none", "short", "zeros"])
def test_a_token_whose_signature_was_taken_away_is_refused(
    tokens: Ed25519AccessTokens, signature: str
) -> None:
    refuses(tokens, f"{signed().rpartition('.')[0]}.{signature}")


def test_a_token_signed_with_the_published_key_as_a_secret_is_refused(
    tokens: Ed25519AccessTokens,
) -> None:
    text = unsigned({**HEADER, "alg": "HS256"}, PAYLOAD)
    secret = json.dumps(public_jwk(KEY)).encode()
    refuses(tokens, f"{text}.{encoded(hmac.digest(secret, text.encode(), hashlib.sha256))}")


def test_a_token_that_is_far_too_long_is_refused_unread(tokens: Ed25519AccessTokens) -> None:
    # Signed, and good but for its length.
    refuses(tokens, signed(claims={"padding": "x" * 1_000_000}))


def test_a_token_that_is_issued_is_far_from_too_long(tokens: Ed25519AccessTokens) -> None:
    claims = replace(some_claims(), scopes=frozenset(Scope))
    assert len(tokens.issue(claims=claims)) < 1024


# -- several keys ------------------------------------------------------------------------------


def test_the_newest_key_signs() -> None:
    tokens = tokens_of(k0002=OTHER_KEY, k0001=KEY)
    header = tokens.issue(claims=some_claims()).split(".")[0]
    assert decoded(header)["kid"] == "0002"


def test_a_token_of_an_older_key_is_still_good() -> None:
    claims = some_claims()
    token = tokens_of(k0001=KEY).issue(claims=claims)
    assert tokens_of(k0001=KEY, k0002=OTHER_KEY).read(token=token) == claims


def test_a_token_of_a_key_that_was_taken_away_is_refused() -> None:
    token = tokens_of(k0001=KEY).issue(claims=some_claims())
    refuses(tokens_of(k0002=OTHER_KEY), token)


def test_a_token_is_verified_with_the_key_that_it_names() -> None:
    refuses(tokens_of(k0001=KEY, k0002=OTHER_KEY), signed(header={"kid": "0002"}))


# -- keys in a directory -----------------------------------------------------------------------


def pem(key: PrivateKeyTypes, password: bytes | None = None) -> bytes:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password is not None:
        encryption = serialization.BestAvailableEncryption(password)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )


def of_an_unknown_algorithm() -> bytes:
    """Make a key file that is well-formed, but of an algorithm with a number nobody knows."""
    der = KEY.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    ed25519, unknown = bytes.fromhex("06032b6570"), bytes.fromhex("06032b657a")
    content = base64.b64encode(der.replace(ed25519, unknown))
    return b"-----BEGIN PRIVATE KEY-----\n" + content + b"\n-----END PRIVATE KEY-----\n"


def public_pem() -> bytes:
    return KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def from_directory(directory: Path) -> Ed25519AccessTokens:
    return Ed25519AccessTokens.from_directory(directory, name="tickgate")


def test_keys_are_named_after_their_files(tmp_path: Path) -> None:
    (tmp_path / "0001.pem").write_bytes(pem(KEY))
    assert from_directory(tmp_path).read(token=signed()).user_id == UUID(int=1)


def test_the_key_of_the_greatest_file_name_signs(tmp_path: Path) -> None:
    (tmp_path / "0010.pem").write_bytes(pem(KEY))
    (tmp_path / "0009.pem").write_bytes(pem(OTHER_KEY))
    header = from_directory(tmp_path).issue(claims=some_claims()).split(".")[0]
    assert decoded(header)["kid"] == "0010"


def test_files_of_another_kind_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "0001.pem").write_bytes(pem(KEY))
    (tmp_path / "README").write_bytes(b"keys")
    (tmp_path / "0002.pem.bak").write_bytes(b"garbage")
    assert from_directory(tmp_path).read(token=signed()).user_id == UUID(int=1)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"garbage", id="garbage"),
        pytest.param(b"\xff\xfe\0", id="binary"),
        pytest.param(pem(KEY)[:60], id="truncated"),
        pytest.param(pem(KEY, password=b"secret"), id="encrypted"),
        pytest.param(public_pem(), id="a-public-key"),
        pytest.param(pem(rsa.generate_private_key(65537, 2048)), id="an-rsa-key"),
        pytest.param(pem(ec.generate_private_key(ec.SECP256R1())), id="an-ecdsa-key"),
        pytest.param(pem(x25519.X25519PrivateKey.generate()), id="an-x25519-key"),
        pytest.param(of_an_unknown_algorithm(), id="of-an-unknown-algorithm"),
    ],
)
def test_a_file_that_is_no_signing_key_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "0001.pem").write_bytes(pem(KEY))
    (tmp_path / "0002.pem").write_bytes(content)
    with pytest.raises(KeysUnreadable, match=r"^0002\.pem "):
        from_directory(tmp_path)


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "0001.pem").symlink_to("gone")
    with pytest.raises(KeysUnreadable, match=r"^0001\.pem cannot be read"):
        from_directory(tmp_path)


def test_a_directory_in_place_of_a_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "0001.pem").mkdir()
    with pytest.raises(KeysUnreadable, match=r"^0001\.pem cannot be read"):
        from_directory(tmp_path)


@pytest.mark.parametrize("name", ["", "missing"])
def test_without_any_key_the_directory_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(KeysUnreadable, match="holds no key") as caught:
        from_directory(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_no_refusal_of_a_key_shows_it(tmp_path: Path) -> None:
    (tmp_path / "0001.pem").write_bytes(pem(KEY)[:60])
    with pytest.raises(KeysUnreadable) as caught:
        from_directory(tmp_path)
    assert pem(KEY)[30:60].decode() not in str(caught.value)


# -- the first key -----------------------------------------------------------------------------


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_key_can_be_used(tmp_path: Path) -> None:
    make_first_key(tmp_path)
    tokens, claims = from_directory(tmp_path), some_claims()
    assert tokens.read(token=tokens.issue(claims=claims)) == claims


def test_the_first_key_is_its_owners_only(tmp_path: Path) -> None:
    make_first_key(tmp_path)
    assert mode(tmp_path / "0001.pem") == 0o600


def test_a_directory_for_the_first_key_is_made_for_its_owner_only(tmp_path: Path) -> None:
    make_first_key(tmp_path / "data" / "keys")
    assert mode(tmp_path / "data" / "keys") == 0o700


def test_nothing_but_the_key_is_left_in_the_directory(tmp_path: Path) -> None:
    make_first_key(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["0001.pem"]


def test_a_first_key_is_made_once(tmp_path: Path) -> None:
    make_first_key(tmp_path)
    before = (tmp_path / "0001.pem").read_bytes()
    make_first_key(tmp_path)
    assert (tmp_path / "0001.pem").read_bytes() == before


def test_where_there_is_a_key_of_any_name_none_is_made(tmp_path: Path) -> None:
    (tmp_path / "2026-08.pem").write_bytes(pem(KEY))
    make_first_key(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["2026-08.pem"]


def test_every_first_key_is_another(tmp_path: Path) -> None:
    make_first_key(tmp_path / "one")
    make_first_key(tmp_path / "two")
    keys = [(tmp_path / name / "0001.pem").read_bytes() for name in ("one", "two")]
    assert keys[0] != keys[1]


def test_what_a_killed_process_left_does_not_stop_the_next_of_the_same_number(
    tmp_path: Path,
) -> None:
    # In a container every start may have the same process number.
    (tmp_path / f".0001.{os.getpid()}").write_bytes(b"-----BEGIN")
    make_first_key(tmp_path)
    from_directory(tmp_path)


# -- published keys ----------------------------------------------------------------------------


def test_all_keys_are_published_newest_first() -> None:
    published = tokens_of(k0001=KEY, k0002=OTHER_KEY).published()
    assert [(key.key_id, key.public_key) for key in published] == [
        ("0002", OTHER_KEY.public_key().public_bytes_raw()),
        ("0001", KEY.public_key().public_bytes_raw()),
    ]
