"""Whose address counts: the socket's peer, unless that is a proxy that is trusted."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Final, TypeAlias

from app.domain.identity.networks import Address, parse_address

Proxies: TypeAlias = Sequence[IPv4Network | IPv6Network]

# An address as RFC 7239 has them too: an IPv6 one in brackets where a port follows.
_ENTRY: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")
# A proxy in a row of so many is a header that somebody makes up.
_MOST_HOPS: Final = 64


def client_address(peer: str | None, forwarded_for: Iterable[str], trusted: Proxies) -> str | None:
    """Give the client's address, canonically: the last one that a trusted proxy vouches for.

    Each proxy appends whom it was called by to `X-Forwarded-For`, of which several headers are
    one list. Who can be believed is therefore read from the right: as long as an entry is a
    trusted proxy, the one before it is what that proxy saw. What a stranger wrote stands further
    to the left. An entry that is no address is none that a proxy of ours wrote: the peer counts.
    None where there is no peer, as on a Unix socket.
    """
    address = parse_address(peer)
    if address is None or not _is_in(address, trusted):
        return None if address is None else str(address)
    entries = ",".join(forwarded_for).split(",")[-_MOST_HOPS:]
    client = address
    for entry in reversed(entries):
        found = _address(entry.strip(" \t"))
        if found is None:
            return str(address)
        client = found
        if not _is_in(found, trusted):
            break
    return str(client)


def _address(entry: str) -> Address | None:
    match = _ENTRY.fullmatch(entry)
    return parse_address(entry if match is None else match[1] or match[2])


def _is_in(address: Address, networks: Proxies) -> bool:
    return any(address in network for network in networks)
