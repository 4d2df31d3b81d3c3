import hmac
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from anyio import Lock

from app.domain.identity.api_keys import (
    DEFAULT_OVERLAP,
    MOST_LIVE_KEYS,
    ApiKey,
    KeyParts,
    KeyUse,
    WantedKey,
    check_overlap,
    later,
    read_api_key,
    write_api_key,
)
from app.domain.identity.errors import (
    ApiKeyOver,
    InvalidToken,
    TooManyApiKeys,
    UnknownApiKey,
    UnknownUser,
)
from app.domain.identity.networks import parse_address
from app.domain.identity.second_factor import must_enrol, scopes_of
from app.domain.principal import Principal, Role
from app.ports.clock import Clock
from app.ports.identity.security import Vault
from app.ports.identity.work import IdentityUnitOfWork, IdentityWork
from app.ports.ids import Ids, Secrets


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key, and what it is sent as: nobody can tell that a second time."""

    api_key: ApiKey
    text: str = field(repr=False)


class ApiKeyService:
    """API keys: made and ended by those who own them, used by their bots.

    Where a method takes an `owner`, a key of anyone else is as unknown as one that is not there;
    without one, it acts for an operator.
    """

    def __init__(  # noqa: PLR0913 - the ports it needs
        self,
        *,
        uow: IdentityWork,
        recording: IdentityWork,
        reading: IdentityWork,
        vault: Vault,
        clock: Clock,
        ids: Ids,
        secrets: Secrets,
        mfa_required_roles: frozenset[Role],
    ) -> None:
        self._uow = uow
        self._recording = recording
        self._reading = reading
        self._vault = vault
        self._clock = clock
        self._ids = ids
        self._secrets = secrets
        self._mfa_required_roles = mfa_required_roles
        self._noting: set[UUID] = set()
        self._turn = Lock()

    async def create(self, *, user_id: UUID, wanted: WantedKey) -> IssuedKey:
        """Make a key. Raises `InvalidApiKey`, `TooManyApiKeys` and `UnknownUser`."""
        parts, digest = self._drawn()
        async with self._uow() as uow:
            owner = await uow.users.hold(user_id=user_id)
            if owner is None:
                raise UnknownUser(f"There is no user {user_id}.")
            now = self._clock.now()
            api_key = wanted.made(
                key_id=parts.key_id, user_id=user_id, role=owner.role, digest=digest, now=now
            )
            await _add(uow, api_key)
            await uow.commit()
        return IssuedKey(api_key, write_api_key(parts))

    async def list_keys(
        self, *, owner: UUID | None, before: UUID | None = None, limit: int = 50
    ) -> list[ApiKey]:
        """Give keys, over or not, newest first, older than `before`."""
        async with self._reading() as uow:
            return await uow.api_keys.page(user_id=owner, before=before, limit=limit)

    async def rotate(
        self, *, key_id: UUID, owner: UUID | None, overlap: timedelta = DEFAULT_OVERLAP
    ) -> IssuedKey:
        """Make a key that takes the place of another, which goes on working for the overlap.

        Raises `UnknownApiKey`, `ApiKeyOver` and `TooManyApiKeys`, and `InvalidApiKey` for an
        overlap that is too long.
        """
        check_overlap(overlap)
        parts, digest = self._drawn()
        async with self._uow() as uow:
            api_key = _known(await uow.api_keys.hold(key_id=key_id), key_id, owner)
            user = await uow.users.hold(user_id=api_key.user_id)
            now = self._clock.now()
            if user is None or not api_key.is_live(now):
                raise ApiKeyOver("That API key is over: make a new one.")
            successor = api_key.successor(
                key_id=parts.key_id, digest=digest, role=user.role, now=now
            )
            await uow.api_keys.replace(api_key=api_key.retired(later(now, overlap)))
            await _add(uow, successor)
            await uow.commit()
        return IssuedKey(successor, write_api_key(parts))

    async def revoke(self, *, key_id: UUID, owner: UUID | None) -> ApiKey:
        """End a key at once; one that was revoked stays so. Raises `UnknownApiKey`."""
        async with self._uow() as uow:
            api_key = _known(await uow.api_keys.hold(key_id=key_id), key_id, owner)
            api_key = api_key.revoked(self._clock.now())
            await uow.api_keys.replace(api_key=api_key)
            await uow.commit()
        return api_key

    async def authenticate(self, *, key: str, ip: str | None) -> tuple[Principal, KeyUse | None]:
        """Tell who acts with a key, and what they may do, as key and owner are now.

        With it comes the use, where that is worth being noted. Raises `InvalidToken` whatever is
        wrong: with the key, with where it comes from, or with its owner. A misspelt key asks
        nothing of the store.
        """
        parts = read_api_key(key)
        if parts is None:
            raise InvalidToken
        async with self._reading() as uow:
            found = await uow.api_keys.with_owner(key_id=parts.key_id)
        if found is None:
            raise InvalidToken
        api_key, owner = found
        now, address = self._clock.now(), parse_address(ip)
        digest = self._vault.digest(secret=parts.secret)
        is_proved = hmac.compare_digest(digest.encode(), api_key.digest.encode())
        if not is_proved or not api_key.is_good(now, address) or owner.disabled:
            raise InvalidToken
        roles = self._mfa_required_roles
        principal = Principal(
            owner.id,
            owner.username,
            session_id=None,
            scopes=api_key.scopes & scopes_of(owner, roles),
            api_key_id=api_key.id,
            must_enrol=must_enrol(owner, roles),
            good_until=api_key.ends_at,
        )
        return principal, api_key.use_to_note(now, address)

    async def note_use(self, *, use: KeyUse) -> None:
        """Write down that a key was used, apart from the request, which need not wait for it.

        One at a time, so that a store that keeps writers waiting keeps no more than one waiting
        here; another use of the same key meanwhile is not written.
        """
        if use.key_id in self._noting:
            return
        self._noting.add(use.key_id)
        try:
            async with self._turn, self._recording() as uow:
                await uow.api_keys.use(key_id=use.key_id, at=use.at, ip=use.ip)
                await uow.commit()
        finally:
            self._noting.discard(use.key_id)

    def _drawn(self) -> tuple[KeyParts, str]:
        """Draw what a new key says, and the digest that is kept of its secret."""
        parts = KeyParts(self._ids.new_id(), self._secrets.new_secret())
        return parts, self._vault.digest(secret=parts.secret)


async def _add(uow: IdentityUnitOfWork, api_key: ApiKey) -> None:
    """Store a key of a user who is held, so that two at once cannot both be the last."""
    at = api_key.created_at
    if await uow.api_keys.count_live(user_id=api_key.user_id, at=at) >= MOST_LIVE_KEYS:
        detail = f"There are {MOST_LIVE_KEYS} live API keys, the most that a user may have."
        raise TooManyApiKeys(detail)
    await uow.api_keys.add(api_key=api_key)


def _known(api_key: ApiKey | None, asked: UUID, owner: UUID | None) -> ApiKey:
    if api_key is None or owner not in (None, api_key.user_id):
        raise UnknownApiKey(f"There is no API key {asked}.")
    return api_key
