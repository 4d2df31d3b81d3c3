"""Sessions that are open: one's own, and those of a user as an administrator."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from app.adapters.http.authentication import Caller, GuardedRoute
from app.adapters.http.errors import responses
from app.adapters.http.identity.asked import Services, id_of_cursor
from app.adapters.http.schemas import InvalidCursor, Page, PartOfList, page_of, parts_of
from app.domain.identity.errors import UnknownSession, UnknownUser
from app.domain.identity.sessions import Session

own_sessions = APIRouter(prefix="/v1/auth/sessions", tags=["sessions"], route_class=GuardedRoute)
sessions_of_user = APIRouter(prefix="/v1/users", tags=["sessions"], route_class=GuardedRoute)


class SessionAnswer(BaseModel):
    """A session. It is over at the earlier of its two ends, and each refresh moves the first."""

    id: UUID
    created_at: datetime
    last_used_at: datetime = Field(description="When it was opened, or refreshed last.")
    idle_expires_at: datetime
    expires_at: datetime
    ip: str | None = Field(description="Of the client that logged in.")
    user_agent: str | None
    current: bool = Field(description="Whether it is the one that asks.")


@own_sessions.get("", summary="My sessions", responses=responses(401, 403, 422, 503, InvalidCursor))
async def list_sessions(
    principal: Caller, page: Annotated[PartOfList, Query()], services: Services
) -> Page[SessionAnswer]:
    """Give one's own sessions that are not over, newest first."""
    before = None if page.cursor is None else id_of_cursor(*parts_of(page.cursor, 1))
    found = await services.sessions.list_sessions(
        principal=principal, before=before, limit=page.limit + 1
    )

    def answer(session: Session) -> SessionAnswer:
        return SessionAnswer(
            id=session.id,
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            idle_expires_at=session.idle_expires_at,
            expires_at=session.expires_at,
            ip=session.ip,
            user_agent=session.user_agent,
            current=session.id == principal.session_id,
        )

    return page_of(found, page.limit, answer, lambda session: (str(session.id),))


@own_sessions.delete(
    "/{session_id}",
    summary="End a session",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=responses(401, 403, 422, 503, UnknownSession),
)
async def end_session(principal: Caller, session_id: UUID, services: Services) -> None:
    """End one of one's own sessions; its tokens stop working at once."""
    await services.sessions.end_session(principal=principal, session_id=session_id)


@own_sessions.delete(
    "",
    summary="End my other sessions",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=responses(401, 403, 422, 503),
)
async def end_other_sessions(principal: Caller, services: Services) -> None:
    """End all of one's own sessions but this one."""
    await services.sessions.end_other_sessions(principal=principal)


@sessions_of_user.delete(
    "/{user_id}/sessions",
    summary="End a user's sessions",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=responses(401, 403, 422, 503, UnknownUser),
)
async def end_sessions_of_user(user_id: UUID, services: Services) -> None:
    """End all sessions of a user; their tokens stop working at once."""
    await services.sessions.end_sessions_of_user(user_id=user_id)
