from datetime import timedelta

from app.services.kept import ALWAYS, Kept
from tests.builders import at

SINCE, UNTIL = at(10), at(20)
MOMENT = timedelta(microseconds=1)


def keep(kept: Kept[str, int], key: str, value: int, *, size: int = 1) -> None:
    kept.keep(key, value, since=SINCE, until=UNTIL, begun=kept.begin(), size=size)


def test_a_value_is_good_from_its_start_to_just_before_its_end() -> None:
    kept: Kept[str, int] = Kept(most=1)
    keep(kept, "a", 1)
    instants = (SINCE - MOMENT, SINCE, UNTIL - MOMENT, UNTIL)
    assert [kept.get("a", instant) for instant in instants] == [None, 1, 1, None]


def test_what_is_always_good_is_good_at_either_end_of_time() -> None:
    kept: Kept[str, int] = Kept(most=1)
    kept.keep("a", 1, since=ALWAYS[0], until=ALWAYS[1], begun=kept.begin())
    assert [kept.get("a", instant) for instant in (ALWAYS[0], ALWAYS[1] - MOMENT)] == [1, 1]


def test_nothing_is_left_once_everything_is_forgotten() -> None:
    kept: Kept[str, int] = Kept(most=2)
    keep(kept, "a", 1)
    kept.forget()
    assert kept.get("a", SINCE) is None
    keep(kept, "b", 2)
    keep(kept, "c", 3)
    assert [kept.get(key, SINCE) for key in "bc"] == [2, 3]


def test_what_was_being_read_while_everything_was_forgotten_is_not_kept() -> None:
    kept: Kept[str, int] = Kept(most=1)
    begun = kept.begin()
    kept.forget()
    kept.keep("a", 1, since=SINCE, until=UNTIL, begun=begun)
    assert kept.get("a", SINCE) is None


def test_where_there_is_no_room_the_oldest_goes() -> None:
    kept: Kept[str, int] = Kept(most=5)
    for number, key in enumerate("abca"):
        keep(kept, key, number)  # a is read again, and b is the oldest then
    keep(kept, "d", 9, size=3)
    assert [kept.get(key, SINCE) for key in "abcd"] == [3, None, 2, 9]


def test_what_is_larger_than_all_the_room_is_not_kept_and_drives_nothing_out() -> None:
    kept: Kept[str, int] = Kept(most=2)
    keep(kept, "a", 1)
    keep(kept, "b", 2, size=3)
    assert [kept.get(key, SINCE) for key in "ab"] == [1, None]
