"""Password hashes: bcrypt over a keyed hash, in worker threads of their own."""

import base64
import hashlib
import hmac
import os
import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

import bcrypt
from anyio import CapacityLimiter, to_thread

from app.domain.identity.errors import HasherBusy
from app.domain.identity.users import is_checkable
from app.ports.identity.security import PasswordHasher

T = TypeVar("T")

# bcrypt looks at 72 bytes at most; base64 of SHA-384 is 64, and holds no NUL.
_OURS: Final = "hmac-sha384:"
_BCRYPT: Final = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_BCRYPT_BYTES: Final = 72
# 16 bytes of salt leave four bits of their last digit unused, 23 of hash leave two: all nought.
_FOREIGN: Final = re.compile(
    r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26]", re.ASCII
)
_LEAST_COST: Final = 4
_NICE: Final = 10
"""How much nicer threads that hash are: a tenth is theirs of what others want, too."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Is told how long the queue of hashes is, and how many seconds each waited in it."""

    queued: Callable[[int], object] = lambda _length: None
    waited: Callable[[float], object] = lambda _seconds: None
    """Called in the thread that hashes."""


class BcryptHasher(PasswordHasher):
    """Hashes of the form `hmac-sha384:$2b$12$…`; plain bcrypt hashes from elsewhere verify too.

    `cost` is bcrypt's, a power of two. Stored hashes up to `cost_bound` are computed, dearer ones
    refused. Checking one of a lower cost takes as long as one of the current cost, so that nobody
    can tell an imported user from an unknown one; a dearer one takes its time. `threads` hashes
    run at a time, and `queue` more may wait; on Linux they give way to the other threads of the
    process. The pepper keys the hash under bcrypt and is kept out of the database.
    """

    def __init__(  # noqa: PLR0913 - its sizes, and who is told
        self,
        *,
        cost: int,
        pepper: bytes,
        threads: int,
        queue: int,
        cost_bound: int = 16,
        watch: Watch = Watch(),
    ) -> None:
        self._cost = cost
        self._pepper = pepper
        self._limiter = CapacityLimiter(threads)
        # A thread cannot take its old priority again: these are for nothing but hashes.
        self._hashing = ThreadPoolExecutor(threads, "hash", initializer=_give_way)
        self._threads = threads
        self._places = threads + queue
        self._watch = watch
        self._taken = 0
        self._cost_bound = max(cost, cost_bound)

    async def hash(self, *, password: str) -> str:
        """Hash at the current cost."""
        return await self._in_thread(lambda: self._hash(password))

    async def verify(self, *, password: str, stored: str | None) -> bool:
        """Hash as the stored hash says, and compare in constant time."""
        return await self._in_thread(lambda: self._verify(password, stored or ""))

    def needs_rehash(self, *, stored: str) -> bool:
        """Whether the hash is foreign or its cost is lower than the current one."""
        match = _BCRYPT.fullmatch(stored.removeprefix(_OURS))
        ours = stored.startswith(_OURS)
        return not ours or match is None or int(match[1]) < self._cost

    def accepts(self, *, stored: str) -> bool:
        """Whether it is a plain bcrypt hash that could have been made, of a cost that is borne."""
        match = _FOREIGN.fullmatch(stored)
        return match is not None and _LEAST_COST <= int(match[1]) <= self._cost_bound

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._taken >= self._places:
            raise HasherBusy("Too many passwords wait to be checked.", retry_after=1)
        asked = time.monotonic()

        def run() -> T:
            self._watch.waited(time.monotonic() - asked)
            return work()

        self._take(1)
        try:
            return await to_thread.run_sync(
                lambda: self._hashing.submit(run).result(), limiter=self._limiter
            )
        finally:
            self._take(-1)

    def _take(self, places: int) -> None:
        self._taken += places
        self._watch.queued(max(self._taken - self._threads, 0))

    def _hash(self, password: str) -> str:
        hashed = bcrypt.hashpw(self._keyed(password), bcrypt.gensalt(self._cost))
        return _OURS + hashed.decode("ascii")

    def _verify(self, password: str, stored: str) -> bool:
        bare = stored.removeprefix(_OURS)
        match = _BCRYPT.fullmatch(bare)
        if match is None or int(match[1]) > self._cost_bound or not is_checkable(password):
            self._hash("")  # as long as any other answer takes
            return False
        is_ours = stored.startswith(_OURS)
        # Other programs hashed what bcrypt looks at, and no more.
        key = self._keyed(password) if is_ours else password.encode()[:_BCRYPT_BYTES]
        try:
            matches = bcrypt.checkpw(key, bare.encode("ascii"))
        except ValueError:  # a cost or a salt that only looks like one
            self._hash("")
            return False
        # Each cost is twice the one before: one hash of each makes up for what is missing.
        for cost in range(int(match[1]), self._cost):
            bcrypt.hashpw(key, bcrypt.gensalt(cost))
        return matches

    def _keyed(self, password: str) -> bytes:
        digest = hmac.digest(self._pepper, password.encode(), hashlib.sha384)
        return base64.b64encode(digest)


def _give_way() -> None:
    """Run the thread that calls it behind others, so that answers wait less for hashes."""
    if sys.platform == "linux":  # where priorities are of threads
        with suppress(OSError):  # a sandbox may forbid it, and logins shall go on
            os.nice(_NICE)
