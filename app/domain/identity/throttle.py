"""How many guesses there may be: slots of quotas, which a guess takes before it is looked at."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from app.domain.errors import RateLimit
from app.domain.identity.login_log import FailReason

FAMILIAR_FOR: Final = timedelta(days=30)
"""How long a success exempts its user, in its network, from what others do elsewhere."""

PENDING_FOR: Final = timedelta(minutes=2)
"""After which a guess that is still being checked counts as failed: its process has died."""

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LIMIT: Final = re.compile(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,4})([smhd])")
_LONGEST: Final = timedelta(days=1)


class Kind(StrEnum):
    """Whose guesses a quota counts, from the most particular on."""

    PAIR = "pair"
    """Those at one user from one network."""
    USER = "user"
    """Those at one user, from anywhere."""
    NETWORK = "network"
    """Those from one network, at anyone."""
    EVERYONE = "global"
    """All of them."""


REASONS: Final[dict[Kind, FailReason]] = {
    Kind.PAIR: FailReason.THROTTLED_PAIR,
    Kind.USER: FailReason.THROTTLED_USER,
    Kind.NETWORK: FailReason.THROTTLED_NETWORK,
    Kind.EVERYONE: FailReason.THROTTLED_GLOBAL,
}


class Guessing(StrEnum):
    """What is guessed at; each is counted for itself."""

    PASSWORD = "password"  # noqa: S105 - a kind of secret
    CODE = "code"
    """Of a second factor, by who knows the password."""
    OWN_PASSWORD = "own-password"  # noqa: S105 - a kind of secret
    """Asked for again of who has a session: it may be stolen."""
    OWN_CODE = "own-code"
    """The same, of a second factor."""
    RESET = "reset"
    """Codes that replace a password: nobody guesses those, but each attempt writes a row."""


_COUNTED: Final[dict[Guessing, frozenset[Kind]]] = {
    Guessing.PASSWORD: frozenset(Kind),
    Guessing.CODE: frozenset({Kind.PAIR, Kind.USER}),
    Guessing.OWN_PASSWORD: frozenset({Kind.PAIR}),
    Guessing.OWN_CODE: frozenset({Kind.PAIR}),
    # Not by user: else anyone could keep a user from the one way in that is left to them.
    Guessing.RESET: frozenset({Kind.PAIR, Kind.NETWORK}),
}
NO_GUESS: Final = frozenset({None, FailReason.BUSY, FailReason.MFA_REQUIRED})
"""How attempts end that tell a stranger nothing of a password, and so give their slots back."""


@dataclass(frozen=True, slots=True)
class Limit:
    """So many failures within a window that slides."""

    attempts: int
    window: timedelta


Limits = Mapping[Kind, Limit]
"""The limit of each kind of quota; one that is not there is not counted."""


def parse_limit(text: str) -> Limit:
    """Read a limit such as `5/5m`, its window in s, m, h or d. Raises `ValueError`."""
    match = _LIMIT.fullmatch(text)
    window = match and timedelta(**{_UNITS[match[3]]: int(match[2])})
    if match is None or window is None or window > _LONGEST:
        raise ValueError("is no limit such as 5/5m, with a window of at most 1d")
    return Limit(int(match[1]), window)


@dataclass(frozen=True, slots=True)
class Quota:
    """One of the quotas that a guess takes a slot of, and its key in the store."""

    kind: Kind
    key: str
    limit: Limit


def quotas(
    limits: Limits, *, guessing: Guessing, username_key: str, network: str | None, is_familiar: bool
) -> tuple[Quota, ...]:
    """Give the quotas of a guess, the most particular first.

    A user who has succeeded from that network
    not long ago answers for that pair alone: nobody else can then lock them out.
    """
    network = network or "-"
    # The network goes first: it holds no blank, whatever strangers type for a username.
    keys = {
        Kind.PAIR: f"{network} {username_key}",
        Kind.USER: username_key,
        Kind.NETWORK: network,
        Kind.EVERYONE: "*",
    }
    counted = [kind for kind in Kind if kind in limits and kind in _COUNTED[guessing]]
    if is_familiar and Kind.PAIR in counted:
        counted = [Kind.PAIR]
    return tuple(Quota(kind, f"{guessing} {kind} {keys[kind]}", limits[kind]) for kind in counted)


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a quota that a guess has taken, until it expires."""

    key: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """What is taken of a quota: by failures, and by guesses that are still being checked.

    `frees_at` is when the first of the failures expires.
    """

    failed: int = 0
    pending: int = 0
    frees_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a guess stands: free to be checked, blocked by failures, or to wait for others.

    `blocked` and `contended` are the most particular of the quotas that are full, of failures
    alone, and together with the guesses that are still being checked.
    """

    blocked: Quota | None
    contended: Quota | None
    slots: tuple[Slot, ...]
    rate_limit: RateLimit | None


def standing(quotas: Sequence[Quota], taken: Mapping[str, Taken], *, now: datetime) -> Standing:
    """Decide about a guess at `now`, by what is taken of each of its quotas."""
    full = (quota for quota in quotas if taken[quota.key].failed >= quota.limit.attempts)
    blocked = next(full, None)
    crowded = (quota for quota in quotas if _left(quota, taken) <= 0)
    contended = next(crowded, None) if blocked is None else None
    is_free = blocked is None and contended is None
    slots = [Slot(quota.key, now + quota.limit.window) for quota in quotas] if is_free else []
    tightest = blocked or min(quotas, key=lambda quota: _left(quota, taken), default=None)
    left = None
    if tightest is not None:
        frees_at = taken[tightest.key].frees_at or now + tightest.limit.window
        left = RateLimit(
            name=tightest.kind,
            quota=tightest.limit.attempts,
            window=tightest.limit.window,
            # The guess itself is one of them.
            remaining=max(0, _left(tightest, taken) - 1),
            resets_in=max(timedelta(seconds=1), frees_at - now),
        )
    return Standing(blocked, contended, tuple(slots), left)


def standings(
    guesses: Iterable[Sequence[Quota]], taken: Mapping[str, Taken], *, now: datetime
) -> list[Standing]:
    """Decide about guesses, by the quotas of each, as if one had come after the other.

    Each finds taken what those before it have taken.
    """
    taken = dict(taken)
    found = []
    for quotas in guesses:
        found.append(standing(quotas, taken, now=now))
        for slot in found[-1].slots:
            taken[slot.key] = replace(taken[slot.key], pending=taken[slot.key].pending + 1)
    return found


def _left(quota: Quota, taken: Mapping[str, Taken]) -> int:
    used = taken[quota.key]
    return quota.limit.attempts - used.failed - used.pending
