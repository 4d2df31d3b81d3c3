"""One transaction over the range units on the database."""

from collections.abc import Callable

from app.adapters.sql.database import Sessions
from app.adapters.sql.range_units.catalogue import SqlCatalogue
from app.adapters.sql.range_units.changes import SqlChanges
from app.adapters.sql.range_units.jobs import SqlJobParts, SqlJobs
from app.adapters.sql.range_units.overviews import SqlOverviews
from app.adapters.sql.range_units.quarantine import SqlQuarantine
from app.adapters.sql.range_units.revisions import SqlRevisions
from app.adapters.sql.range_units.timeline import SqlTimeline
from app.adapters.sql.unit_of_work import SqlTransaction
from app.domain.range_units.errors import RevisionInForce, SyncInProgress
from app.ports.range_units.catalogue import Catalogue
from app.ports.range_units.changes import Changes
from app.ports.range_units.jobs import JobParts, Jobs
from app.ports.range_units.overviews import Overviews
from app.ports.range_units.quarantine import Quarantine
from app.ports.range_units.revisions import Revisions
from app.ports.range_units.timeline import Timeline
from app.ports.range_units.work import RangeUnitsUnitOfWork


class SqlRangeUnitsUnitOfWork(SqlTransaction, RangeUnitsUnitOfWork):
    """A transaction on a database."""

    violations = {  # noqa: RUF012 - never changed, and declared so by the base class
        "uq_range_unit_revisions_start": RevisionInForce,
        "range_unit_revisions.exchange, range_unit_revisions.quote,"
        " range_unit_revisions.target, range_unit_revisions.effective_from": RevisionInForce,
        "uq_sync_jobs_active": SyncInProgress,
        "sync_jobs.exchange": SyncInProgress,
    }

    def __init__(
        self, sessions: Sessions, *, committed: Callable[[], object] = lambda: None
    ) -> None:
        super().__init__(sessions, committed=committed)
        self.catalogue: Catalogue = SqlCatalogue(self)
        self.revisions: Revisions = SqlRevisions(self)
        self.changes: Changes = SqlChanges(self)
        self.timeline: Timeline = SqlTimeline(self)
        self.jobs: Jobs = SqlJobs(self)
        self.job_parts: JobParts = SqlJobParts(self)
        self.quarantine: Quarantine = SqlQuarantine(self)
        self.overviews: Overviews = SqlOverviews(self)
