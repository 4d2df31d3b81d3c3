"""What the range-units services need of the world.

Stores: every method may raise `StoreUnavailable`. What goes in and comes out is immutable. Texts
with a NUL or a lone surrogate, and over-long ones, raise `UnstorableText` when they are stored.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias
from uuid import UUID

from app.domain.range_units.revisions import Exchange, Market, Observation, Revision
from app.domain.range_units.table import RangeUnitTable
from app.ports.unit_of_work import UnitOfWork


class Catalogue(Protocol):
    """Which exchanges and markets there are."""

    async def put_exchanges(self, *, exchanges: Collection[Exchange]) -> set[str]:
        """Add exchanges, or replace their names and time zones; give the codes that were added.

        The codes are distinct. Empty input does nothing.
        """
        ...

    async def exchange(self, *, code: str) -> Exchange | None:
        """Give the exchange of that code, or None."""
        ...

    async def exchanges(self, *, after: str | None = None, limit: int) -> list[Exchange]:
        """Give exchanges by code, in code-point order, beyond the code `after`; at most `limit`."""
        ...

    async def hold_markets(self, *, markets: Collection[Market]) -> None:
        """Add the markets that are not there yet, and hold all of them.

        Until this unit of work ends, another one that holds any of the same markets waits in
        this call. Raises `UnknownExchange` when an exchange among them is not known. Empty input
        does nothing.
        """
        ...

    async def markets(self, *, exchange: str, after: Market | None, limit: int) -> list[Market]:
        """Give the markets of an exchange beyond `after`, by quote then target in code-point order.

        At most `limit`. The ladders of whole quote currencies (target `*`) are among them. Empty
        for an exchange that is not known.
        """
        ...


class Revisions(Protocol):
    """The range units of every market, in two times: of the venue, and of our knowledge."""

    async def add(self, *, revisions: Sequence[tuple[Revision, RangeUnitTable]]) -> None:
        """Store revisions with their tables, in as many statements whatever their number.

        Their markets are held. Raises `RevisionInForce` when a market would have two revisions
        of the same start of which neither is superseded (two unknown starts are the same, and so
        is the first instant of all). Empty input does nothing.
        """
        ...

    async def in_force(
        self, *, markets: Collection[Market], as_of: datetime, known_at: datetime | None = None
    ) -> Mapping[Market, Revision]:
        """Give, per market, its own latest revision that had started at `as_of`.

        Latest by start, an unknown start being before all others; of several with the same start,
        as a clock that stepped back can leave them, by `recorded_at`, then id. Only what was
        recorded, and not yet superseded, at `known_at` counts; None: all that is known now.
        Markets without such a revision are absent, ladders are not consulted. Empty input gives
        nothing.
        """
        ...

    async def table(self, *, revision_id: UUID) -> RangeUnitTable | None:
        """Give a revision's table, equal to the one stored with it, or None for an unknown id."""
        ...

    async def confirm(self, *, revision_ids: Collection[UUID], at: datetime) -> None:
        """Advance `last_seen` to `at`; it never goes back. Unknown ids are passed over."""
        ...

    async def supersede(self, *, revision_ids: Collection[UUID], at: datetime) -> None:
        """Mark revisions superseded at `at`, those already superseded and unknown ids excepted."""
        ...

    async def history(
        self, *, market: Market, after: Revision | None, limit: int
    ) -> list[Revision]:
        """Give a market's own revisions beyond `after`, superseded ones too, newest first.

        By `recorded_at`, then id, both descending; at most `limit`.
        """
        ...


class RangeUnitsUnitOfWork(UnitOfWork, Protocol):
    """One transaction over the range units."""

    catalogue: Catalogue
    """The exchanges and markets, in this transaction."""
    revisions: Revisions
    """The revisions, in this transaction."""


RangeUnitsWork: TypeAlias = Callable[[], RangeUnitsUnitOfWork]
"""Gives a fresh unit of work per use case."""


class PayloadFormat(Protocol):
    """How one exchange's replies about range units are read."""

    def read(
        self, *, payload: bytes, market: Market, observed_at: datetime, source: str
    ) -> list[Observation]:
        """Read a reply, exactly, from its literal text.

        `market` is the one that was asked about; formats whose replies name their markets use
        only its exchange. `observed_at` is when the reply was got, from when on it is in force.
        Never gives an empty list, nor a market twice. Raises `PayloadRejected` with one fault
        for each thing that is wrong, naming the market it is about.
        """
        ...
