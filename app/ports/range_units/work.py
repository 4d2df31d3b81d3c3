"""One transaction over the stores of the range units.

Stores: every method may raise `StoreUnavailable`. What goes in and comes out is immutable. Texts
with a NUL or a lone surrogate, and over-long ones, raise `UnstorableText` when they are stored.
"""

from collections.abc import Callable
from typing import Protocol, TypeAlias

from app.ports.range_units.catalogue import Catalogue
from app.ports.range_units.changes import Changes
from app.ports.range_units.jobs import JobParts, Jobs
from app.ports.range_units.overviews import Overviews
from app.ports.range_units.quarantine import Quarantine
from app.ports.range_units.revisions import Revisions
from app.ports.range_units.timeline import Timeline
from app.ports.unit_of_work import UnitOfWork


class RangeUnitsUnitOfWork(UnitOfWork, Protocol):
    """One transaction over the range units."""

    catalogue: Catalogue
    """The exchanges and markets, in this transaction."""
    revisions: Revisions
    """The revisions, in this transaction."""
    changes: Changes
    """What became different, in this transaction."""
    timeline: Timeline
    """The same revisions by their starts and ids, in this transaction."""
    jobs: Jobs
    """The syncs, in this transaction."""
    job_parts: JobParts
    """The parts of the syncs, in this transaction."""
    quarantine: Quarantine
    """The payloads that were rejected, in this transaction."""
    overviews: Overviews
    """How the exchanges stand, in this transaction."""


RangeUnitsWork: TypeAlias = Callable[[], RangeUnitsUnitOfWork]
"""Gives a fresh unit of work per use case."""
