from dataclasses import replace
from datetime import datetime
from uuid import UUID

from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.store import MemoryTransaction
from app.domain.identity.api_keys import ApiKey
from app.domain.identity.errors import UnknownApiKey, UnknownUser
from app.domain.identity.storage import IP, check_api_key
from app.domain.identity.users import User
from app.domain.text import check_storable
from app.ports.identity.api_keys import ApiKeys


class MemoryApiKeys(ApiKeys):
    """The API keys of a `MemoryStore`."""

    def __init__(self, transaction: MemoryTransaction[IdentityState]) -> None:
        self._transaction = transaction

    async def add(self, *, api_key: ApiKey) -> None:
        """Keep the key of a known user."""
        async with self._transaction.statement(writes=True) as rows:
            check_api_key(api_key)
            if api_key.user_id not in rows.users:
                raise UnknownUser(f"There is no user {api_key.user_id}.")
            rows.api_keys[api_key.id] = api_key

    async def with_owner(self, *, key_id: UUID) -> tuple[ApiKey, User] | None:
        """Look the id up, and then the user's."""
        async with self._transaction.statement() as rows:
            api_key = rows.api_keys.get(key_id)
            return None if api_key is None else (api_key, rows.users[api_key.user_id])

    async def hold(self, *, key_id: UUID) -> ApiKey | None:
        """Look the id up as a writer: there is one at a time."""
        async with self._transaction.statement(writes=True) as rows:
            return rows.api_keys.get(key_id)

    async def replace(self, *, api_key: ApiKey) -> None:
        """Keep the key in place of the one of that id."""
        async with self._transaction.statement(writes=True) as rows:
            check_api_key(api_key)
            known = rows.api_keys.get(api_key.id)
            if known is None or known.user_id != api_key.user_id:
                raise UnknownApiKey(f"There is no API key {api_key.id}.")
            rows.api_keys[api_key.id] = api_key

    async def use(self, *, key_id: UUID, at: datetime, ip: str | None) -> None:
        """Change the two fields."""
        async with self._transaction.statement(writes=True) as rows:
            check_storable(ip, IP)
            api_key = rows.api_keys.get(key_id)
            if api_key is not None:
                rows.api_keys[key_id] = replace(api_key, last_used_at=at, last_used_ip=ip)

    async def count_live(self, *, user_id: UUID, at: datetime) -> int:
        """Ask each of them."""
        async with self._transaction.statement() as rows:
            keys = rows.api_keys.values()
            return sum(key.user_id == user_id and key.is_live(at) for key in keys)

    async def page(self, *, user_id: UUID | None, before: UUID | None, limit: int) -> list[ApiKey]:
        """Filter and sort everything."""
        async with self._transaction.statement() as rows:
            found = [
                key
                for key in rows.api_keys.values()
                if user_id in (None, key.user_id) and (before is None or key.id < before)
            ]
            found.sort(key=lambda key: key.id, reverse=True)
            return found[:limit]
