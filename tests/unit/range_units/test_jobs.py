from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.errors import Fault
from app.domain.range_units.errors import JobFinished, PayloadRejected, SyncInProgress
from app.domain.range_units.jobs import (
    ORPHANED_AFTER,
    JobState,
    abandoned,
    begun,
    cancelled,
    ended,
    is_due,
    reason_of,
    resumed,
)
from app.domain.range_units.notes import NOTE, noted
from tests.builders import at
from tests.contracts.jobs import a_job

NOW = at() + timedelta(seconds=10)
LATER = at() + ORPHANED_AFTER + timedelta(microseconds=1)
Q, R, G, C, D, F = JobState


def outcome_of(decide: object, state: JobState, now: object) -> object:
    """Give the state that a decision leads to, or its refusal."""
    try:
        found = decide(a_job(state=state), now)  # type: ignore[operator]  # a parameter
    except (JobFinished, SyncInProgress) as error:
        return type(error)
    return None if found is None else found.state


def test_what_a_decision_means_in_each_state() -> None:
    expected = {
        (begun, NOW): [R, None, None, None, None, None],
        (cancelled, NOW): [C, G, G, C, JobFinished, JobFinished],
        (cancelled, LATER): [C, C, C, C, JobFinished, JobFinished],
        (resumed, NOW): [SyncInProgress, SyncInProgress, SyncInProgress, Q, JobFinished, Q],
        (resumed, LATER): [Q, Q, Q, Q, JobFinished, Q],
        (abandoned, LATER): [F, F, F, C, D, F],
    }
    found = {
        (decide, now): [outcome_of(decide, state, now) for state in JobState]
        for decide, now in expected
    }
    assert found == expected


def test_a_job_is_an_orphan_after_a_minute_without_a_sign_of_life_until_it_has_ended() -> None:
    last = at() + ORPHANED_AFTER
    assert [a_job(state=state).is_orphaned(last) for state in JobState] == [False] * 6
    assert [a_job(state=state).is_orphaned(LATER) for state in JobState] == [
        *[True] * 3,
        *[False] * 3,
    ]
    alive = replace(a_job(state=R), heartbeat=LATER)
    assert not alive.is_orphaned(LATER + ORPHANED_AFTER)


def test_a_job_that_is_resumed_keeps_when_it_was_first_begun_and_forgets_its_end() -> None:
    first = begun(a_job(), NOW)
    assert first is not None
    again = resumed(ended(first, F, NOW, "It rained."), LATER)
    second = begun(again, LATER)
    assert second is not None
    assert (again.ended_at, again.reason, again.heartbeat) == (None, "", LATER)
    assert (second.started_at, second.state) == (NOW, R)


def test_a_second_sync_is_refused_with_the_id_of_the_first() -> None:
    job = a_job(state=R)
    with pytest.raises(SyncInProgress) as refused:
        resumed(job, NOW)
    assert refused.value.particulars() == {"job_id": str(job.id)}


def test_a_sync_is_due_when_the_last_one_was_requested_so_long_ago() -> None:
    hour = timedelta(hours=1)
    last = a_job(state=D)
    asked = [last.requested_at + hour - timedelta(microseconds=1), last.requested_at + hour]
    assert [is_due(last, hour, now) for now in asked] == [False, True]
    assert is_due(None, hour, NOW)


def test_a_reason_can_be_kept_whatever_it_quotes() -> None:
    faults = [Fault("[0]", "is \0", "coinone \udfff/BTC"), Fault("[1]", "x" * 1000)]
    reason = reason_of(PayloadRejected("It is\nno table.", faults=faults))
    beginning = r"It is\nno table. [payload_rejected] coinone \udfff/BTC: [0]: is \x00; [1]: xxx"
    assert (reason[: len(beginning)], len(reason)) == (beginning, NOTE)
    assert [len(noted("x" * length)) for length in (NOTE, NOTE + 1)] == [NOTE, NOTE]
