"""By which revisions a market was answered one after the other."""

from datetime import datetime
from typing import Final

from app.domain.range_units.revisions import Market, Revision
from app.domain.range_units.timeline import Span, spans_before
from tests.builders import a_market, a_revision, at

MANY: Final = 100
BTC: Final = a_market()


def line(market: Market, *starts: datetime | None) -> list[Revision]:
    """Give revisions of those starts; the latest comes first."""
    return [a_revision(market=market, effective_from=start)[0] for start in starts]


def test_each_revision_answered_until_the_next_one_did() -> None:
    own = line(BTC, at(3), at(2), None)
    assert spans_before(own, [], limit=MANY) == [
        Span(own[1], at(2), at(3)),
        Span(own[2], None, at(2)),
    ]


def test_nothing_was_before_the_only_revision_and_nothing_before_none() -> None:
    assert spans_before(line(BTC, at(1)), [], limit=MANY) == []
    assert spans_before([], line(BTC.ladder, None), limit=MANY) == []
    assert spans_before([], [], limit=MANY) == []


def test_a_ladder_answered_before_a_market_had_its_own_and_never_again() -> None:
    own, shared = line(BTC, at(5), at(3)), line(BTC.ladder, at(6), at(4), at(2), at(1))
    assert spans_before(own, shared, limit=MANY) == [
        Span(own[1], at(3), at(5)),
        Span(shared[2], at(2), at(3)),
        Span(shared[3], at(1), at(2)),
    ]


def test_a_dated_ladder_ends_a_revision_of_unknown_start() -> None:
    own, shared = line(BTC, None), line(BTC.ladder, at(2), at(1))
    assert spans_before(own, shared, limit=MANY) == [
        Span(shared[1], at(1), at(2)),
        Span(own[0], None, at(1)),
    ]


def test_nothing_is_said_of_the_time_before_a_list_that_may_go_on() -> None:
    own, shared = line(BTC, at(6), at(4)), line(BTC.ladder, at(3), at(2), at(1))
    assert spans_before(own, shared, limit=MANY)[-1].effective_from == at(1)
    # A third revision of its own may lie before the last two, and have answered since.
    assert spans_before(own, shared, limit=2) == [Span(own[1], at(4), at(6))]
