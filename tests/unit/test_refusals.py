"""What refusals say: to people in their detail, to programs beside it."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from app.adapters.memory.identity.security import FastHasher
from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.identity.unit_of_work import MemoryIdentityUnitOfWork
from app.adapters.memory.range_units.state import RangeUnitsState
from app.adapters.memory.range_units.unit_of_work import MemoryRangeUnitsUnitOfWork
from app.adapters.memory.store import MemoryStore
from app.domain.errors import (
    Fault,
    SchemaOutOfDate,
    SchemaTooNew,
    StoreUnavailable,
    TickgateError,
    UnstorableText,
)
from app.domain.identity.errors import (
    HasherBusy,
    InvalidCredentials,
    InvalidToken,
    RefreshInProgress,
    WrongPassword,
)
from app.domain.identity.storage import check_refresh_token
from app.domain.instants import parse_instant
from app.domain.range_units.errors import PayloadRejected
from app.domain.range_units.revisions import BEGINNING
from tests.builders import (
    a_market,
    a_refresh_token,
    a_revision,
    a_session,
    a_user,
    an_attempt,
    an_exchange,
    at,
    new_id,
)

DETAILS = {
    InvalidCredentials: "The username or the password is wrong.",
    InvalidToken: "The token is not valid, or its session is over.",
    RefreshInProgress: (
        "This refresh token was used a moment ago; use the one that took its place."
    ),
    SchemaOutOfDate: "The database needs another schema: run 'tickgate db upgrade'.",
    WrongPassword: "The current password is wrong.",
}


@pytest.mark.parametrize(("refusal", "detail"), DETAILS.items())
def test_a_refusal_that_is_always_the_same_says_what_is_wrong(
    refusal: type[InvalidCredentials], detail: str
) -> None:
    assert refusal().detail == detail


@pytest.mark.parametrize("refusal", DETAILS)
def test_a_refusal_that_is_logged_says_what_its_detail_says(
    refusal: type[InvalidCredentials],
) -> None:
    assert str(refusal()) == refusal().detail


def test_a_schema_that_is_too_new_names_the_way_back() -> None:
    assert "tickgate db downgrade 0009" in SchemaTooNew(known="0009").detail


def test_whoever_refreshes_twice_may_try_again_after_a_second() -> None:
    assert RefreshInProgress().retry_after == 1


def test_of_most_refusals_nobody_says_when_to_try_again() -> None:
    assert TickgateError("That is refused.").retry_after is None


def test_a_rejected_payload_counts_each_of_its_markets_once() -> None:
    faults = [Fault("a", "is odd", "BTC"), Fault("b", "is odd", "BTC"), Fault("a", "is odd", "ETH")]
    particulars = PayloadRejected("No.", faults=faults).particulars()
    assert (particulars["attempted"], particulars["rejected"]) == (2, 2)


def test_a_rejected_payload_says_of_every_fault_where_and_why() -> None:
    faults = [Fault("units[0]", "is odd", "BTC"), Fault("units[1]", "is even:", "ETH")]
    assert PayloadRejected("No.", faults=faults).particulars()["rejections"] == [
        {"market": "BTC", "reason": "units[0]: is odd"},
        {"market": "ETH", "reason": "units[1]: is even:"},
    ]


def test_a_payload_that_is_rejected_as_a_whole_has_a_reason_without_a_place() -> None:
    faults = [Fault("", "XML is no JSON")]
    assert PayloadRejected("No.", faults=faults).particulars()["rejections"] == [
        {"market": "", "reason": "XML is no JSON"}
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-01-02 03:04:05Z", "is not an RFC 3339 time with its offset"),
        ("9999-12-31T23:59:59-01:00", "is beyond the years that can be told"),
    ],
)
def test_a_text_that_is_no_instant_is_refused_with_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{words}$"):
        parse_instant(text)


def test_a_text_that_cannot_be_kept_is_refused_with_how_long_it_may_be() -> None:
    with pytest.raises(UnstorableText) as caught:
        check_refresh_token(a_refresh_token(digest="x" * 65))
    assert caught.value.detail == "A text is longer than 64 characters, or is not storable."


# -- the in-memory adapters --------------------------------------------------------------------

USER = a_user(username="trader", email="trader@b.example")
SETTLED = an_attempt().settled(at=at(), reason=None)
UNKNOWN = new_id()

IdentityStatement = Callable[[MemoryIdentityUnitOfWork], Coroutine[Any, Any, object]]
RangeUnitsStatement = Callable[[MemoryRangeUnitsUnitOfWork], Coroutine[Any, Any, object]]

ABOUT_IDENTITY: dict[str, IdentityStatement] = {
    "That username is taken.": lambda uow: uow.users.add(user=a_user(username="Trader")),
    "That e-mail address is taken.": lambda uow: uow.users.add(
        user=a_user(email="Trader@b.example")
    ),
    f"There is no user {UNKNOWN}.": lambda uow: uow.users.replace(user=a_user(user_id=UNKNOWN)),
    "An attempt is not pending.": lambda uow: uow.login_log.settle(attempts=[SETTLED]),
}
ABOUT_RANGE_UNITS: dict[str, RangeUnitsStatement] = {
    "There is no exchange upbit.": lambda uow: uow.catalogue.hold_markets(
        markets=[a_market(exchange="upbit")]
    ),
    "coinone KRW/BTC has a revision of that start.": lambda uow: uow.revisions.add(
        revisions=[a_revision(market=a_market()), a_revision(effective_from=BEGINNING)]
    ),
}


@pytest.mark.parametrize(("detail", "statement"), ABOUT_IDENTITY.items())
async def test_a_statement_about_identity_is_refused_with_what_is_wrong(
    detail: str, statement: IdentityStatement
) -> None:
    store = MemoryStore(IdentityState(users={USER.id: USER}, attempts={SETTLED.id: SETTLED}))
    async with MemoryIdentityUnitOfWork(store) as uow:
        with pytest.raises(TickgateError) as caught:
            await statement(uow)
    assert caught.value.detail == detail


async def test_a_session_of_nobody_is_refused_with_whose_it_would_be() -> None:
    async with MemoryIdentityUnitOfWork(MemoryStore(IdentityState())) as uow:
        with pytest.raises(TickgateError, match=f"^There is no user {UNKNOWN}.$"):
            await uow.sessions.add(session=a_session(user_id=UNKNOWN))


@pytest.mark.parametrize(("detail", "statement"), ABOUT_RANGE_UNITS.items())
async def test_a_statement_about_range_units_is_refused_with_what_is_wrong(
    detail: str, statement: RangeUnitsStatement
) -> None:
    exchange = an_exchange()
    store = MemoryStore(
        RangeUnitsState(exchanges={exchange.code: exchange}, markets={a_market(): ()})
    )
    async with MemoryRangeUnitsUnitOfWork(store) as uow:
        with pytest.raises(TickgateError) as caught:
            await statement(uow)
    assert caught.value.detail == detail


async def test_a_store_that_is_down_says_so_whatever_is_begun() -> None:
    store = MemoryStore(IdentityState())
    store.down = True
    with pytest.raises(StoreUnavailable, match=r"^The store does not answer\.$"):
        await MemoryIdentityUnitOfWork(store).__aenter__()


async def test_a_store_that_is_down_says_so_whatever_is_committed() -> None:
    store = MemoryStore(IdentityState())
    async with MemoryIdentityUnitOfWork(store) as uow:
        store.down = True
        with pytest.raises(StoreUnavailable, match=r"^The store does not answer\.$"):
            await uow.commit()


async def test_a_commit_of_which_nobody_hears_says_that_nothing_was_heard() -> None:
    store = MemoryStore(IdentityState())
    store.lose_answer_after = 0
    async with MemoryIdentityUnitOfWork(store) as uow:
        with pytest.raises(StoreUnavailable, match=r"^The store does not answer\.$"):
            await uow.commit()


async def test_after_a_failure_it_is_said_that_there_was_one_before() -> None:
    store = MemoryStore(IdentityState())
    async with MemoryIdentityUnitOfWork(store) as uow:
        store.fail_after = 0
        with pytest.raises(StoreUnavailable, match=r"^The store does not answer\.$"):
            await uow.users.get(user_id=UNKNOWN)
        with pytest.raises(TickgateError, match=r"^A statement before this one failed\.$"):
            await uow.users.get(user_id=UNKNOWN)


async def test_a_hasher_that_is_busy_says_so_and_when_to_try_again() -> None:
    hasher = FastHasher()
    hasher.busy = True
    with pytest.raises(HasherBusy, match=r"^Too many passwords wait to be checked\.$") as caught:
        await hasher.hash(password="")
    assert caught.value.retry_after == 1
