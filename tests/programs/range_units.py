"""How programs of range units are drawn."""

from collections.abc import Sequence
from itertools import product
from typing import Any, Final

from hypothesis import strategies as st

from app.domain.range_units import notes, storage
from app.domain.range_units.changes import ChangeKind
from app.domain.range_units.jobs import JobState
from app.ports.range_units.work import RangeUnitsUnitOfWork
from tests.programs.program import Area, Claim, Step, Theme
from tests.programs.range_units_operations import (
    TABLES,
    AddJob,
    AddRevisions,
    Advance,
    AppendChanges,
    BeatJob,
    Confirm,
    FindRevisions,
    Following,
    GetExchange,
    GetJob,
    GetRejected,
    GetTable,
    HoldJob,
    HoldMarkets,
    InForce,
    LatestChange,
    LookAtParts,
    LookOver,
    Named,
    PageChanges,
    PageExchanges,
    PageHistory,
    PageJobs,
    PageMarkets,
    PageRejected,
    PutExchanges,
    PutJob,
    RecordPart,
    Reject,
    Requested,
    Started,
    Stated,
    Supersede,
    TrimQuarantine,
)
from tests.programs.values import IDS, INSTANTS, LIMITS, NEW_IDS, drawn, texts, uuid_of

_CODES: Final = ("coinone", "krx", "Krx", "nowhere")

# In an order that no dictionary has: signs count, and capitals come first.
_QUOTES: Final = ("KRW", "USD-T", "USDA")
_TARGETS: Final = ("BTC", "*", "A.B", "AB")

_BTC: Final = ("coinone", "KRW", "BTC")
_MARKETS: Final = [
    *[_BTC] * 16,
    *product(("coinone",), _QUOTES, _TARGETS),
    *product(_CODES[1:], ("KRW",), ("BTC",)),
]

# Only what is stored is unstorable here: the ports leave open what looking for such a text gives.
_UNSTORABLE: Final = [
    ("coinone", text, "BTC") for text in ("\0", "\udfff", "X" * (storage.CODE + 1))
]
_SOURCES: Final = texts("elsewhere", limit=storage.SOURCE)
_SOME_MARKETS: Final = [
    (_BTC,),
    (),
    (_BTC, ("coinone", "KRW", "*")),
    (("coinone", "KRW", "*"), ("krx", "KRW", "BTC"), _BTC, _BTC),
    *((market, _BTC) for market in _MARKETS[-8:]),
    (),
]
_PLACES: Final = [
    Stated(id=number, market=_BTC, recorded_at=at) for number in IDS for at in INSTANTS
]
_SOME_IDS: Final = [(2,), (2,), (3,), (4,), (2, 3), (3, 2, 2), (4, 5), (1, 2, 6), ()]


def _exchange(code: str, name: str = "", time_zone: str = "UTC") -> Named:
    return code, name, time_zone


_exchanges = drawn(
    _exchange,
    {"code": texts(*_CODES[:-1], limit=storage.CODE)},
    {
        "name": texts("Coinone", "Korea Exchange", limit=storage.NAME),
        "time_zone": texts("Asia/Seoul", limit=storage.TIME_ZONE),
    },
)
_stated = drawn(
    Stated,
    {"id": NEW_IDS, "market": _MARKETS, "start": (None, *INSTANTS)},
    {
        "recorded_at": INSTANTS,
        "last_seen": INSTANTS,
        "superseded_at": INSTANTS,
        "table": [*TABLES],
    },
)


def _adding_one(source: str, **stated: Any) -> AddRevisions:
    return AddRevisions((Stated(market=_BTC, source=source, **stated),))


_adding = st.lists(_stated, min_size=1, max_size=2).map(lambda stated: AddRevisions(tuple(stated)))
_listed = PutExchanges(tuple((code, code, "UTC") for code in _CODES[:-1]))
_renamed = PutExchanges((("coinone", "COINONE", "Asia/Seoul"),))
_held = HoldMarkets((_BTC,))
_holding_both = [
    Claim(_held, _held, given=(_listed, _held)),
    Claim(_held, _held, given=(_listed,)),  # a market that is new to both
]

CATALOGUE: Final[Theme[RangeUnitsUnitOfWork]] = Theme(
    beginnings=st.just((_listed,)),
    writes=st.one_of(
        st.lists(_exchanges, max_size=3, unique_by=lambda each: each[0]).map(
            lambda exchanges: PutExchanges(tuple(exchanges))
        ),
        drawn(HoldMarkets, {"markets": _SOME_MARKETS}),
        # By itself: what refuses several, one unstorable and one of an unknown exchange, is open.
        st.sampled_from([*[_held] * 9, *(HoldMarkets((market,)) for market in _UNSTORABLE)]),
    ),
    reads=st.one_of(
        drawn(GetExchange, {"code": _CODES}),
        drawn(PageExchanges, {"limit": LIMITS, "after": (None, *_CODES)}),
        drawn(PageMarkets, {"exchange": _CODES, "limit": LIMITS}, {"after": _MARKETS}),
    ),
    claims=st.sampled_from([*_holding_both, Claim(_listed, _renamed), Claim(_renamed, _listed)]),
)
REVISIONS: Final[Theme[RangeUnitsUnitOfWork]] = Theme(
    beginnings=_adding.map(lambda adding: (_listed, adding)),
    writes=st.one_of(
        _adding,
        # By itself: what refuses several, one unstorable and one whose start is taken, is open.
        drawn(_adding_one, {"id": NEW_IDS, "start": INSTANTS, "source": _SOURCES}),
        drawn(Confirm, {"ids": _SOME_IDS, "at": INSTANTS}),
        drawn(Supersede, {"ids": _SOME_IDS, "at": INSTANTS}),
    ),
    reads=st.one_of(
        drawn(
            InForce,
            {
                "markets": [_SOME_MARKETS[0], *_SOME_MARKETS[:4]],
                "as_of": (*INSTANTS, *[INSTANTS[-1]] * 4),  # when everything has started
                "known_at": (None, *INSTANTS),
            },
        ),
        drawn(GetTable, {"id": IDS}),
        drawn(FindRevisions, {"ids": _SOME_IDS}),
        drawn(
            Started,
            {
                "markets": [_SOME_MARKETS[0], *_SOME_MARKETS[:4]],
                "as_of": (*INSTANTS, *[INSTANTS[-1]] * 4),
                "known_at": (None, *INSTANTS),
                "limit": LIMITS,
            },
        ),
        drawn(Following, {"market": _MARKETS, "after": INSTANTS}),
        drawn(PageHistory, {"market": _MARKETS, "limit": LIMITS}, {"after": _PLACES}),
    ),
    claims=st.sampled_from(_holding_both),
)

_appending = AppendChanges((Stated(id=2, market=_BTC),))
CHANGES: Final[Theme[RangeUnitsUnitOfWork]] = Theme(
    beginnings=st.just((_appending,)),
    writes=st.one_of(
        st.tuples(st.lists(_stated, max_size=3), st.sampled_from(ChangeKind)).map(
            lambda drawn: AppendChanges(tuple(drawn[0]), drawn[1])
        ),
        # By itself: where else a text cannot be stored is open.
        drawn(
            lambda source: AppendChanges((Stated(id=3, market=_BTC, source=source),)),
            {"source": _SOURCES},
        ),
        st.just(Advance()),
    ),
    reads=st.one_of(
        drawn(PageChanges, {"limit": LIMITS, "beyond": (0, 0, 1, 2, 5)}, {"exchange": _CODES}),
        st.just(LatestChange()),
    ),
    claims=st.just(Claim(_appending, _appending)),
)
_STATES: Final = [*JobState] * 2
_BY: Final = texts("trader", limit=storage.REQUESTED_BY)
_REASONS: Final = texts("It rained.", limit=notes.NOTE)
_CURSORS: Final = [(at, number) for at in INSTANTS for number in IDS]
_PARTS: Final = ("b", "a", "c")


def _to_add(parts: tuple[str, ...] = (), **requested: Any) -> AddJob:
    return AddJob(Requested(**requested), parts)


def _to_put(**requested: Any) -> PutJob:
    return PutJob(Requested(**requested))


_a_job = Requested(id=2, state="running")
JOBS: Final[Theme[RangeUnitsUnitOfWork]] = Theme(
    beginnings=st.just((_listed, AddJob(_a_job, _PARTS))),
    writes=st.one_of(
        drawn(
            _to_add,
            {"id": NEW_IDS, "exchange": _CODES, "state": _STATES},
            {"requested_at": INSTANTS, "requested_by": _BY, "parts": [_PARTS, ("a", "\0"), ()]},
        ),
        drawn(_to_put, {"id": IDS, "state": _STATES}, {"started_at": INSTANTS, "reason": _REASONS}),
        drawn(BeatJob, {"id": IDS, "at": INSTANTS}),
        drawn(
            RecordPart,
            {"id": (2, 2, *IDS), "part": (*_PARTS, "z")},
            {"inserted": (0, 3), "failure": _REASONS, "note": _REASONS},
        ),
    ),
    reads=st.one_of(
        drawn(GetJob, {"id": IDS}),
        drawn(LookAtParts, {"id": (2, 2, *IDS), "limit": LIMITS}),
        drawn(PageJobs, {"exchange": (None, *_CODES), "limit": LIMITS}, {"after": _CURSORS}),
        st.just(LookOver()),
    ),
    claims=st.sampled_from(
        [
            Claim(HoldJob(id=2), HoldJob(id=2), given=(_listed, AddJob(_a_job))),
            Claim(AddJob(_a_job), AddJob(Requested(id=3, state="queued")), given=(_listed,)),
        ]
    ),
)
QUARANTINE: Final[Theme[RangeUnitsUnitOfWork]] = Theme(
    beginnings=st.just((Reject(id=2, market=_BTC),)),
    writes=st.one_of(
        drawn(
            Reject,
            {"id": NEW_IDS, "market": _MARKETS, "payload": ("<html>", "")},
            {"received_at": INSTANTS, "source": _SOURCES, "reason": _REASONS},
        ),
        drawn(TrimQuarantine, {"exchange": _CODES, "keep": (0, 1, 2, 2)}),
    ),
    reads=st.one_of(
        drawn(GetRejected, {"id": IDS}),
        drawn(PageRejected, {"exchange": _CODES, "limit": LIMITS}, {"after": _CURSORS}),
    ),
    claims=st.just(Claim(Reject(id=2, market=_BTC), Reject(id=3, market=_BTC))),
)


async def _state(
    uow: RangeUnitsUnitOfWork, steps: Sequence[Step[RangeUnitsUnitOfWork]]
) -> tuple[object, ...]:
    added = [step for step in steps if isinstance(step, AddRevisions)]
    revisions = [uuid_of(stated.id) for step in added for stated in step.stated]
    exchanges = await uow.catalogue.exchanges(limit=100)
    markets = [
        market
        for exchange in exchanges
        for market in await uow.catalogue.markets(exchange=exchange.code, after=None, limit=100)
    ]
    return (
        exchanges,
        markets,
        [await uow.revisions.history(market=each, after=None, limit=100) for each in markets],
        [await uow.revisions.table(revision_id=each) for each in revisions],
        await uow.overviews.exchanges(),
        [placed.change for placed in await uow.changes.after(position=0, limit=1000)],
        await uow.jobs.page(exchange=None, after=None, limit=100),
        [
            await uow.quarantine.page(exchange=code, after=None, limit=100)
            for code in sorted({*_CODES})
        ],
    )


RANGE_UNITS: Final = Area(
    themes=[CATALOGUE, REVISIONS, CATALOGUE | REVISIONS, CHANGES, JOBS, QUARANTINE],
    glances=CATALOGUE.reads | REVISIONS.reads | CHANGES.reads,
    state=_state,
)
