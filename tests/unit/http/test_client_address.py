from collections.abc import AsyncIterator

import httpx
import pytest

from app.adapters.http.client_address import client_address
from app.domain.identity.networks import parse_network
from tests.application import MemoryApplication, client_of

TRUSTED = tuple(map(parse_network, ("10.0.0.0/8", "2001:db8:ffff::/48")))
PROXY = "10.0.0.1"


def found(*forwarded_for: str, peer: str | None = PROXY) -> str | None:
    return client_address(peer, forwarded_for, TRUSTED)


@pytest.mark.parametrize("peer", ["203.0.113.7", "2001:db8::7"])
def test_nothing_is_believed_of_a_stranger(peer: str) -> None:
    assert found("198.51.100.1", peer=peer) == peer


@pytest.mark.parametrize("peer", [None, "", "testclient", "/run/socket"])
def test_without_a_peer_there_is_no_address(peer: str | None) -> None:
    assert found("198.51.100.1", peer=peer) is None


def test_nobody_is_trusted_by_default() -> None:
    assert client_address(PROXY, ["198.51.100.1"], ()) == PROXY


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        (["198.51.100.1"], "198.51.100.1"),
        (["192.0.2.66, 198.51.100.1"], "198.51.100.1"),
        (["192.0.2.66, 198.51.100.1, 10.0.0.2,10.0.0.3"], "198.51.100.1"),
        (["192.0.2.66", "198.51.100.1", "10.0.0.2"], "198.51.100.1"),
        (["10.0.0.9, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        (["junk, 198.51.100.1"], "198.51.100.1"),
        (["10.0.0.4, 10.0.0.3"], "10.0.0.4"),
        (["198.51.100.1, 2001:db8:ffff::1"], "198.51.100.1"),
    ],
)
def test_the_right_most_who_is_not_trusted_is_the_client(
    forwarded_for: list[str], client: str
) -> None:
    assert found(*forwarded_for) == client


@pytest.mark.parametrize(
    ("entry", "client"),
    [
        ("198.51.100.1:4711", "198.51.100.1"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("2001:DB8:0::7", "2001:db8::7"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("[::ffff:198.51.100.1]:80", "198.51.100.1"),
        ("\t198.51.100.1 ", "198.51.100.1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_an_entry_may_have_brackets_and_a_port_and_is_given_canonically(
    entry: str, client: str
) -> None:
    assert found(entry) == client


@pytest.mark.parametrize(
    "forwarded_for",
    [
        [],
        [""],
        ["unknown"],
        ["198.51.100.1, "],
        ["198.51.100.1, unknown"],
        ["198.51.100.1, _hidden, 10.0.0.2"],
        ["[198.51.100.1"],
        ["198.51.100.1:port"],
        ["198.51.100.1/32"],
        ["x" * 100_000],
    ],
)
def test_junk_falls_back_to_the_peer(forwarded_for: list[str]) -> None:
    assert found(*forwarded_for) == PROXY


@pytest.mark.parametrize("peer", ["::ffff:10.0.0.1", "2001:db8:ffff::2"])
def test_a_proxy_is_known_in_any_spelling(peer: str) -> None:
    assert found("198.51.100.1", peer=peer) == "198.51.100.1"


def test_a_header_without_end_is_read_from_its_end() -> None:
    assert found("10.0.0.2," * 100_000 + "198.51.100.1, 10.0.0.3") == "198.51.100.1"


@pytest.fixture
async def proxied() -> AsyncIterator[tuple[MemoryApplication, httpx.AsyncClient]]:
    application = MemoryApplication()
    app = application.http()
    async with client_of(app) as client:
        app.state.trusted_proxies = (parse_network("203.0.113.0/24"),)
        yield application, client


async def test_an_attempt_is_logged_with_the_address_that_the_proxy_tells(
    proxied: tuple[MemoryApplication, httpx.AsyncClient],
) -> None:
    application, client = proxied
    headers = [("X-Forwarded-For", "192.0.2.66"), ("X-Forwarded-For", "::FFFF:198.51.100.1")]
    body = {"username": "nobody", "password": "wrong"}
    await client.post("/v1/auth/login", json=body, headers=headers)
    [attempt] = application.identity_store.committed.attempts.values()
    assert attempt.ip == "198.51.100.1"
