"""The login log: one's own, and everyone's."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, WithJsonSchema

from app.adapters.http.authentication import Caller, GuardedRoute
from app.adapters.http.errors import responses
from app.adapters.http.identity.asked import IdentityServices, Services, id_of_cursor
from app.adapters.http.schemas import (
    Instant,
    InvalidCursor,
    Page,
    PartOfList,
    Sent,
    page_of,
    parts_of,
    read_instant,
)
from app.adapters.http.streaming import ClosingStream
from app.domain.identity.devices import DeviceType
from app.domain.identity.findings import LONGEST_WINDOW, SHORTEST_WINDOW, FindingKind
from app.domain.identity.login_log import (
    FailReason,
    LoginAttempt,
    LoginLogFilter,
    LoginLogPosition,
    Outcome,
    username_key,
)
from app.domain.identity.login_log_export import ExportFormat, header, line_of
from app.domain.identity.networks import parse_network

own_login_log = APIRouter(prefix="/v1/users", tags=["login log"], route_class=GuardedRoute)
login_log = APIRouter(prefix="/v1/login-log", tags=["login log"], route_class=GuardedRoute)


class AttemptAnswer(BaseModel):
    """An attempt to log in. `pending`: its outcome was never known, which counts as failed."""

    id: UUID
    at: datetime
    username: str = Field(description="As typed; what is not printable is escaped.")
    user_id: UUID | None
    ip: str | None
    network: str | None = Field(description="The address, or the /64 of one of IPv6.")
    user_agent: str | None
    device_type: DeviceType
    os: str | None = Field(examples=["iOS 17"])
    client: str | None = Field(examples=["Mobile Safari 17", "ccxt 4.2"])
    outcome: Outcome
    fail_reason: FailReason | None
    error_code: str | None
    session_id: UUID | None
    request_id: str | None
    duration_ms: int | None
    new_network: bool | None = Field(
        description="Of a success: whether it was the user's first from this network."
    )
    new_client: bool | None = Field(
        description="Of a success: whether it was the user's first with this client, any version."
    )


_MEDIA_TYPES: Final = {
    ExportFormat.NDJSON: "application/x-ndjson",
    ExportFormat.CSV: "text/csv; charset=utf-8; header=present",
}
_DURATION: Final = re.compile(
    r"P(?:(?P<days>[0-9]{1,6})D)?"
    r"(?:T(?=[0-9])(?:(?P<hours>[0-9]{1,6})H)?(?:(?P<minutes>[0-9]{1,6})M)?(?:(?P<seconds>[0-9]{1,6})S)?)?"
)
_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_ADDRESS_OR_NETWORK = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "format": "ipv4"},
            {"type": "string", "format": "ipv6"},
            {"type": "string", "pattern": rf"^{_BYTE}(\\.{_BYTE}){{3}}/(3[0-2]|[12]?[0-9])$"},
            {"type": "string", "pattern": "^([0-9a-f]{1,4}:){1,7}:/(12[0-8]|(1[01]|[1-9])?[0-9])$"},
        ]
    }
)


def _of_network(text: str) -> str:
    try:
        parse_network(text)
    except ValueError:
        raise ValueError("is not an IP address, nor a network such as 192.0.2.0/24") from None
    return text


class AttemptsWanted(Sent):
    """Which attempts: those that match everything that is given."""

    user_id: UUID | None = None
    username: Annotated[str | None, Field(max_length=1024)] = None
    ip: Annotated[
        Annotated[str, AfterValidator(_of_network), _ADDRESS_OR_NETWORK] | None,
        Field(description="An address, or a network in CIDR notation."),
    ] = None
    outcome: Annotated[
        Outcome | None, Field(description="`failed` gives those that are pending, too.")
    ] = None
    reason: FailReason | None = None
    since: Annotated[Instant | None, Field(description="From this instant on.")] = None
    until: Annotated[Instant | None, Field(description="Before this instant.")] = None

    @property
    def matching(self) -> LoginLogFilter:
        """Give what is asked for."""
        return LoginLogFilter(
            user_id=self.user_id,
            username_key=None if self.username is None else username_key(self.username),
            network=None if self.ip is None else parse_network(self.ip),
            outcome=self.outcome,
            fail_reason=self.reason,
            since=self.since,
            until=self.until,
        )


class AttemptsAsked(AttemptsWanted, PartOfList):
    """A page of those attempts."""


class ExportAsked(AttemptsWanted):
    """All of those attempts, and how they are written."""

    format: ExportFormat = ExportFormat.NDJSON


class FindingAnswer(BaseModel):
    """One thing found. `at` is the last attempt of it; what a kind says nothing of is left out."""

    kind: FindingKind
    at: datetime
    network: str | None = None
    user_id: UUID | None = None
    username: str | None = Field(None, description="Folded, as it is searched by.")
    client: str | None = None
    failures: int | None = None
    users: int | None = Field(None, description="Names that were tried.")
    networks: int | None = None


class FindingsAnswer(BaseModel):
    """What was found from `since` to `until`."""

    since: datetime
    until: datetime
    items: list[FindingAnswer]


def _window(value: object) -> timedelta:
    """Read an ISO 8601 duration of days, hours, minutes and seconds."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    numbers = match.groupdict("0") if match else {}
    found = timedelta(**{unit: int(number) for unit, number in numbers.items()})
    if not SHORTEST_WINDOW <= found <= LONGEST_WINDOW:
        raise ValueError("is not an ISO 8601 duration from PT1M to P7D, such as PT15M")
    return found


class FindingsAsked(Sent):
    """How far back to look."""

    window: Annotated[
        timedelta,
        BeforeValidator(_window),
        WithJsonSchema(
            {"type": "string", "pattern": "^P([1-7]D|T[1-9][0-9]?M)$", "examples": ["PT15M", "P1D"]}
        ),
    ] = timedelta(minutes=15)


@own_login_log.get(
    "/me/login-log", summary="My logins", responses=responses(401, 403, 422, 503, InvalidCursor)
)
async def list_own_attempts(
    principal: Caller, page: Annotated[PartOfList, Query()], services: Services
) -> Page[AttemptAnswer]:
    """Give the attempts to log in as oneself, newest first."""
    return await _attempts(services, LoginLogFilter(user_id=principal.user_id), page)


@login_log.get(
    "", summary="Search the login log", responses=responses(401, 403, 422, 503, InvalidCursor)
)
async def search_login_log(
    page: Annotated[AttemptsAsked, Query()], services: Services
) -> Page[AttemptAnswer]:
    """Give attempts to log in, newest first."""
    return await _attempts(services, page.matching, page)


@login_log.get(
    "/export",
    summary="Export the login log",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "A line for each attempt, newest first.",
            "content": {
                media.partition(";")[0]: {"schema": {"type": "string"}}
                for media in _MEDIA_TYPES.values()
            },
        },
        **responses(401, 403, 422, 503),
    },
)
async def export_login_log(
    asked: Annotated[ExportAsked, Query()], services: Services
) -> StreamingResponse:
    """Give all attempts that match, as they are read.

    An answer that breaks off in the middle has no proper end, and is not all there is. In CSV,
    cells that a spreadsheet would take for formulas begin with an apostrophe.
    """
    lines = _lines(services, asked)
    await anext(lines)  # while a refusal can still be one
    return ClosingStream(
        lines,
        media_type=_MEDIA_TYPES[asked.format],
        headers={"Content-Disposition": f'attachment; filename="login-log.{asked.format}"'},
    )


@login_log.get(
    "/findings",
    summary="What the login log shows",
    response_model_exclude_none=True,
    responses=responses(401, 403, 422, 503),
)
async def find_in_login_log(
    asked: Annotated[FindingsAsked, Query()], services: Services
) -> FindingsAnswer:
    """Give what operators look for among the latest attempts, at most a hundred of each kind."""
    found = await services.login_log.findings(window=asked.window)
    items = [FindingAnswer(**asdict(item)) for item in found.items]
    return FindingsAnswer(since=found.since, until=found.until, items=items)


async def _lines(services: IdentityServices, asked: ExportAsked) -> AsyncGenerator[str, None]:
    async with aclosing(services.login_log.pages(matching=asked.matching)) as pages:
        page: list[LoginAttempt] = await anext(pages, [])
        yield ""
        yield header(asked.format)
        while page:
            yield "".join(line_of(attempt, asked.format) for attempt in page)
            page = await anext(pages, [])


async def _attempts(
    services: IdentityServices, matching: LoginLogFilter, page: PartOfList
) -> Page[AttemptAnswer]:
    before = None if page.cursor is None else _position(*parts_of(page.cursor, 2))
    found = await services.login_log.search(matching=matching, before=before, limit=page.limit + 1)
    return page_of(
        found,
        page.limit,
        _attempt_answer,
        lambda attempt: (attempt.at.isoformat(), str(attempt.id)),
    )


def _attempt_answer(attempt: LoginAttempt) -> AttemptAnswer:
    return AttemptAnswer(
        id=attempt.id,
        at=attempt.at,
        username=attempt.username,
        user_id=attempt.user_id,
        ip=attempt.ip,
        network=attempt.network,
        user_agent=attempt.user_agent,
        device_type=attempt.device_type,
        os=attempt.os,
        client=attempt.client,
        outcome=attempt.outcome,
        fail_reason=attempt.fail_reason,
        error_code=attempt.error_code,
        session_id=attempt.session_id,
        request_id=attempt.request_id,
        duration_ms=attempt.duration_ms,
        new_network=attempt.new_network,
        new_client=attempt.new_client,
    )


def _position(at: str, attempt_id: str) -> LoginLogPosition:
    try:
        when = read_instant(at)
    except ValueError:
        raise InvalidCursor from None
    return LoginLogPosition(when, id_of_cursor(attempt_id))
