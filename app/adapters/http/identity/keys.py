"""The keys that other services verify access tokens with."""

import base64
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from app.adapters.http.authentication import GuardedRoute
from app.adapters.http.errors import responses
from app.adapters.http.identity.asked import Services

keys = APIRouter(prefix="/.well-known", tags=["logins"], route_class=GuardedRoute)


class KeyAnswer(BaseModel):
    """A public key (RFC 7517, RFC 8037)."""

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    use: Literal["sig"] = "sig"
    alg: Literal["EdDSA"] = "EdDSA"
    kid: str = Field(description="As access tokens name it.")
    x: str = Field(description="The key, in base64url.")


class KeysAnswer(BaseModel):
    """All keys that verify now, newest first."""

    keys: list[KeyAnswer]


@keys.get("/jwks.json", summary="Keys of access tokens", responses=responses(422))
async def get_keys(services: Services, response: Response) -> KeysAnswer:
    """Give the keys that verify access tokens. When a token names another one, ask again."""
    response.headers["Cache-Control"] = "public, max-age=300"
    return KeysAnswer(
        keys=[
            KeyAnswer(
                kid=key.key_id,
                x=base64.urlsafe_b64encode(key.public_key).decode().rstrip("="),
            )
            for key in services.auth.verification_keys()
        ]
    )
