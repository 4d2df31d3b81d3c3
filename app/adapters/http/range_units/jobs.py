"""Syncs of exchanges, as jobs that are watched, cancelled and resumed."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from app.adapters.http.authentication import Caller, GuardedRoute
from app.adapters.http.errors import responses
from app.adapters.http.range_units.asked import ExchangeCode, Services
from app.adapters.http.range_units.places import cursor_parts, place_of
from app.adapters.http.schemas import InvalidCursor, Page, PartOfList, page_of
from app.domain.range_units.errors import (
    InvalidCode,
    JobFinished,
    NoFeed,
    SyncInProgress,
    UnknownExchange,
    UnknownJob,
)
from app.domain.range_units.jobs import Job, JobState
from app.domain.range_units.places import Place
from app.domain.range_units.revisions import exchange_code
from app.services.range_units.sync_service import JobReport

jobs = APIRouter(prefix="/v1", tags=["jobs"], route_class=GuardedRoute)

LOCATION: Final[dict[str, Any]] = {
    "headers": {"Location": {"description": "The job.", "schema": {"type": "string"}}}
}


class FailureAnswer(BaseModel):
    """A part of a job that failed, or whose payload was rejected, in part or as a whole."""

    part: str = Field(
        description="Of an entry in the list of parts that cannot be read, the place.",
        examples=["KRW/BTC"],
    )
    reason: str


class NoteAnswer(BaseModel):
    """A part of a job that somebody should look at, though it may not have failed."""

    part: str = Field(examples=["KRW/BTC,ETH"])
    note: str = Field(
        examples=["upbit EUR/X: the exchange states the tick size 2, and there are no range units"]
    )


class JobAnswer(BaseModel):
    """A sync of an exchange. Its parts are what the exchange is asked for, one after another."""

    id: UUID
    exchange: str = Field(examples=["coinone"])
    state: JobState
    orphaned: bool = Field(
        description="It has not ended, but its process has died: it can be resumed."
    )
    requested_by: str
    requested_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    heartbeat: datetime = Field(description="Its last sign of life.")
    reason: str = Field(description="Why it ended before it was done; else empty.")
    parts: int
    parts_done: int = Field(description="Parts that were tried, those that failed among them.")
    parts_failed: int
    attempted: int = Field(description="Markets, as are the counts after it.")
    inserted: int
    updated: int
    unchanged: int
    rejected: int
    checked: int = Field(
        description="Markets whose tick size was only compared with their range units; they are"
        " not among those attempted."
    )
    disagreeing: int = Field(
        description="Of these, those whose range units do not have it, or that have none."
    )


class JobDetail(JobAnswer):
    """A job with its failures, of which some hundred are told and the others counted."""

    failures: list[FailureAnswer]
    failures_not_told: int
    notes: list[NoteAnswer] = Field(
        description="Which markets disagree, and how; of a hundred parts at most."
    )


class PartOfJobs(PartOfList):
    """Which part of the jobs."""

    exchange: ExchangeCode | None = None


@jobs.post(
    "/exchanges/{exchange}/range-units/sync",
    summary="Fetch an exchange's range units",
    status_code=HTTPStatus.ACCEPTED,
    responses={
        202: LOCATION,
        **responses(401, 403, 422, 503, InvalidCode, UnknownExchange, NoFeed, SyncInProgress),
    },
)
async def sync(
    principal: Caller, exchange: ExchangeCode, services: Services, response: Response
) -> JobDetail:
    """Begin to fetch all range units of an exchange, as a job that goes on by itself.

    An exchange has one at a time: 409 `sync_in_progress` names the one that goes on.
    """
    job = await services.sync.start(
        exchange=exchange_code(exchange), requested_by=principal.username
    )
    return await _begun(services, job, response)


@jobs.get(
    "/jobs",
    summary="List jobs",
    responses=responses(401, 403, 422, 503, InvalidCode, InvalidCursor),
)
async def list_jobs(page: Annotated[PartOfJobs, Query()], services: Services) -> Page[JobAnswer]:
    """Give jobs, newest first, perhaps of one exchange."""
    found = await services.sync.list_jobs(
        exchange=None if page.exchange is None else exchange_code(page.exchange),
        after=place_of(page.cursor),
        limit=page.limit + 1,
    )
    return page_of(
        found,
        page.limit,
        lambda report: JobAnswer(**_fields(report)),
        lambda report: cursor_parts(Place(report.job.requested_at, report.job.id)),
    )


@jobs.get(
    "/jobs/{job_id}", summary="Watch a job", responses=responses(401, 403, 422, 503, UnknownJob)
)
async def watch(job_id: UUID, services: Services) -> JobDetail:
    """Give a job: how far it is, what became of the markets, and which parts failed."""
    return _detail(await services.sync.job(job_id=job_id))


@jobs.post(
    "/jobs/{job_id}/cancel",
    summary="Cancel a job",
    responses=responses(401, 403, 422, 503, UnknownJob, JobFinished),
)
async def cancel(job_id: UUID, services: Services) -> JobDetail:
    """Ask a job to stop: it is `cancelling` until it notices, between two parts.

    What it has taken until then stays. One that is cancelled already stays so; 409 `job_finished`
    for one that ended otherwise.
    """
    await services.sync.cancel(job_id=job_id)
    return _detail(await services.sync.job(job_id=job_id))


@jobs.post(
    "/jobs/{job_id}/resume",
    summary="Resume a job",
    status_code=HTTPStatus.ACCEPTED,
    responses={
        202: LOCATION,
        **responses(401, 403, 422, 503, UnknownJob, JobFinished, SyncInProgress),
    },
)
async def resume(job_id: UUID, services: Services, response: Response) -> JobDetail:
    """Go on with a job that was cancelled, has failed, or whose process has died.

    Parts that succeeded are not asked for again. 409 `job_finished` for one that is done, and
    `sync_in_progress` while it, or another of its exchange, goes on.
    """
    job = await services.sync.resume(job_id=job_id)
    return await _begun(services, job, response)


async def _begun(services: Services, job: Job, response: Response) -> JobDetail:
    # First of all: whatever fails from here on, somebody is at the job.
    services.begin(job)
    response.headers["Location"] = f"{jobs.prefix}/jobs/{job.id}"
    return _detail(await services.sync.job(job_id=job.id))


def _fields(report: JobReport) -> dict[str, Any]:
    job, progress, counts = report.job, report.progress, report.progress.counts
    return {
        "id": job.id,
        "exchange": job.exchange,
        "state": job.state,
        "orphaned": report.is_orphaned,
        "requested_by": job.requested_by,
        "requested_at": job.requested_at,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "heartbeat": job.heartbeat,
        "reason": job.reason,
        "parts": progress.parts,
        "parts_done": progress.parts_done,
        "parts_failed": progress.parts_failed,
        "attempted": counts.attempted,
        "inserted": counts.inserted,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "rejected": counts.rejected,
        "checked": counts.checked,
        "disagreeing": counts.disagreeing,
    }


def _detail(report: JobReport) -> JobDetail:
    return JobDetail(
        **_fields(report),
        failures=[
            FailureAnswer(part=failure.part, reason=failure.reason) for failure in report.failures
        ],
        failures_not_told=max(0, report.progress.parts_failed - len(report.failures)),
        notes=[NoteAnswer(part=noted.part, note=noted.note) for noted in report.notes],
    )
