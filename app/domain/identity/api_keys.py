"""API keys: what bots act with, and what of them is written down where."""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from app.domain.errors import Fault
from app.domain.identity.errors import InvalidApiKey
from app.domain.identity.networks import Address, Network, parse_network
from app.domain.principal import SCOPES_OF_ROLE, Role, Scope

API_KEY_PREFIX: Final = "tg_"
"""What every key begins with, and no access token: so programs that look for leaks find keys."""

NAME_LENGTH: Final = 64
MOST_NETWORKS: Final = 32
MOST_LIVE_KEYS: Final = 100
LONGEST_OVERLAP: Final = timedelta(days=30)
DEFAULT_OVERLAP: Final = timedelta(hours=24)
USE_NOTED_EVERY: Final = timedelta(minutes=1)
"""How much older than the truth the last use may be; so seldom is it written."""

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_DIGITS: Final = 22
_CHECK_DIGITS: Final = 6
_KEY: Final = re.compile(
    rf"(?P<checked>{API_KEY_PREFIX}(?P<id>[0-9A-Za-z]{{{_ID_DIGITS}}})(?P<secret>[0-9A-Za-z_-]{{43}}))"
    rf"(?P<check>[0-9A-Za-z]{{{_CHECK_DIGITS}}})"
)
_IDS: Final = 2**128


@dataclass(frozen=True, slots=True)
class KeyParts:
    """What a key says: which one it is, and what proves it."""

    key_id: UUID
    secret: str = field(repr=False)


def write_api_key(parts: KeyParts) -> str:
    """Write a key: prefix, id, secret as it is, checksum; its letters and digits are of ASCII."""
    checked = API_KEY_PREFIX + _base62(parts.key_id.int, _ID_DIGITS) + parts.secret
    return checked + _checksum(checked)


def read_api_key(text: str) -> KeyParts | None:
    """Read what `write_api_key` wrote; None for anything else, as nearly every misspelling is."""
    found = _KEY.fullmatch(text)
    if found is None or _checksum(found["checked"]) != found["check"]:
        return None
    number = 0
    for digit in found["id"]:
        number = number * len(_DIGITS) + _DIGITS.index(digit)
    return KeyParts(UUID(int=number), found["secret"]) if number < _IDS else None


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), _CHECK_DIGITS)


def _base62(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A use of a key, from an address where that is known."""

    key_id: UUID
    at: datetime
    ip: str | None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is kept: its secret as a digest only.

    It is over once it is revoked, at `expires_at`, and at `retires_at`, which is set when another
    one takes its place. Without networks it is good from anywhere.
    """

    id: UUID
    user_id: UUID
    name: str
    scopes: frozenset[Scope]
    digest: str = field(repr=False)
    created_at: datetime
    expires_at: datetime | None = None
    allowed_networks: tuple[Network, ...] = ()
    last_used_at: datetime | None = None
    last_used_ip: str | None = None
    retires_at: datetime | None = None
    revoked_at: datetime | None = None

    @property
    def ends_at(self) -> datetime | None:
        """When it is over of itself, by what is known now; None: never."""
        return min((end for end in (self.expires_at, self.retires_at) if end), default=None)

    def is_live(self, now: datetime) -> bool:
        """Whether the key is good at that time, as far as time goes."""
        return self.revoked_at is None and (self.ends_at is None or now < self.ends_at)

    def is_good(self, now: datetime, address: Address | None) -> bool:
        """Whether the key may be used at that time from there; None: from nobody knows where."""
        if not self.is_live(now):
            return False
        networks = self.allowed_networks
        return not networks or (address is not None and any(address in one for one in networks))

    def scopes_of_a(self, role: Role) -> frozenset[Scope]:
        """Give what the key may do while its owner has that role."""
        return self.scopes & SCOPES_OF_ROLE[role]

    def use_to_note(self, now: datetime, address: Address | None) -> KeyUse | None:
        """Give a use now, where the one that is known is so old that this is worth a write."""
        if self.last_used_at is not None and now - self.last_used_at < USE_NOTED_EVERY:
            return None
        return KeyUse(self.id, now, None if address is None else str(address))

    def revoked(self, now: datetime) -> "ApiKey":
        """Give the key as it is once it was revoked; the first time counts."""
        return self if self.revoked_at is not None else replace(self, revoked_at=now)

    def retired(self, at: datetime) -> "ApiKey":
        """Give the key as it is once another takes its place at `at`, or as was said before."""
        return replace(self, retires_at=min(self.retires_at or at, at))

    def successor(self, *, key_id: UUID, digest: str, role: Role, now: datetime) -> "ApiKey":
        """Give the key that takes the place of this one: as long-lived, and no wider.

        Scopes that the owner's role no longer has are not handed on.
        """
        lifetime = None if self.expires_at is None else self.expires_at - self.created_at
        return ApiKey(
            id=key_id,
            user_id=self.user_id,
            name=self.name,
            scopes=self.scopes_of_a(role),
            digest=digest,
            created_at=now,
            expires_at=None if lifetime is None else later(now, lifetime),
            allowed_networks=self.allowed_networks,
        )


@dataclass(frozen=True, slots=True)
class WantedKey:
    """What is asked of a new key. It expires at a time, or so long from now, or never.

    Networks are in CIDR notation. An address alone is a network of one; IPv4 that is spelled as
    IPv6 is IPv4.
    """

    name: str
    scopes: frozenset[Scope]
    expires: datetime | timedelta | None = None
    allowed_networks: Sequence[str] = ()

    def made(
        self, *, key_id: UUID, user_id: UUID, role: Role, digest: str, now: datetime
    ) -> ApiKey:
        """Make the key. Raises `InvalidApiKey` unless a user with that role may have it."""
        networks, faults = _networks(self.allowed_networks)
        if not 1 <= len(self.name) <= NAME_LENGTH or not self.name.isprintable():
            faults.append(Fault("name", f"is not 1 to {NAME_LENGTH} printable characters"))
        if not self.scopes:
            faults.append(Fault("scopes", "are none: a key is for something"))
        wider = sorted(self.scopes - SCOPES_OF_ROLE[role])
        faults += [Fault("scopes", f"{scope} is no scope of the role {role}") for scope in wider]
        expires = self.expires
        expires_at = later(now, expires) if isinstance(expires, timedelta) else expires
        if expires_at is not None and expires_at <= now:
            faults.append(Fault("expires_at", "is not in the future"))
        if faults:
            raise InvalidApiKey("Such an API key cannot be made.", faults=faults)
        return ApiKey(
            key_id, user_id, self.name, self.scopes, digest, now, expires_at, tuple(networks)
        )


def _networks(texts: Sequence[str]) -> tuple[list[Network], list[Fault]]:
    """Read networks, each once, and say which of the texts are none."""
    if len(texts) > MOST_NETWORKS:
        return [], [Fault("allowed_networks", f"are more than {MOST_NETWORKS}")]
    networks: list[Network] = []
    faults = []
    for place, text in enumerate(texts):
        try:
            networks.append(parse_network(text, strict=True))
        except ValueError:
            message = "is not a network such as 203.0.113.0/24 or 2001:db8::/32"
            faults.append(Fault(f"allowed_networks[{place}]", message))
    return list(dict.fromkeys(networks)), faults


def check_overlap(overlap: timedelta) -> None:
    """Raise `InvalidApiKey` where a key would go on for too long beside its successor."""
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        fault = Fault("overlap_seconds", f"is not within 0 to {LONGEST_OVERLAP.days} days")
        raise InvalidApiKey("Such an API key cannot be made.", faults=[fault])


def later(now: datetime, by: timedelta) -> datetime:
    """Give the time after a while; at the latest, the last one that can be told."""
    try:
        return now + by
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
