import os
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from threading import Event as ThreadEvent
from time import process_time
from typing import Any

import bcrypt
import pytest
from anyio import Event, create_task_group, from_thread, to_thread
from anyio.lowlevel import EventLoopToken, checkpoint, current_token

from app.adapters.security.passwords import BcryptHasher
from app.domain.identity.errors import HasherBusy
from tests.cancellation import PATIENCE, cancelled_at, until

CHEAPEST = 4
MOST_NICE = 19
PASSWORD = "correct horse battery staple"
PEPPER = b"pepper"


def hasher_of(
    *,
    cost: int = CHEAPEST,
    pepper: bytes = PEPPER,
    threads: int = 2,
    queue: int = 100,
    cost_bound: int = 16,
) -> BcryptHasher:
    return BcryptHasher(
        cost=cost, pepper=pepper, threads=threads, queue=queue, cost_bound=cost_bound
    )


def plain(password: bytes, *, prefix: str = "$2b$", cost: int = CHEAPEST) -> str:
    """Hash as other programs do."""
    hashed = bcrypt.hashpw(password, bcrypt.gensalt(cost)).decode()
    return hashed.replace("$2b$", prefix)


# -- what is hashed ----------------------------------------------------------------------------


async def test_a_hash_says_how_it_was_made() -> None:
    stored = await hasher_of(cost=5).hash(password=PASSWORD)
    assert stored.startswith("hmac-sha384:$2b$05$")


async def test_passwords_that_share_72_bytes_are_different() -> None:
    stored = await hasher_of().hash(password="a" * 72 + "b")
    assert not await hasher_of().verify(password="a" * 72 + "c", stored=stored)


async def test_what_is_after_a_nul_counts() -> None:
    stored = await hasher_of().hash(password="a\0b")
    assert not await hasher_of().verify(password="a\0c", stored=stored)


async def test_another_hasher_of_the_same_pepper_verifies() -> None:
    stored = await hasher_of().hash(password=PASSWORD)
    assert await hasher_of().verify(password=PASSWORD, stored=stored)


@pytest.mark.parametrize("pepper", [b"", b"Pepper", b"pepper "])
async def test_without_the_pepper_the_right_password_does_not_verify(pepper: bytes) -> None:
    stored = await hasher_of().hash(password=PASSWORD)
    assert not await hasher_of(pepper=pepper).verify(password=PASSWORD, stored=stored)


async def test_a_hasher_without_a_pepper_verifies_its_own_hashes() -> None:
    hasher = hasher_of(pepper=b"")
    assert await hasher.verify(password=PASSWORD, stored=await hasher.hash(password=PASSWORD))


# -- hashes from elsewhere ---------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
async def test_a_plain_hash_from_elsewhere_verifies(prefix: str) -> None:
    stored = plain(PASSWORD.encode(), prefix=prefix)
    assert await hasher_of().verify(password=PASSWORD, stored=stored)


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
async def test_a_plain_hash_from_elsewhere_refuses_another_password(prefix: str) -> None:
    stored = plain(PASSWORD.encode(), prefix=prefix)
    assert not await hasher_of().verify(password="another password", stored=stored)


async def test_a_plain_hash_of_a_long_password_verifies_as_where_it_was_made() -> None:
    stored = plain(b"a" * 72)
    assert await hasher_of().verify(password="a" * 100, stored=stored)


async def test_a_plain_hash_of_a_password_cut_within_a_character_verifies() -> None:
    password = "a" * 71 + "é"
    stored = plain(password.encode()[:72])
    assert await hasher_of().verify(password=password, stored=stored)


@pytest.mark.parametrize("prefix", ["$2x$", "$2$", "$1$", "$2b", "2b$"])
async def test_a_hash_of_another_kind_verifies_nothing(prefix: str) -> None:
    stored = plain(PASSWORD.encode(), prefix=prefix)
    assert not await hasher_of().verify(password=PASSWORD, stored=stored)


async def test_our_hash_without_what_it_begins_with_verifies_nothing() -> None:
    stored = await hasher_of().hash(password=PASSWORD)
    bare = stored.removeprefix("hmac-sha384:")
    assert not await hasher_of().verify(password=PASSWORD, stored=bare)


async def test_a_plain_hash_is_not_taken_for_one_of_ours() -> None:
    stored = "hmac-sha384:" + plain(PASSWORD.encode())
    assert not await hasher_of().verify(password=PASSWORD, stored=stored)


@pytest.mark.parametrize("digits", ["\u0660\u0664", "\uff10\uff14"])
async def test_a_cost_in_digits_of_another_script_verifies_nothing(digits: str) -> None:
    stored = plain(PASSWORD.encode()).replace("$04$", f"${digits}$")
    assert not await hasher_of().verify(password=PASSWORD, stored=stored)


# -- the cost ----------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
def test_a_plain_hash_needs_to_be_made_anew(prefix: str) -> None:
    assert hasher_of().needs_rehash(stored=plain(PASSWORD.encode(), prefix=prefix))


async def test_a_hash_of_a_lower_cost_needs_to_be_made_anew() -> None:
    stored = await hasher_of(cost=4).hash(password=PASSWORD)
    assert hasher_of(cost=5).needs_rehash(stored=stored)


@pytest.mark.parametrize("cost", [4, 5])
async def test_a_hash_of_at_least_the_cost_need_not_be_made_anew(cost: int) -> None:
    stored = await hasher_of(cost=5).hash(password=PASSWORD)
    assert not hasher_of(cost=cost).needs_rehash(stored=stored)


async def test_a_hash_of_a_lower_cost_verifies() -> None:
    stored = await hasher_of(cost=4).hash(password=PASSWORD)
    assert await hasher_of(cost=5).verify(password=PASSWORD, stored=stored)


async def test_a_hash_as_dear_as_the_bound_verifies() -> None:
    stored = await hasher_of(cost=5).hash(password=PASSWORD)
    assert await hasher_of(cost=4, cost_bound=5).verify(password=PASSWORD, stored=stored)


async def test_a_hash_dearer_than_the_bound_is_refused_whatever_the_password() -> None:
    stored = await hasher_of(cost=6).hash(password=PASSWORD)
    assert not await hasher_of(cost=4, cost_bound=5).verify(password=PASSWORD, stored=stored)


async def test_a_plain_hash_dearer_than_the_bound_is_refused_whatever_the_password() -> None:
    stored = plain(PASSWORD.encode(), cost=6)
    assert not await hasher_of(cost=4, cost_bound=5).verify(password=PASSWORD, stored=stored)


async def test_the_bound_is_never_below_the_cost() -> None:
    hasher = hasher_of(cost=6, cost_bound=5)
    assert await hasher.verify(password=PASSWORD, stored=await hasher.hash(password=PASSWORD))


async def cpu_seconds(work: Callable[[], Coroutine[Any, Any, object]]) -> float:
    before = process_time()
    await work()
    return process_time() - before


@pytest.mark.parametrize("known", ["ours", "imported"])
async def test_checking_a_hash_of_a_lower_cost_takes_as_long_as_checking_none(known: str) -> None:
    hasher = hasher_of(cost=9)
    stored = (
        plain(PASSWORD.encode()) if known == "imported" else await hasher_of().hash(password="")
    )
    unknown = await cpu_seconds(lambda: hasher.verify(password="a guess", stored=None))
    lower = await cpu_seconds(lambda: hasher.verify(password="a guess", stored=stored))
    # Time of the processor, not of the clock; without what is made up for, a thirtieth.
    assert unknown / 4 < lower < unknown * 4


@pytest.mark.parametrize("cost", [4, 5, 6])
async def test_a_hash_up_to_the_bound_is_accepted(cost: int) -> None:
    hasher = hasher_of(cost=4, cost_bound=5)
    assert hasher.accepts(stored=plain(PASSWORD.encode(), cost=cost)) == (cost <= 5)


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$", "$2x$", "$2$", "hmac-sha384:$2b$"])
def test_a_hash_of_any_program_is_accepted_but_not_of_another_kind(prefix: str) -> None:
    accepted = hasher_of().accepts(stored=plain(PASSWORD.encode(), prefix=prefix))
    assert accepted == (prefix in {"$2a$", "$2b$", "$2y$"})


@pytest.mark.parametrize("place", [28, 59], ids=["salt", "hash"])
def test_a_hash_that_no_program_can_have_made_is_not_accepted(place: int) -> None:
    stored = plain(PASSWORD.encode())
    others = {stored[:place] + digit + stored[place + 1 :] for digit in "ABz9"}
    assert [other for other in others if hasher_of().accepts(stored=other)] == []


@pytest.mark.parametrize("cost", ["00", "03", "\u0660\u0664", "4", "+4"])
def test_a_cost_that_bcrypt_does_not_have_is_not_accepted(cost: str) -> None:
    stored = plain(PASSWORD.encode()).replace("$04$", f"${cost}$")
    assert not hasher_of().accepts(stored=stored)


# -- how many at once --------------------------------------------------------------------------


class Counter:
    """How many of its passwords are in a worker thread now, and how many ever were at once."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0
        self.gate = ThreadEvent()

    def enter(self) -> None:
        self.now += 1
        self.most = max(self.most, self.now)

    def leave(self) -> None:
        self.now -= 1


class CountedPassword(str):
    """A password that stays in its worker thread until the gate is open.

    A hasher has to encode a password, wherever it does the work; that is where this one tells
    the event loop of it, and waits.
    """

    __slots__ = ("counter", "loop")
    counter: Counter
    loop: EventLoopToken

    @classmethod
    def of(cls, counter: Counter) -> "CountedPassword":
        password = cls(PASSWORD)
        password.counter = counter
        password.loop = current_token()
        return password

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        from_thread.run_sync(self.counter.enter, token=self.loop)
        opened = self.counter.gate.wait(PATIENCE)
        from_thread.run_sync(self.counter.leave, token=self.loop)
        if not opened:
            raise TimeoutError(
                "The event loop never came to open the gate."
            )  # pragma: no cover - a failure
        return super().encode(encoding, errors)


class NotedPassword(str):
    """A password that notes how nice the thread is that hashes it."""

    __slots__ = ("noted",)
    noted: list[int]

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        self.noted.append(niceness())
        return super().encode(encoding, errors)


def niceness() -> int:
    """Of this thread; elsewhere than on Linux, of the process."""
    return os.getpriority(os.PRIO_PROCESS, 0)


class Refusals:
    """Runs hashes as tasks, and keeps the refusals of those that found no place."""

    def __init__(self) -> None:
        self.errors: list[HasherBusy] = []
        self.done = 0

    async def run(self, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
        try:
            await work()
        except HasherBusy as error:
            self.errors.append(error)
        else:
            self.done += 1


async def settled() -> None:
    """Let every task go as far as it can."""
    for _ in range(50):
        await checkpoint()


async def test_as_many_hashes_run_at_once_as_there_are_threads() -> None:
    hasher, counter = hasher_of(threads=2), Counter()
    async with create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(partial(hasher.hash, password=CountedPassword.of(counter)))
        await until(lambda: counter.now == 2)
        await settled()
        counter.gate.set()
    assert counter.most == 2


async def test_checks_and_new_hashes_share_the_threads() -> None:
    hasher, counter = hasher_of(threads=2), Counter()
    stored = await hasher.hash(password=PASSWORD)
    check = partial(hasher.verify, password=CountedPassword.of(counter), stored=stored)
    async with create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(partial(hasher.hash, password=CountedPassword.of(counter)))
            tasks.start_soon(check)
        await until(lambda: counter.now == 2)
        await settled()
        counter.gate.set()
    assert counter.most == 2


@pytest.mark.parametrize(("threads", "queue"), [(1, 0), (2, 3)])
async def test_who_finds_neither_a_thread_nor_a_place_in_the_queue_is_refused(
    threads: int, queue: int
) -> None:
    hasher, counter, refusals = hasher_of(threads=threads, queue=queue), Counter(), Refusals()
    work = partial(hasher.hash, password=CountedPassword.of(counter))
    async with create_task_group() as tasks:
        for _ in range(threads + queue + 4):
            tasks.start_soon(refusals.run, work)
        await until(lambda: len(refusals.errors) == 4)
        counter.gate.set()
    assert (refusals.done, len(refusals.errors)) == (threads + queue, 4)


async def test_who_is_refused_is_told_when_to_come_again() -> None:
    hasher, counter, refusals = hasher_of(threads=1, queue=0), Counter(), Refusals()
    async with create_task_group() as tasks:
        tasks.start_soon(partial(hasher.hash, password=CountedPassword.of(counter)))
        await until(lambda: counter.now == 1)
        await refusals.run(partial(hasher.verify, password=PASSWORD, stored=None))
        counter.gate.set()
    assert [error.retry_after for error in refusals.errors] == [1]


async def test_after_a_crowd_there_is_place_again() -> None:
    hasher, refusals = hasher_of(threads=1, queue=1), Refusals()
    async with create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(refusals.run, partial(hasher.hash, password=PASSWORD))
    assert refusals.errors
    stored = await hasher.hash(password=PASSWORD)
    assert await hasher.verify(password=PASSWORD, stored=stored)


async def test_a_hash_that_fails_gives_its_place_back() -> None:
    hasher = hasher_of(threads=1, queue=0)
    with pytest.raises(UnicodeEncodeError):
        await hasher.hash(password="\ud800")
    assert await hasher.hash(password=PASSWORD)


async def test_cancelling_who_waits_in_the_queue_gives_the_place_back() -> None:
    hasher, counter, refusals = hasher_of(threads=1, queue=1), Counter(), Refusals()
    began = Event()

    async def wait_in_the_queue() -> None:
        began.set()
        await hasher.hash(password=PASSWORD)

    async with create_task_group() as tasks:
        tasks.start_soon(partial(hasher.hash, password=CountedPassword.of(counter)))
        await until(lambda: counter.now == 1)
        async with create_task_group() as waiting:
            waiting.start_soon(wait_in_the_queue)
            await began.wait()
            await settled()
            waiting.cancel_scope.cancel()
        tasks.start_soon(refusals.run, partial(hasher.hash, password=PASSWORD))
        await settled()
        counter.gate.set()
    assert (refusals.done, refusals.errors) == (1, [])


async def test_cancelling_a_hash_anywhere_gives_its_place_back() -> None:
    hasher = hasher_of(threads=1, queue=0)
    for place in range(1, 5):
        await cancelled_at(place, hasher.hash(password=PASSWORD))
        assert await hasher.hash(password=PASSWORD), place


async def test_other_tasks_go_on_while_passwords_are_hashed() -> None:
    # With the event loop blocked by a hash, nobody would ever open the gate.
    hasher, counter, refusals = hasher_of(threads=2), Counter(), Refusals()
    work = partial(hasher.hash, password=CountedPassword.of(counter))
    async with create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(refusals.run, work)
        await until(lambda: counter.now == 2)
        await settled()
        counter.gate.set()
    assert refusals.done == 4


async def test_the_event_loop_keeps_turning_while_bcrypt_computes() -> None:
    hasher, refusals, turns = hasher_of(cost=6, threads=2), Refusals(), 0
    async with create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(refusals.run, partial(hasher.hash, password=PASSWORD))
        while refusals.done < 4:
            turns += 1
            await checkpoint()
    assert turns > 50


async def hashed_at() -> int:
    password = NotedPassword(PASSWORD)
    password.noted = []
    await hasher_of().hash(password=password)
    return password.noted[0]


async def test_a_hash_gives_way_to_others_where_priorities_are_of_threads() -> None:
    nicer = 10 if sys.platform == "linux" else 0
    assert await hashed_at() == min(niceness() + nicer, MOST_NICE)


async def test_nothing_but_hashes_gives_way() -> None:
    before = niceness(), await to_thread.run_sync(niceness)
    await hashed_at()
    assert (niceness(), await to_thread.run_sync(niceness)) == before
