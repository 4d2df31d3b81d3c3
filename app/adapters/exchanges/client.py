"""How the exchanges are asked: GET, within bounds of time, size, and their patience."""

import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from math import ceil, inf
from typing import TYPE_CHECKING, Final

import anyio

from app.adapters.exchanges.budget import Budget, RateBudget
from app.domain.range_units.errors import FeedRefused, FeedUnavailable
from app.domain.range_units.storage import SOURCE
from app.ports.clock import Clock

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 15
MOST_CONNECTIONS: Final = 40
MOST_IDLE: Final = 10

_TOO_MANY: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.IM_A_TEAPOT})
"""Binance answers 418 to those who went on asking after a 429, with `Retry-After` as well."""

LONGEST_AWAY: Final = 15 * 60
"""So many seconds a `Retry-After` is heeded at most.

Bans that exchanges speak of last minutes. What says years is a mistake, theirs or somebody's on the
way, and would shut an exchange off for as long as this process lives; asking once in a quarter of
an hour harms nobody.
"""

_MOST_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Patience:
    """When a call is given up. Every wait has a bound, so that a call has one too."""

    tries: int = 4
    seconds: float = 60
    """For one try, from connecting to the last byte: a server that drips is not waited for."""
    first_pause: float = 0.5
    """Before the second try, at most; twice that before the third, and so on."""
    longest_pause: float = 8
    longest_retry_after: float = 60
    most_bytes: int = 32 * 1024 * 1024
    at_once: int = 8
    """Calls to one exchange at a time, so that a slow one leaves connections to the others."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The clocks, waiting and chance; tests bring their own.

    `clock` is the wall clock, which dates in answers are compared with; `now` only counts
    seconds, so that setting the wall clock back stops nobody. `random` gives any share of one.
    """

    clock: Clock
    random: Callable[[], float]
    now: Callable[[], float] = anyio.current_time
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep


@dataclass(frozen=True, slots=True)
class Answer:
    """The body of an answer with status 200, the URL that was asked, and when all had come."""

    payload: bytes
    url: str
    received_at: datetime


def shared_http(*, version: str) -> "httpx.AsyncClient":
    """Make the one pool of connections of a process; whoever makes it closes it.

    Nothing is taken from the environment: `HTTPS_PROXY` or a `.netrc` meant for another program
    would decide who tells us the range units, or send a password along. Redirects are not
    followed for the same reason: an exchange is where the settings say.
    """
    import httpx  # noqa: PLC0415 - what asks no exchange starts without

    return httpx.AsyncClient(
        verify=_certificates(),
        trust_env=False,
        follow_redirects=False,
        # A free connection is waited for as long as the try may last, which is bounded anyway.
        timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS, pool=None),
        limits=httpx.Limits(max_connections=MOST_CONNECTIONS, max_keepalive_connections=MOST_IDLE),
        headers={
            "User-Agent": f"tickgate/{version}",
            "Accept": "application/json",
            # Some kilobytes could unfold to gigabytes: what is bounded is what comes.
            "Accept-Encoding": "identity",
        },
    )


@cache
def _certificates() -> ssl.SSLContext:
    """Load the authorities that are trusted, once, as that takes longer than many a call."""
    import httpx  # noqa: PLC0415 - as above

    return httpx.create_ssl_context(trust_env=False)


class ExchangeClient:
    """Asks one exchange, for everyone in this process who wants something of it."""

    def __init__(  # noqa: PLR0913 - what it is given, not what a call says
        self,
        http: "httpx.AsyncClient",
        *,
        exchange: str,
        url: str,
        rate: RateBudget,
        surroundings: Surroundings,
        patience: Patience | None = None,
    ) -> None:
        self.exchange = exchange
        self._http = http
        self._url = url
        self._here = surroundings
        self._patience = patience or Patience()
        self._budget = Budget(rate, now=surroundings.now, sleep=surroundings.sleep)
        self._slots = anyio.Semaphore(self._patience.at_once)
        self._away_until = -inf

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Answer:
        """Ask, several times if need be. Raises `FeedUnavailable` and `FeedRefused`."""
        import httpx  # noqa: PLC0415 - as above

        url = httpx.URL(self._url + path, params=query)
        for pause in self._pauses():
            try:
                async with self._slots:
                    await self._budget.take()
                    self._stay_away()
                    return await self._apart(url)
            except _Again as again:
                failed = again
            if failed.wait is not None:
                self._heed(failed.wait)
            if pause is not None:
                # Anything from nothing to all of it: those who failed together come back apart.
                # Also where the exchange said when: "at once" would use up all tries at once.
                await self._here.sleep(pause * self._here.random())
        raise FeedUnavailable(
            f"{self.exchange} {failed}; it was asked {self._patience.tries} times.",
            retry_after=None if failed.wait is None else ceil(failed.wait),
        ) from failed

    def _pauses(self) -> list[float | None]:
        """Say how long to wait after each try at most; nothing comes after the last."""
        limits = self._patience
        doubled = [limits.first_pause * 2**tried for tried in range(limits.tries - 1)]
        return [*(min(pause, limits.longest_pause) for pause in doubled), None]

    def _heed(self, seconds: float) -> None:
        """Let everyone wait as long as the exchange said, or give up where that is too long."""
        if seconds <= self._patience.longest_retry_after:
            self._budget.hold(seconds)
        else:
            until = self._here.now() + min(seconds, LONGEST_AWAY)
            self._away_until = max(self._away_until, until)
            self._stay_away()

    def _stay_away(self) -> None:
        """Ask nothing while the exchange has a longer pause: not even what others were about to."""
        if (left := self._away_until - self._here.now()) > 0:
            until = self._here.clock.now() + timedelta(seconds=ceil(left))
            detail = f"{self.exchange} wants not to be asked before {until:%Y-%m-%dT%H:%M:%SZ}."
            raise FeedUnavailable(detail, retry_after=ceil(left))

    async def _apart(self, url: "httpx.URL") -> Answer:
        """Try in a task of its own, which is only ever cancelled by its scope.

        After `asyncio.Task.cancel` the pool would count a connection that nobody has any more.
        """
        outcomes: list[Answer | _Again | FeedRefused] = []

        async def keep_outcome() -> None:
            try:
                outcomes.append(await self._try(url))
            except (_Again, FeedRefused) as error:
                outcomes.append(error)

        async with anyio.create_task_group() as own:
            own.start_soon(keep_outcome)
        [outcome] = outcomes
        if isinstance(outcome, Answer):
            return outcome
        raise outcome

    async def _try(self, url: "httpx.URL") -> Answer:
        import httpx  # noqa: PLC0415 - as above

        try:
            with anyio.fail_after(self._patience.seconds):
                async with self._http.stream("GET", url) as response:
                    self._check(response)
                    payload = await self._body(response)
        except TimeoutError as error:
            raise _Again("takes too long to answer") from error
        except httpx.TransportError as error:
            raise _Again(f"cannot be reached, or breaks off ({type(error).__name__})") from error
        # No store keeps a longer one, and all that tells calls apart stands at its beginning.
        return Answer(payload, str(url)[:SOURCE], self._here.clock.now())

    def _check(self, response: "httpx.Response") -> None:
        status = response.status_code
        if status in _TOO_MANY or response.is_server_error:
            asked = response.headers.get("Retry-After")
            raise _Again(
                f"answers with status {status}", _seconds_until(asked, self._here.clock.now())
            )
        if status != HTTPStatus.OK:
            raise self._refused(response, f"status {status}")
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding.lower() != "identity":
            raise self._refused(response, "a compressed body, which it was asked not to send")

    async def _body(self, response: "httpx.Response") -> bytes:
        most = self._patience.most_bytes
        too_many = self._refused(response, f"more than {most} bytes")
        if int(response.headers.get("Content-Length", 0)) > most:
            raise too_many
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > most:
                raise too_many
        return bytes(body)

    def _refused(self, response: "httpx.Response", what: str) -> FeedRefused:
        return FeedRefused(f"{self.exchange} answers {response.url.path} with {what}.")


class _Again(Exception):
    """A try that failed and may be repeated; after `wait` seconds where the exchange said so."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def _seconds_until(written: str | None, now: datetime) -> float | None:
    """Read `Retry-After`: seconds, or an HTTP date (RFC 9110). None where it cannot be read."""
    if written is None:
        return None
    if written.isascii() and written.isdigit():
        return float(written) if len(written) <= _MOST_DIGITS else float(10**_MOST_DIGITS)
    try:
        instant = parsedate_to_datetime(written)
    except (ValueError, OverflowError):  # the latter of a year or a day that no integer holds
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)  # how the reader gives the zone "-0000"
    return max((instant - now).total_seconds(), 0)
