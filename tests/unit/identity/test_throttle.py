from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.identity.throttle import (
    Guessing,
    Kind,
    Limit,
    Quota,
    Slot,
    Taken,
    parse_limit,
    quotas,
    standing,
)
from tests.builders import at

FIVE = Limit(5, timedelta(minutes=5))
LIMITS = dict.fromkeys(Kind, FIVE)
PAIR, USER, NETWORK, EVERYONE = (Quota(kind, kind.value, FIVE) for kind in Kind)


def of(
    *, username_key: str = "alice", network: str | None = "192.0.2.1", **other: bool
) -> list[str]:
    found = quotas(
        LIMITS,
        guessing=Guessing.PASSWORD,
        username_key=username_key,
        network=network,
        is_familiar=other.get("is_familiar", False),
    )
    return [quota.key for quota in found]


@pytest.mark.parametrize(
    ("text", "attempts", "window"),
    [
        ("5/5m", 5, timedelta(minutes=5)),
        ("1/1s", 1, timedelta(seconds=1)),
        ("100000/24h", 100_000, timedelta(days=1)),
        ("20/1d", 20, timedelta(days=1)),
    ],
)
def test_a_limit_is_read(text: str, attempts: int, window: timedelta) -> None:
    assert parse_limit(text) == Limit(attempts, window)


@pytest.mark.parametrize(
    "text",
    [
        *("", "5", "5/", "/5m", "0/5m", "5/0m", "-5/5m", "5/5", "5/5w", "5/2d", "5/25h", "5 / 5m"),
        *("5/5m ", "\u0665/5m", "5/5M", "1e3/5m", "5/5m\n", "9999999/1m"),
    ],
)
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no limit such as 5/5m"):
        parse_limit(text)


def test_a_guess_counts_against_its_pair_its_user_its_network_and_all() -> None:
    assert of() == [
        "password pair 192.0.2.1 alice",
        "password user alice",
        "password network 192.0.2.1",
        "password global *",
    ]


def test_a_familiar_guess_counts_against_its_pair_alone() -> None:
    assert of(is_familiar=True) == ["password pair 192.0.2.1 alice"]


def test_a_familiar_guess_counts_against_all_others_where_pairs_are_not_counted() -> None:
    limits = {Kind.USER: FIVE, Kind.EVERYONE: FIVE}
    found = quotas(
        limits, guessing=Guessing.PASSWORD, username_key="a", network="b", is_familiar=True
    )
    assert [quota.kind for quota in found] == [Kind.USER, Kind.EVERYONE]


def test_what_has_no_limit_is_not_counted() -> None:
    assert (
        quotas({}, guessing=Guessing.PASSWORD, username_key="a", network="b", is_familiar=False)
        == ()
    )


@pytest.mark.parametrize(
    ("guessing", "kinds"),
    [
        (Guessing.PASSWORD, [*Kind]),
        (Guessing.CODE, [Kind.PAIR, Kind.USER]),
        (Guessing.OWN_PASSWORD, [Kind.PAIR]),
        (Guessing.OWN_CODE, [Kind.PAIR]),
        (Guessing.RESET, [Kind.PAIR, Kind.NETWORK]),
    ],
)
def test_what_is_guessed_at_says_what_is_counted(guessing: Guessing, kinds: list[Kind]) -> None:
    found = quotas(LIMITS, guessing=guessing, username_key="a", network="b", is_familiar=False)
    assert [quota.kind for quota in found] == kinds


@given(
    st.lists(
        st.tuples(st.text(max_size=3), st.sampled_from([None, "a", "b", "192.0.2.1", "1::/64"])),
        unique=True,
        min_size=2,
        max_size=2,
    )
)
def test_no_two_pairs_share_a_key(pairs: list[tuple[str, str | None]]) -> None:
    one, other = (of(username_key=user, network=network)[0] for user, network in pairs)
    assert one != other


@pytest.mark.parametrize("network", [None, ""])
def test_guesses_from_nowhere_are_of_one_network(network: str | None) -> None:
    assert of(network=network)[2] == "password network -"


def test_a_guess_is_free_while_every_quota_has_a_slot() -> None:
    found = standing([PAIR, USER], {"pair": Taken(3, 1), "user": Taken(4)}, now=at())
    assert (found.blocked, found.contended) == (None, None)


def test_a_free_guess_takes_a_slot_of_every_quota_for_its_window() -> None:
    day = Quota(Kind.USER, "user", Limit(9, timedelta(days=1)))
    found = standing([PAIR, day], {"pair": Taken(), "user": Taken()}, now=at())
    assert found.slots == (Slot("pair", at(5)), Slot("user", at(24 * 60)))


def test_a_guess_is_blocked_once_failures_fill_a_quota() -> None:
    taken = {"pair": Taken(4), "user": Taken(5, 0, at(2))}
    assert standing([PAIR, USER], taken, now=at()).blocked == USER


def test_a_guess_is_blocked_by_a_quota_that_is_more_than_full() -> None:
    assert standing([PAIR], {"pair": Taken(9, 0, at(2))}, now=at()).blocked == PAIR


def test_of_full_quotas_the_most_particular_one_blocks() -> None:
    taken = {quota.key: Taken(5, 0, at(2)) for quota in (PAIR, USER, NETWORK, EVERYONE)}
    assert standing([PAIR, USER, NETWORK, EVERYONE], taken, now=at()).blocked == PAIR


def test_a_guess_waits_for_those_that_are_being_checked() -> None:
    found = standing([PAIR, USER], {"pair": Taken(4), "user": Taken(3, 2, at(2))}, now=at())
    assert (found.blocked, found.contended) == (None, USER)


def test_a_guess_does_not_wait_where_failures_alone_block_it() -> None:
    found = standing([PAIR, USER], {"pair": Taken(0, 5), "user": Taken(5, 0, at(2))}, now=at())
    assert (found.blocked, found.contended) == (USER, None)


@pytest.mark.parametrize("taken", [Taken(5, 0, at(2)), Taken(2, 3, at(2))])
def test_a_guess_that_is_not_free_takes_nothing(taken: Taken) -> None:
    found = standing([PAIR, USER], {"pair": taken, "user": Taken()}, now=at())
    assert found.slots == ()


def test_a_guess_without_quotas_is_free() -> None:
    found = standing([], {}, now=at())
    assert (found.blocked, found.contended, found.slots, found.rate_limit) == (None, None, (), None)


def test_what_is_left_is_told_of_the_quota_nearest_to_its_end() -> None:
    left = standing(
        [PAIR, USER], {"pair": Taken(1), "user": Taken(2, 1, at(3))}, now=at()
    ).rate_limit
    assert left is not None
    assert (left.name, left.quota, left.remaining, left.resets_in) == (
        "user",
        5,
        1,
        timedelta(minutes=3),
    )


def test_of_a_quota_without_failures_the_whole_window_is_told() -> None:
    left = standing([PAIR], {"pair": Taken()}, now=at()).rate_limit
    assert left is not None
    assert (left.remaining, left.resets_in) == (4, timedelta(minutes=5))


def test_a_blocked_guess_is_told_when_the_first_failure_expires() -> None:
    taken = {"pair": Taken(5, 0, at(2)), "user": Taken(5, 0, at(4))}
    left = standing([PAIR, USER], taken, now=at()).rate_limit
    assert left is not None
    assert (left.name, left.remaining, left.resets_in) == ("pair", 0, timedelta(minutes=2))


def test_nothing_is_told_to_reset_sooner_than_in_a_second() -> None:
    soon = at() + timedelta(milliseconds=1)
    left = standing([PAIR], {"pair": Taken(5, 0, soon)}, now=at()).rate_limit
    assert left is not None
    assert left.resets_in == timedelta(seconds=1)
