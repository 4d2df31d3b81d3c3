from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from app.domain.identity.api_keys import KeyUse
from app.domain.principal import Principal
from app.ports.clock import Clock
from app.services.identity.api_key_service import ApiKeyService
from app.services.identity.auth_service import AuthService
from app.services.kept import Kept

FRESH: Final = timedelta(seconds=1)
"""How long a revocation by another process may go unnoticed; one by this process may not."""

MOST_KEPT: Final = 10_000
"""How many tokens and keys are known at a time."""


class Admission:
    """Who acts, told anew once a second for each token and key, and after every change here.

    To verify a signature and ask the store costs several times what most answers do. No secret is
    kept, only its digest.
    """

    def __init__(
        self,
        *,
        auth: AuthService,
        api_keys: ApiKeyService,
        kept: Kept[bytes, Principal],
        clock: Clock,
    ) -> None:
        """Take what forgets whenever this process commits something of identity."""
        self._auth = auth
        self._api_keys = api_keys
        self._kept = kept
        self._clock = clock

    def known_by_token(self, *, token: str) -> Principal | None:
        """Tell who acts with an access token, where that is known from less than a second ago."""
        return self._kept.get(_of_token(token), self._clock.now())

    def known_by_key(self, *, key: str, ip: str | None) -> Principal | None:
        """Tell who acts with an API key, where that is known from less than a second ago."""
        return self._kept.get(_of_key(key, ip), self._clock.now())

    async def by_token(self, *, token: str) -> Principal:
        """Tell who acts with an access token, as `AuthService.authenticate_token` does."""
        digest = _of_token(token)
        since, begun = self._clock.now(), self._kept.begin()
        known = self._kept.get(digest, since)
        if known is not None:
            return known
        principal = await self._auth.authenticate_token(token=token)
        self._keep(digest, principal, since, begun)
        return principal

    async def by_key(self, *, key: str, ip: str | None) -> tuple[Principal, KeyUse | None]:
        """Tell who acts with an API key, as `ApiKeyService.authenticate` does."""
        digest = _of_key(key, ip)
        since, begun = self._clock.now(), self._kept.begin()
        known = self._kept.get(digest, since)
        if known is not None:
            return known, None  # its use was worth noting a second ago, if at all
        principal, use = await self._api_keys.authenticate(key=key, ip=ip)
        self._keep(digest, principal, since, begun)
        return principal, use

    def _keep(self, digest: bytes, principal: Principal, since: datetime, begun: int) -> None:
        until = since + FRESH
        if principal.good_until is not None:
            until = min(until, principal.good_until)
        self._kept.keep(digest, principal, since=since, until=until, begun=begun)


def _of_token(token: str) -> bytes:
    return sha256(token.encode(errors="surrogatepass")).digest()


def _of_key(key: str, ip: str | None) -> bytes:
    return sha256(f"{ip} {key}".encode(errors="surrogatepass")).digest()
