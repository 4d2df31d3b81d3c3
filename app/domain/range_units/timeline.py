"""By which revisions a market was answered one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.domain.range_units.revisions import BEGINNING, Revision, answering


@dataclass(frozen=True, slots=True)
class Span:
    """A revision answered from one instant (None: not known) until another."""

    revision: Revision
    effective_from: datetime | None
    effective_until: datetime


def spans_before(own: Sequence[Revision], ladder: Sequence[Revision], *, limit: int) -> list[Span]:
    """Give what answered before the revision that answers now, the latest first.

    Both are the last that started, the latest first, at most `limit` of each; a list that is as
    long as that may lack earlier ones, so nothing is said of the time before its last.
    """
    starts = sorted({_start(revision) for revision in (*own, *ladder)}, reverse=True)
    horizon = max((_start(some[-1]) for some in (own, ladder) if len(some) == limit), default=None)
    spans: list[Span] = []
    until: datetime | None = None
    last: Revision | None = None
    for start in starts:
        if horizon is not None and start < horizon:
            break
        revision = answering(_latest(own, start), _latest(ladder, start))
        if revision is None:
            continue
        effective_from = None if start == BEGINNING else start
        if last is not None and revision.id == last.id:
            # Something else started meanwhile, which did not answer: the span began earlier.
            if spans:
                spans[-1] = Span(revision, effective_from, spans[-1].effective_until)
        elif until is not None:
            spans.append(Span(revision, effective_from, until))
        last, until = revision, start
    return spans


def _latest(some: Sequence[Revision], at: datetime) -> Revision | None:
    return next((revision for revision in some if _start(revision) <= at), None)


def _start(revision: Revision) -> datetime:
    return revision.effective_from or BEGINNING
