"""Where clients are: their addresses in one spelling, and the networks that are counted as one."""

from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# An IPv6 subscriber is given a /64 at the least, and can take any of its addresses at any time.
CLIENT_PREFIX: Final = 64

_MAPPED: Final = 96  # an IPv4 address stands behind so many bits of ::ffff:0:0/96
_LONGEST: Final = 64  # no address is spelled longer, but for its zone
_REMEMBERED: Final = 1024


def parse_address(text: str | None) -> Address | None:
    """Read an address; one of IPv4 that came in as IPv6 is IPv4, and a zone is dropped.

    A zone (`fe80::1%eth0`) names an interface of this machine, and says nothing of the client.
    None for anything else.
    """
    if text is None:
        return None
    return _parsed(text[:_LONGEST].partition("%")[0])


@lru_cache(_REMEMBERED)  # the same few ask again and again
def _parsed(plain: str) -> Address | None:
    try:
        found = ip_address(plain)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def parse_network(text: str, *, strict: bool = False) -> Network:
    """Read an address, or a network as CIDR has it, of which the bits of a host are dropped.

    Raises `ValueError`; where it is `strict`, for bits of a host and for zones, too, as they are
    not what somebody means to write down. A network within `::ffff:0:0/96` is one of IPv4.
    """
    if len(text) > _LONGEST or (strict and "%" in text):
        raise ValueError("is no network")
    address = parse_address(text)
    if address is not None:
        return ip_network(address)
    found = ip_network(text, strict=strict)
    if isinstance(found, IPv6Network) and found.prefixlen >= _MAPPED:
        mapped = found.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, found.prefixlen - _MAPPED))
    return found


def client_network(ip: str | None) -> str | None:
    """Give the network that an address counts as: itself, of IPv4; its /64, of IPv6.

    None where there is no address, or what is there is none.
    """
    address = parse_address(ip)
    return None if address is None else network_of(address)


def network_of(address: Address) -> str:
    """Give the client network of an address."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((address, CLIENT_PREFIX), strict=False))


def canonical(ip: str | None) -> str | None:
    """Give an address in its one spelling (RFC 5952), or None where it is none."""
    address = parse_address(ip)
    return None if address is None else str(address)


def covers(network: Network, ip: str | None) -> bool:
    """Whether an address is in a network; one of IPv4 is in no network of IPv6."""
    address = parse_address(ip)
    return address is not None and address in network


def packed(address: Address) -> bytes:
    """Write an address in sixteen bytes, which are in the order of addresses."""
    mapped = isinstance(address, IPv4Address)
    return (b"\0" * 10 + b"\xff\xff" if mapped else b"") + address.packed


def bounds(network: Network) -> tuple[bytes, bytes]:
    """Give the first and the last address of a network, as `packed` writes them."""
    return packed(network.network_address), packed(network.broadcast_address)
