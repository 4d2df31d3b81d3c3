"""API keys: one's own, for one's bots."""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, BeforeValidator, Field

from app.adapters.http.authentication import Caller, GuardedRoute
from app.adapters.http.errors import responses
from app.adapters.http.identity.asked import Services, id_of_cursor
from app.adapters.http.schemas import (
    Instant,
    InvalidCursor,
    Page,
    PartOfList,
    Sent,
    page_of,
    parts_of,
    written_plainly,
)
from app.domain.identity.api_keys import DEFAULT_OVERLAP, LONGEST_OVERLAP, ApiKey, WantedKey
from app.domain.identity.errors import ApiKeyOver, InvalidApiKey, TooManyApiKeys, UnknownApiKey
from app.domain.principal import Scope
from app.services.identity.api_key_service import IssuedKey

api_keys = APIRouter(prefix="/v1/api-keys", tags=["API keys"], route_class=GuardedRoute)

_SECOND = timedelta(seconds=1)


class NewApiKey(Sent):
    """A key to make."""

    name: Annotated[
        str,
        # Only documented here: the domain refuses it, with what cannot be printed.
        Field(
            max_length=1024,
            examples=["grid bot 7"],
            json_schema_extra={"minLength": 1, "maxLength": 64},
        ),
    ]
    scopes: Annotated[
        set[Scope],
        Field(
            max_length=len(Scope),
            description="What the key may do: at most what you may do, at every time.",
            json_schema_extra={"minItems": 1},
        ),
    ]
    expires_at: Annotated[Instant | None, Field(description="null: never.")] = None
    allowed_networks: Annotated[
        list[Annotated[str, Field(max_length=64, examples=["203.0.113.0/24"])]],
        Field(max_length=32, description="From where the key is good; none: from anywhere."),
    ] = Field(default_factory=list)


class RotationAsked(Sent):
    """How to rotate."""

    overlap_seconds: Annotated[
        int,
        Field(
            ge=0,
            le=LONGEST_OVERLAP // _SECOND,
            description="For how long the key that is replaced goes on working.",
        ),
        BeforeValidator(written_plainly),
    ] = DEFAULT_OVERLAP // _SECOND


class ApiKeyAnswer(BaseModel):
    """A key, without what it is sent as. It is over at the first of the times it may be over at."""

    id: UUID
    name: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    allowed_networks: list[str]
    last_used_at: datetime | None = Field(description="To the minute.")
    last_used_ip: str | None
    retires_at: datetime | None = Field(description="When it is over since it was rotated.")
    revoked_at: datetime | None


class IssuedKeyAnswer(ApiKeyAnswer):
    """A new key. What it is sent as is told this once."""

    key: str = Field(repr=False, description="Send it as `Authorization: Bearer …`.")


def _answer(api_key: ApiKey) -> ApiKeyAnswer:
    return ApiKeyAnswer(
        id=api_key.id,
        name=api_key.name,
        scopes=sorted(api_key.scopes),
        created_at=api_key.created_at,
        expires_at=api_key.expires_at,
        allowed_networks=[str(network) for network in api_key.allowed_networks],
        last_used_at=api_key.last_used_at,
        last_used_ip=api_key.last_used_ip,
        retires_at=api_key.retires_at,
        revoked_at=api_key.revoked_at,
    )


def _issued_answer(issued: IssuedKey, response: Response) -> IssuedKeyAnswer:
    response.headers["Cache-Control"] = "no-store"
    response.headers["Location"] = f"{api_keys.prefix}/{issued.api_key.id}"
    return IssuedKeyAnswer(key=issued.text, **dict(_answer(issued.api_key)))


@api_keys.post(
    "",
    summary="Make an API key",
    status_code=HTTPStatus.CREATED,
    responses=responses(401, 403, 413, 422, 503, TooManyApiKeys, InvalidApiKey),
)
async def create_api_key(
    principal: Caller, body: NewApiKey, services: Services, response: Response
) -> IssuedKeyAnswer:
    """Make a key that acts as oneself. It takes a login: no key makes another."""
    wanted = WantedKey(body.name, frozenset(body.scopes), body.expires_at, body.allowed_networks)
    issued = await services.api_keys.create(user_id=principal.user_id, wanted=wanted)
    return _issued_answer(issued, response)


@api_keys.get("", summary="My API keys", responses=responses(401, 403, 422, 503, InvalidCursor))
async def list_api_keys(
    principal: Caller, page: Annotated[PartOfList, Query()], services: Services
) -> Page[ApiKeyAnswer]:
    """Give one's own keys, those that are over too, newest first."""
    before = None if page.cursor is None else id_of_cursor(*parts_of(page.cursor, 1))
    found = await services.api_keys.list_keys(
        owner=principal.user_id, before=before, limit=page.limit + 1
    )
    return page_of(found, page.limit, _answer, lambda api_key: (str(api_key.id),))


@api_keys.post(
    "/{key_id}/rotate",
    summary="Rotate an API key",
    status_code=HTTPStatus.CREATED,
    responses=responses(401, 403, 422, 503, UnknownApiKey, ApiKeyOver, TooManyApiKeys),
)
async def rotate_api_key(
    principal: Caller,
    key_id: UUID,
    asked: Annotated[RotationAsked, Query()],
    services: Services,
    response: Response,
) -> IssuedKeyAnswer:
    """Make a key that takes the place of another, with its name, scopes, networks and lifetime.

    The one it replaces goes on working for the overlap.
    """
    issued = await services.api_keys.rotate(
        key_id=key_id,
        owner=principal.user_id,
        overlap=timedelta(seconds=asked.overlap_seconds),
    )
    return _issued_answer(issued, response)


@api_keys.delete(
    "/{key_id}",
    summary="Revoke an API key",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=responses(401, 403, 422, 503, UnknownApiKey),
)
async def revoke_api_key(principal: Caller, key_id: UUID, services: Services) -> None:
    """End a key at once; the same again changes nothing."""
    await services.api_keys.revoke(key_id=key_id, owner=principal.user_id)
