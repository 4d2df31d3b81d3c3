from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.identity.networks import (
    bounds,
    canonical,
    client_network,
    packed,
    parse_address,
    parse_network,
)

NETWORKS = {
    "1.2.3.4": "1.2.3.4",
    "::ffff:1.2.3.4": "1.2.3.4",
    "::FFFF:0102:0304": "1.2.3.4",
    "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
    "2001:DB8:0001:0002::": "2001:db8:1:2::/64",
    "fe80::1%eth0": "fe80::/64",
    "::1": "::/64",
}
JUNK = ["", " ", "1.2.3", "1.2.3.4:80", "[::1]", "01.2.3.4", "1.2.3.4/32", "localhost", "\0", "%"]


@pytest.mark.parametrize(("ip", "network"), NETWORKS.items())
def test_a_client_network_is_an_address_of_ipv4_or_a_64_of_ipv6(ip: str, network: str) -> None:
    assert client_network(ip) == network


@pytest.mark.parametrize("ip", [None, *JUNK, "1" * 1_000_000])
def test_what_is_no_address_is_in_no_network(ip: str | None) -> None:
    assert (client_network(ip), canonical(ip)) == (None, None)


@given(st.ip_addresses(v=6))
def test_all_addresses_of_a_64_are_in_the_network_of_its_first(address: object) -> None:
    network = ip_network(f"{address}/64", strict=False)
    if not str(network).startswith("::/"):  # where addresses of IPv4 stand as well
        assert client_network(str(address)) == str(network)


@pytest.mark.parametrize(
    ("ip", "spelled"),
    [
        ("2001:DB8:0:0::0001", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%25", "fe80::1"),
        ("192.0.2.1", "192.0.2.1"),
    ],
)
def test_an_address_has_one_spelling(ip: str, spelled: str) -> None:
    assert canonical(ip) == spelled


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.0.2.1", IPv4Network("192.0.2.1/32")),
        ("192.0.2.77/24", IPv4Network("192.0.2.0/24")),
        ("::ffff:192.0.2.1", IPv4Network("192.0.2.1/32")),
        ("::ffff:192.0.2.0/120", IPv4Network("192.0.2.0/24")),
        ("2001:db8::1", IPv6Network("2001:db8::1/128")),
        ("2001:db8::1/48", IPv6Network("2001:db8::/48")),
        ("::/0", IPv6Network("::/0")),
    ],
)
def test_a_network_is_an_address_or_cidr(text: str, network: IPv4Network | IPv6Network) -> None:
    assert parse_network(text) == network


@pytest.mark.parametrize("text", [*{*JUNK} - {"1.2.3.4/32"}, "1.2.3.4/33", "::/129", "a/b"])
def test_junk_is_no_network(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_network(text)


@given(st.lists(st.ip_addresses(), min_size=2, max_size=2))
def test_packed_addresses_are_in_the_order_of_addresses(found: list[object]) -> None:
    one, other = (parse_address(str(address)) for address in found)
    assert one is not None
    assert other is not None
    if one.version == other.version == 4:
        assert (packed(one) < packed(other)) is (int(one) < int(other))
    assert len(packed(one)) == len(packed(other)) == 16


@given(st.ip_addresses(), st.integers(0, 32))
def test_an_address_is_between_the_bounds_of_its_networks(address: object, bits: int) -> None:
    found = parse_address(str(address))
    assert found is not None
    low, high = bounds(ip_network(f"{found}/{bits}", strict=False))
    assert low <= packed(found) <= high
