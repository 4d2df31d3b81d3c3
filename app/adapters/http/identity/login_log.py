"""The login log: one's own, and everyone's."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema

from app.adapters.http.authentication import Caller, GuardedRoute
from app.adapters.http.errors import responses
from app.adapters.http.identity.asked import IdentityServices, Services, id_of_cursor
from app.adapters.http.schemas import (
    Instant,
    InvalidCursor,
    Page,
    PartOfList,
    page_of,
    parts_of,
    read_instant,
)
from app.domain.identity.devices import DeviceType
from app.domain.identity.login_log import (
    FailReason,
    LoginAttempt,
    LoginLogFilter,
    LoginLogPosition,
    Outcome,
    username_key,
)
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


class AttemptsAsked(PartOfList):
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


@own_login_log.get("/me/login-log", summary="My logins", responses=responses(401, 403, 422, 503))
async def list_own_attempts(
    principal: Caller, page: Annotated[PartOfList, Query()], services: Services
) -> Page[AttemptAnswer]:
    """Give the attempts to log in as oneself, newest first."""
    return await _attempts(services, LoginLogFilter(user_id=principal.user_id), page)


@login_log.get("", summary="Search the login log", responses=responses(401, 403, 422, 503))
async def search_login_log(
    page: Annotated[AttemptsAsked, Query()], services: Services
) -> Page[AttemptAnswer]:
    """Give attempts to log in, newest first."""
    matching = LoginLogFilter(
        user_id=page.user_id,
        username_key=None if page.username is None else username_key(page.username),
        network=None if page.ip is None else parse_network(page.ip),
        outcome=page.outcome,
        fail_reason=page.reason,
        since=page.since,
        until=page.until,
    )
    return await _attempts(services, matching, page)


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
