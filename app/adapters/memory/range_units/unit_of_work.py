"""One transaction over the range units in memory."""

from collections.abc import Callable

from app.adapters.memory.range_units.catalogue import MemoryCatalogue
from app.adapters.memory.range_units.changes import MemoryChanges
from app.adapters.memory.range_units.jobs import MemoryJobParts, MemoryJobs
from app.adapters.memory.range_units.overviews import MemoryOverviews
from app.adapters.memory.range_units.quarantine import MemoryQuarantine
from app.adapters.memory.range_units.revisions import MemoryRevisions
from app.adapters.memory.range_units.state import RangeUnitsState
from app.adapters.memory.range_units.timeline import MemoryTimeline
from app.adapters.memory.store import MemoryStore, MemoryTransaction
from app.ports.range_units.catalogue import Catalogue
from app.ports.range_units.changes import Changes
from app.ports.range_units.jobs import JobParts, Jobs
from app.ports.range_units.overviews import Overviews
from app.ports.range_units.quarantine import Quarantine
from app.ports.range_units.revisions import Revisions
from app.ports.range_units.timeline import Timeline
from app.ports.range_units.work import RangeUnitsUnitOfWork


class MemoryRangeUnitsUnitOfWork(MemoryTransaction[RangeUnitsState], RangeUnitsUnitOfWork):
    """A transaction on a store that other units of work share."""

    def __init__(
        self, store: MemoryStore[RangeUnitsState], *, committed: Callable[[], object] = lambda: None
    ) -> None:
        super().__init__(store, committed=committed)
        self.catalogue: Catalogue = MemoryCatalogue(self)
        self.revisions: Revisions = MemoryRevisions(self)
        self.changes: Changes = MemoryChanges(self)
        self.timeline: Timeline = MemoryTimeline(self)
        self.jobs: Jobs = MemoryJobs(self)
        self.job_parts: JobParts = MemoryJobParts(self)
        self.quarantine: Quarantine = MemoryQuarantine(self)
        self.overviews: Overviews = MemoryOverviews(self)
