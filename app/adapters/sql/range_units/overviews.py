"""How the exchanges stand on the database."""

from sqlalchemy import func, select

from app.adapters.sql.range_units.catalogue import ExchangeRow
from app.adapters.sql.range_units.jobs import JobRow
from app.adapters.sql.range_units.revisions import RevisionRow
from app.adapters.sql.unit_of_work import SqlTransaction
from app.domain.range_units.jobs import JobState
from app.domain.range_units.overview import ExchangeOverview
from app.ports.range_units.overviews import Overviews


class SqlOverviews(Overviews):
    """The exchanges of a database."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    async def exchanges(self) -> list[ExchangeOverview]:
        """SELECT a row for each exchange and each state that its jobs are in."""
        last = func.max(RevisionRow.last_seen, type_=RevisionRow.last_seen.type)
        seen = (
            select(RevisionRow.exchange, last.label("last_seen"))
            .where(RevisionRow.superseded_at.is_(None))
            .group_by(RevisionRow.exchange)
            .subquery()
        )
        counted = (
            select(JobRow.exchange, JobRow.state, func.count().label("number"))
            .group_by(JobRow.exchange, JobRow.state)
            .subquery()
        )
        query = (
            select(ExchangeRow.code, seen.c.last_seen, counted.c.state, counted.c.number)
            .outerjoin(seen, seen.c.exchange == ExchangeRow.code)
            .outerjoin(counted, counted.c.exchange == ExchangeRow.code)
            .order_by(ExchangeRow.code)
        )
        found: dict[str, ExchangeOverview] = {}
        jobs: dict[str, dict[JobState, int]] = {}
        for row in await self._transaction.execute(query):
            states = jobs.setdefault(row.code, {})
            found[row.code] = ExchangeOverview(row.code, row.last_seen, states)
            if row.state is not None:
                states[JobState(row.state)] = row.number
        return list(found.values())
