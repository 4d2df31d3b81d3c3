"""How long each kept text may be; the same bounds on every store."""

from typing import Final

from app.domain.range_units.changes import Change
from app.domain.range_units.jobs import PART_NOTE, Job, PartOutcome
from app.domain.range_units.notes import NOTE
from app.domain.range_units.quarantine import Quarantined
from app.domain.range_units.revisions import Exchange, Market, Revision
from app.domain.text import check_storable

CODE: Final = 32
NAME: Final = 100
TIME_ZONE: Final = 64
SOURCE: Final = 500
DIGEST: Final = 71
REQUESTED_BY: Final = 200
PART: Final = 100


def check_exchange(exchange: Exchange) -> None:
    """Raise `UnstorableText` where a text of the exchange cannot be kept."""
    check_storable(exchange.code, CODE)
    check_storable(exchange.name, NAME)
    check_storable(exchange.time_zone, TIME_ZONE)


def check_market(market: Market) -> None:
    """Raise `UnstorableText` where a text of the market cannot be kept."""
    for code in (market.exchange, market.quote, market.target):
        check_storable(code, CODE)


def check_revision(revision: Revision) -> None:
    """Raise `UnstorableText` where a text of the revision cannot be kept."""
    check_storable(revision.source, SOURCE)
    check_storable(revision.digest, DIGEST)
    if revision.payload_digest is not None:
        check_storable(revision.payload_digest, DIGEST)


def check_change(change: Change) -> None:
    """Raise `UnstorableText` where a text of the change cannot be kept."""
    check_market(change.market)
    check_storable(change.source, SOURCE)
    check_storable(change.digest, DIGEST)


def check_job(job: Job) -> None:
    """Raise `UnstorableText` where a text of the job cannot be kept."""
    check_storable(job.requested_by, REQUESTED_BY)
    check_storable(job.reason, NOTE)


def check_part(part: str) -> None:
    """Raise `UnstorableText` where a part of a job cannot be kept."""
    check_storable(part, PART)


def check_outcome(outcome: PartOutcome) -> None:
    """Raise `UnstorableText` where a text of the outcome cannot be kept."""
    check_storable(outcome.failure, NOTE)
    check_storable(outcome.note, PART_NOTE)


def check_quarantined(entry: Quarantined) -> None:
    """Raise `UnstorableText` where a text of the entry cannot be kept."""
    check_market(entry.market)
    check_storable(entry.source, SOURCE)
    check_storable(entry.digest, DIGEST)
    check_storable(entry.reason, NOTE)
