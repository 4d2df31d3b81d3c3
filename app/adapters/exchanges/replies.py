"""Replies: the object that each is, and the markets that most of them name.

A reply whose envelope is wrong is refused as a whole. Whatever is wrong with one of the markets
that it names rejects that one alone; so does naming it again with another content, as nobody can
tell then which one counts.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Generic, TypeAlias, TypeVar

from app.adapters.exchanges.literal_json import UnreadableJson, parse
from app.adapters.exchanges.refusal import Refused, described, listed, printable, rejected, wrong
from app.domain.errors import Fault
from app.domain.range_units.errors import InvalidCode, PayloadRejected
from app.domain.range_units.revisions import WHOLE_QUOTE, Market, Observation, Reading, market_of
from app.domain.range_units.table import RangeUnitTable

Said = TypeVar("Said")
_Entry: TypeAlias = tuple[str, Mapping[str, object]]
"""What a reply has of a market, and its place."""

_PLACES = 5
"""How many places of a market that is named too often are told."""


def content_of(payload: bytes) -> object:
    """Read a reply. Raises `Refused`."""
    try:
        return parse(payload)
    except UnreadableJson as error:
        raise Refused(str(error)) from error


def object_of(payload: bytes) -> dict[str, object]:
    """Read a reply that is an object; fields that may be added to it are none of our business."""
    reply = content_of(payload)
    if not isinstance(reply, dict):
        raise Refused(f"is {described(reply)}, not an object")
    return reply


def text_of(entry: Mapping[str, object], name: str, path: str) -> str:
    """Give what identifies a market, or a part of that. Raises `Refused`."""
    value = entry.get(name)
    if isinstance(value, str) and value not in ("", WHOLE_QUOTE):
        return value
    raise Refused("has a market without a name", [wrong(entry, name, "a name", path=f"{path}.")])


def market_named(exchange: str, codes: tuple[str, str], path: str) -> Market:
    """Give the market of a quote and a target. Raises `Refused`."""
    quote, target = codes
    try:
        return market_of(exchange, quote, target)
    except InvalidCode as error:
        name = printable(f"{quote}/{target}")
        faults = [
            Fault(path, f'is about "{name}", whose {fault.field} {fault.message}')
            for fault in error.faults
        ]
        raise Refused("has a market with an odd name", faults) from error


@dataclass(frozen=True, slots=True)
class NamedMarkets(Generic[Said]):
    """How an exchange writes replies that name their markets, and say something of each."""

    path: str
    """Where the list of markets is."""
    entries: Callable[[bytes], object]
    """Open the envelope and give that list. Raises `Refused`."""
    codes: Callable[[Mapping[str, object], str], tuple[str, str]]
    """Give the quote and the target of an entry, at that path. Raises `Refused`."""
    said: Callable[[Mapping[str, object], str], Said]
    """Read what an entry says of its market, at that path. Raises `Refused`."""

    def of(self, payload: bytes, asked: Market) -> tuple[dict[Market, Said], list[Fault]]:
        """Read all markets of an exchange that a reply names, and why some are rejected.

        Raises `PayloadRejected` where the reply as a whole is wrong, or no market is left.
        """
        found: dict[Market, Said] = {}
        rejections: list[Fault] = []
        try:
            named = self._named(payload, asked.exchange, rejections)
            for market, entries in named.items():
                try:
                    found[market] = self._said(entries)
                except Refused as refused:
                    rejections += listed(refused.faults, about=str(market))
        except Refused as refused:
            detail = f"The reply about {asked} {refused}."
            raise rejected(detail, refused.faults, about=str(asked)) from refused
        if not found:
            detail = f"The reply about {asked} has no market that can be read."
            raise PayloadRejected(detail, faults=rejections)
        return found, rejections

    def _named(
        self, payload: bytes, exchange: str, rejections: list[Fault]
    ) -> Mapping[Market, Sequence[_Entry]]:
        entries = self.entries(payload)
        if not isinstance(entries, list):
            fault = Fault(self.path, f"is {described(entries)}, not a list")
            raise Refused("is not shaped like range units", [fault])
        if not entries:
            raise Refused("has no markets", [Fault(self.path, "is empty")])
        named: defaultdict[Market, list[_Entry]] = defaultdict(list)
        for place, entry in enumerate(entries):
            path = f"{self.path}[{place}]"
            try:
                found = _object(entry, path)
                named[market_named(exchange, self.codes(found, path), path)].append((path, found))
            except Refused as refused:
                # Its name is not known: its place in the reply has to do.
                rejections += listed(refused.faults, about=f"{exchange} {path}")
        return named

    def _said(self, entries: Sequence[_Entry]) -> Said:
        """Read what all entries of one market say, which has to be the same."""
        first, *others = (self.said(entry, path) for path, entry in entries)
        if any(other != first for other in others):
            places = ", ".join(path for path, _ in entries[:_PLACES])
            message = f"names it {len(entries)} times, and not with the same content: {places}"
            raise Refused("names a market more than once", [Fault(self.path, message)])
        return first


def _object(entry: object, path: str) -> Mapping[str, object]:
    if not isinstance(entry, dict):
        fault = Fault(path, f"is {described(entry)}, not an object")
        raise Refused("has a market that is none", [fault])
    return entry


class ReadsNamedMarkets:
    """Reads replies as `PayloadFormat` promises, where they name their markets."""

    markets: ClassVar[NamedMarkets[RangeUnitTable]]

    def read(
        self, *, payload: bytes, market: Market, observed_at: datetime, source: str
    ) -> Reading:
        """Read a reply; what it says is in force from the moment it was observed."""
        tables, rejections = self.markets.of(payload, market)
        found = (Observation(one, table, observed_at, source) for one, table in tables.items())
        return Reading(tuple(found), tuple(rejections))
