from collections.abc import Sequence
from datetime import datetime

from app.domain.identity.errors import ImportRefused
from app.domain.identity.user_imports import (
    ImportedUser,
    UnreadableLine,
    check_import,
    faults_of_import,
)
from app.domain.identity.users import User
from app.ports.clock import Clock
from app.ports.identity.security import PasswordHasher
from app.ports.identity.work import IdentityWork
from app.ports.ids import Ids


class UserImportService:
    """Users that bring the hashes of their passwords along; their first login makes those anew."""

    def __init__(
        self, *, uow: IdentityWork, hasher: PasswordHasher, clock: Clock, ids: Ids
    ) -> None:
        self._uow = uow
        self._hasher = hasher
        self._clock = clock
        self._ids = ids

    async def import_user(self, *, user: ImportedUser) -> User:
        """Register one user. Raises `InvalidUser`, `UsernameTaken` and `EmailTaken`."""
        check_import(user, accepts=self._accepts)
        imported = self._user(user, self._clock.now())
        async with self._uow() as uow:
            await uow.users.add(user=imported)
            await uow.commit()
        return imported

    async def import_users(self, *, lines: Sequence[ImportedUser | UnreadableLine]) -> list[User]:
        """Register the users of all lines or, raising `ImportRefused` with every fault, none."""
        users = [line for line in lines if isinstance(line, ImportedUser)]
        async with self._uow() as uow:
            keys = {key for user in users for key in user.keys.values()}
            taken = await uow.user_imports.taken(keys=keys)
            faults = list(faults_of_import(lines, accepts=self._accepts, taken=taken))
            if faults:
                raise ImportRefused("Nobody is imported.", faults=faults)
            now = self._clock.now()
            imported = [self._user(user, now) for user in users]
            if imported:
                await uow.user_imports.add_all(users=imported)
                await uow.commit()
        return imported

    def _accepts(self, stored: str) -> bool:
        return self._hasher.accepts(stored=stored)

    def _user(self, user: ImportedUser, now: datetime) -> User:
        return User(
            id=self._ids.new_id(),
            username=user.username,
            email=user.email,
            password_hash=user.password_hash,
            role=user.role,
            disabled=False,
            created_at=now,
            password_changed_at=now,
        )
