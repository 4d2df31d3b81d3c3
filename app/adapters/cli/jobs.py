"""`tickgate range-units sync` and `jobs`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Annotated, Any, Final

import typer

from app.adapters.cli.output import complain, print_json, print_line, print_table
from app.adapters.cli.range_units_services import RangeUnitsServices
from app.adapters.cli.shell import Json, Opened, examples, run
from app.domain.range_units.jobs import Counts, JobState
from app.domain.range_units.revisions import exchange_code
from app.services.range_units.sync_service import JobReport
from app.services.range_units.sync_worker import Tell

INCOMPLETE: Final = 1

_COLUMNS: Final = ("id", "exchange", "state", "requested_at", "parts_done", "parts", "parts_failed")
_COUNTS: Final = tuple(field.name for field in fields(Counts))


class JobCommands:
    """Syncs of exchanges, for an operator at the machine."""

    def __init__(self, opened: Opened[RangeUnitsServices]) -> None:
        self._opened = opened

    def sync(
        self,
        *,
        exchange: Annotated[str, typer.Argument(metavar="EXCHANGE", help="Its code, as coinone.")],
        as_json: Json = False,
    ) -> None:
        """Fetch an exchange's range units, here and now.

        A part that fails does not stop the others; the exit code is 1 when any did. A tick size
        that contradicts what is known is told, and no failure. Interrupted, it stops at once, and
        what was taken stays: the service can resume the job.
        """
        code = exchange_code(exchange)

        async def use(services: RangeUnitsServices) -> JobReport:
            job = await services.sync.start(exchange=code, requested_by="the command line")
            with _progress_bar(code) as tell:
                await services.sync_worker().run(job=job, tell=tell)
            return await services.sync.job(job_id=job.id)

        report = run(self._opened, use)
        if as_json:
            print_json(_detail(report))
        else:
            counts = report.progress.counts
            for name in _COUNTS:
                print_line(f"{name:<13}{getattr(counts, name)}")
        self._complain(report)

    def _complain(self, report: JobReport) -> None:
        progress = report.progress
        for noted in report.notes:
            complain(f"odd: {noted.note}")
        for failure in report.failures:
            complain(f"{failure.part}: {failure.reason}")
        if report.job.state is not JobState.DONE:
            complain(f"job {report.job.id} is {report.job.state}: {report.job.reason}")
        if progress.parts_failed:
            complain(f"{progress.parts_failed} of {progress.parts} parts failed")
        if progress.parts_failed or report.job.state is not JobState.DONE:
            raise typer.Exit(INCOMPLETE)

    def jobs(
        self,
        *,
        exchange: Annotated[
            str | None, typer.Option(metavar="E", help="Of this exchange only.")
        ] = None,
        limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = 50,
        as_json: Json = False,
    ) -> None:
        """List syncs, newest first."""
        code = None if exchange is None else exchange_code(exchange)
        found: Sequence[JobReport] = run(
            self._opened,
            lambda services: services.sync.list_jobs(exchange=code, limit=limit),
        )
        documents = [_fields(report) for report in found]
        if as_json:
            print_json({"items": documents})
        else:
            print_table(_COLUMNS, documents, numbers=_COLUMNS[-3:])


@contextmanager
def _progress_bar(exchange: str) -> Iterator[Tell]:
    """Show how far a sync is, on standard error where that is a terminal."""
    # Only those who sync import what draws.
    from rich.console import Console  # noqa: PLC0415 - see above
    from rich.progress import (  # noqa: PLC0415 - see above
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (TextColumn(exchange), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(exchange, total=None)
        yield lambda tried, of: bar.update(task, completed=tried, total=of)


def _fields(report: JobReport) -> dict[str, Any]:
    job, progress = report.job, report.progress
    return {
        "id": job.id,
        "exchange": job.exchange,
        "state": job.state.value,
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
        **{name: getattr(progress.counts, name) for name in _COUNTS},
    }


def _detail(report: JobReport) -> dict[str, Any]:
    told = [{"part": failure.part, "reason": failure.reason} for failure in report.failures]
    more = max(0, report.progress.parts_failed - len(told))
    notes = [{"part": noted.part, "note": noted.note} for noted in report.notes]
    return {**_fields(report), "failures": told, "failures_not_told": more, "notes": notes}


def add_job_commands(group: typer.Typer, opened: Opened[RangeUnitsServices]) -> None:
    """Put the commands about jobs into `tickgate range-units`."""
    commands = JobCommands(opened)
    group.command(epilog=examples("range-units sync coinone"))(commands.sync)
    group.command(epilog=examples("range-units jobs --exchange coinone"))(commands.jobs)
