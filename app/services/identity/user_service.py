from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from app.domain.errors import Fault
from app.domain.identity.errors import (
    OwnSecondFactor,
    UnknownUser,
    UsernameTaken,
    WeakPassword,
    WrongPassword,
)
from app.domain.identity.text import fold
from app.domain.identity.users import (
    User,
    UserChanges,
    check_admin_is_left,
    check_email,
    check_new_password,
    check_username,
    may_unseat,
)
from app.domain.principal import Principal, Role
from app.ports.clock import Clock
from app.ports.identity.security import CommonPasswords, PasswordHasher
from app.ports.identity.work import IdentityUnitOfWork, IdentityWork
from app.ports.ids import Ids, Secrets
from app.services.identity.own_password import OwnPassword

FIRST_ADMIN = "admin"
FIRST_PASSWORD_LIFETIME = timedelta(hours=72)


class UserService:
    """Users: who they are, and what an administrator or they themselves change about them."""

    def __init__(  # noqa: PLR0913 - the ports it needs
        self,
        *,
        uow: IdentityWork,
        reading: IdentityWork,
        hasher: PasswordHasher,
        own_password: OwnPassword,
        common: CommonPasswords,
        clock: Clock,
        ids: Ids,
        secrets: Secrets,
    ) -> None:
        self._uow = uow
        self._reading = reading
        self._hasher = hasher
        self._own_password = own_password
        self._common = common
        self._clock = clock
        self._ids = ids
        self._secrets = secrets

    async def create_user(
        self, *, username: str, password: str, email: str | None = None, role: Role = Role.USER
    ) -> User:
        """Register a user.

        Raises `InvalidUser`, `WeakPassword`, `UsernameTaken`, `EmailTaken` and `HasherBusy`.
        """
        user = await self._new_user(username, password, email, role)
        async with self._uow() as uow:
            await uow.users.add(user=user)
            await uow.commit()
        return user

    async def create_first_admin(self) -> tuple[User, str] | None:
        """Where there is no user at all, make one administrator and give its password, once.

        It was shown on a screen: it is good for 72 hours, to be changed within them.
        """
        async with self._reading() as uow:
            if await uow.users.page(after=None, limit=1):
                return None
        password = self._secrets.new_secret()
        user = await self._new_user(FIRST_ADMIN, password, None, Role.ADMIN)
        expires_at = user.created_at + FIRST_PASSWORD_LIFETIME
        user = replace(user, password_expires_at=expires_at)
        try:
            async with self._uow() as uow:
                await uow.users.add(user=user)
                await uow.commit()
        except UsernameTaken:  # by another process that starts at the same time
            return None
        return user, password

    async def get_user_by_id(self, *, user_id: UUID) -> User:
        """Give a user. Raises `UnknownUser`."""
        async with self._reading() as uow:
            return _known(await uow.users.get(user_id=user_id), user_id)

    async def get_user_by_username(self, *, username: str) -> User:
        """Give the user of that name, however it is cased. Raises `UnknownUser`."""
        async with self._reading() as uow:
            key = fold(username)
            return _known((await uow.users.by_usernames(username_keys=[key])).get(key), username)

    async def list_users(self, *, after: UUID | None = None, limit: int = 50) -> list[User]:
        """Give users in the order in which they were made, beyond `after`."""
        async with self._reading() as uow:
            return await uow.users.page(after=after, limit=limit)

    async def change_user(self, *, user_id: UUID, changes: UserChanges) -> User:
        """Change a user as an administrator. Disabling ends all their sessions.

        Raises `UnknownUser`, `InvalidUser`, `EmailTaken`, and `LastAdmin` where nobody would be
        left to administer: of two administrators who unseat each other at once, one does.
        """
        email = changes.get("email")
        if email is not None:
            check_email(email)
        async with self._uow() as uow:
            # Before the user, or two who unseat each other would wait for each other.
            admins = await uow.users.hold_admins() if may_unseat(changes) else []
            user = _known(await uow.users.hold(user_id=user_id), user_id)
            changed = replace(user, **changes)
            check_admin_is_left(user, changed, admins)
            await uow.users.replace(user=changed)
            if changes.get("disabled", False):
                now = self._clock.now()
                await uow.sessions.end_all(user_id=user.id, except_id=None, at=now)
            await uow.commit()
        return changed

    async def set_disabled(self, *, user_id: UUID, disabled: bool) -> User:
        """Disable a user, which ends all their sessions, or enable them again.

        Raises `UnknownUser` and `LastAdmin`.
        """
        return await self.change_user(user_id=user_id, changes={"disabled": disabled})

    async def remove_second_factor(self, *, user_id: UUID, by: Principal | None = None) -> User:
        """Remove the second factor of a user who lost it, which ends all their sessions.

        Where there is none, nothing changes. Raises `UnknownUser`, and `OwnSecondFactor` for the
        principal's own, which a stolen session must not be enough for.
        """
        if by is not None and by.user_id == user_id:
            raise OwnSecondFactor
        async with self._uow() as uow:
            user = _known(await uow.users.hold(user_id=user_id), user_id)
            if await uow.second_factors.remove(user_id=user.id):
                user = replace(user, has_second_factor=False)
                await uow.users.replace(user=user)
                now = self._clock.now()
                await uow.sessions.end_all(user_id=user.id, except_id=None, at=now)
            await uow.commit()
        return user

    async def change_password(
        self, *, principal: Principal, current_password: str, new_password: str
    ) -> None:
        """Change one's own password; all one's other sessions end, and the code of a reset dies.

        Raises `WrongPassword` when the current one is wrong, as `OwnPassword` does, and
        `WeakPassword` for the new.
        """
        self._check_of(await self.get_user_by_id(user_id=principal.user_id), new_password)
        if new_password == current_password:
            faults = [Fault("new_password", "is the current password")]
            raise WeakPassword("That password cannot be set.", faults=faults)
        user = await self._own_password.check(principal=principal, password=current_password)
        hashed = await self._hasher.hash(password=new_password)
        async with self._uow() as uow:
            current = _known(await uow.users.hold(user_id=user.id), user.id)
            if current.password_changed_at != user.password_changed_at:
                raise WrongPassword  # what was checked is no longer the current one
            self._check_of(current, new_password)  # the second factor may be gone by now
            now = self._clock.now()
            await store_password(uow, current, hashed, at=now, keep_session=principal.session_id)
            await uow.commit()

    async def set_password(self, *, user_id: UUID, new_password: str) -> None:
        """Set a user's password as an operator; all their sessions end. Raises `WeakPassword`."""
        user = await self.get_user_by_id(user_id=user_id)
        self._check_of(user, new_password, field="password")
        hashed = await self._hasher.hash(password=new_password)
        async with self._uow() as uow:
            user = _known(await uow.users.hold(user_id=user_id), user_id)
            await store_password(uow, user, hashed, at=self._clock.now(), keep_session=None)
            await uow.commit()

    def _check_of(self, user: User, new_password: str, *, field: str = "new_password") -> None:
        check_new_password(
            new_password,
            username=user.username,
            common=self._common.contains,
            field=field,
            has_second_factor=user.has_second_factor,
        )

    async def _new_user(self, username: str, password: str, email: str | None, role: Role) -> User:
        check_username(username)
        if email is not None:
            check_email(email)
        check_new_password(password, username=username, common=self._common.contains)
        now = self._clock.now()
        return User(
            id=self._ids.new_id(),
            username=username,
            email=email,
            password_hash=await self._hasher.hash(password=password),
            role=role,
            disabled=False,
            created_at=now,
            password_changed_at=now,
        )


async def store_password(
    uow: IdentityUnitOfWork, user: User, hashed: str, *, at: datetime, keep_session: UUID | None
) -> None:
    """Store it, for good; the user's sessions end, but one, and the code of a reset dies."""
    user = replace(user, password_hash=hashed, password_changed_at=at, password_expires_at=None)
    await uow.users.replace(user=user)
    await uow.sessions.end_all(user_id=user.id, except_id=keep_session, at=at)
    await uow.password_resets.remove(user_id=user.id)


def _known(user: User | None, asked: object) -> User:
    if user is None:
        raise UnknownUser(f"There is no user {asked}.")
    return user
