"""Which table a market uses, since when, and since when that is known."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum, auto
from functools import lru_cache
from uuid import UUID

from app.domain.errors import Fault
from app.domain.range_units.errors import InvalidCode, RevisionInForce, UnknownRevision
from app.domain.range_units.table import RangeUnitTable

_EXCHANGE = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_CURRENCY = re.compile(r"[A-Z0-9][A-Z0-9._-]{0,31}")
_REMEMBERED = 1024

BEGINNING = datetime.min.replace(tzinfo=UTC)
"""The instant at which nothing has started but what has no known start."""

WHOLE_QUOTE = "*"
"""The target of a ladder that holds for every market of a quote currency (`KRW/*`)."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """An exchange: its code as in URLs, its name, and the IANA time zone of its notices."""

    code: str
    name: str
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True, order=True)
class Market:
    """A market of an exchange: prices are in `quote`, what is traded is `target`."""

    exchange: str
    quote: str
    target: str

    def __str__(self) -> str:
        return f"{self.exchange} {self.quote}/{self.target}"

    @property
    def ladder(self) -> "Market":
        """The ladder of the whole quote currency, which answers for markets without their own."""
        return Market(self.exchange, self.quote, WHOLE_QUOTE)


def exchange_code(text: str) -> str:
    """Read an exchange's code, in either case. Raises `InvalidCode`."""
    code = text.lower() if text.isascii() else text
    if _EXCHANGE.fullmatch(code) is None:
        message = "is not 1 to 32 of the letters a-z, digits, _ and -, beginning with no sign"
        raise InvalidCode("That is no exchange code.", faults=[Fault("exchange", message)])
    return code


@lru_cache(_REMEMBERED)  # bots ask about the same few all day
def market_of(exchange: str, quote: str, target: str) -> Market:
    """Read a market's codes, in either case; the target may be `*`. Raises `InvalidCode`."""
    faults: list[Fault] = []
    try:
        exchange = exchange_code(exchange)
    except InvalidCode as error:
        faults += error.faults
    codes = {"quote": quote, "target": target}
    for name, text in codes.items():
        codes[name] = text.upper() if text.isascii() else text
        is_whole = name == "target" and text == WHOLE_QUOTE
        if not is_whole and _CURRENCY.fullmatch(codes[name]) is None:
            message = (
                "is not 1 to 32 of the letters A-Z, digits, ., _ and -, beginning with no sign"
            )
            faults.append(Fault(name, message))
    if faults:
        raise InvalidCode("That is no market.", faults=faults)
    return Market(exchange, codes["quote"], codes["target"])


@dataclass(frozen=True, slots=True)
class Revision:
    """From `effective_from` on, a market uses the table with this digest.

    The table itself is kept under the revision's id, and never changes.
    `effective_from` is None where the start is not known: then it is in force at any time before
    the next one. `recorded_at` is when this service learned of it, `last_seen` when its source
    last confirmed it, `superseded_at` when an amendment made before it came into force took its
    place. All aware, in UTC. `payload_digest` is that of the bytes it was read from, or None for
    what a person stated.
    """

    id: UUID
    market: Market
    effective_from: datetime | None
    recorded_at: datetime
    last_seen: datetime
    source: str
    digest: str
    superseded_at: datetime | None = None
    payload_digest: str | None = None

    def is_to_come(self, now: datetime) -> bool:
        """Tell whether its start is known, and later."""
        return self.effective_from is not None and self.effective_from > now

    def age(self, now: datetime) -> timedelta:
        """How old the last confirmation is."""
        return max(now - self.last_seen, timedelta(0))


def answering(own: Revision | None, ladder: Revision | None) -> Revision | None:
    """Choose between a market's own revision and its quote currency's ladder, each the latest.

    The market's own answers, except that an unknown start is only known to lie before whatever
    is dated: a dated ladder ends an own revision of unknown start.
    """
    if own is None or ladder is None:
        return own or ladder
    return ladder if own.effective_from is None and ladder.effective_from is not None else own


def digest_of(payload: bytes) -> str:
    """Tell which bytes something was read from."""
    return "sha256:" + hashlib.sha256(payload).hexdigest()


class Bearing(Enum):
    """What stating or observing range units means for the revision known at their start."""

    CONFIRMS = auto()
    REPLACES = auto()
    FOLLOWS = auto()
    OVERTAKEN = auto()


def bearing_on(
    known: Revision | None, *, digest: str, start: datetime | None, now: datetime
) -> Bearing:
    """Decide what stating content from `start` on means for what is in force at that instant.

    The same content confirms it, other content follows it. While it is yet to come, other content
    of the same start amends it, and the same content with a later start puts it off. Raises
    `RevisionInForce` for other content of the same start once that has passed: it is history.
    """
    if known is None:
        return Bearing.FOLLOWS
    same_start = known.effective_from == start
    is_pending = known.is_to_come(now)
    if known.digest == digest:
        return Bearing.REPLACES if is_pending and not same_start else Bearing.CONFIRMS
    if same_start and not is_pending:
        raise RevisionInForce(
            f"{known.market} has other range units from that instant on, which are in force."
        )
    return Bearing.REPLACES if same_start else Bearing.FOLLOWS


def bearing_of_reply(known: Revision | None, *, digest: str, observed_at: datetime) -> Bearing:
    """Decide what content observed at an instant means for what was in force then.

    What was seen later than that, though it began before, stays: other content from in between
    would take its place, at instants at which it was seen.
    """
    if known is None:
        return Bearing.FOLLOWS
    if known.digest == digest:
        return Bearing.CONFIRMS
    if known.last_seen > observed_at:
        return Bearing.OVERTAKEN
    # Within the same microsecond the later one counts.
    return Bearing.REPLACES if known.effective_from == observed_at else Bearing.FOLLOWS


def replaced_by(
    known: Revision | None,
    following: Revision | None,
    *,
    bearing: Bearing,
    digest: str,
    now: datetime,
) -> list[Revision]:
    """Give which revisions a new one takes the place of: those that it amends.

    That is what it replaces where it starts, and the next one, if that is yet to come and has the
    same content: its date was brought forward.
    """
    replaced = [known] if known is not None and bearing is Bearing.REPLACES else []
    if following is not None and following.digest == digest and following.is_to_come(now):
        replaced.append(following)
    return replaced


def refuse_unless_to_come(revision: Revision | None, *, market: Market, now: datetime) -> Revision:
    """Give an announced revision of a market that can still be withdrawn.

    Raises `UnknownRevision`, or `RevisionInForce` once its start has passed.
    """
    if revision is None or revision.market != market or revision.superseded_at is not None:
        raise UnknownRevision(f"{market} has no such revision that could be withdrawn.")
    if not revision.is_to_come(now):
        raise RevisionInForce(f"That revision of {market} is in force, and stays in its history.")
    return revision


@dataclass(frozen=True, slots=True)
class Observation:
    """A table that a source states for a market; `effective_from` None: start unknown.

    `payload_digest` is given where what was read is kept as a file.
    """

    market: Market
    table: RangeUnitTable
    effective_from: datetime | None
    source: str
    payload_digest: str | None = None


@dataclass(frozen=True, slots=True)
class ScalarTick:
    """The tick size of a market at its current price, which is no table."""

    market: Market
    tick_size: Decimal


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reply says: tables, and why those of other markets in it cannot be trusted.

    Every rejection names its market, or the place in the reply where none could be made out.
    `ticks` are what tables are compared with, where the exchange does not publish them.
    """

    observations: tuple[Observation, ...]
    rejections: tuple[Fault, ...] = ()
    ticks: tuple[ScalarTick, ...] = ()

    @property
    def rejected(self) -> int:
        """How many markets the rejections are about."""
        return len({fault.about for fault in self.rejections})
