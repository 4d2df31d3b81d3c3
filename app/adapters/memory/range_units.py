"""Range units in memory: a verified stand-in for the database."""

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from app.adapters.memory.store import MemoryStore, MemoryTransaction
from app.domain.range_units.errors import RevisionInForce, UnknownExchange
from app.domain.range_units.revisions import BEGINNING, Exchange, Market, Revision
from app.domain.range_units.storage import check_exchange, check_market, check_revision
from app.domain.range_units.table import RangeUnitTable
from app.ports.range_units import Catalogue, RangeUnitsUnitOfWork, Revisions


@dataclass
class RangeUnitsState:
    """All rows of the area. Revisions are kept by market, so that a question reads only its own."""

    exchanges: dict[str, Exchange] = field(default_factory=dict)
    markets: dict[Market, tuple[UUID, ...]] = field(default_factory=dict)
    revisions: dict[UUID, Revision] = field(default_factory=dict)
    tables: dict[UUID, RangeUnitTable] = field(default_factory=dict)

    def __copy__(self) -> Self:
        """Copy the dictionaries; the rows are immutable."""
        return type(self)(
            copy(self.exchanges), copy(self.markets), copy(self.revisions), copy(self.tables)
        )

    def of(self, market: Market) -> list[Revision]:
        """Give a market's own revisions."""
        return [self.revisions[revision_id] for revision_id in self.markets.get(market, ())]


class MemoryCatalogue(Catalogue):
    """The exchanges and markets of a `MemoryStore`."""

    def __init__(self, transaction: MemoryTransaction[RangeUnitsState]) -> None:
        self._transaction = transaction

    async def put_exchanges(self, *, exchanges: Collection[Exchange]) -> set[str]:
        """Keep the exchanges under their codes."""
        async with self._transaction.statement(writes=True) as rows:
            for exchange in exchanges:
                check_exchange(exchange)
            added = {exchange.code for exchange in exchanges} - rows.exchanges.keys()
            rows.exchanges |= {exchange.code: exchange for exchange in exchanges}
            return added

    async def exchange(self, *, code: str) -> Exchange | None:
        """Look the code up."""
        async with self._transaction.statement() as rows:
            return rows.exchanges.get(code)

    async def exchanges(self, *, after: str | None = None, limit: int) -> list[Exchange]:
        """Sort by code."""
        async with self._transaction.statement() as rows:
            codes = sorted(code for code in rows.exchanges if after is None or code > after)
            return [rows.exchanges[code] for code in codes[:limit]]

    async def hold_markets(self, *, markets: Collection[Market]) -> None:
        """Keep the markets; there is one writer at a time."""
        async with self._transaction.statement(writes=True) as rows:
            for market in markets:
                check_market(market)
            for market in markets:
                if market.exchange not in rows.exchanges:
                    raise UnknownExchange(f"There is no exchange {market.exchange}.")
                rows.markets.setdefault(market, ())

    async def markets(self, *, exchange: str, after: Market | None, limit: int) -> list[Market]:
        """Filter and sort all of them."""
        async with self._transaction.statement() as rows:
            found = sorted(
                market
                for market in rows.markets
                if market.exchange == exchange
                and (after is None or (market.quote, market.target) > (after.quote, after.target))
            )
            return found[:limit]


class MemoryRevisions(Revisions):
    """The revisions of a `MemoryStore`."""

    def __init__(self, transaction: MemoryTransaction[RangeUnitsState]) -> None:
        self._transaction = transaction

    async def add(self, *, revisions: Sequence[tuple[Revision, RangeUnitTable]]) -> None:
        """Keep each revision and its table, unless its start is taken."""
        async with self._transaction.statement(writes=True) as rows:
            for revision, _ in revisions:
                check_revision(revision)
            for revision, table in revisions:
                if revision.effective_from == BEGINNING:
                    revision = replace(revision, effective_from=None)  # noqa: PLW2901
                for other in rows.of(revision.market):
                    taken = other.effective_from == revision.effective_from
                    if taken and other.superseded_at is None and revision.superseded_at is None:
                        raise RevisionInForce(f"{revision.market} has a revision of that start.")
                rows.revisions[revision.id] = revision
                rows.tables[revision.id] = table
                rows.markets[revision.market] += (revision.id,)

    async def in_force(
        self, *, markets: Collection[Market], as_of: datetime, known_at: datetime | None = None
    ) -> Mapping[Market, Revision]:
        """Take the latest start of what was known and had started; markets come in any order."""
        async with self._transaction.statement() as rows:
            found = {}
            asked = list(markets)
            self._transaction.chance.shuffle(asked)
            for market in asked:
                candidates = [
                    revision
                    for revision in rows.of(market)
                    if _is_known(revision, known_at) and _start(revision) <= as_of
                ]
                if candidates:
                    found[market] = max(
                        candidates, key=lambda each: (_start(each), *_recorded(each))
                    )
            return found

    async def table(self, *, revision_id: UUID) -> RangeUnitTable | None:
        """Look the id up."""
        async with self._transaction.statement() as rows:
            return rows.tables.get(revision_id)

    async def confirm(self, *, revision_ids: Collection[UUID], at: datetime) -> None:
        """Advance the confirmations."""
        async with self._transaction.statement(writes=True) as rows:
            for revision in _those(rows, revision_ids):
                last_seen = max(revision.last_seen, at)
                rows.revisions[revision.id] = replace(revision, last_seen=last_seen)

    async def supersede(self, *, revision_ids: Collection[UUID], at: datetime) -> None:
        """Date the supersession of each that has none."""
        async with self._transaction.statement(writes=True) as rows:
            for revision in _those(rows, revision_ids):
                if revision.superseded_at is None:
                    rows.revisions[revision.id] = replace(revision, superseded_at=at)

    async def history(
        self, *, market: Market, after: Revision | None, limit: int
    ) -> list[Revision]:
        """Sort a market's revisions."""
        async with self._transaction.statement() as rows:
            found = sorted(rows.of(market), key=_recorded, reverse=True)
            beyond = [r for r in found if after is None or _recorded(r) < _recorded(after)]
            return beyond[:limit]


def _is_known(revision: Revision, known_at: datetime | None) -> bool:
    superseded_at = revision.superseded_at
    if known_at is None:
        return superseded_at is None
    return revision.recorded_at <= known_at and (superseded_at is None or known_at < superseded_at)


def _start(revision: Revision) -> datetime:
    return revision.effective_from or BEGINNING


def _recorded(revision: Revision) -> tuple[datetime, UUID]:
    return revision.recorded_at, revision.id


def _those(rows: RangeUnitsState, revision_ids: Collection[UUID]) -> list[Revision]:
    return [rows.revisions[key] for key in revision_ids if key in rows.revisions]


class MemoryRangeUnitsUnitOfWork(MemoryTransaction[RangeUnitsState], RangeUnitsUnitOfWork):
    """A transaction on a store that other units of work share."""

    def __init__(self, store: MemoryStore[RangeUnitsState]) -> None:
        super().__init__(store)
        self.catalogue: Catalogue = MemoryCatalogue(self)
        self.revisions: Revisions = MemoryRevisions(self)
