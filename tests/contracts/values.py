"""Values that stores tend to refuse, to cut, or to give back as something else."""

from datetime import UTC, datetime

import pytest

from app.domain.range_units.revisions import BEGINNING
from tests.builders import at

UNSTORABLE_TEXTS = [
    pytest.param("a\0b", id="a-nul"),
    pytest.param("a\ud800b", id="a-lone-surrogate"),
    pytest.param("a" * 100_000, id="over-long"),
]

# To come back as they are: not normalised, not trimmed, not taken for None.
STORABLE_TEXTS = [
    pytest.param("", id="empty"),
    pytest.param(" a ", id="blanks-around"),
    pytest.param("\r\n\t\x1b[31m\x7f", id="control-characters"),
    pytest.param("Zoë 코인원 名前 имя اسم \U0001f642", id="many-scripts"),
    pytest.param("e\u0301 \u00e9", id="decomposed-and-composed"),
    pytest.param("\ufeff\u200b\u202e\uffff\U0010ffff", id="invisible-characters"),
    pytest.param("'; -- \" % _ \\ $1 :a ?", id="what-a-query-is-made-of"),
]

STARTS = [
    pytest.param(at(), id="with-microseconds"),
    pytest.param(datetime(1970, 1, 1, tzinfo=UTC), id="the-epoch"),
    pytest.param(datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), id="before-the-epoch"),
    pytest.param(datetime(2038, 1, 19, 3, 14, 8, 1, tzinfo=UTC), id="beyond-32-bits"),
    pytest.param(datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC), id="the-far-past"),
    pytest.param(datetime(9999, 12, 31, 23, 59, 59, 999998, tzinfo=UTC), id="the-far-future"),
    pytest.param(datetime.max.replace(tzinfo=UTC), id="the-last-of-all"),
]
"""Instants at which a revision can start; `BEGINNING` stands for a start that is not known."""

INSTANTS = [*STARTS, pytest.param(BEGINNING, id="the-first-of-all")]
