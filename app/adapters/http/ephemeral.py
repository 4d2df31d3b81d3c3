"""What tests may do to a server that keeps nothing: no other server has these routes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Final, Protocol, Self

from fastapi import APIRouter
from pydantic import BaseModel, Field, model_validator

from app.adapters.http.context import Refused
from app.adapters.http.errors import responses
from app.adapters.http.schemas import Instant, Sent, StrictRoute

# What is computed from the time, such as the end of a session, has to be a time as well.
_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(3000, 1, 1, tzinfo=UTC)
_MOST_SECONDS: Final = 1e11


class SteerableClock(Protocol):
    """A clock that is put to a time, where it stands still or runs on."""

    @property
    def frozen(self) -> bool:
        """Whether it stands still."""
        ...

    def now(self) -> datetime:
        """Give its time."""
        ...

    def put(self, time: datetime, *, frozen: bool) -> None:
        """Put it to a time."""
        ...


@dataclass(frozen=True, slots=True)
class Controls:
    """What the routes call. `reset` is done once whoever asks next finds all as at the start."""

    clock: Callable[[], SteerableClock]
    reset: Callable[[], Awaitable[None]]


class ClockAnswer(BaseModel):
    """The time that the server goes by, for all that it does."""

    time: datetime
    frozen: bool = Field(description="Whether it stands still.")


class ClockRequest(Sent):
    """Where to put the clock: at a `time`, or `advance_seconds` from where it is."""

    time: Instant | None = Field(None, examples=["2026-01-31T09:00:00+09:00"])
    advance_seconds: (
        Annotated[
            float, Field(strict=True, ge=-_MOST_SECONDS, le=_MOST_SECONDS, allow_inf_nan=False)
        ]
        | None
    ) = Field(None, description="Back, where it is negative.", examples=[301])
    frozen: Annotated[bool, Field(strict=True)] | None = Field(
        None,
        description="Whether it stands still from then on. "
        "Without this, it does so once a `time` is set, and else as it did before.",
    )

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.time is not None and self.advance_seconds is not None:
            raise ValueError("has both time and advance_seconds")
        if self.time is None and self.advance_seconds is None and self.frozen is None:
            raise ValueError("has none of time, advance_seconds and frozen")
        return self


def control_routes(controls: Controls) -> APIRouter:
    """Make the routes. They ask nobody who they are."""
    routes = APIRouter(prefix="/_test", tags=["test"], route_class=StrictRoute)

    @routes.get("/clock", summary="Read the clock")
    async def read_clock() -> ClockAnswer:
        """Give the time that the server goes by."""
        return _shown(controls.clock())

    @routes.put("/clock", summary="Set the clock", responses=responses(422))
    async def set_clock(wanted: ClockRequest) -> ClockAnswer:
        """Set the clock, advance it, stop it, or let it run on.

        Sessions and tokens, quotas of logins, and range units all go by it; waits do not become
        shorter.
        """
        clock = controls.clock()
        now = clock.now()
        frozen = clock.frozen or wanted.time is not None
        clock.put(_time(wanted, now), frozen=frozen if wanted.frozen is None else wanted.frozen)
        return _shown(clock)

    @routes.post("/reset", summary="Forget everything", status_code=HTTPStatus.NO_CONTENT)
    async def reset() -> None:
        """Be as at the start: users, range units and clock.

        Tokens and keys that were given are good no longer, streams end, and what was asked before
        changes nothing any more.
        """
        await controls.reset()

    return routes


def _shown(clock: SteerableClock) -> ClockAnswer:
    return ClockAnswer(time=clock.now(), frozen=clock.frozen)


def _time(wanted: ClockRequest, now: datetime) -> datetime:
    time = wanted.time or now
    try:
        time += timedelta(seconds=wanted.advance_seconds or 0)
    except OverflowError:
        time = datetime.min.replace(tzinfo=UTC)  # or its end: neither will do
    if not _EARLIEST <= time < _LATEST:
        detail = f"The clock goes from {_EARLIEST.year} until {_LATEST.year}."
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "clock_out_of_range", detail)
    return time
